// Where the parts of a chain's diagram lie. The SFF of a host is as high as all functions beside it, so every leg to a
// function is a straight line; the way to the next host runs below them. Rows break where the window ends.

import type { Diagram, Leg, Outside, Station, Visit } from "./diagram";
import { notesOf } from "./notes";

/** From one line to the next: room for its position above and its counters below. */
const PITCH = 32;
const HEAD = 26;
const PAD = 10;
const SFF_WIDTH = 54;
const STATION_WIDTH = 108;
/** Of a text in a function's box. */
export const LINE = 14;
const STATION_GAP = 10;
const OUTSIDE_WIDTH = 100;
const MIN_GAP = 90;
const ROW_GAP = 40;
const MARGIN = 8;
/** Characters of the widest counter, such as "99 999 · 1.2k/s". */
const COUNTER_CHARS = 15;
const POSITION_CHAR = 7;
const COUNTER_CHAR = 5.9;
/** The drawing shrinks to this before it wraps. */
const SMALLEST_SCALE = 0.8;

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface StationBox extends Box {
  readonly station: Station;
}

export interface VisitBox extends Box {
  readonly visit: Visit;
  readonly sff: Box;
  readonly stations: readonly StationBox[];
}

export interface OutsideBox extends Box {
  readonly outside: Outside;
}

export interface Line {
  readonly leg: Leg;
  /** in the direction of travel */
  readonly points: readonly { readonly x: number; readonly y: number }[];
  /** middle of the label, on the line */
  readonly label: { readonly x: number; readonly y: number };
}

export interface DiagramLayout {
  readonly width: number;
  readonly height: number;
  readonly scale: number;
  readonly rows: number;
  readonly visits: readonly VisitBox[];
  readonly outsides: readonly OutsideBox[];
  readonly lines: readonly Line[];
}

/** Room for the labels of a diagram's lines. `extraChars` is for a word in each counter, such as "sim". */
export function gapOf(diagram: Diagram, extraChars: number): number {
  const legs = [...diagram.visits.flatMap((visit) => visit.stations.flatMap((one) => one.legs)), ...diagram.trunks.flat()];
  const position = Math.max(0, ...legs.map((leg) => (leg.position ?? "").length)) * POSITION_CHAR;
  return Math.ceil(Math.max(MIN_GAP, position, (COUNTER_CHARS + extraChars) * COUNTER_CHAR) + 16);
}

export function layOutDiagram(diagram: Diagram, available: number, extraChars = 0): DiagramLayout {
  const gap = gapOf(diagram, extraChars);
  const widths = diagram.visits.map((visit) => visitWidth(visit, gap));
  const one = placeRows(diagram, [diagram.visits.map((_, index) => index)], widths, gap);
  if (one.width * SMALLEST_SCALE <= available || diagram.visits.length < 2) {
    return { ...one, scale: Math.min(1, available / one.width) };
  }
  const rows = breakRows(diagram, widths, gap, available);
  const wrapped = placeRows(diagram, rows, widths, gap);
  return { ...wrapped, scale: Math.min(1, available / wrapped.width) };
}

function visitWidth(visit: Visit, gap: number): number {
  const name = Math.max(visit.host.length, visit.trouble === null ? 0 : 18) * 8 + 24;
  const inside = visit.stations.length === 0 ? SFF_WIDTH : SFF_WIDTH + gap + STATION_WIDTH;
  return Math.max(2 * PAD + inside, Math.min(name, 240));
}

/** Fill each row as far as it goes; ends that lie outside count, and so does the way to the next row. */
function breakRows(diagram: Diagram, widths: readonly number[], gap: number, available: number): readonly number[][] {
  const rows: number[][] = [[]];
  let x = start(diagram, 0, gap);
  widths.forEach((width, index) => {
    const isLast = index === widths.length - 1;
    const behind = isLast && diagram.right === null ? 0 : gap + (isLast ? OUTSIDE_WIDTH : 0);
    const row = rows.at(-1);
    if (row !== undefined && (row.length === 0 || x + width + behind + MARGIN <= available)) {
      row.push(index);
      x += width + gap;
    } else {
      rows.push([index]);
      x = start(diagram, rows.length - 1, gap) + width + gap;
    }
  });
  return rows;
}

function start(diagram: Diagram, row: number, gap: number): number {
  if (row > 0) return MARGIN + 48;
  return MARGIN + (diagram.left === null ? 0 : OUTSIDE_WIDTH + gap);
}

function stationHeight(station: Station): number {
  return Math.max(56, station.legs.length * PITCH + 8, 16 + LINE * (2 + notesOf(station).length));
}

function stationsHeight(visit: Visit): number {
  return visit.stations.reduce((sum, station) => sum + stationHeight(station) + STATION_GAP, 0);
}

