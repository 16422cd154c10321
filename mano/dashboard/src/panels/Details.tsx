import type { ReactNode } from "react";

import type { Host, HostFacts, Network, Placement, Port, Sap, Topology } from "../api/documents";
import { memory, pageSize, plural, ranges } from "../format";
import type { Picture } from "../live/model";
import type { Lookup, PlacedVnfc } from "../lookup";
import { troubleOf } from "../lookup";
import type { Select, Selection } from "../selection";
import { explain, feasibility } from "./decision";

interface DetailsProps {
  readonly selection: Selection;
  readonly lookup: Lookup;
  readonly picture: Picture;
  readonly onSelect: Select;
  readonly onClose: () => void;
}

/** What is known of the thing that was selected on the map. */
export function Details({ selection, lookup, picture, onSelect, onClose }: DetailsProps) {
  const { title, kind, body } = contentOf(selection, lookup, picture, onSelect);
  return (
    <aside className="details" aria-labelledby="details-title" data-testid="details">
      <header className="details-head">
        <p className="faint">{kind}</p>
        <h2 id="details-title">{title}</h2>
        <button type="button" className="close" onClick={onClose} aria-label="Close (Escape)" data-testid="details-close">
          ×
        </button>
      </header>
      {body}
    </aside>
  );
}

interface Content {
  readonly title: string;
  readonly kind: string;
  readonly body: ReactNode;
}

function contentOf(selection: Selection, lookup: Lookup, { topology, hostFacts }: Picture, onSelect: Select): Content {
  const gone = (kind: string): Content => ({ title: "gone", kind, body: <p className="hint">It is not there any more.</p> });
  if (selection.kind === "host") {
    const host = topology.hosts.find((one) => one.name === selection.name);
    if (host === undefined) return gone("Host");
    const body = <HostDetails host={host} facts={hostFacts.get(host.name) ?? null} onSelect={onSelect} />;
    return { title: host.name, kind: "Host", body };
  }
  if (selection.kind === "vnfc") {
    const placed = lookup.vnfc(selection.id);
    if (placed === undefined) return gone("VNFC");
    const body = <VnfcDetails placed={placed} placement={lookup.placementOf(placed)} topology={topology} onSelect={onSelect} />;
    return { title: placed.vnfc.vnfName, kind: "VNFC", body };
  }
  if (selection.kind === "network") {
    const network = topology.networks.find((one) => one.id === selection.id);
    if (network === undefined) return gone("Network");
    return { title: network.name, kind: "Network", body: <NetworkDetails network={network} lookup={lookup} onSelect={onSelect} /> };
  }
  const sap = lookup.sap(selection.id);
  if (sap === undefined) return gone("Service access point");
  return { title: sap.name, kind: "Service access point", body: <SapDetails sap={sap} topology={topology} onSelect={onSelect} /> };
}

