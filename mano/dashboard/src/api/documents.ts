// The documents of /mano/v1 as this page reads them. Members that it has no use for are left out.

import { anything, flag, list, map, maybe, number, object, or, text } from "./decode";

export interface Core {
  readonly cpus: readonly number[];
  /** logical CPU -> key of the VDU instance, "reserved", "shared" or null */
  readonly use: Readonly<Record<string, string | null>>;
}

export interface Pages {
  readonly total: number;
  readonly used: number;
}

export interface NumaNode {
  readonly id: number;
  readonly socket: number | null;
  readonly cores: readonly Core[];
  readonly memoryMib: number;
  readonly memoryUsedMib: number;
  /** page size in KiB -> pages */
  readonly hugepages: Readonly<Record<string, Pages>>;
}

export interface Nic {
  readonly name: string;
  readonly pci: string | null;
  readonly numaNode: number | null;
  readonly physnet: string | null;
  readonly totalVfs: number;
  readonly usedVfs: readonly { readonly vf: number; readonly by: string }[];
}

export interface Vnfc {
  readonly id: string;
  readonly name: string;
  readonly vnfInstanceId: string;
  readonly vnfName: string;
  readonly vduId: string;
  readonly cpus: readonly number[];
  readonly numaNodes: readonly number[];
  readonly sf: { readonly awareness: string; readonly layer: string } | null;
  readonly state: string;
}

export interface Port {
  readonly id: string;
  readonly cpdId: string | null;
  readonly interface: string | null;
  readonly ofport: number | null;
  readonly mac: string;
  readonly addresses: readonly string[];
  readonly networkId: string;
  readonly ownerId: string;
  readonly realisation: string | null;
  readonly pci: string | null;
}

export interface Host {
  readonly name: string;
  readonly zone: string;
  readonly state: string;
  readonly reachable: boolean;
  readonly detail: string;
  readonly numaNodes: readonly NumaNode[];
  readonly nics: readonly Nic[];
  readonly vnfcs: readonly Vnfc[];
  readonly ports: readonly Port[];
}

export interface Network {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly vni: number;
  readonly mtu: number;
  readonly subnets: readonly string[];
  readonly physicalNetwork: string | null;
}

export interface Sap {
  /** also the identifier of its port, which chains name as their end */
  readonly id: string;
  readonly name: string;
  readonly host: string | null;
  readonly addresses: readonly string[];
  readonly networkId: string;
  readonly attachment: string | null;
}

export interface NsInstance {
  readonly id: string;
  readonly name: string;
  readonly state: string;
}

export type Direction = "forward" | "reverse";

export interface Hop {
  readonly si: number;
  readonly host: string;
  readonly sfId: string;
  readonly sfName: string;
  readonly awareness: string;
  readonly layer: string;
  /** port that packets are handed to */
  readonly portIn: string | null;
}

export interface PathEnd {
  readonly host: string;
  readonly port: string;
}

/** A way between two hosts, as the packets on it look. */
export interface PathLeg {
  readonly from: string;
  readonly si: number;
  readonly ttl: number;
}

export interface Path {
  readonly direction: Direction;
  readonly spi: number;
  readonly hops: readonly Hop[];
  readonly ingress: PathEnd;
  readonly egress: PathEnd;
  readonly legs: readonly PathLeg[];
  /** a function such as a NAT that the forward path ends at, and where the reverse one begins */
  readonly terminator: { readonly sfId: string; readonly sfName: string } | null;
  /** 0 to 1 of the chain's connections; null where the server does not tell */
  readonly share: number | null;
}

/** A candidate of a group; the share of a spare one is 0. */
export interface Instance {
  readonly sfId: string;
  readonly sfName: string;
  readonly weight: number;
  readonly share: number | null;
}

/** One hop of the intended path: any of its instances will do. */
export interface Group {
  readonly group: string;
  readonly spread: boolean;
  readonly instances: readonly Instance[];
}

export interface Chain {
  readonly id: string;
  readonly name: string;
  readonly nsInstanceId: string;
  readonly state: string;
  readonly version: number;
  readonly symmetric: boolean;
  readonly forwardSpi: number;
  readonly reverseSpi: number | null;
  readonly classifiers: readonly { readonly priority: number; readonly text: string }[];
  readonly paths: readonly Path[];
  readonly groups: readonly Group[];
  /** of a graph: identifiers of the chains at whose end it begins */
  readonly after: readonly string[];
  /** the port chain of networking-sfc that it was made of */
  readonly portChainId: string | null;
}

