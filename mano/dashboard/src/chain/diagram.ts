// What the chain view says: every leg of a chain with its position (SPI/SI), its counters and what is wrong with it.
// Where a symmetric chain's directions meet the same functions, one diagram shows both; else each has its own.

import type { Chain, Direction, Down, Path, ReasonedDrop } from "../api/documents";
import type { Counted, CountedHop, CountedPath, Counts } from "../live/rates";
import type { Lookup, PlacedVnfc } from "../lookup";
import { troubleOf } from "../lookup";

/** RFC 8300 section 2.3: the service index that a classifier sets. */
const SI_FIRST = 255;
/** A path that carries less than this is no proof that something is stuck. */
const FLOWING = 1;

export type LegKind = "enter" | "out" | "back" | "trunk" | "exit";

/** One line of the drawing. */
export interface Leg {
  readonly id: string;
  readonly kind: LegKind;
  readonly direction: Direction;
  readonly heading: "right" | "left";
  /** SPI/SI of the packets on it; null for plain packets without NSH */
  readonly position: string | null;
  readonly counted: Counted | null;
  /** where the counter is */
  readonly note: string;
  /** how packets get from one host to the next; empty within a host */
  readonly way: string;
  readonly trouble: string | null;
}

/** A service function, or the function that a chain ends at. */
export interface Station {
  readonly id: string;
  readonly vnfcId: string | null;
  /** its colour on the map */
  readonly colour: number | null;
  readonly name: string;
  readonly kind: string;
  /** packets that were handed to it and did not come back; null where that is not counted */
  readonly kept: number | null;
  /** why it does not work, and what becomes of its packets; null while it does */
  readonly down: Down | null;
  /** packets that went past it while it was down */
  readonly passedBy: Counted | null;
  /** what it sent, or was to be handed, and was dropped */
  readonly drops: readonly ReasonedDrop[];
  readonly active: number | null;
  readonly latencyMs: number | null;
  readonly legs: readonly Leg[];
}

/** A host that the path passes, once for each time that it comes there. */
export interface Visit {
  readonly host: string;
  readonly zone: string;
  readonly bridge: string;
  readonly trouble: string | null;
  readonly classifies: boolean;
  readonly stations: readonly Station[];
}

/** What lies outside: the SAP where packets come from, or go to. */
export interface Outside {
  readonly name: string;
  /** of what it sent */
  readonly drops: readonly ReasonedDrop[];
  readonly legs: readonly Leg[];
}

export interface Diagram {
  readonly id: string;
  /** 0 to 1 of the chain's connections; null where the server does not tell */
  readonly share: number | null;
  /** packets per second that enter it; null while not known */
  readonly perSecond: number | null;
  readonly directions: readonly Direction[];
  readonly visits: readonly Visit[];
  /** between visit n and visit n + 1 */
  readonly trunks: readonly (readonly Leg[])[];
  readonly left: Outside | null;
  readonly right: Outside | null;
}

export type BridgeOf = (host: string) => string;

export function diagramsOf(chain: Chain, lookup: Lookup, counts: Counts | null, bridgeOf: BridgeOf): readonly Diagram[] {
  const world: World = { lookup, bridgeOf, counts };
  const ways = waysOf(chain.paths);
  return ways.flatMap(([forward, reverse]) => {
    const named = (id: string, path: Path): string => (ways.length > 1 ? `${id}-${path.spi}` : id);
    if (reverse !== null && mirrors(forward, reverse)) return [draw(named("both", forward), forward, world, reverse)];
    const each = reverse === null ? [forward] : [forward, reverse];
    return each.map((path) => draw(named(path.direction, path), path, world, null));
  });
}

/** Every forward path with the one back: a chain that spreads has as many as there are ways over its instances. */
function waysOf(paths: readonly Path[]): readonly (readonly [Path, Path | null])[] {
  const ways: [Path, Path | null][] = [];
  for (const path of paths) {
    const last = ways.at(-1);
    if (path.direction === "reverse" && last?.[0].direction === "forward" && last[1] === null) last[1] = path;
    else ways.push([path, null]);
  }
  return ways;
}

