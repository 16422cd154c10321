import { memo, useMemo } from "react";

import type { Chain, Topology } from "../api/documents";
import type { Lookup } from "../lookup";
import { stopsOf } from "../lookup";
import type { MapLayout } from "./layout";
import type { MapLeg } from "./routes";
import { labelPlace, route, svgPath } from "./routes";

interface ChainLinesProps {
  readonly topology: Topology;
  readonly lookup: Lookup;
  readonly layout: MapLayout;
  readonly chainId: string | null;
}

/** More chains than this would hide the map: the focused one is drawn alone. */
const MOST_LINES = 12;
const LABEL_WIDTH = 90;

/** The ways of the chains over the map; the focused one bold, with its positions. */
export const ChainLines = memo(function ChainLines({ topology, lookup, layout, chainId }: ChainLinesProps) {
  const drawn = useMemo(() => {
    const few = topology.chains.length <= MOST_LINES;
    return topology.chains
      .map((chain, index) => ({ chain, legs: route(stopsOf(chain, lookup), layout, index) }))
      .filter(({ chain }) => few || chain.id === chainId)
      .sort((a, b) => Number(a.chain.id === chainId) - Number(b.chain.id === chainId));
  }, [topology, lookup, layout, chainId]);
  const lost = new Set(topology.hosts.filter((host) => !host.reachable).map((host) => host.name));
  return (
    <svg className="chain-lines" aria-hidden="true">
      <defs>
        {["forward", "trouble"].map((kind) => (
          <marker key={kind} id={`map-${kind}`} viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
            <path d="M 0 0 L 8 4 L 0 8 z" className={`arrow-${kind}`} />
          </marker>
        ))}
      </defs>
      {drawn.map(({ chain, legs }) => (
        <ChainLine key={chain.id} chain={chain} legs={legs} lost={lost} isFocused={chain.id === chainId} />
      ))}
    </svg>
  );
});

interface ChainLineProps {
  readonly chain: Chain;
  readonly legs: readonly MapLeg[];
  readonly lost: ReadonlySet<string>;
  readonly isFocused: boolean;
}

function ChainLine({ chain, legs, lost, isFocused }: ChainLineProps) {
  return (
    <g className={isFocused ? "chain-line chain-line-focused" : "chain-line"} data-testid={`map-chain-${chain.name}`}>
      {legs.map(({ points, passed, hosts }) => {
        const d = svgPath(points);
        const isLost = hosts.some((host) => lost.has(host));
        const arrow = isLost ? "url(#map-trouble)" : "url(#map-forward)";
        const at = isFocused ? labelPlace(points, LABEL_WIDTH) : null;
        return (
          <g key={passed} className={isLost ? "chain-leg-lost" : undefined}>
            {isFocused && <path d={d} className="chain-halo" />}
            <path d={d} className="chain-stroke" markerEnd={isFocused ? arrow : undefined} />
            {at !== null && (
              <text x={at.x} y={at.y + 3.5} className="chain-position">
                {chain.forwardSpi}/{255 - passed}
              </text>
            )}
          </g>
        );
      })}
    </g>
  );
}
