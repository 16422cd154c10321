import { describe, expect, it } from "vitest";

import type { Host } from "../api/documents";
import { cpuUse, stopsOf } from "../lookup";
import { lookup, topology } from "../testing/gilan";
import type { Rect } from "./geometry";
import { hostGeometry, NUMA } from "./geometry";
import { highlighted } from "./highlight";
import type { Pack } from "./layout";
import { COLLAPSE_ABOVE, layoutKey, layOut } from "./layout";
import { labelPlace, route, svgPath } from "./routes";

const inRow: Pack = (sizes, _, gap) => {
  let x = 0;
  const rects = sizes.map((size) => {
    const rect = { x, y: 0, ...size };
    x += size.width + gap;
    return rect;
  });
  return Promise.resolve(rects);
};

function hostNamed(name: string): Host {
  const host = topology().hosts.find((one) => one.name === name);
  if (host === undefined) throw new Error(name);
  return host;
}

function overlap(a: Rect, b: Rect): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

describe("a host's geometry", () => {
  it("holds its parts side by side, inside it", () => {
    const node = hostNamed("h1").numaNodes[0];
    if (node === undefined) throw new Error("no node");
    const host = { ...hostNamed("h1"), numaNodes: [node, { ...node, id: 1 }, { ...node, id: 2 }] };
    const geometry = hostGeometry(host);
    const parts = [...geometry.numa, ...geometry.vnfcs].map((part) => part.rect);
    parts.forEach((part, index) => {
      expect(part.x + part.width).toBeLessThanOrEqual(geometry.width);
      expect(part.y + part.height).toBeLessThanOrEqual(geometry.height);
      expect(parts.slice(index + 1).some((other) => overlap(part, other))).toBe(false);
    });
  });

  it("has room for a first VNFC on an empty host, so that nothing moves", () => {
    const empty = { ...hostNamed("h1"), vnfcs: [] };
    expect(hostGeometry(empty).height).toBe(hostGeometry(hostNamed("h1")).height);
  });

  it("has a size without NUMA nodes and with NICs of no known node", () => {
    const [nic] = hostNamed("h1").nics;
    if (nic === undefined) throw new Error("no NIC");
    const geometry = hostGeometry({ ...hostNamed("h1"), numaNodes: [], nics: [{ ...nic, numaNode: null }] });
    expect(geometry.width).toBeGreaterThan(NUMA.minWidth);
    expect(geometry.looseNics).not.toBeNull();
  });
});

describe("the map's layout", () => {
  it("does not depend on chains", () => {
    expect(layoutKey(topology())).toBe(layoutKey(topology({ chains: [] })));
  });

  it("puts VNFCs on their hosts and the networks below", async () => {
    const layout = await layOut(topology(), inRow);
    const host = layout.hosts.get("h2");
    const vnfc = layout.vnfcs.get("vnfc-dpi");
    if (host === undefined || vnfc === undefined) throw new Error("not laid out");
    expect(overlap(host, vnfc)).toBe(true);
    expect(layout.networks.get("net-access")?.y).toBeGreaterThan(host.y + host.height);
  });

  it("collapses hosts when there are very many", async () => {
    const hosts = Array.from({ length: COLLAPSE_ABOVE + 1 }, (_, index) => ({ ...hostNamed("h1"), name: `h${index}`, vnfcs: [] }));
    const layout = await layOut({ ...topology(), hosts }, inRow);
    expect(layout.collapsed).toBe(true);
    expect(layout.vnfcs.size).toBe(0);
    expect(layout.hosts.size).toBe(COLLAPSE_ABOVE + 1);
  });
});

describe("a chain on the map", () => {
  it("stops at its SAP, its functions and the one that ends it", () => {
    const [chain] = topology().chains;
    if (chain === undefined) throw new Error("no chain");
    expect(stopsOf(chain, lookup()).map((stop) => stop.id)).toEqual(["sap-subscribers", "vnfc-firewall", "vnfc-dpi", "vnfc-nat"]);
  });

  it("runs in the gutters: no line crosses a host but to its own function", async () => {
    const layout = await layOut(topology(), inRow);
    const [chain] = topology().chains;
    if (chain === undefined) throw new Error("no chain");
    const legs = route(stopsOf(chain, lookup()), layout, 0);
    expect(legs).toHaveLength(3);
    expect(legs.map((leg) => leg.hosts.join())).toEqual(["h1,h1", "h1,h2", "h2,h3"]);
    const bottom = Math.max(...[...layout.hosts.values()].map((rect) => rect.y + rect.height));
    for (const { points } of legs) {
      const across = points.filter((point, index) => points[index + 1]?.y === point.y);
      expect(across.every((point) => point.y > bottom)).toBe(true);
    }
  });

  it("is orthogonal, with labels only where they fit", () => {
    const points = [
      { x: 0, y: 0 },
      { x: 0, y: 20 },
      { x: 200, y: 20 },
      { x: 200, y: 0 },
    ];
    expect(svgPath(points)).toBe("M 0 0 L 0 12 Q 0 20 8 20 L 192 20 Q 200 20 200 12 L 200 0");
    expect(labelPlace(points, 90)).toEqual({ x: 100, y: 20 });
    expect(labelPlace(points, 300)).toBeNull();
  });
});

describe("who is who", () => {
  it("finds a VNFC's key and placement, and the owners of ports", () => {
    const found = lookup();
    const placed = found.vnfc("vnfc-dpi");
    if (placed === undefined) throw new Error("no VNFC");
    expect(found.keyOf(placed)).toBe("dpi/dpi/0");
    expect(found.placementOf(placed)?.key).toBe("dpi/dpi/0");
    expect(found.ownerOf("port-dpi-in")).toBe(placed);
  });

  it("gives every VDU instance its colour, in the order of the keys", () => {
    expect(["dpi/dpi/0", "firewall/firewall/0", "nat/nat/0", "unknown"].map((key) => lookup().colour(key))).toEqual([0, 1, 2, null]);
  });

  it("tells another tenant's CPUs from ours", () => {
    const foreign = "3f0c2b1e-0000-4000-8000-000000000000";
    expect([null, "reserved", "shared", "a/b/0", foreign].map(cpuUse)).toEqual(["free", "reserved", "shared", "vdu", "foreign"]);
  });

  it("lights the members of a network", () => {
    const lit = highlighted({ kind: "network", id: "net-access" }, topology());
    expect([...lit].sort()).toEqual(["sap-subscribers", "vnfc-dpi", "vnfc-firewall", "vnfc-nat"]);
  });
});