function Facts({ rows }: { readonly rows: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className="facts">
      {rows
        .filter(([, value]) => value !== "" && value !== null)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

function Link({ onClick, children }: { readonly onClick: () => void; readonly children: ReactNode }) {
  return (
    <button type="button" className="link" onClick={onClick}>
      {children}
    </button>
  );
}

interface VnfcDetailsProps {
  readonly placed: PlacedVnfc;
  readonly placement: Placement | undefined;
  readonly topology: Topology;
  readonly onSelect: Select;
}

function VnfcDetails({ placed: { host, vnfc }, placement, topology, onSelect }: VnfcDetailsProps) {
  const ports = host.ports.filter((port) => port.ownerId === vnfc.id);
  return (
    <>
      <Facts
        rows={[
          ["state", vnfc.state.toLowerCase()],
          ["VDU", vnfc.vduId],
          ["host", <Link key="host" onClick={() => onSelect({ kind: "host", name: host.name })}>{host.name}</Link>],
          ["NUMA node", ranges(vnfc.numaNodes)],
          ["own CPUs", ranges(vnfc.cpus) || "none: it floats over the shared pool"],
          ["service function", vnfc.sf === null ? "no" : `${vnfc.sf.awareness === "nsh" ? "speaks NSH" : "NSH-unaware, behind the SFC proxy"}, ${vnfc.sf.layer.toUpperCase()}`],
        ]}
      />
      <Why placement={placement} />
      {placement !== undefined && <Allocation placement={placement} />}
      <h3>Ports</h3>
      {ports.length === 0 && <p className="hint">None.</p>}
      <ul className="ports">
        {ports.map((port) => (
          <PortItem key={port.id} port={port} topology={topology} onSelect={onSelect} />
        ))}
      </ul>
    </>
  );
}

function Why({ placement }: { readonly placement: Placement | undefined }) {
  if (placement === undefined) return <p className="hint">There is no reservation to explain, or this token may not see it.</p>;
  const { why, elsewhere, refused, runnerUp } = explain(placement.decision);
  const summary = feasibility(placement.decision);
  return (
    <>
      <h3>Why here</h3>
      <ul className="reasons" data-testid="why-here">
        {why.map((line) => (
          <li key={line}>{line}</li>
        ))}
        {why.length === 0 && summary !== "" && <li>{summary}</li>}
        {runnerUp !== null && (why.length === 0 || runnerUp.differences.length > 1) && <RunnerUp host={runnerUp.host} differences={runnerUp.differences} />}
        {why.length === 0 && summary === "" && runnerUp === null && <li>No reason was stored.</li>}
      </ul>
      <h3>Why not elsewhere</h3>
      <ul className="reasons" data-testid="why-not">
        {elsewhere.map(({ host, text }) => (
          <li key={host}>
            <b>{host}</b> {text}
          </li>
        ))}
        {(elsewhere.length > 0 ? [] : refused).map(({ code, text, hosts }) => (
          <li key={code}>
            <b>{plural(hosts, "host")}</b> {text}
          </li>
        ))}
        {elsewhere.length === 0 && refused.length === 0 && <li>Every other host could have taken it as well.</li>}
      </ul>
    </>
  );
}

function RunnerUp({ host, differences }: NonNullable<ReturnType<typeof explain>["runnerUp"]>) {
  return (
    <li>
      next best was <b>{host}</b>
      {differences.length === 0 ? ", equal in every score" : ":"}
      {differences.length > 0 && (
        <table className="scores">
          <thead>
            <tr>
              <th scope="col">score</th>
              <th scope="col">here</th>
              <th scope="col">{host}</th>
            </tr>
          </thead>
          <tbody>
            {differences.map((one) => (
              <tr key={one.name}>
                <th scope="row">{one.name}</th>
                <td>{one.here}</td>
                <td>{one.there}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </li>
  );
}

interface CellDocument {
  readonly node?: number;
  readonly cpus?: readonly number[];
  readonly memoryMib?: number;
  readonly pageSizeKib?: number;
}

interface InterfaceDocument {
  readonly pci?: string | null;
  readonly vfs?: readonly number[];
  readonly node?: number | null;
}

function Allocation({ placement }: { readonly placement: Placement }) {
  const cells = (placement.allocation["cells"] ?? []) as readonly CellDocument[];
  const interfaces = Object.entries((placement.allocation["interfaces"] ?? {}) as Readonly<Record<string, InterfaceDocument>>);
  return (
    <>
      <h3>What it holds</h3>
      <Facts
        rows={[
          ["reservation", <code key="key">{placement.key}</code>],
          ...cells.map((cell): readonly [string, string] => [`cell on node ${cell.node ?? "?"}`, cellText(cell)]),
          ...interfaces.map(([name, one]): readonly [string, string] => [name, interfaceText(one)]),
        ]}
      />
    </>
  );
}

function cellText({ cpus = [], memoryMib = 0, pageSizeKib = 4 }: CellDocument): string {
  const cpuText = cpus.length > 0 ? `CPUs ${ranges(cpus)}, ` : "";
  return `${cpuText}${memory(memoryMib)} in ${pageSizeKib > 4 ? `${pageSize(pageSizeKib)} pages` : "small pages"}`;
}

function interfaceText({ pci, vfs = [], node }: InterfaceDocument): string {
  const where = node === null || node === undefined ? "" : `, NUMA node ${node}`;
  if (pci === null || pci === undefined) return `port of the virtual switch${where}`;
  return `${vfs.length > 0 ? `VF ${ranges(vfs)} of` : "the whole of"} ${pci}${where}`;
}

function PortItem({ port, topology, onSelect }: { readonly port: Port; readonly topology: Topology; readonly onSelect: Select }) {
  const network = topology.networks.find((one) => one.id === port.networkId);
  return (
    <li>
      <b>{port.cpdId ?? port.interface ?? port.id}</b>{" "}
      {network === undefined ? "" : <>on <Link onClick={() => onSelect({ kind: "network", id: network.id })}>{network.name}</Link></>}
      <span className="port-facts">{[...port.addresses, port.mac].join(" · ")}</span>
      <span className="port-facts">
        {[
          port.interface ?? "",
          port.ofport === null ? "" : `OpenFlow port ${port.ofport}`,
          port.pci === null || port.pci === "" ? "" : `VF ${port.pci}`,
          port.realisation ?? "",
        ]
          .filter((text) => text !== "")
          .join(" · ")}
      </span>
    </li>
  );
}

function HostDetails({ host, facts, onSelect }: { readonly host: Host; readonly facts: HostFacts | null; readonly onSelect: Select }) {
  const plane = facts?.dataplane ?? null;
  return (
    <>
      {!host.reachable && <p className="trouble">It cannot be reached: {troubleOf(host)}</p>}
      <Facts
        rows={[
          ["state", host.state],
          ["zone", host.zone],
          ["VIM", facts?.vim ?? ""],
          ["bridge", plane === null ? "" : `${plane.bridge}${plane.datapath ? ` (${plane.datapath})` : ""}`],
          ["underlay", plane === null ? "" : `${plane.underlayIp}, MTU ${plane.underlayMtu}`],
          ["note", host.reachable ? host.detail : ""],
        ]}
      />
      <h3>How true its resources are here</h3>
      {facts === null || Object.keys(facts.realisations).length === 0 ? (
        <p className="hint">Not known.</p>
      ) : (
        <ul className="reasons" data-testid="realisations">
          {Object.entries(facts.realisations)
            .sort()
            .map(([resource, how]) => (
              <li key={resource}>
                <b>{resource}</b> <span className={`realisation realisation-${how}`}>{how}</span>
                <span className="port-facts">{facts.notes[resource] ?? ""}</span>
              </li>
            ))}
        </ul>
      )}
      <h3>VNFCs</h3>
      {host.vnfcs.length === 0 && <p className="hint">None.</p>}
      <ul className="reasons">
        {host.vnfcs.map((vnfc) => (
          <li key={vnfc.id}>
            <Link onClick={() => onSelect({ kind: "vnfc", id: vnfc.id })}>{vnfc.vnfName}</Link> {vnfc.state.toLowerCase()}
          </li>
        ))}
      </ul>
    </>
  );
}

function NetworkDetails({ network, lookup, onSelect }: { readonly network: Network; readonly lookup: Lookup; readonly onSelect: Select }) {
  const { hosts, saps } = lookup.topology;
  const ports = hosts.flatMap((host) => host.ports.filter((port) => port.networkId === network.id));
  return (
    <>
      <Facts
        rows={[
          ["kind", network.kind],
          ["VNI", network.vni > 0 ? String(network.vni) : ""],
          ["physical network", network.physicalNetwork ?? ""],
          ["MTU", String(network.mtu)],
          ["subnets", network.subnets.join(", ")],
        ]}
      />
      <h3>Members</h3>
      <ul className="ports">
        {saps
          .filter((sap) => sap.networkId === network.id)
          .map((sap) => (
            <li key={sap.id}>
              <Link onClick={() => onSelect({ kind: "sap", id: sap.id })}>SAP {sap.name}</Link>
              <span className="port-facts">{sap.addresses.join(", ")}</span>
            </li>
          ))}
        {ports.map((port) => (
          <li key={port.id}>
            <Link onClick={() => onSelect({ kind: "vnfc", id: port.ownerId })}>{lookup.vnfc(port.ownerId)?.vnfc.vnfName ?? "a port"}</Link>{" "}
            {port.cpdId ?? ""}
            <span className="port-facts">{[...port.addresses, port.mac].join(" · ")}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

function SapDetails({ sap, topology, onSelect }: { readonly sap: Sap; readonly topology: Topology; readonly onSelect: Select }) {
  const network = topology.networks.find((one) => one.id === sap.networkId);
  return (
    <Facts
      rows={[
        ["attachment", sap.attachment ?? ""],
        ["host", sap.host ?? ""],
        ["network", network === undefined ? "" : <Link key="network" onClick={() => onSelect({ kind: "network", id: network.id })}>{network.name}</Link>],
        ["addresses", sap.addresses.join(", ")],
      ]}
    />
  );
}
