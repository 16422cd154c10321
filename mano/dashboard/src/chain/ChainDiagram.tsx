import { compact, exact, rate, total } from "../format";
import type { Select } from "../selection";
import type { Diagram, Leg } from "./diagram";
import type { DiagramLayout, Line, OutsideBox, StationBox, VisitBox } from "./layout";
import { layOutDiagram, LINE } from "./layout";
import { notesOf } from "./notes";

interface ChainDiagramProps {
  readonly diagram: Diagram;
  readonly available: number;
  readonly tier: string;
  readonly onSelect: Select;
}

/** Stands between a counter and its rate. */
const REAL = "·";
const SIMULATED = "sim";

/** The chain as a drawing: hosts, the SFF in each, and every leg with what passed it. */
export function ChainDiagram({ diagram, available, tier, onSelect }: ChainDiagramProps) {
  const word = tier === "simulated" ? SIMULATED : REAL;
  const layout = layOutDiagram(diagram, available, word.length - REAL.length);
  return (
    <svg
      className="diagram"
      width={layout.width * layout.scale}
      height={layout.height * layout.scale}
      viewBox={`0 0 ${layout.width} ${layout.height}`}
      role="group"
      aria-label={describe(diagram)}
      data-testid={`diagram-${diagram.id}`}
      data-rows={layout.rows}
    >
      <Arrows />
      {layout.visits.map((box, index) => (
        <HostBox key={index} box={box} onSelect={onSelect} />
      ))}
      {layout.outsides.map((box) => (
        <Outside key={`${box.x} ${box.y}`} box={box} />
      ))}
      <Lines layout={layout} word={word} />
    </svg>
  );
}

function describe(diagram: Diagram): string {
  const stations = diagram.visits.flatMap((visit) => visit.stations.map((one) => `${one.name} on ${visit.host}`));
  return `Path from ${diagram.left?.name ?? "a function"} through ${stations.join(", ")} to ${diagram.right?.name ?? "its end"}`;
}

function Arrows() {
  return (
    <defs>
      {["forward", "reverse", "trouble", "plain"].map((kind) => (
        <marker key={kind} id={`arrow-${kind}`} viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" orient="auto">
          <path d="M 0 0.5 L 8 4 L 0 7.5 z" className={`arrow-${kind}`} />
        </marker>
      ))}
    </defs>
  );
}

function HostBox({ box, onSelect }: { readonly box: VisitBox; readonly onSelect: Select }) {
  const { visit, sff } = box;
  const lost = visit.trouble !== null;
  return (
    <g data-testid={`visit-${visit.host}`}>
      {visit.trouble !== null && <title>{visit.trouble}</title>}
      <rect className={lost ? "dg-host dg-host-lost" : "dg-host"} x={box.x} y={box.y} width={box.width} height={box.height} rx={8} />
      <text className={lost ? "dg-host-name dg-lost" : "dg-host-name"} x={box.x + 10} y={box.y + 17}>
        {visit.host}
        <tspan className="dg-faint" dx={6}>
          {lost ? "unreachable" : visit.zone}
        </tspan>
      </text>
      <rect className="dg-sff" x={sff.x} y={sff.y} width={sff.width} height={sff.height} rx={6} />
      <text className="dg-sff-name" x={sff.x + sff.width / 2} y={sff.y + 18}>
        SFF
      </text>
      <text className="dg-small" x={sff.x + sff.width / 2} y={sff.y + 32}>
        {visit.bridge}
      </text>
      {visit.classifies && (
        <text className="dg-small dg-classifies" x={sff.x + sff.width / 2} y={sff.y + sff.height - 8}>
          classifier
        </text>
      )}
      {box.stations.map((station) => (
        <Station key={station.station.id} box={station} onSelect={onSelect} />
      ))}
    </g>
  );
}

