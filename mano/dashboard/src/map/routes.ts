// The ways of chains over the map: orthogonal lines that keep to the gutters between hosts.

import type { Stop } from "../lookup";
import type { Rect } from "./geometry";
import type { MapLayout } from "./layout";
import { GUTTER } from "./layout";

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** From the edge of a host to the first line, and from one chain's line to the next one's. */
const FIRST_LANE = 12;
const LANE = 7;
const LANES = 5;
/** What leads to the strip has lanes of its own, below the others. */
const FIRST_STRIP_LANE = FIRST_LANE + LANES * LANE;
const STRIP_LANE = 3;

/** The way from one stop to the next. */
export interface MapLeg {
  /** how many functions the packets on it have passed */
  readonly passed: number;
  readonly hosts: readonly [string, string];
  readonly points: readonly Point[];
}

/** A polyline for each leg between two stops; legs whose ends are not on the map are left out. */
export function route(stops: readonly Stop[], layout: MapLayout, chain: number): readonly MapLeg[] {
  const legs: MapLeg[] = [];
  stops.forEach((stop, index) => {
    const next = stops[index + 1];
    if (next === undefined) return;
    const from = dock(stop, layout, chain, 1);
    const to = dock(next, layout, chain, -1);
    if (from === null || to === null || from.box === to.box) return;
    const points = tidy(leg(from, to, layout, chain % LANES));
    legs.push({ passed: index, hosts: [stop.host, next.host], points });
  });
  return legs;
}

interface Dock {
  readonly at: Point;
  readonly box: Rect;
  /** the host around it; null for what stands in the strip */
  readonly host: Rect | null;
}

/** Lines dock at the bottom of a box on a host, and at the top of one in the strip. */
function dock(stop: Stop, layout: MapLayout, chain: number, side: 1 | -1): Dock | null {
  const shift = side * 6 + ((chain % LANES) - (LANES - 1) / 2) * 12;
  if (stop.kind === "sap") {
    const box = layout.saps.get(stop.id);
    return box === undefined ? null : { at: { x: middle(box) + shift, y: box.y }, box, host: null };
  }
  const host = layout.hosts.get(stop.host);
  if (host === undefined) return null;
  const box = layout.vnfcs.get(stop.id) ?? host;
  return { at: { x: middle(box) + shift, y: box.y + box.height }, box, host };
}

function leg(from: Dock, to: Dock, layout: MapLayout, lane: number): readonly Point[] {
  const toStrip = from.host === null || to.host === null;
  const offset = toStrip ? FIRST_STRIP_LANE + lane * STRIP_LANE : FIRST_LANE + lane * LANE;
  const a = gutterBelow(from.host, layout) + offset;
  const b = gutterBelow(to.host, layout) + offset;
  // Nearly above each other: a straight line rather than a jog.
  if (a === b && Math.abs(from.at.x - to.at.x) < 2 * FIRST_LANE && from.host !== to.host) {
    return [{ x: to.at.x, y: from.at.y }, to.at];
  }
  if (a === b) return [from.at, { x: from.at.x, y: a }, { x: to.at.x, y: a }, to.at];
  const beside = to.host ?? from.host;
  const x = (beside === null ? 0 : beside.x) - GUTTER + Math.min(offset, GUTTER - 4);
  return [from.at, { x: from.at.x, y: a }, { x, y: a }, { x, y: b }, { x: to.at.x, y: b }, to.at];
}

/** The bottom of the row of hosts that `host` stands in; for the strip, that of the last row. */
function gutterBelow(host: Rect | null, layout: MapLayout): number {
  const rows = [...layout.hosts.values()].filter((other) => host === null || overlaps(host, other));
  const bottom = Math.max(0, ...rows.map((rect) => rect.y + rect.height));
  return bottom;
}

function overlaps(a: Rect, b: Rect): boolean {
  return a.y < b.y + b.height && b.y < a.y + a.height;
}

function middle(rect: Rect): number {
  return rect.x + rect.width / 2;
}

/** Without points that lie on the line between their neighbours. */
function tidy(points: readonly Point[]): readonly Point[] {
  return points.filter((point, index) => {
    const before = points[index - 1];
    const after = points[index + 1];
    if (before === undefined || after === undefined) return true;
    const straight = (before.x === point.x && point.x === after.x) || (before.y === point.y && point.y === after.y);
    return !straight;
  });
}

/** An SVG path with rounded corners. */
export function svgPath(points: readonly Point[], radius = 8): string {
  const [start, ...rest] = points;
  if (start === undefined) return "";
  const parts = [`M ${start.x} ${start.y}`];
  rest.forEach((point, index) => {
    const before = points[index] ?? start;
    const after = rest[index + 1];
    if (after === undefined) {
      parts.push(`L ${point.x} ${point.y}`);
      return;
    }
    const cut = Math.min(radius, distance(before, point) / 2, distance(point, after) / 2);
    const enter = towards(point, before, cut);
    const leave = towards(point, after, cut);
    parts.push(`L ${enter.x} ${enter.y}`, `Q ${point.x} ${point.y} ${leave.x} ${leave.y}`);
  });
  return parts.join(" ");
}

function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

function towards(from: Point, to: Point, length: number): Point {
  const whole = distance(from, to);
  if (whole === 0) return from;
  return { x: from.x + ((to.x - from.x) / whole) * length, y: from.y + ((to.y - from.y) / whole) * length };
}

/** Where a label fits on a leg: the middle of its longest horizontal piece; null when all are too short. */
export function labelPlace(points: readonly Point[], width: number): Point | null {
  let longest = width;
  let place: Point | null = null;
  for (const [index, point] of points.entries()) {
    const next = points[index + 1];
    const length = next?.y === point.y ? Math.abs(next.x - point.x) : -1;
    if (next !== undefined && length >= longest) {
      longest = length;
      place = { x: (point.x + next.x) / 2, y: point.y };
    }
  }
  return place;
}
