import { describe, expect, it } from "vitest";

import type { Chain } from "../api/documents";
import type { Counts } from "../live/rates";
import { count } from "../live/rates";
import { chain, lookup, statistics, topology } from "../testing/gilan";
import type { Diagram } from "./diagram";
import { diagramsOf } from "./diagram";
import type { DiagramLayout } from "./layout";
import { gapOf, layOutDiagram } from "./layout";

const bridge = (): string => "br-int";

function only(one: Chain, counts: Counts | null = null): Diagram {
  const [diagram, ...more] = diagramsOf(one, lookup(), counts, bridge);
  if (diagram === undefined || more.length > 0) throw new Error("not one diagram");
  return diagram;
}

function positions(diagram: Diagram): readonly string[] {
  return diagram.visits.map((visit) =>
    visit.stations.map((station) => `${station.name}: ${station.legs.map((leg) => leg.position ?? "IP").join(" ")}`).join("; "),
  );
}

/** A chain over `hosts` in turn, one function each, in both directions. */
function longChain(hosts: readonly string[]): Chain {
  const hops = hosts.map((host, index) => ({
    si: 255 - index, host, sfId: `sf${index}`, sfName: `sf${index}`, awareness: "nsh", layer: "l2", portIn: null,
  }));
  const back = [...hops].reverse().map((hop, index) => ({ ...hop, si: 255 - index }));
  const start = { host: hosts[0] ?? "", port: "sap-subscribers" };
  const end = { host: hosts.at(-1) ?? "", port: "other-end" };
  return chain({
    paths: [
      { direction: "forward", spi: 57, hops, ingress: start, egress: end },
      { direction: "reverse", spi: 58, hops: back, ingress: end, egress: start },
    ],
  });
}

describe("the diagram of a symmetric chain", () => {
  it("shows both directions in one, with SPI/SI on every leg", () => {
    const diagram = only(chain());
    expect(diagram.visits.map((visit) => visit.host)).toEqual(["h1", "h2", "h3"]);
    expect(positions(diagram)).toEqual([
      "firewall: 57/255 57/254 58/254 58/253",
      "dpi: 57/254 57/253 58/255 58/254",
      "nat: 57/253 IP",
    ]);
    expect(diagram.trunks.map((legs) => legs.map((leg) => leg.position))).toEqual([
      ["57/254", "58/254"],
      ["57/253", "58/255"],
    ]);
    expect(diagram.left?.legs.map((leg) => [leg.position, leg.heading])).toEqual([[null, "right"], ["58/253", "left"]]);
    expect(diagram.left?.name).toBe("subscribers");
    expect(diagram.right).toBeNull();
    expect(diagram.visits.map((visit) => visit.classifies)).toEqual([true, false, true]);
  });

  it("has each leg once", () => {
    const diagram = only(chain());
    const legs = [...diagram.visits.flatMap((visit) => visit.stations.flatMap((one) => one.legs)), ...diagram.trunks.flat(), ...(diagram.left?.legs ?? [])];
    expect(new Set(legs.map((leg) => leg.id)).size).toBe(legs.length);
  });

  it("tells what passed each leg and what a function kept", () => {
    const diagram = only(chain(), count([0, 1000].map((at) => ({ at, statistics: statistics(100 + at / 10, 8) }))));
    const [firewall] = diagram.visits[0]?.stations ?? [];
    expect(firewall?.legs.map((leg) => leg.counted?.total)).toEqual([200, 192, 192 + 8, 200]);
    expect(firewall?.kept).toBe(8);
    expect(diagram.trunks[0]?.map((leg) => leg.counted)).toEqual([
      { total: 192, perSecond: 100 },
      { total: 200, perSecond: 100 },
    ]);
  });

  it("counts nothing that the server does not count", () => {
    const plain = statistics(10);
    const bare = { ...plain, paths: plain.paths.map((path) => ({ ...path, classified: null, hops: path.hops.map((hop) => ({ ...hop, returned: null })) })) };
    const diagram = only(chain(), count([{ at: 0, statistics: bare }]));
    expect(diagram.visits[0]?.stations[0]?.kept).toBeNull();
    expect(diagram.visits[0]?.stations[0]?.legs.map((leg) => leg.counted?.total)).toEqual([10, undefined, 10, undefined]);
    expect(diagram.trunks[0]?.[0]).toMatchObject({ counted: { total: 10 }, note: "arrived on h2" });
  });
});

