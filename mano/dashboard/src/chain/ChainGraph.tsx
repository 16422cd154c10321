import type { Down, HistorySample } from "../api/documents";
import { exact, plural, rate } from "../format";
import type { Edge, GroupRows, InstanceRow } from "./graph";
import { trendOf } from "./graph";

const WIDTH = 150;
const HEIGHT = 26;

/** Packets per second that entered the chain, as far back as the server remembers. */
export function Sparkline({ samples }: { readonly samples: readonly HistorySample[] }) {
  const trend = trendOf(samples);
  if (trend === null) return <svg className="sparkline" width={WIDTH} height={HEIGHT} aria-hidden="true" />;
  const step = WIDTH / Math.max(1, trend.rates.length - 1);
  const y = (value: number): number => HEIGHT - 2 - (value / Math.max(trend.highest, 1)) * (HEIGHT - 4);
  const points = trend.rates.map((value, index) => (value === null ? null : `${(index * step).toFixed(1)} ${y(value).toFixed(1)}`));
  const d = points.map((point, index) => (point === null ? "" : `${(points[index - 1] ?? null) === null ? "M" : "L"} ${point}`)).join(" ");
  const said = `Last ${plural(trend.minutes, "minute")}: at most ${rate(trend.highest)}; ${exact(trend.dropped)} packets dropped on its hosts`;
  return (
    <svg className="sparkline" width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={said} data-testid="sparkline">
      <title>{said}</title>
      <path className="spark-ground" d={`M 0 ${HEIGHT - 1} H ${WIDTH}`} />
      <path className="spark-line" d={d} />
    </svg>
  );
}

const BECOMES: Readonly<Record<string, string>> = {
  open: "packets pass by it",
  closed: "its packets are dropped",
  next: "another instance takes its packets where there is one",
};

/** Functions that do not work, and what becomes of their packets. */
export function DownList({ down }: { readonly down: readonly Down[] }) {
  return (
    <ul className="down-list" role="status" data-testid="down">
      {down.map((one) => (
        <li key={one.sfId}>
          <s>{one.sfName}</s> {one.reason}: {BECOMES[one.onFailure] ?? one.onFailure}
        </li>
      ))}
    </ul>
  );
}

/** Groups with several instances, each with its share and what it is handed now. */
export function Spread({ groups, word }: { readonly groups: readonly GroupRows[]; readonly word: string }) {
  return (
    <div className="spread" data-testid="spread">
      {groups.map((group, index) => (
        <table key={`${index} ${group.name}`}>
          <caption>
            {group.name} <span className="faint">{group.spread ? "spreads its connections" : "one serves, the others are spare"}</span>
          </caption>
          <thead>
            <tr>
              <th scope="col">instance</th>
              <th scope="col">share</th>
              <th scope="col">handed{word}</th>
              <th scope="col">flows</th>
            </tr>
          </thead>
          <tbody>
            {group.instances.map((one) => (
              <Instance key={one.id} one={one} />
            ))}
          </tbody>
        </table>
      ))}
    </div>
  );
}

function Instance({ one }: { readonly one: InstanceRow }) {
  const share = one.share === null ? "–" : one.share === 0 ? "spare" : `${Math.round(one.share * 100)} %`;
  return (
    <tr data-testid={`instance-${one.name}`} className={one.down === null ? undefined : "instance-down"}>
      <th scope="row" title={one.down?.reason}>
        {one.down === null ? one.name : <s>{one.name}</s>}
        {one.down !== null && <span className="visually-hidden"> is down: {one.down.reason}</span>}
      </th>
      <td>
        <meter min={0} max={1} value={one.share ?? 0} aria-hidden="true" /> {share}
      </td>
      <td>{rate(one.perSecond)}</td>
      <td>{one.active ?? "–"}</td>
    </tr>
  );
}

interface EdgesProps {
  readonly before: readonly Edge[];
  readonly behind: readonly Edge[];
  readonly onChain: (id: string) => void;
}

/** The chains before and behind in a graph; a click goes there. */
export function Edges({ before, behind, onChain }: EdgesProps) {
  return (
    <ul className="edges" aria-label="Chains before and behind" data-testid="edges">
      {before.map((edge) => (
        <EdgeItem key={edge.chain.id} arrow="begins behind" edge={edge} onChain={onChain} />
      ))}
      {behind.map((edge) => (
        <EdgeItem key={edge.chain.id} arrow="goes on in" edge={edge} onChain={onChain} />
      ))}
    </ul>
  );
}

function EdgeItem({ arrow, edge, onChain }: { readonly arrow: string; readonly edge: Edge; readonly onChain: (id: string) => void }) {
  return (
    <li>
      <span className="faint">{arrow} → </span>
      <button type="button" className="edge" onClick={() => onChain(edge.chain.id)} data-testid={`edge-${edge.chain.name}`}>
        {edge.chain.name}
      </button>{" "}
      <span className="faint">for {edge.when.join(", or ")}</span>
    </li>
  );
}
