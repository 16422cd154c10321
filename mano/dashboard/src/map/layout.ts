// Where everything lies on the map. Hosts are packed by ELK, in the order of their names and without regard to chains,
// so that nothing jumps when a chain comes or goes; networks and SAPs stand in a strip below them.

import type { Topology } from "../api/documents";
import type { Rect, Size } from "./geometry";
import { COLLAPSED_HOST, hostGeometry, NETWORK, SAP } from "./geometry";

/** With more nodes than this, hosts are drawn as cards and their VNFCs are counted. */
export const COLLAPSE_ABOVE = 150;

/** Free space around hosts: chains run through it. */
export const GUTTER = 44;
const STRIP_GAP = 14;

/** Packs rectangles; the answer has the order of the question. */
export type Pack = (sizes: readonly Size[], targetWidth: number, gap: number) => Promise<readonly Rect[]>;

export interface MapLayout {
  readonly collapsed: boolean;
  readonly hosts: ReadonlyMap<string, Rect>;
  /** absolute; empty when collapsed */
  readonly vnfcs: ReadonlyMap<string, Rect>;
  readonly networks: ReadonlyMap<string, Rect>;
  readonly saps: ReadonlyMap<string, Rect>;
  /** top of the strip of networks and SAPs */
  readonly stripTop: number;
  /** where everything ends */
  readonly bottom: number;
}

export function nodeCount(topology: Topology): number {
  const vnfcs = topology.hosts.reduce((sum, host) => sum + host.vnfcs.length, 0);
  return topology.hosts.length + vnfcs + topology.networks.length + topology.saps.length;
}

/** Everything that the layout depends on: while it stays the same, nothing has to be laid out again. */
export function layoutKey(topology: Topology): string {
  const collapsed = nodeCount(topology) > COLLAPSE_ABOVE;
  const hosts = topology.hosts.map((host) => {
    const { width, height } = collapsed ? COLLAPSED_HOST : hostGeometry(host);
    return [host.name, width, height, ...(collapsed ? [] : host.vnfcs.map((vnfc) => vnfc.id))].join(" ");
  });
  const strip = [...topology.networks, ...topology.saps].map((item) => item.id);
  return [collapsed ? "cards" : "hosts", ...hosts, "|", ...strip].join("\n");
}

export async function layOut(topology: Topology, pack: Pack): Promise<MapLayout> {
  const collapsed = nodeCount(topology) > COLLAPSE_ABOVE;
  const geometries = topology.hosts.map((host) => (collapsed ? null : hostGeometry(host)));
  const sizes = geometries.map((geometry) => geometry ?? COLLAPSED_HOST);
  const rects = await pack(sizes, targetWidth(sizes), GUTTER);
  const hosts = new Map<string, Rect>();
  const vnfcs = new Map<string, Rect>();
  topology.hosts.forEach((host, index) => {
    const at = rects[index];
    const size = sizes[index];
    if (at === undefined || size === undefined) return;
    const rect = { ...at, width: size.width, height: size.height };
    hosts.set(host.name, rect);
    for (const { id, rect: inside } of geometries[index]?.vnfcs ?? []) {
      vnfcs.set(id, { ...inside, x: rect.x + inside.x, y: rect.y + inside.y });
    }
  });
  return { collapsed, hosts, vnfcs, ...strip(topology, [...hosts.values()]) };
}

/** About twice as wide as high, and always whole columns of the widest host. */
function targetWidth(sizes: readonly Size[]): number {
  const widest = Math.max(1, ...sizes.map((size) => size.width)) + GUTTER;
  const area = sizes.reduce((sum, size) => sum + (size.width + GUTTER) * (size.height + GUTTER), 0);
  const columns = sizes.length <= 4 ? sizes.length : Math.ceil(Math.sqrt(area * 2) / widest);
  return Math.max(1, columns) * widest;
}

function strip(topology: Topology, hosts: readonly Rect[]): Pick<MapLayout, "networks" | "saps" | "stripTop" | "bottom"> {
  const right = Math.max(0, ...hosts.map((rect) => rect.x + rect.width));
  const stripTop = Math.max(0, ...hosts.map((rect) => rect.y + rect.height)) + GUTTER + 16;
  const networks = new Map<string, Rect>();
  const saps = new Map<string, Rect>();
  let x = 0;
  let y = stripTop;
  const put = (size: Size): Rect => {
    if (x > 0 && x + size.width > right) {
      x = 0;
      y += Math.max(NETWORK.height, SAP.height) + STRIP_GAP;
    }
    const rect = { x, y, ...size };
    x += size.width + STRIP_GAP;
    return rect;
  };
  for (const network of topology.networks) {
    for (const sap of topology.saps) if (sap.networkId === network.id) saps.set(sap.id, put(SAP));
    networks.set(network.id, put(NETWORK));
  }
  for (const sap of topology.saps) if (!saps.has(sap.id)) saps.set(sap.id, put(SAP));
  const bottom = Math.max(stripTop, ...[...networks.values(), ...saps.values()].map((rect) => rect.y + rect.height));
  return { networks, saps, stripTop, bottom };
}
