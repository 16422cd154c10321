import type { SubmitEvent } from "react";
import { useState } from "react";

import type { RequestFailed } from "../api/client";
import { tokenInText } from "../api/token";
import { clock } from "../format";
import type { State } from "../live/model";

export function Loading() {
  return (
    <main className="notice" role="status" data-testid="loading">
      <span className="spinner" aria-hidden="true" />
      <p>Reading hosts, functions and chains…</p>
    </main>
  );
}

interface ProblemProps {
  readonly problem: RequestFailed;
  readonly onRetry: () => void;
  readonly onToken: (token: string) => void;
}

export function ProblemPage({ problem, onRetry, onToken }: ProblemProps) {
  if (problem.status === 401) return <TokenNeeded problem={problem} onToken={onToken} />;
  return (
    <main className="notice" role="alert" data-testid="problem">
      <h1>{problem.status === 0 ? "No answer" : `The server refused (${problem.status})`}</h1>
      <p>{problem.message}</p>
      {problem.hint !== "" && <p className="hint">{problem.hint}</p>}
      <button type="button" className="primary" onClick={onRetry}>
        Try again
      </button>
    </main>
  );
}

function TokenNeeded({ problem, onToken }: Pick<ProblemProps, "problem" | "onToken">) {
  const [pasted, setPasted] = useState("");
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const token = tokenInText(pasted);
    if (token !== "") onToken(token);
  };
  return (
    <main className="notice notice-token" data-testid="token-needed">
      <h1>This page needs a token</h1>
      <p role="alert">The server says: {problem.message}.</p>
      <ol>
        <li>
          Open the address that <code>mano serve</code> or <code>mano demo --keep</code> printed. It ends with{" "}
          <code>/ui/#token=…</code> and lets this tab look at everything and change nothing, for 12 hours.
        </li>
        <li>
          Or ask for a token with the client and secret of <code>credentials.json</code> in the server&apos;s data
          directory, and paste it here:
          <pre>
            curl -u catena:SECRET -d grant_type=client_credentials {new URL("../oauth2/token", document.baseURI).href}
          </pre>
        </li>
      </ol>
      <form onSubmit={submit}>
        <label htmlFor="token">Token, or the whole address</label>
        <div className="row">
          <input
            id="token"
            type="password"
            autoComplete="off"
            spellCheck={false}
            value={pasted}
            onChange={(event) => setPasted(event.target.value)}
            data-testid="token-field"
          />
          <button type="submit" className="primary" data-testid="token-submit">
            Use it
          </button>
        </div>
        <p className="hint">It is kept for this tab only and never leaves it but for this server.</p>
      </form>
    </main>
  );
}

export function StaleBanner({ state, onRetry }: { readonly state: State; readonly onRetry: () => void }) {
  const { link, problem, pictureAt, staleSince } = state;
  if (link.status === "connecting" && staleSince === null) return null;
  const why = problem?.message ?? ("why" in link ? link.why : "");
  return (
    <div className="banner" role="alert" data-testid="stale">
      <p>
        <strong>What you see is from {pictureAt === null ? "earlier" : clock(pictureAt)}.</strong> {why}
        {problem?.hint ? ` ${problem.hint}` : ""}
      </p>
      <button type="button" onClick={onRetry}>
        Try now
      </button>
    </div>
  );
}

export function EmptyNfvi() {
  return (
    <section className="notice notice-empty" data-testid="empty-nfvi">
      <h2>No hosts yet</h2>
      <p>Hosts appear here as soon as an Inventory brings them under management:</p>
      <pre>mano host add inventory.yaml</pre>
      <p>
        <code>mano demo --keep</code> makes three hosts with a network service and two chains, and leaves them running.
      </p>
    </section>
  );
}
