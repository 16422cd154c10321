import type { ReactNode } from "react";
import { useEffect, useMemo, useRef, useState } from "react";

import type { RequestFailed } from "../api/client";
import { reason } from "../api/client";
import type { Chain, HostFacts } from "../api/documents";
import { exact, plural, rate } from "../format";
import type { Proof } from "../live/model";
import type { CountedDrop, Counts } from "../live/rates";
import { chainRate } from "../live/rates";
import type { Lookup } from "../lookup";
import { Simulated } from "../panels/Simulated";
import type { Select } from "../selection";
import { ChainDiagram } from "./ChainDiagram";
import { diagramsOf } from "./diagram";

interface ChainViewProps {
  readonly chain: Chain;
  readonly lookup: Lookup;
  readonly hostFacts: ReadonlyMap<string, HostFacts>;
  readonly tier: string;
  readonly counts: Counts | null;
  readonly problem: RequestFailed | null;
  readonly prove: () => Promise<Proof>;
  readonly onSelect: Select;
}

export function ChainView({ chain, lookup, hostFacts, tier, counts, problem, prove, onSelect }: ChainViewProps) {
  const [frame, width] = useWidth();
  const diagrams = useMemo(
    () => diagramsOf(chain, lookup, counts, (host) => hostFacts.get(host)?.dataplane?.bridge ?? ""),
    [chain, lookup, counts, hostFacts],
  );
  return (
    <section className="chain" aria-labelledby="chain-title" data-testid="chain-view">
      <header className="chain-head">
        <h2 id="chain-title">
          Chain <strong>{chain.name}</strong>
        </h2>
        <span className={`state state-${chain.state}`}>{chain.state}</span>
        <span className="chain-rate" data-testid="chain-rate">
          <Simulated tier={tier}>{rate(chainRate(counts)).replace("/s", " packets/s")}</Simulated>
        </span>
        <Directions chain={chain} />
        <Prove prove={prove} />
      </header>
      {problem !== null && (
        <p className="chain-problem" role="alert" data-testid="counts-problem">
          The counters cannot be read: {problem.message}
        </p>
      )}
      <div className="chain-frame" ref={frame}>
        {width > 0 &&
          diagrams.map((diagram) => (
            <ChainDiagram key={diagram.id} diagram={diagram} available={width} tier={tier} onSelect={onSelect} />
          ))}
        {diagrams.length === 0 && <p className="hint">It has no path yet: nothing is programmed for it.</p>}
      </div>
      {counts !== null && <Drops drops={counts.drops} tier={tier} />}
    </section>
  );
}

function Directions({ chain }: { readonly chain: Chain }) {
  return (
    <ul className="directions" aria-label="Directions">
      <li className="forward">→ forward, SPI {chain.forwardSpi}</li>
      {chain.reverseSpi !== null && <li className="reverse">← reverse, SPI {chain.reverseSpi}</li>}
      <li className="faint">SPI/SI above each line, packets and rate below</li>
    </ul>
  );
}

function Prove({ prove }: { readonly prove: () => Promise<Proof> }) {
  const [said, setSaid] = useState<{ readonly mood: string; readonly words: ReactNode } | null>(null);
  const [isBusy, setBusy] = useState(false);
  const run = async (): Promise<void> => {
    setBusy(true);
    try {
      setSaid(verdict(await prove()));
    } catch (error) {
      setSaid({ mood: "bad", words: `could not be checked: ${reason(error)}` });
    }
    setBusy(false);
  };
  return (
    <span className="prove">
      {said !== null && (
        <span className={`proof mood-${said.mood}`} role="status" data-testid="proof">
          {said.words}
        </span>
      )}
      <button type="button" disabled={isBusy} onClick={() => void run()} data-testid="prove">
        {isBusy ? "Proving…" : "Prove now"}
      </button>
    </span>
  );
}

function verdict(proof: Proof): { readonly mood: string; readonly words: string } {
  const drifted = proof.drift.filter((one) => one.missing.length + one.foreign.length > 0).map((one) => one.host);
  if (!proof.proven) {
    return { mood: "bad", words: `${plural(proof.violations.length, "violation")}: ${proof.violations[0] ?? ""}` };
  }
  if (drifted.length > 0) return { mood: "bad", words: `proven, but the tables of ${drifted.join(", ")} differ from it` };
  return { mood: "good", words: `proven with ${exact(proof.packetsTried)} packets on the simulator; the bridges hold these tables` };
}

function Drops({ drops, tier }: { readonly drops: readonly CountedDrop[]; readonly tier: string }) {
  const sorted = [...drops].sort((a, b) => (b.perSecond ?? 0) - (a.perSecond ?? 0) || b.packets - a.packets);
  return (
    <details className="drops" open={sorted.some((drop) => (drop.perSecond ?? 0) > 0)} data-testid="drops">
      <summary>
        <Simulated tier={tier}>
          {sorted.length === 0 ? "No drops on the hosts of this chain" : `Drops on the hosts of this chain: ${plural(sorted.length, "reason")}`}
        </Simulated>
      </summary>
      <ul>
        {sorted.map((drop) => (
          <li key={`${drop.host} ${drop.reason}`} className={(drop.perSecond ?? 0) > 0 ? "drop drop-now" : "drop"}>
            <b>{exact(drop.packets)}</b>
            <span className="drop-rate">{rate(drop.perSecond)}</span>
            <span className="drop-host">{drop.host}</span>
            <span>{drop.reason}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}

function useWidth(): [React.RefObject<HTMLDivElement | null>, number] {
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [frame, width];
}
