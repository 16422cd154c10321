import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from "react";

import { ChainView } from "./chain/ChainView";
import { plural } from "./format";
import type { LiveModel, Picture, State } from "./live/model";
import { Lookup } from "./lookup";
import { MapView } from "./map/MapView";
import { ChainList } from "./panels/ChainList";
import { Details } from "./panels/Details";
import { EventList } from "./panels/EventList";
import { RefusalList } from "./panels/RefusalList";
import { Header } from "./panels/Header";
import { EmptyNfvi, Loading, ProblemPage, StaleBanner } from "./panels/Notices";
import type { Selection } from "./selection";

interface AppProps {
  readonly model: LiveModel;
  readonly onToken: (token: string) => void;
}

export function App({ model, onToken }: AppProps) {
  const state = useSyncExternalStore(model.subscribe, model.state);
  const { picture, problem } = state;
  useEffect(() => {
    document.title = titleOf(state);
  }, [state]);
  if (problem?.status === 401) return <ProblemPage problem={problem} onRetry={() => model.restart()} onToken={onToken} />;
  if (picture === null) {
    if (problem === null) return <Loading />;
    return <ProblemPage problem={problem} onRetry={() => model.restart()} onToken={onToken} />;
  }
  return <Console model={model} state={state} picture={picture} />;
}

function Console({ model, state, picture }: { readonly model: LiveModel; readonly state: State; readonly picture: Picture }) {
  const { topology, hostFacts, placements } = picture;
  const [selection, setSelection] = useState<Selection | null>(null);
  const lookup = useMemo(() => new Lookup(topology, placements), [topology, placements]);
  const chain = topology.chains.find((one) => one.id === state.chainId) ?? null;
  const isLive = state.link.status === "connected" && state.staleSince === null;
  const close = useCallback(() => setSelection(null), []);
  useEscape(close);
  return (
    <div className={isLive ? "page" : "page page-stale"} data-testid="page">
      <Header state={state} topology={topology} />
      {!isLive && <StaleBanner state={state} onRetry={() => model.restart()} />}
      <nav className="side" aria-label="Chains and events">
        <ChainList
          topology={topology}
          chainId={state.chainId}
          counts={state.counts}
          onSelect={(id) => model.selectChain(id)}
        />
        <RefusalList refusals={picture.refusals} />
        <EventList events={state.events} />
      </nav>
      <main className="work">
        <div className="upper">
          {topology.hosts.length === 0 ? (
            <EmptyNfvi />
          ) : (
            <MapView
              topology={topology}
              hostFacts={hostFacts}
              lookup={lookup}
              chain={chain}
              selection={selection}
              onSelect={setSelection}
            />
          )}
          {selection !== null && (
            <Details selection={selection} lookup={lookup} picture={picture} onSelect={setSelection} onClose={close} />
          )}
        </div>
        {chain !== null && (
          <ChainView
            key={chain.id}
            chain={chain}
            lookup={lookup}
            hostFacts={hostFacts}
            tier={topology.tier}
            counts={state.counts}
            history={state.history}
            onChain={(id) => model.selectChain(id)}
            problem={state.countsProblem}
            prove={() => model.prove(chain.id)}
            onSelect={setSelection}
          />
        )}
      </main>
    </div>
  );
}

function useEscape(call: () => void): void {
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      if (event.key === "Escape") call();
    };
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, [call]);
}

function titleOf({ picture, staleSince }: State): string {
  if (picture === null) return "Catena";
  const lost = picture.topology.hosts.filter((host) => !host.reachable).length;
  const trouble = lost > 0 ? `${plural(lost, "host")} lost · ` : "";
  return `${staleSince === null ? "" : "(stale) "}${trouble}Catena`;
}
