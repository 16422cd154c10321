import { describe, expect, it } from "vitest";

import type { Counts } from "../live/rates";
import { count } from "../live/rates";
import { chain, chainDocument, lookup, statistics } from "../testing/gilan";
import { diagramsOf } from "./diagram";
import { edgesOf, groupsOf, trendOf } from "./graph";
import { notesOf } from "./notes";

type Json = Readonly<Record<string, unknown>>;

const bridge = (): string => "br-int";

/** The chain `web` over two firewalls, three of four connections by the first. */
function spread() {
  const [forward, reverse] = chainDocument()["paths"] as readonly Json[];
  const by = (path: Json | undefined, spi: number, share: number): Json => ({
    ...path,
    spi,
    share,
    hops: (path?.["hops"] as readonly Json[]).map((hop) =>
      share < 0.5 && hop["sfName"] === "firewall" ? { ...hop, sfId: "sf-firewall-2", sfName: "firewall-2" } : hop,
    ),
  });
  const instance = (name: string, weight: number): Json => ({ sfId: `sf-${name}`, sfName: name, weight, share: weight / 4 });
  return chain({
    paths: [by(forward, 57, 0.75), by(reverse, 58, 0.75), by(forward, 61, 0.25), by(reverse, 62, 0.25)],
    groups: [
      { group: "fw", spread: true, instances: [instance("firewall", 3), instance("firewall-2", 1)] },
      { group: "dpi", spread: false, instances: [instance("dpi", 1)] },
    ],
  });
}

/** Counters of `one`: each path gained its SPI in packets within a second; `change` is what else they tell of hops. */
function counted(one: ReturnType<typeof spread>, change: Json = {}, more: Json = {}): Counts | null {
  const at = (factor: number) => ({
    ...statistics(0),
    paths: one.paths.map((path) => ({
      direction: path.direction,
      spi: path.spi,
      hops: path.hops.map((hop) => ({
        si: hop.si, host: hop.host, sfName: hop.sfName, packets: path.spi * factor, bytes: 0,
        returned: path.spi * factor, passedBy: 0, active: null, latencyMs: null, drops: [], ...change,
      })),
      endPackets: path.spi * factor, classified: path.spi * factor, latencyMs: null, ingressDrops: [],
    })),
    ...more,
  });
  return count([0, 1].map((factor) => ({ at: factor * 1000, statistics: at(factor) })));
}

describe("a chain that spreads", () => {
  it("is drawn once for each way, with its share and rate", () => {
    const diagrams = diagramsOf(spread(), lookup(), counted(spread()), bridge);
    expect(diagrams.map((one) => [one.id, one.share, one.perSecond])).toEqual([["both-57", 0.75, 57], ["both-61", 0.25, 61]]);
    expect(diagrams.map((one) => one.visits[0]?.stations[0]?.name)).toEqual(["firewall", "firewall-2"]);
  });

  it("tells of every instance what it is handed on all paths", () => {
    const [group, ...others] = groupsOf(spread(), counted(spread()));
    expect(others).toEqual([]);
    expect(group?.instances.map((one) => [one.name, one.share, one.perSecond])).toEqual([
      ["firewall", 0.75, 57 + 58],
      ["firewall-2", 0.25, 61 + 62],
    ]);
  });
});

describe("a function", () => {
  const first = (change: Json, more: Json = {}) => {
    const [diagram] = diagramsOf(spread(), lookup(), counted(spread(), change, more), bridge);
    const station = diagram?.visits[0]?.stations[0];
    if (station === undefined) throw new Error("no station");
    return station;
  };

  it("that works says how many flows it serves and how long the way to it takes", () => {
    expect(notesOf(first({ active: 7, latencyMs: 0.4 })).map((note) => note.text)).toEqual(["7 flows · 0.40 ms"]);
    expect(notesOf(first({}))).toEqual([]);
  });

  it("that is down is told with the reason, and what went past it", () => {
    const down = [{ sfId: "sf-firewall", sfName: "firewall", onFailure: "open", reason: "gives no probe back" }];
    const notes = notesOf(first({ passedBy: 5 }, { down }));
    expect(notes.map((note) => [note.mood, note.text])).toEqual([["bad", "passed by"], ["warn", "10 past it"]]);
    expect(notes[0]?.title).toBe("gives no probe back");
  });

  it("tells its drops by reason, both directions together", () => {
    const drops = [{ reason: "guard", packets: 2 }];
    expect(notesOf(first({ drops })).map((note) => note.title)).toEqual(["4 packets dropped here: guard"]);
  });
});

describe("a graph", () => {
  it("goes on in the chains that follow", () => {
    const web = chain();
    const video = chain({ id: "video", name: "video", after: ["web"], classifiers: [{ priority: 1, text: "udp" }] });
    expect(edgesOf(web, [web, video])).toEqual({ before: [], behind: [{ chain: video, when: ["udp"] }] });
    expect(edgesOf(video, [web, video]).before.map((edge) => [edge.chain.name, edge.when])).toEqual([["web", ["udp"]]]);
  });

  it("of networking-sfc leads from each chain to the next longer one of the same port chain", () => {
    const named = (name: string, portChainId = "pc") => chain({ id: name, name, portChainId });
    const all = [named("a"), named("a/b"), named("a/b/c"), named("a/d", "other")];
    const behind = (index: number) => edgesOf(all[index] ?? chain(), all).behind.map((edge) => edge.chain.name);
    expect([0, 1, 2].map(behind)).toEqual([["a/b"], ["a/b/c"], []]);
  });
});

describe("the trend", () => {
  const sample = (second: number, classified: number, dropped = 0) => ({
    time: new Date(second * 1000).toISOString(), paths: [{ spi: 57, classified }], drops: { guard: dropped },
  });

  it("is the rate between samples, with a gap where counters began anew", () => {
    const trend = trendOf([sample(0, 0), sample(5, 50, 1), sample(10, 0, 3), sample(15, 100, 4)]);
    expect(trend).toEqual({ rates: [10, null, 20], highest: 20, minutes: 1, dropped: 4 });
  });

  it("is not told of fewer than three samples", () => {
    expect(trendOf([sample(0, 0), sample(5, 50)])).toBeNull();
  });
});