function Station({ box, onSelect }: { readonly box: StationBox; readonly onSelect: Select }) {
  const { station } = box;
  const middle = box.x + box.width / 2;
  const centre = box.y + box.height / 2;
  const { vnfcId } = station;
  const open = (): void => {
    if (vnfcId !== null) onSelect({ kind: "vnfc", id: vnfcId });
  };
  const notes = notesOf(station);
  const top = centre - (LINE * (2 + notes.length)) / 2 + 11;
  const said = [station.name, station.kind, ...notes.map((note) => note.title)].join(", ");
  return (
    <g
      className={["dg-station", vnfcId === null ? "" : "dg-link", station.down === null ? "" : "dg-down"].join(" ").trim()}
      role={vnfcId === null ? "img" : "button"}
      tabIndex={vnfcId === null ? undefined : 0}
      aria-label={said}
      onClick={open}
      onKeyDown={(event) => {
        if (event.key === "Enter" || event.key === " ") open();
      }}
      data-testid={`station-${station.name}`}
    >
      <rect className="dg-sf" x={box.x} y={box.y} width={box.width} height={box.height} rx={6} />
      {station.colour !== null && (
        <rect className={`dg-swatch use-${station.colour}`} x={box.x + 1} y={box.y + 1} width={5} height={box.height - 2} rx={2} />
      )}
      <text className={station.down === null ? "dg-sf-name" : "dg-sf-name dg-struck"} x={middle} y={top}>
        {fit(station.name, 14)}
        <title>{station.name}</title>
      </text>
      <text className="dg-small" x={middle} y={top + LINE}>
        {station.kind}
      </text>
      {notes.map((note, index) => (
        <text
          key={note.key}
          className={`dg-small dg-note-${note.mood}`}
          x={middle}
          y={top + (2 + index) * LINE}
          data-testid={`${note.key.split(" ")[0] ?? ""}-${station.name}`}
        >
          {note.text}
          <title>{note.title}</title>
        </text>
      ))}
    </g>
  );
}

function fit(name: string, most: number): string {
  return name.length <= most ? name : `${name.slice(0, most - 1)}…`;
}

function Outside({ box }: { readonly box: OutsideBox }) {
  const { drops } = box.outside;
  const lost = drops.reduce((sum, drop) => sum + drop.packets, 0);
  const middle = box.x + box.width / 2;
  const centre = box.y + box.height / 2;
  return (
    <g data-testid={`outside-${box.outside.name}`}>
      <rect className="dg-outside" x={box.x} y={box.y} width={box.width} height={box.height} rx={box.height / 2} />
      <text className="dg-sf-name" x={middle} y={centre - 1}>
        {fit(box.outside.name, 13)}
      </text>
      <text className={lost > 0 ? "dg-small dg-note-bad" : "dg-small"} x={middle} y={centre + 13}>
        {lost > 0 ? `${compact(lost)} dropped` : "SAP"}
        {lost > 0 && <title>{drops.map((drop) => `${exact(drop.packets)}: ${drop.reason}`).join("\n")}</title>}
      </text>
    </g>
  );
}

function Lines({ layout, word }: { readonly layout: DiagramLayout; readonly word: string }) {
  return layout.lines.map((line) => <LegLine key={line.leg.id} line={line} word={word} />);
}

function LegLine({ line, word }: { readonly line: Line; readonly word: string }) {
  const { leg, points, label } = line;
  const d = points.map((point, index) => `${index === 0 ? "M" : "L"} ${point.x} ${point.y}`).join(" ");
  const look = leg.trouble !== null ? "trouble" : leg.position === null ? "plain" : leg.direction;
  const marker = leg.trouble !== null ? "arrow-trouble" : leg.position === null ? "arrow-plain" : `arrow-${leg.direction}`;
  return (
    <g className={`leg leg-${look} leg-of-${leg.direction}`} data-testid={`leg-${leg.id}`} data-trouble={leg.trouble ?? ""}>
      <title>{titleOf(leg, word)}</title>
      <path d={d} className="leg-hit" />
      <path d={d} className="leg-line" markerEnd={`url(#${marker})`} />
      <text className="leg-position" x={label.x} y={label.y - 5}>
        {leg.position ?? "IP"}
      </text>
      {leg.counted !== null && (
        <text className="leg-count" x={label.x} y={label.y + 12}>
          {total(leg.counted.total)} {word} {rate(leg.counted.perSecond)}
        </text>
      )}
    </g>
  );
}

function titleOf(leg: Leg, word: string): string {
  const where = leg.position === null ? "plain packets, no NSH" : `SPI/SI ${leg.position}`;
  const amount = leg.counted === null ? "not counted" : `${exact(leg.counted.total)} packets${word === SIMULATED ? " (simulated)" : ""} ${leg.note}`;
  const lines = [leg.trouble, `${leg.direction}, ${where}`, leg.way, amount];
  return lines.filter((line) => line !== null && line !== "").join("\n");
}