interface World {
  readonly lookup: Lookup;
  readonly bridgeOf: BridgeOf;
  readonly counts: Counts | null;
}

interface Stage {
  readonly host: string;
  /** indices into the path's hops */
  readonly hops: readonly number[];
}

/** The hosts in the order in which packets pass them, each with the hops that it serves in one go. */
function stagesOf(path: Path): readonly Stage[] {
  const stages: { host: string; hops: number[] }[] = [{ host: path.ingress.host, hops: [] }];
  const at = (host: string): { host: string; hops: number[] } => {
    let last = stages.at(-1);
    if (last?.host !== host) stages.push((last = { host, hops: [] }));
    return last;
  };
  path.hops.forEach((hop, index) => at(hop.host).hops.push(index));
  at(path.egress.host);
  return stages;
}

function mirrors(forward: Path, reverse: Path): boolean {
  const there = forward.hops.map((hop) => `${hop.host} ${hop.sfId}`);
  const back = reverse.hops.map((hop) => `${hop.host} ${hop.sfId}`).reverse();
  const ends = forward.ingress.host === reverse.egress.host && forward.egress.host === reverse.ingress.host;
  const same = there.length === back.length && there.every((hop, index) => hop === back[index]);
  return ends && same && forward.terminator?.sfId === reverse.terminator?.sfId;
}

function draw(id: string, path: Path, world: World, reverse: Path | null): Diagram {
  const there = legsOf(path, world, "right");
  const back = reverse === null ? null : legsOf(reverse, world, "left");
  const both = (first: Leg | undefined, second: Leg | undefined): readonly Leg[] =>
    [first, second].filter((leg) => leg !== undefined);
  const stages = stagesOf(path);
  const last = stages.length - 1;
  const mirrored = (count: number, index: number): number => count - 1 - index;
  const hops = path.hops.length;

  const visits = stages.map((stage, index): Visit => {
    const stations = stage.hops.map((hop): Station => {
      const other = mirrored(hops, hop);
      const legs = [there.out[hop], there.back[hop], back?.out[other], back?.back[other]];
      return {
        ...functionOf(path, hop, world),
        ...seenOf(world, path, hop, reverse === null ? null : [reverse, other]),
        kept: keptOf(legs),
        legs: legs.filter((leg) => leg !== undefined),
      };
    });
    return { ...hostOf(stage.host, world), classifies: index === 0 || (back !== null && index === last), stations };
  });
  const trunks = stages.slice(1).map((_, index) => both(there.trunk[index], back?.trunk[mirrored(last, index)]));
  const begin = both(there.enter, back?.exit);
  const end = both(there.exit, back?.enter);
  const name = { begin: world.lookup.endName(path.ingress), end: world.lookup.endName(path.egress) };
  const startsInside = path.terminator !== null && path.direction === "reverse";
  const endsInside = path.terminator !== null && !startsInside;
  return {
    id,
    share: path.share,
    perSecond: (countedOf(world, path)?.classified ?? countedOf(world, path)?.hops[0]?.handed)?.perSecond ?? null,
    directions: reverse === null ? [path.direction] : ["forward", "reverse"],
    visits: visits.map((visit, index) => {
      const inside = (startsInside && index === 0) || (endsInside && index === last);
      const station = inside ? [terminator(path, startsInside ? begin : end, world, startsInside ? path : reverse)] : [];
      return { ...visit, stations: [...visit.stations, ...station] };
    }),
    trunks,
    left: startsInside ? null : { name: name.begin, legs: begin, drops: sentBy(world, path) },
    right: endsInside ? null : { name: name.end, legs: end, drops: sentBy(world, reverse) },
  };
}

function countedOf(world: World, path: Path | null): CountedPath | undefined {
  return path === null ? undefined : world.counts?.paths.find((one) => one.spi === path.spi);
}

function sentBy(world: World, path: Path | null): readonly ReasonedDrop[] {
  return countedOf(world, path)?.ingressDrops ?? [];
}

type Seen = Pick<Station, "down" | "passedBy" | "drops" | "active" | "latencyMs">;

