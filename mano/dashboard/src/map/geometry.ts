// Sizes of what the map draws. HTML and layout share them, so that what is laid out is what is seen.

import type { Host, NumaNode } from "../api/documents";

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Rect extends Size {
  readonly x: number;
  readonly y: number;
}

export const PAD = 10;
export const GAP = 8;
export const HEADER = 34;
export const FACTS = 22;
export const CELL = { width: 15, height: 12, gap: 4 } as const;
export const NUMA = { padding: 8, title: 18, bar: 21, nic: 20, minWidth: 174 } as const;
export const VNFC = { width: 174, height: 46 } as const;
export const CORES_PER_ROW = 16;
export const COLLAPSED_HOST: Size = { width: 150, height: 84 };
export const NETWORK: Size = { width: 190, height: 58 };
export const SAP: Size = { width: 150, height: 58 };

/** Threads of the widest core: cells stacked in one column. */
export function threads(node: NumaNode): number {
  return Math.max(1, ...node.cores.map((core) => core.cpus.length));
}

function coreRows(node: NumaNode): number {
  return Math.max(1, Math.ceil(node.cores.length / CORES_PER_ROW));
}

function coresHeight(node: NumaNode): number {
  return coreRows(node) * (threads(node) * (CELL.height + 1) + CELL.gap + 2);
}

export function numaSize(node: NumaNode, nics: number): Size {
  const columns = Math.min(node.cores.length, CORES_PER_ROW);
  const width = columns * (CELL.width + CELL.gap) - CELL.gap + 2 * NUMA.padding;
  const bars = 1 + Object.keys(node.hugepages).length;
  const height = NUMA.title + coresHeight(node) + bars * NUMA.bar + nics * NUMA.nic + 2 * NUMA.padding;
  return { width: Math.max(NUMA.minWidth, width), height };
}

export interface HostGeometry extends Size {
  readonly numa: readonly { readonly id: number; readonly rect: Rect }[];
  /** NICs of no known node */
  readonly looseNics: Rect | null;
  readonly vnfcs: readonly { readonly id: string; readonly rect: Rect }[];
}

/** Where everything of a host lies, relative to it: NUMA nodes two in a row, below them its VNFCs. */
export function hostGeometry(host: Host): HostGeometry {
  const sizes = host.numaNodes.map((node) => numaSize(node, nicsOf(host, node.id).length));
  const column = Math.max(NUMA.minWidth, ...sizes.map((size) => size.width));
  const perRow = host.numaNodes.length === 1 ? 1 : 2;
  const inner = Math.max(perRow * column + (perRow - 1) * GAP, 2 * VNFC.width + GAP);
  const wide = perRow === 1 ? inner : (inner - GAP) / 2;
  let y = HEADER + FACTS;
  const numa: { id: number; rect: Rect }[] = [];
  for (let first = 0; first < sizes.length; first += perRow) {
    const row = sizes.slice(first, first + perRow);
    const height = Math.max(...row.map((size) => size.height));
    row.forEach((_, index) => {
      const id = host.numaNodes[first + index]?.id ?? 0;
      numa.push({ id, rect: { x: PAD + index * (wide + GAP), y, width: wide, height } });
    });
    y += height + GAP;
  }
  const loose = looseNicsOf(host).length;
  const looseNics = loose === 0 ? null : { x: PAD, y, width: inner, height: loose * NUMA.nic + 2 * NUMA.padding };
  if (looseNics !== null) y += looseNics.height + GAP;
  const slots = Math.max(1, Math.floor((inner + GAP) / (VNFC.width + GAP)));
  const slotWidth = (inner - (slots - 1) * GAP) / slots;
  const vnfcs = host.vnfcs.map((vnfc, index) => {
    const at = { x: PAD + (index % slots) * (slotWidth + GAP), y: y + Math.floor(index / slots) * (VNFC.height + GAP) };
    return { id: vnfc.id, rect: { ...at, width: slotWidth, height: VNFC.height } };
  });
  // One row is kept free on an empty host too, so that placing the first VNFC moves nothing.
  const rows = Math.max(1, Math.ceil(host.vnfcs.length / slots));
  return { width: inner + 2 * PAD, height: y + rows * (VNFC.height + GAP) + 4, numa, looseNics, vnfcs };
}

export function nicsOf(host: Host, node: number): Host["nics"] {
  return host.nics.filter((nic) => nic.numaNode === node);
}

export function looseNicsOf(host: Host): Host["nics"] {
  const known = new Set(host.numaNodes.map((node) => node.id));
  return host.nics.filter((nic) => nic.numaNode === null || !known.has(nic.numaNode));
}
