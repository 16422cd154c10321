import type { Chain, Topology } from "../api/documents";
import { rate } from "../format";
import type { Counts } from "../live/rates";
import { chainRate } from "../live/rates";
import { Simulated } from "./Simulated";

interface ChainListProps {
  readonly topology: Topology;
  readonly chainId: string | null;
  readonly counts: Counts | null;
  readonly onSelect: (id: string) => void;
}

export function ChainList({ topology, chainId, counts, onSelect }: ChainListProps) {
  const { chains, nsInstances, tier } = topology;
  return (
    <section className="panel chains" aria-labelledby="chains-title">
      <h2 id="chains-title">
        Service chains <span className="amount">{chains.length}</span>
      </h2>
      {chains.length === 0 && (
        <p className="hint" data-testid="no-chains">
          None yet. They come with a network service whose NSD has a VNFFG: <code>mano ns instantiate</code>.
        </p>
      )}
      <ul>
        {chains.map((chain) => (
          <li key={chain.id}>
            <ChainCard
              chain={chain}
              ns={nsInstances.find((ns) => ns.id === chain.nsInstanceId)?.name ?? ""}
              tier={tier}
              isSelected={chain.id === chainId}
              perSecond={chain.id === chainId ? chainRate(counts) : null}
              onSelect={onSelect}
            />
          </li>
        ))}
      </ul>
    </section>
  );
}

interface ChainCardProps {
  readonly chain: Chain;
  readonly ns: string;
  readonly tier: string;
  readonly isSelected: boolean;
  readonly perSecond: number | null;
  readonly onSelect: (id: string) => void;
}

function ChainCard({ chain, ns, tier, isSelected, perSecond, onSelect }: ChainCardProps) {
  return (
    <button
      type="button"
      className={isSelected ? "card card-selected" : "card"}
      aria-pressed={isSelected}
      onClick={() => onSelect(chain.id)}
      data-testid={`chain-${chain.name}`}
    >
      <span className="card-title">
        <strong>{chain.name}</strong>
        <span className={`state state-${chain.state}`}>{chain.state}</span>
        {ns !== "" && <span className="faint">of {ns}</span>}
      </span>
      <span className="card-facts">
        <span className="forward" title="service path identifier of the forward direction">
          SPI {chain.forwardSpi} →
        </span>
        {chain.reverseSpi !== null && (
          <span className="reverse" title="service path identifier of the reverse direction">
            SPI {chain.reverseSpi} ←
          </span>
        )}
        <span className="card-rate" title={isSelected ? "" : "Select it to count its packets"} data-testid={`chain-rate-${chain.name}`}>
          {isSelected ? <Simulated tier={tier}>{rate(perSecond).replace("/s", " packets/s")}</Simulated> : "– packets/s"}
        </span>
      </span>
      {chain.classifiers.map((classifier, index) => (
        <span className="classifier" key={index}>
          {classifier.text}
        </span>
      ))}
    </button>
  );
}
