import type { ReactNode } from "react";
import { useEffect, useMemo, useRef, useState } from "react";

import type { RequestFailed } from "../api/client";
import { reason } from "../api/client";
import type { Chain, HistorySample, HostFacts } from "../api/documents";
import { exact, plural, rate } from "../format";
import type { Proof } from "../live/model";
import type { CountedDrop, Counts } from "../live/rates";
import { chainRate } from "../live/rates";
import type { Lookup } from "../lookup";
import { Simulated } from "../panels/Simulated";
import type { Select } from "../selection";
import { ChainDiagram } from "./ChainDiagram";
import { DownList, Edges, Sparkline, Spread } from "./ChainGraph";
import type { Diagram } from "./diagram";
import { diagramsOf } from "./diagram";
import { edgesOf, groupsOf } from "./graph";

interface ChainViewProps {
  readonly chain: Chain;
  readonly lookup: Lookup;
  readonly hostFacts: ReadonlyMap<string, HostFacts>;
  readonly tier: string;
  readonly counts: Counts | null;
  readonly history: readonly HistorySample[];
  readonly onChain: (id: string) => void;
  readonly problem: RequestFailed | null;
  readonly prove: () => Promise<Proof>;
  readonly onSelect: Select;
}

export function ChainView({ chain, lookup, hostFacts, tier, counts, history, problem, prove, onSelect, onChain }: ChainViewProps) {
  const [frame, width] = useWidth();
  const diagrams = useMemo(
    () => diagramsOf(chain, lookup, counts, (host) => hostFacts.get(host)?.dataplane?.bridge ?? ""),
    [chain, lookup, counts, hostFacts],
  );
  const groups = useMemo(() => groupsOf(chain, counts), [chain, counts]);
  const { before, behind } = useMemo(() => edgesOf(chain, lookup.topology.chains), [chain, lookup]);
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
        <Sparkline samples={history} />
        <Directions chain={chain} counts={counts} />
        <Prove prove={prove} />
      </header>
      {problem !== null && (
        <p className="chain-problem" role="alert" data-testid="counts-problem">
          The counters cannot be read: {problem.message}
        </p>
      )}
      {counts !== null && counts.down.length > 0 && <DownList down={counts.down} />}
      {before.length + behind.length > 0 && <Edges before={before} behind={behind} onChain={onChain} />}
      {groups.length > 0 && <Spread groups={groups} word={tier === "simulated" ? " (simulated)" : ""} />}
      <div className="chain-frame" ref={frame}>
        {width > 0 &&
          diagrams.map((diagram) => (
            <div key={diagram.id}>
              {diagrams.length > 1 && <h3 className="way">{wayText(diagram)}</h3>}
              <ChainDiagram diagram={diagram} available={width} tier={tier} onSelect={onSelect} />
            </div>
          ))}
        {diagrams.length === 0 && <p className="hint">It has no path yet: nothing is programmed for it.</p>}
      </div>
      {counts !== null && <Drops drops={counts.drops} tier={tier} />}
    </section>
  );
}

/** A way of a chain that spreads, or one direction of a chain whose directions differ. */
function wayText({ directions, share, perSecond, visits }: Diagram): string {
  const names = visits.flatMap((visit) => visit.stations.map((station) => station.name));
  const part = share === null || share === 1 ? "" : share === 0 ? "no new connections" : `${Math.round(share * 100)} % of connections`;
  return [directions.join(" and "), part, rate(perSecond), names.join(" → ")].filter((text) => text !== "").join(" · ");
}

function Directions({ chain, counts }: { readonly chain: Chain; readonly counts: Counts | null }) {
  const took = (spi: number | null): string => {
    const ms = counts?.paths.find((path) => path.spi === spi)?.latencyMs ?? null;
    return ms === null ? "" : `, ${ms.toFixed(2)} ms there and back`;
  };
  return (
    <ul className="directions" aria-label="Directions">
      <li className="forward">→ forward, SPI {chain.forwardSpi}{took(chain.forwardSpi)}</li>
      {chain.reverseSpi !== null && <li className="reverse">← reverse, SPI {chain.reverseSpi}{took(chain.reverseSpi)}</li>}
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