describe("trouble", () => {
  it("marks a lost host and every leg to it", () => {
    const world = topology();
    const hosts = world.hosts.map((host) => (host.name === "h2" ? { ...host, reachable: false, detail: "no answer" } : host));
    const [diagram] = diagramsOf(chain(), lookup({ ...world, hosts }), null, bridge);
    expect(diagram?.visits.map((visit) => visit.trouble)).toEqual([null, "h2 cannot be reached: no answer", null]);
    expect(diagram?.trunks.flat().every((leg) => leg.trouble !== null)).toBe(true);
    expect(diagram?.visits[0]?.stations[0]?.legs.every((leg) => leg.trouble === null)).toBe(true);
  });

  it("marks a way on which packets are sent and none arrive", () => {
    const stuck = (at: number, sent: number) => {
      const whole = statistics(sent);
      const [forward, reverse] = whole.paths;
      if (forward === undefined || reverse === undefined) throw new Error("no paths");
      const hops = forward.hops.map((hop, index) => (index === 1 ? { ...hop, packets: 5, returned: 5 } : hop));
      return { at, statistics: { ...whole, paths: [{ ...forward, hops }, reverse] } };
    };
    const diagram = only(chain(), count([stuck(0, 100), stuck(1000, 200)]));
    expect(diagram.trunks[0]?.map((leg) => leg.trouble)).toEqual(["h1 sends, nothing arrives on h2", null]);
  });
});

describe("a chain whose directions differ", () => {
  it("has a diagram for each of them", () => {
    const [forward, reverse] = chain().paths;
    if (forward === undefined || reverse === undefined) throw new Error("no paths");
    const other = { ...reverse, hops: reverse.hops.map((hop) => (hop.sfName === "dpi" ? { ...hop, sfId: "sf-dpi-2" } : hop)) };
    const diagrams = diagramsOf({ ...chain(), paths: [forward, other] }, lookup(), null, bridge);
    expect(diagrams.map((diagram) => diagram.directions)).toEqual([["forward"], ["reverse"]]);
    const back = diagrams[1];
    expect(back?.left).toBeNull();
    expect(back?.visits[0]?.stations.map((station) => station.name)).toEqual(["nat"]);
    expect(back?.right?.legs.map((leg) => [leg.position, leg.heading])).toEqual([["58/253", "right"]]);
  });

  it("comes back to a host as often as the path does", () => {
    expect(only(longChain(["h1", "h2", "h1"])).visits.map((visit) => visit.host)).toEqual(["h1", "h2", "h1"]);
  });

  it("without hops goes straight from end to end", () => {
    const path = { direction: "forward", spi: 57, hops: [], ingress: { host: "h1", port: "a" }, egress: { host: "h2", port: "b" } };
    const diagram = only(chain({ paths: [path], symmetric: false, reverseSpi: null }));
    expect(diagram.trunks.flat().map((leg) => leg.position)).toEqual(["57/255"]);
    expect(diagram.right?.name).toBe("port on h2");
  });
});

describe("the drawing", () => {
  const boxesOf = (layout: DiagramLayout) => [...layout.visits, ...layout.outsides];

  it("stands in one row where there is room, and shrinks a little before it wraps", () => {
    const wide = layOutDiagram(only(chain()), 2000);
    expect(wide.rows).toBe(1);
    expect(layOutDiagram(only(chain()), wide.width * 0.9).rows).toBe(1);
    expect(layOutDiagram(only(chain()), wide.width * 0.6).rows).toBeGreaterThan(1);
  });

  it.each([500, 800, 1200, 1600])("of a long chain wraps within %d pixels, and nothing overlaps", (width) => {
    const hosts = Array.from({ length: 20 }, (_, index) => ["h1", "h2", "h3"][index % 3] ?? "h1");
    const layout = layOutDiagram(only(longChain(hosts)), width);
    expect(layout.rows).toBeGreaterThan(3);
    expect(layout.width * layout.scale).toBeLessThanOrEqual(width);
    const boxes = boxesOf(layout);
    boxes.forEach((a, index) => {
      for (const b of boxes.slice(index + 1)) {
        const apart = a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
        expect(apart).toBe(true);
      }
    });
  });

  it("leaves at least 90 pixels for every label, and more for long numbers", () => {
    const diagram = only(chain());
    expect(gapOf(diagram, 0)).toBeGreaterThanOrEqual(90);
    expect(gapOf(diagram, 4)).toBeGreaterThan(gapOf(diagram, 0));
    const layout = layOutDiagram(diagram, 2000);
    for (const { sff, stations } of layout.visits) {
      for (const station of stations) expect(station.x - sff.x - sff.width).toBeGreaterThanOrEqual(90);
    }
  });

  it("keeps every line inside", () => {
    const layout = layOutDiagram(only(longChain(["h1", "h2", "h3", "h1", "h2"])), 900);
    for (const { x, y } of layout.lines.flatMap((line) => [...line.points, line.label])) {
      expect(x).toBeGreaterThanOrEqual(0);
      expect(x).toBeLessThanOrEqual(layout.width);
      expect(y).toBeGreaterThanOrEqual(0);
      expect(y).toBeLessThanOrEqual(layout.height);
    }
  });

  it("points every line in the direction of travel", () => {
    const layout = layOutDiagram(only(chain()), 2000);
    for (const { leg, points } of layout.lines) {
      const [first, last] = [points[0]?.x ?? 0, points.at(-1)?.x ?? 0];
      expect(leg.heading).toBe(first < last ? "right" : "left");
    }
  });
});
