// Who is who in a topology: which VNFC owns a port, which placement is a VNFC's, which colour is whose.

import type { Chain, Hop, Host, PathEnd, Placement, Sap, Topology, Vnfc } from "./api/documents";

/** Colours of VDU instances repeat after this many. */
export const COLOURS = 10;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-/;

export interface PlacedVnfc {
  readonly host: Host;
  readonly vnfc: Vnfc;
}

export class Lookup {
  readonly topology: Topology;
  readonly #vnfcs = new Map<string, PlacedVnfc>();
  readonly #ownerOfPort = new Map<string, string>();
  readonly #saps: ReadonlyMap<string, Sap>;
  readonly #colours: ReadonlyMap<string, number>;
  readonly #placements: readonly Placement[];

  constructor(topology: Topology, placements: readonly Placement[]) {
    this.topology = topology;
    this.#placements = placements;
    this.#saps = new Map(topology.saps.map((sap) => [sap.id, sap]));
    for (const host of topology.hosts) {
      for (const vnfc of host.vnfcs) this.#vnfcs.set(vnfc.id, { host, vnfc });
      for (const port of host.ports) this.#ownerOfPort.set(port.id, port.ownerId);
    }
    const keys = [...new Set([...placements.map((placement) => placement.key), ...usersOf(topology)])].sort();
    this.#colours = new Map(keys.map((key, index) => [key, index % COLOURS]));
  }

  vnfc(id: string): PlacedVnfc | undefined {
    return this.#vnfcs.get(id);
  }

  sap(id: string): Sap | undefined {
    return this.#saps.get(id);
  }

  /** The VNFC that a port belongs to. */
  ownerOf(portId: string): PlacedVnfc | undefined {
    return this.#vnfcs.get(this.#ownerOfPort.get(portId) ?? "");
  }

  /** The VNFC behind a hop: by the port where it is handed packets, else by its name on that host. */
  vnfcOfHop(hop: Hop): PlacedVnfc | undefined {
    const owner = hop.portIn === null ? undefined : this.ownerOf(hop.portIn);
    return owner ?? this.#named(hop.host, hop.sfName);
  }

  /** What a path begins or ends at, for people. */
  endName(end: PathEnd): string {
    const sap = this.sap(end.port) ?? this.#onlySapOn(end.host);
    return this.sap(end.port)?.name ?? this.ownerOf(end.port)?.vnfc.vnfName ?? sap?.name ?? `port on ${end.host}`;
  }

  sapOfEnd(end: PathEnd): Sap | undefined {
    if (this.ownerOf(end.port) !== undefined) return undefined;
    return this.sap(end.port) ?? this.#onlySapOn(end.host);
  }

  /** A number 0..COLOURS-1 for a VDU instance's key; null for who is not ours to name. */
  colour(key: string): number | null {
    return this.#colours.get(key) ?? null;
  }

  /** The key under which a VNFC's resources are held: by its pinned CPUs, else by its placement. */
  keyOf(placed: PlacedVnfc): string | null {
    const cpu = placed.vnfc.cpus[0];
    for (const node of placed.host.numaNodes) {
      for (const core of node.cores) {
        const user = cpu === undefined ? undefined : core.use[String(cpu)];
        if (typeof user === "string" && user !== "shared" && user !== "reserved") return user;
      }
    }
    return this.placementOf(placed)?.key ?? null;
  }

  /** The reservation behind a VNFC. Its key ends with the VDU and the instance's index, as the VNFC's name does. */
  placementOf({ host, vnfc }: PlacedVnfc): Placement | undefined {
    const index = vnfc.name.split("/").at(-1) ?? "0";
    const here = this.#placements.filter(
      (placement) => placement.host === host.name && placement.key.endsWith(`/${vnfc.vduId}/${index}`),
    );
    const sameCpus = here.filter((placement) => cpusOf(placement).join() === vnfc.cpus.join());
    const candidates = sameCpus.length > 0 ? sameCpus : here;
    return candidates.find((placement) => vnfc.vnfName.includes(placement.key.split("/")[0] ?? "")) ?? candidates[0];
  }

  #named(host: string, name: string): PlacedVnfc | undefined {
    return [...this.#vnfcs.values()].find(
      (placed) => placed.host.name === host && (placed.vnfc.vnfName === name || placed.vnfc.name === name),
    );
  }

  #onlySapOn(host: string): Sap | undefined {
    const here = this.topology.saps.filter((sap) => sap.host === host);
    return here.length === 1 ? here[0] : undefined;
  }
}

export function cpusOf(placement: Placement): readonly number[] {
  const cells = placement.allocation["cells"];
  if (!Array.isArray(cells)) return [];
  return cells.flatMap((cell: unknown) => {
    const cpus = (cell as { cpus?: unknown } | null)?.cpus;
    return Array.isArray(cpus) ? cpus.filter((cpu): cpu is number => typeof cpu === "number") : [];
  });
}

/** Why a host cannot be reached, without its own name, which stands beside it anyway. */
export function troubleOf(host: Host): string {
  const prefix = `${host.name}: `;
  const text = host.detail.startsWith(prefix) ? host.detail.slice(prefix.length) : host.detail;
  return text || "it does not answer";
}

/** What a logical CPU is used for. */
export type CpuUse = "free" | "reserved" | "shared" | "vdu" | "foreign";

export function cpuUse(user: string | null | undefined): CpuUse {
  if (user === null || user === undefined) return "free";
  if (user === "reserved" || user === "shared") return user;
  return UUID.test(user) ? "foreign" : "vdu";
}

/** Keys of VDU instances that hold CPUs or VFs; an identifier without a name is another tenant's. */
function usersOf(topology: Topology): readonly string[] {
  const cpus = topology.hosts.flatMap((host) =>
    host.numaNodes.flatMap((node) => node.cores.flatMap((core) => Object.values(core.use))),
  );
  const vfs = topology.hosts.flatMap((host) => host.nics.flatMap((nic) => nic.usedVfs.map((used) => used.by)));
  return [...cpus, ...vfs].filter((user): user is string => cpuUse(user) === "vdu");
}

/** VNFCs and SAPs that a chain touches, in the order of its forward path. */
export function stopsOf(chain: Chain, lookup: Lookup): readonly Stop[] {
  const path = chain.paths.find((one) => one.direction === "forward") ?? chain.paths[0];
  if (path === undefined) return [];
  const end = (one: PathEnd): Stop => {
    const sap = lookup.sapOfEnd(one);
    if (sap !== undefined) return { kind: "sap", id: sap.id, host: one.host };
    const owner = lookup.ownerOf(one.port);
    return { kind: "vnfc", id: owner?.vnfc.id ?? "", host: one.host };
  };
  const hops = path.hops.map((hop): Stop => {
    return { kind: "vnfc", id: lookup.vnfcOfHop(hop)?.vnfc.id ?? "", host: hop.host };
  });
  return [end(path.ingress), ...hops, end(path.egress)];
}

export interface Stop {
  readonly kind: "sap" | "vnfc";
  /** "" where the topology does not name it */
  readonly id: string;
  readonly host: string;
}