/** What is known of a function beside its legs, both directions together. */
function seenOf(world: World, path: Path, hop: number, other: readonly [Path, number] | null): Seen {
  const there = countedOf(world, path)?.hops[hop];
  const back = other === null ? undefined : countedOf(world, other[0])?.hops[other[1]];
  const passed = [there?.passedBy, back?.passedBy].filter((one) => one !== undefined);
  const rates = passed.map((one) => one.perSecond).filter((value) => value !== null);
  const total = passed.reduce((sum, one) => sum + one.total, 0);
  return {
    down: world.counts?.down.find((one) => one.sfId === path.hops[hop]?.sfId) ?? null,
    passedBy: total === 0 ? null : { total, perSecond: rates.length === 0 ? null : rates.reduce((a, b) => a + b, 0) },
    drops: together([...(there?.drops ?? []), ...(back?.drops ?? [])]),
    active: there?.active ?? null,
    latencyMs: there?.latencyMs ?? null,
  };
}

/** One entry for each reason. */
function together(drops: readonly ReasonedDrop[]): readonly ReasonedDrop[] {
  const sums = new Map<string, number>();
  for (const { reason, packets } of drops) sums.set(reason, packets + (sums.get(reason) ?? 0));
  return [...sums].map(([reason, packets]) => ({ reason, packets }));
}

interface Legs {
  readonly enter: Leg;
  readonly out: readonly Leg[];
  readonly back: readonly Leg[];
  readonly trunk: readonly Leg[];
  readonly exit: Leg;
}

function legsOf(path: Path, world: World, along: "right" | "left"): Legs {
  const counted = world.counts?.paths.find((one) => one.spi === path.spi);
  const endSi = SI_FIRST - path.hops.length;
  const dead = (host: string): string | null => hostOf(host, world).trouble;
  const leg = (kind: LegKind, si: number | null, more: Pick<Leg, "counted" | "note"> & Partial<Leg>): Leg => ({
    id: `${path.spi}-${si ?? "plain"}-${kind}`,
    kind,
    direction: path.direction,
    heading: along,
    position: si === null ? null : `${path.spi}/${si}`,
    way: "",
    trouble: null,
    ...more,
  });
  const stages = stagesOf(path);
  const first = path.ingress.host;
  const final = path.egress.host;
  // A function stands on the right of its SFF: what begins at one runs left, whatever the path's heading.
  const startsInside = path.terminator !== null && path.direction === "reverse";
  return {
    enter: leg("enter", null, {
      heading: startsInside ? "left" : along,
      counted: counted?.classified ?? null,
      note: `classified on ${first}`,
      trouble: dead(first),
    }),
    out: path.hops.map((hop, index) =>
      leg("out", hop.si, {
        heading: "right",
        counted: counted?.hops[index]?.handed ?? null,
        note: `handed to ${hop.sfName} on ${hop.host}`,
        trouble: dead(hop.host),
      }),
    ),
    back: path.hops.map((hop, index) =>
      leg("back", hop.si - 1, {
        heading: "left",
        counted: counted?.hops[index]?.returned ?? null,
        note: `back from ${hop.sfName} on ${hop.host}`,
        trouble: dead(hop.host),
      }),
    ),
    trunk: stages.slice(1).map((stage, index) => {
      const done = stages.slice(0, index + 1).reduce((sum, one) => sum + one.hops.length, 0);
      const from = stages[index]?.host ?? "";
      const ttl = path.legs.find((one) => one.from === from && one.si === SI_FIRST - done)?.ttl;
      const { sent, received } = acrossTrunk(counted, done, path.hops.length);
      const next = path.hops[done]?.sfId;
      const isClosed = world.counts?.down.some((one) => one.sfId === next) === true;
      const stuck = !isClosed && flows(sent) && received?.perSecond === 0;
      return leg("trunk", SI_FIRST - done, {
        counted: sent ?? received,
        note: sent === null ? `arrived on ${stage.host}` : `sent by ${from}`,
        way: `${from} to ${stage.host} in VXLAN-GPE${ttl === undefined ? "" : `, TTL ${ttl}`}`,
        trouble: dead(from) ?? dead(stage.host) ?? (stuck ? `${from} sends, nothing arrives on ${stage.host}` : null),
      });
    }),
    exit: leg("exit", endSi, {
      counted: counted?.ended ?? null,
      note: `NSH off on ${final}`,
      trouble: dead(final),
    }),
  };
}

