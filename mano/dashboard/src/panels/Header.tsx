import type { Topology } from "../api/documents";
import { clock, plural } from "../format";
import type { State } from "../live/model";
import { nodeCount } from "../map/layout";

export function Header({ state, topology }: { readonly state: State; readonly topology: Topology }) {
  const vnfcs = topology.hosts.reduce((sum, host) => sum + host.vnfcs.length, 0);
  const parts = [
    plural(topology.hosts.length, "host"),
    plural(topology.nsInstances.length, "network service"),
    plural(vnfcs, "VNFC"),
    plural(topology.chains.length, "chain"),
  ];
  return (
    <header className="top" data-nodes={nodeCount(topology)}>
      <Logo />
      <h1>Catena</h1>
      <TierBadge tier={topology.tier} />
      <p className="summary" data-testid="summary">
        {parts.join(" · ")}
      </p>
      <LiveBadge state={state} />
    </header>
  );
}

function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 20" aria-hidden="true">
      <rect x="1.5" y="4.5" width="16" height="11" rx="5.5" />
      <rect x="14.5" y="4.5" width="16" height="11" rx="5.5" />
    </svg>
  );
}

const TIERS: Readonly<Record<string, string>> = {
  root: "Hosts are network namespaces with Open vSwitch of their own; packets are real",
  user: "Hosts are unprivileged network namespaces with Open vSwitch of their own; packets are real",
  simulated: "Nothing runs: packets go through the simulator, on the tables that Open vSwitch would get",
};

function TierBadge({ tier }: { readonly tier: string }) {
  const words = tier === "simulated" ? "simulated" : `${tier} · real packets`;
  return (
    <span className={`badge tier tier-${tier}`} title={TIERS[tier] ?? ""} data-testid="tier" data-tier={tier}>
      <small>tier</small> {words}
    </span>
  );
}

function LiveBadge({ state }: { readonly state: State }) {
  const { link, staleSince, pictureAt } = state;
  const since = staleSince === null ? "" : `stale since ${clock(staleSince)}`;
  const words: Record<typeof link.status, string> = {
    connecting: "connecting",
    connected: since || "live",
    reconnecting: `reconnecting · ${since}`,
    refused: `refused · ${since}`,
  };
  const mood = link.status === "connected" && staleSince === null ? "live" : link.status === "connecting" ? "wait" : "stale";
  return (
    <p className={`live live-${mood}`} role="status" data-testid="live" data-status={link.status}>
      <span className="dot" aria-hidden="true" />
      {words[link.status]}
      {pictureAt !== null && <small>read {clock(pictureAt)}</small>}
    </p>
  );
}
