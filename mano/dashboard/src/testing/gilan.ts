// A Gi-LAN on three hosts, in the server's own words, for the unit tests.

import type { Chain, Path, Placement, Statistics, Topology } from "../api/documents";
import * as documents from "../api/documents";
import { Lookup } from "../lookup";

type Json = Readonly<Record<string, unknown>>;

const cores = (use: Json): Json[] =>
  [0, 1, 2, 3].map((core) => {
    const cpus = [core, core + 4];
    return { cpus, use: Object.fromEntries(cpus.map((cpu) => [String(cpu), use[String(cpu)] ?? null])) };
  });

const port = (name: string, cpdId: string): Json => ({
  id: `port-${name}-${cpdId}`,
  cpdId,
  interface: `cat${name}`,
  ofport: 10,
  mac: "0a:00:00:00:00:01",
  addresses: [],
  networkId: "net-access",
  ownerId: `vnfc-${name}`,
});

const vnfc = (name: string, cpus: readonly number[]): Json => ({
  id: `vnfc-${name}`,
  name: `${name}/${name}/0`,
  vnfInstanceId: `vnf-${name}`,
  vnfName: name,
  vduId: name,
  cpus,
  numaNodes: [0],
  sf: { awareness: name === "dpi" ? "nsh" : "none", layer: "l2" },
  state: "STARTED",
});

const host = (name: string, fn: string): Json => ({
  name,
  zone: "rack1",
  state: "enabled",
  reachable: true,
  detail: "",
  numaNodes: [
    {
      id: 0,
      socket: 0,
      cores: cores({ "0": "reserved", "1": "shared", "2": `${fn}/${fn}/0`, "6": `${fn}/${fn}/0` }),
      memoryMib: 65536,
      memoryUsedMib: 2048,
      hugepages: { "2048": { total: 1024, used: 512 } },
    },
  ],
  nics: [{ name: "ens1f0", pci: "0000:3b:00.0", numaNode: 0, physnet: "dc1", totalVfs: 8, usedVfs: [] }],
  vnfcs: [vnfc(fn, [2, 6])],
  ports: [port(fn, "in"), port(fn, "out")],
});

export const FUNCTIONS = { h1: "firewall", h2: "dpi", h3: "nat" } as const;

const hop = (si: number, at: keyof typeof FUNCTIONS): Json => {
  const name = FUNCTIONS[at];
  const awareness = name === "dpi" ? "nsh" : "none";
  return { si, host: at, sfId: `sf-${name}`, sfName: name, awareness, layer: "l2", portIn: `port-${name}-in` };
};

export function chainDocument(change: Json = {}): Json {
  const start = { host: "h1", port: "sap-subscribers" };
  const end = { host: "h3", port: "port-nat-in" };
  const terminator = { sfId: "sf-nat", sfName: "nat" };
  return {
    id: "web",
    name: "web",
    nsInstanceId: "ns",
    state: "active",
    version: 1,
    symmetric: true,
    forwardSpi: 57,
    reverseSpi: 58,
    classifiers: [{ priority: 1, text: "tcp destination port 80" }],
    paths: [
      { direction: "forward", spi: 57, hops: [hop(255, "h1"), hop(254, "h2")], ingress: start, egress: end, terminator },
      { direction: "reverse", spi: 58, hops: [hop(255, "h2"), hop(254, "h1")], ingress: end, egress: start, terminator },
    ],
    ...change,
  };
}

export function topologyDocument(change: Json = {}): Json {
  return {
    tier: "root",
    hosts: (["h1", "h2", "h3"] as const).map((name) => host(name, FUNCTIONS[name])),
    networks: [
      { id: "net-access", name: "access", kind: "overlay", vni: 4096, mtu: 1500, subnets: ["10.10.0.0/24"], physicalNetwork: "" },
    ],
    saps: [
      { id: "sap-subscribers", name: "subscribers", host: "h1", addresses: ["10.10.0.2/24"], networkId: "net-access" },
    ],
    nsInstances: [{ id: "ns", name: "gi-lan", state: "INSTANTIATED" }],
    chains: [chainDocument()],
    ...change,
  };
}

export function topology(change: Json = {}): Topology {
  return documents.topology(topologyDocument(change), "topology");
}

export function chain(change: Json = {}): Chain {
  return documents.chain(chainDocument(change), "chain");
}

export function placement(fn: string, at: string): Placement {
  const key = `${fn}/${fn}/0`;
  return { id: key, nsInstanceId: "ns", key, host: at, allocation: { cells: [{ node: 0, cpus: [2, 6] }] }, decision: {} };
}

export function lookup(world: Topology = topology()): Lookup {
  return new Lookup(world, Object.entries(FUNCTIONS).map(([at, fn]) => placement(fn, at)));
}

/** Counters of both directions when `entered` packets went each way and the firewall kept `kept` of the forward ones. */
export function statistics(entered: number, kept = 0): Statistics {
  const path = (one: Path): Json => ({
    direction: one.direction,
    spi: one.spi,
    classified: entered,
    hops: one.hops.map((at, index) => {
      const lost = one.direction === "forward" ? kept : 0;
      const packets = index === 0 ? entered : entered - lost;
      return { si: at.si, host: at.host, sfName: at.sfName, packets, bytes: 0, returned: entered - lost };
    }),
    endPackets: entered - (one.direction === "forward" ? kept : 0),
  });
  return documents.statistics({ paths: chain().paths.map(path), drops: [] }, "statistics");
}