/** What one host sent behind `done` functions, and what the next one took in. */
function acrossTrunk(
  counted: CountedPath | undefined,
  done: number,
  hops: number,
): { readonly sent: Counted | null; readonly received: Counted | null } {
  if (counted === undefined) return { sent: null, received: null };
  const sent = done === 0 ? counted.classified : withPassed(counted.hops[done - 1], "returned");
  const received = done === hops ? counted.ended : withPassed(counted.hops[done], "handed");
  return { sent, received };
}

/** What went past a function that is down was on the way before and behind it, too. */
function withPassed(hop: CountedHop | undefined, side: "handed" | "returned"): Counted | null {
  const through = hop?.[side] ?? null;
  if (hop === undefined || through === null || hop.passedBy.total === 0) return through;
  const { total, perSecond } = hop.passedBy;
  const before = through.perSecond;
  return { total: through.total + total, perSecond: before === null || perSecond === null ? null : before + perSecond };
}

function flows(counted: Counted | null): boolean {
  return counted !== null && (counted.perSecond ?? 0) >= FLOWING;
}

function hostOf(name: string, world: World): Pick<Visit, "host" | "zone" | "bridge" | "trouble"> {
  const host = world.lookup.topology.hosts.find((one) => one.name === name);
  const base = { host: name, zone: host?.zone ?? "", bridge: world.bridgeOf(name) };
  if (host === undefined) return { ...base, trouble: `${name} is not managed any more` };
  return { ...base, trouble: host.reachable ? null : `${name} cannot be reached: ${troubleOf(host)}` };
}

function functionOf(path: Path, index: number, world: World): Pick<Station, "id" | "vnfcId" | "colour" | "name" | "kind"> {
  const hop = path.hops[index];
  if (hop === undefined) return { id: String(index), vnfcId: null, colour: null, name: "", kind: "" };
  const vnfc = identity(world, world.lookup.vnfcOfHop(hop));
  return { id: `${index}-${hop.sfId}`, ...vnfc, name: hop.sfName, kind: awareness(hop.awareness, hop.layer) };
}

function identity(world: World, placed: PlacedVnfc | undefined): Pick<Station, "vnfcId" | "colour"> {
  if (placed === undefined) return { vnfcId: null, colour: null };
  return { vnfcId: placed.vnfc.id, colour: world.lookup.colour(world.lookup.keyOf(placed) ?? "") };
}

function awareness(encapsulation: string, layer: string): string {
  return encapsulation === "nsh" ? "NSH-aware" : `proxied, ${layer.toUpperCase()}`;
}

function terminator(path: Path, legs: readonly Leg[], world: World, begins: Path | null): Station {
  const end = path.direction === "reverse" ? path.ingress : path.egress;
  const vnfc = identity(world, world.lookup.ownerOf(end.port));
  const name = path.terminator?.sfName ?? "";
  const down = world.counts?.down.find((one) => one.sfId === path.terminator?.sfId) ?? null;
  const seen: Seen = { down, passedBy: null, drops: sentBy(world, begins), active: null, latencyMs: null };
  return { id: `end-${path.terminator?.sfId ?? ""}`, ...vnfc, ...seen, name, kind: "chain's end", kept: null, legs };
}

/** Packets that went in and did not come out, over all directions. */
function keptOf(legs: readonly (Leg | undefined)[]): number | null {
  const present = legs.filter((leg) => leg !== undefined);
  if (present.length === 0 || present.some((leg) => leg.counted === null)) return null;
  const sum = (kind: LegKind): number =>
    present.filter((leg) => leg.kind === kind).reduce((total, leg) => total + (leg.counted?.total ?? 0), 0);
  return Math.max(0, sum("out") - sum("back"));
}