export interface Topology {
  readonly tier: string;
  readonly hosts: readonly Host[];
  readonly networks: readonly Network[];
  readonly saps: readonly Sap[];
  readonly nsInstances: readonly NsInstance[];
  readonly chains: readonly Chain[];
}

export interface Dataplane {
  readonly bridge: string;
  readonly underlayIp: string;
  readonly underlayMtu: number;
  readonly datapath: string;
}

/** What /mano/v1/hosts knows beyond the topology. */
export interface HostFacts {
  readonly name: string;
  readonly vim: string;
  readonly realisations: Readonly<Record<string, string>>;
  readonly notes: Readonly<Record<string, string>>;
  readonly dataplane: Dataplane | null;
}

export interface Placement {
  readonly id: string;
  readonly nsInstanceId: string;
  readonly key: string;
  readonly host: string;
  readonly allocation: Readonly<Record<string, unknown>>;
  readonly decision: Readonly<Record<string, unknown>>;
}

export interface Refusal {
  readonly id: string;
  readonly key: string;
  readonly refusedAt: string;
  readonly operationEnded: boolean;
  readonly refusal: {
    readonly hosts: number;
    readonly reasons: Readonly<Record<string, number>>;
    readonly nearest: readonly { readonly host: string; readonly short: Readonly<Record<string, number>> }[];
    readonly wouldFitIf: readonly string[];
  };
}

export interface HopStatistics {
  readonly si: number;
  readonly host: string;
  readonly sfName: string;
  readonly packets: number;
  readonly bytes: number;
  /** packets that came back from the function; null where the server does not count them */
  readonly returned: number | null;
  /** past the function while it was down, its policy being open */
  readonly passedBy: number;
  /** connections that the function serves; null where no end tells */
  readonly active: number | null;
  /** of an echo request there and back; null where it was not measured */
  readonly latencyMs: number | null;
  readonly drops: readonly ReasonedDrop[];
}

export interface ReasonedDrop {
  readonly reason: string;
  readonly packets: number;
}

/** A function that does not work, and what becomes of its packets: open, closed or next. */
export interface Down {
  readonly sfId: string;
  readonly sfName: string;
  readonly onFailure: string;
  readonly reason: string;
}

export interface PathStatistics {
  readonly direction: Direction;
  readonly spi: number;
  readonly hops: readonly HopStatistics[];
  readonly endPackets: number;
  /** packets that classification put on the path; null where the server does not count them */
  readonly classified: number | null;
  readonly latencyMs: number | null;
  /** of what its ingress sent, whichever chain it was for */
  readonly ingressDrops: readonly ReasonedDrop[];
}

export interface Drop {
  readonly host: string;
  readonly reason: string;
  readonly packets: number;
}

export interface Statistics {
  readonly paths: readonly PathStatistics[];
  readonly drops: readonly Drop[];
  readonly down: readonly Down[];
}

/** What was counted of a chain at one moment. */
export interface HistorySample {
  readonly time: string;
  readonly paths: readonly { readonly spi: number; readonly classified: number }[];
  readonly drops: Readonly<Record<string, number>>;
}

export interface History {
  readonly everyS: number;
  readonly samples: readonly HistorySample[];
}