function placeRows(
  diagram: Diagram,
  rows: readonly (readonly number[])[],
  widths: readonly number[],
  gap: number,
): Omit<DiagramLayout, "scale"> {
  const lanes = diagram.directions.length;
  const visits: VisitBox[] = [];
  const trunkY: number[] = [];
  let y = MARGIN;
  let right = 0;
  rows.forEach((row, rowIndex) => {
    const members = row.map((index) => diagram.visits[index]).filter((visit) => visit !== undefined);
    const above = Math.max(0, ...members.map(stationsHeight));
    const height = HEAD + above + lanes * PITCH + PAD;
    let x = start(diagram, rowIndex, gap);
    row.forEach((index) => {
      const visit = diagram.visits[index];
      const width = widths[index] ?? 0;
      if (visit !== undefined) visits.push(placeVisit(visit, { x, y, width, height }));
      trunkY.push(y + HEAD + above + PITCH / 2);
      x += width + gap;
    });
    right = Math.max(right, x - gap);
    y += height + ROW_GAP;
  });
  const outsides = placeOutsides(diagram, visits, trunkY, gap, lanes);
  const lines = [
    ...outsideLines(diagram, visits, outsides, trunkY),
    ...visits.flatMap(stationLines),
    ...trunkLines(diagram, visits, trunkY, gap),
  ];
  const reach = [right, ...outsides.map((box) => box.x + box.width), ...lines.flatMap((line) => line.points.map((p) => p.x))];
  return { width: Math.max(...reach) + MARGIN, height: y - ROW_GAP + MARGIN, rows: rows.length, visits, outsides, lines };
}

function placeVisit(visit: Visit, box: Box): VisitBox {
  const inner = box.height - HEAD - PAD;
  const sff = { x: box.x + PAD, y: box.y + HEAD, width: SFF_WIDTH, height: inner };
  const stationX = box.x + box.width - PAD - STATION_WIDTH;
  let y = box.y + HEAD;
  const stations = visit.stations.map((station) => {
    const height = stationHeight(station);
    const placed = { x: stationX, y, width: STATION_WIDTH, height, station };
    y += height + STATION_GAP;
    return placed;
  });
  return { ...box, visit, sff, stations };
}

function stationLines({ sff, stations }: VisitBox): readonly Line[] {
  const from = sff.x + sff.width;
  return stations.flatMap((box) => {
    const top = box.y + (box.height - (box.station.legs.length - 1) * PITCH) / 2;
    return box.station.legs.map((leg, index) => straight(leg, from, box.x, top + index * PITCH));
  });
}

function straight(leg: Leg, left: number, right: number, y: number): Line {
  const points = [
    { x: left, y },
    { x: right, y },
  ];
  return { leg, points: leg.heading === "right" ? points : points.reverse(), label: { x: (left + right) / 2, y } };
}

function placeOutsides(
  diagram: Diagram,
  visits: readonly VisitBox[],
  trunkY: readonly number[],
  gap: number,
  lanes: number,
): readonly OutsideBox[] {
  const height = lanes * PITCH + 8;
  const boxes: OutsideBox[] = [];
  const first = visits[0];
  const last = visits.at(-1);
  if (diagram.left !== null && first !== undefined) {
    const y = (trunkY[0] ?? 0) - PITCH / 2 - 4;
    boxes.push({ outside: diagram.left, x: MARGIN, y, width: OUTSIDE_WIDTH, height });
  }
  if (diagram.right !== null && last !== undefined) {
    const y = (trunkY[visits.length - 1] ?? 0) - PITCH / 2 - 4;
    boxes.push({ outside: diagram.right, x: last.x + last.width + gap, y, width: OUTSIDE_WIDTH, height });
  }
  return boxes;
}

function outsideLines(
  diagram: Diagram,
  visits: readonly VisitBox[],
  outsides: readonly OutsideBox[],
  trunkY: readonly number[],
): readonly Line[] {
  return outsides.flatMap((box) => {
    const isLeft = box.outside === diagram.left;
    const visit = isLeft ? visits[0] : visits.at(-1);
    const y = (isLeft ? trunkY[0] : trunkY[visits.length - 1]) ?? 0;
    if (visit === undefined) return [];
    const [from, to] = isLeft ? [box.x + box.width, visit.sff.x] : [visit.sff.x + visit.sff.width, box.x];
    const edge = isLeft ? visit.x : visit.x + visit.width;
    const middle = isLeft ? (box.x + box.width + edge) / 2 : (edge + box.x) / 2;
    return box.outside.legs.map((leg, lane) => {
      const line = straight(leg, from, to, y + lane * PITCH);
      return { ...line, label: { x: middle, y: y + lane * PITCH } };
    });
  });
}

function trunkLines(
  diagram: Diagram,
  visits: readonly VisitBox[],
  trunkY: readonly number[],
  gap: number,
): readonly Line[] {
  return diagram.trunks.flatMap((legs, index) => {
    const from = visits[index];
    const to = visits[index + 1];
    if (from === undefined || to === undefined) return [];
    return legs.map((leg, lane) => {
      const y = (trunkY[index] ?? 0) + lane * PITCH;
      const nextY = (trunkY[index + 1] ?? 0) + lane * PITCH;
      const out = from.sff.x + from.sff.width;
      const label = { x: from.x + from.width + gap / 2, y };
      if (from.y === to.y) return { ...straight(leg, out, to.sff.x, y), label };
      const turn = from.x + from.width + gap + lane * 8;
      const channel = from.y + from.height + ROW_GAP / 2 - 6 + (legs.length - 1 - lane) * 8;
      const margin = MARGIN + 18 - lane * 8;
      const points = [
        { x: out, y },
        { x: turn, y },
        { x: turn, y: channel },
        { x: margin, y: channel },
        { x: margin, y: nextY },
        { x: to.sff.x, y: nextY },
      ];
      return { leg, points: leg.heading === "right" ? points : points.reverse(), label };
    });
  });
}