export interface CloudEvent {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const direction = (value: unknown): Direction => (value === "reverse" ? "reverse" : "forward");

const core = object<Core>({ cpus: list(number), use: map(maybe(text)) });

const numaNode = object<NumaNode>({
  id: number,
  socket: maybe(number),
  cores: list(core),
  memoryMib: number,
  memoryUsedMib: number,
  hugepages: map(object<Pages>({ total: number, used: number })),
});

const nic = object<Nic>({
  name: text,
  pci: maybe(text),
  numaNode: maybe(number),
  physnet: maybe(text),
  totalVfs: number,
  usedVfs: list(object({ vf: number, by: text })),
});

const vnfc = object<Vnfc>({
  id: text,
  name: text,
  vnfInstanceId: text,
  vnfName: text,
  vduId: text,
  cpus: list(number),
  numaNodes: list(number),
  sf: maybe(object({ awareness: text, layer: text })),
  state: text,
});

const port = object<Port>({
  id: text,
  cpdId: maybe(text),
  interface: maybe(text),
  ofport: maybe(number),
  mac: text,
  addresses: list(text),
  networkId: text,
  ownerId: text,
  realisation: maybe(text),
  pci: maybe(text),
});

const host = object<Host>({
  name: text,
  zone: text,
  state: text,
  reachable: flag,
  detail: or(text, ""),
  numaNodes: list(numaNode),
  nics: list(nic),
  vnfcs: list(vnfc),
  ports: list(port),
});

const end = object<PathEnd>({ host: text, port: text });

const hop = object<Hop>({
  si: number,
  host: text,
  sfId: text,
  sfName: text,
  awareness: text,
  layer: text,
  portIn: maybe(text),
});

const path = object<Path>({
  direction,
  spi: number,
  hops: list(hop),
  ingress: end,
  egress: end,
  legs: or(list(object<PathLeg>({ from: text, si: number, ttl: number })), []),
  terminator: maybe(object({ sfId: text, sfName: text })),
  share: maybe(number),
});

const group = object<Group>({
  group: text,
  spread: or(flag, false),
  instances: list(object<Instance>({ sfId: text, sfName: text, weight: number, share: maybe(number) })),
});

export const chain = object<Chain>({
  id: text,
  name: text,
  nsInstanceId: or(text, ""),
  state: text,
  version: number,
  symmetric: flag,
  forwardSpi: number,
  reverseSpi: maybe(number),
  classifiers: list(object({ priority: number, text })),
  paths: list(path),
  groups: or(list(group), []),
  after: or(list(text), []),
  portChainId: maybe(text),
});

const collator = new Intl.Collator("en", { numeric: true });

function byName<T extends { readonly name: string }>(things: readonly T[]): readonly T[] {
  return [...things].sort((a, b) => collator.compare(a.name, b.name));
}

/** The picture in a fixed order, chains in that of their SPIs: a server may tell it in any, and nothing shall jump. */
export const topology = (value: unknown, at: string): Topology => {
  const read = unordered(value, at);
  return {
    ...read,
    hosts: byName(read.hosts),
    networks: byName(read.networks),
    saps: byName(read.saps),
    chains: [...read.chains].sort((a, b) => a.forwardSpi - b.forwardSpi),
  };
};

const unordered = object<Topology>({
  tier: text,
  hosts: list(host),
  networks: list(
    object<Network>({
      id: text,
      name: text,
      kind: text,
      vni: or(number, 0),
      mtu: number,
      subnets: list(text),
      physicalNetwork: maybe(text),
    }),
  ),
  saps: list(
    object<Sap>({
      id: text,
      name: text,
      host: maybe(text),
      addresses: list(text),
      networkId: text,
      attachment: maybe(text),
    }),
  ),
  nsInstances: list(object<NsInstance>({ id: text, name: text, state: text })),
  chains: list(chain),
});

export const hostFacts = list(
  object<HostFacts>({
    name: text,
    vim: or(text, ""),
    realisations: or(map(text), {}),
    notes: or(map(text), {}),
    dataplane: maybe(
      object<Dataplane>({ bridge: text, underlayIp: text, underlayMtu: number, datapath: or(text, "") }),
    ),
  }),
);

export const placements = list(
  object<Placement>({
    id: text,
    nsInstanceId: or(text, ""),
    key: text,
    host: text,
    allocation: map(anything),
    decision: or(map(anything), {}),
  }),
);

export const refusals = list(
  object<Refusal>({
    id: text,
    key: text,
    refusedAt: or(text, ""),
    operationEnded: or(flag, true),
    refusal: object<Refusal["refusal"]>({
      hosts: number,
      reasons: or(map(number), {}),
      nearest: or(list(object<Refusal["refusal"]["nearest"][number]>({ host: text, short: map(number) })), []),
      wouldFitIf: or(list(text), []),
    }),
  }),
);

const reasonedDrops = or(list(object<ReasonedDrop>({ reason: text, packets: number })), []);

export const statistics = object<Statistics>({
  paths: list(
    object<PathStatistics>({
      direction,
      spi: number,
      hops: list(
        object<HopStatistics>({
          si: number,
          host: text,
          sfName: text,
          packets: number,
          bytes: number,
          returned: maybe(number),
          passedBy: or(number, 0),
          active: maybe(number),
          latencyMs: maybe(number),
          drops: reasonedDrops,
        }),
      ),
      endPackets: number,
      classified: maybe(number),
      latencyMs: maybe(number),
      ingressDrops: reasonedDrops,
    }),
  ),
  drops: list(object<Drop>({ host: text, reason: text, packets: number })),
  down: or(list(object<Down>({ sfId: text, sfName: text, onFailure: text, reason: text })), []),
});

export const history = object<History>({
  everyS: number,
  samples: list(
    object<HistorySample>({
      time: text,
      paths: list(object<HistorySample["paths"][number]>({ spi: number, classified: number })),
      drops: or(map(number), {}),
    }),
  ),
});

export const cloudEvent = object<CloudEvent>({
  id: text,
  type: text,
  subject: or(text, ""),
  time: or(text, ""),
  data: or(map(anything), {}),
});
