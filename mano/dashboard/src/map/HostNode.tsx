import { memo } from "react";

import type { Host, HostFacts, Nic, NumaNode } from "../api/documents";
import { memory, pageSize, plural } from "../format";
import type { Lookup } from "../lookup";
import { cpuUse, troubleOf } from "../lookup";
import type { Select } from "../selection";
import type { Rect } from "./geometry";
import { CELL, CORES_PER_ROW, hostGeometry, looseNicsOf, nicsOf, threads } from "./geometry";

interface HostData {
  readonly host: Host;
  readonly facts: HostFacts | null;
  readonly lookup: Lookup;
  readonly onSelect: Select;
  readonly isSelected: boolean;
}

export const HostNode = memo(function HostNode({ data }: { readonly data: HostData }) {
  const { host, facts, lookup, onSelect, isSelected } = data;
  const geometry = hostGeometry(host);
  return (
    <section
      className={classes("host", !host.reachable && "host-lost", isSelected && "is-selected")}
      style={{ width: geometry.width, height: geometry.height }}
      aria-label={`Host ${host.name}`}
      data-testid={`host-${host.name}`}
    >
      <HostTitle host={host} onSelect={onSelect} />
      {host.reachable ? <Realisations facts={facts} /> : <Trouble host={host} />}
      {geometry.numa.map(({ id, rect }) => {
        const node = host.numaNodes.find((one) => one.id === id);
        return node === undefined ? null : <Numa key={id} host={host} node={node} rect={rect} lookup={lookup} />;
      })}
      {geometry.looseNics !== null && (
        <div className="numa" style={place(geometry.looseNics)}>
          {looseNicsOf(host).map((nic) => (
            <NicLine key={nic.name} nic={nic} lookup={lookup} />
          ))}
        </div>
      )}
    </section>
  );
});

function HostTitle({ host, onSelect }: { readonly host: Host; readonly onSelect: Select }) {
  return (
    <button
      type="button"
      className="host-title nopan"
      onClick={() => onSelect({ kind: "host", name: host.name })}
      data-testid={`host-title-${host.name}`}
    >
      <strong>{host.name}</strong>
      <span className="faint">{host.zone}</span>
      <span className={`state state-${host.state}`}>{host.state}</span>
      <span className={host.reachable ? "reach" : "reach reach-lost"} data-testid={`reach-${host.name}`}>
        {host.reachable ? "reachable" : "unreachable"}
      </span>
    </button>
  );
}

function Trouble({ host }: { readonly host: Host }) {
  return (
    <p className="host-trouble" title={host.detail}>
      {troubleOf(host)}
    </p>
  );
}

const RESOURCES: Readonly<Record<string, string>> = { cpus: "CPUs", hugepages: "pages", memory: "memory", sriov: "SR-IOV" };

function Realisations({ facts }: { readonly facts: HostFacts | null }) {
  const groups = Map.groupBy(Object.entries(facts?.realisations ?? {}).sort(), ([, how]) => how);
  const notes = (resources: readonly string[]): string =>
    resources.map((resource) => `${RESOURCES[resource] ?? resource}: ${facts?.notes[resource] ?? ""}`).join("\n");
  return (
    <p className="realisations" data-testid={`realisations-${facts?.name ?? ""}`}>
      {[...groups].map(([how, entries]) => {
        const resources = entries.map(([resource]) => resource);
        return (
          <span key={how} className={`realisation realisation-${how}`} title={notes(resources)}>
            {resources.map((resource) => RESOURCES[resource] ?? resource).join(", ")} <b>{how}</b>
          </span>
        );
      })}
    </p>
  );
}

interface NumaProps {
  readonly host: Host;
  readonly node: NumaNode;
  readonly rect: Rect;
  readonly lookup: Lookup;
}

function Numa({ host, node, rect, lookup }: NumaProps) {
  return (
    <div className="numa" style={place(rect)} data-testid={`numa-${host.name}-${node.id}`}>
      <p className="numa-title">
        <b>NUMA {node.id}</b>
        {node.socket !== null && <span className="faint">socket {node.socket}</span>}
      </p>
      <Cores host={host} node={node} lookup={lookup} />
      <Bar label="memory" used={node.memoryUsedMib} total={node.memoryMib} text={`${memory(node.memoryUsedMib)} of ${memory(node.memoryMib)}`} />
      {Object.entries(node.hugepages).map(([size, pages]) => (
        <Bar key={size} label={`${pageSize(Number(size))} pages`} used={pages.used} total={pages.total} text={`${pages.used} of ${pages.total}`} />
      ))}
      {nicsOf(host, node.id).map((nic) => (
        <NicLine key={nic.name} nic={nic} lookup={lookup} />
      ))}
    </div>
  );
}

/** One column for each core, one cell for each of its threads. */
function Cores({ host, node, lookup }: Omit<NumaProps, "rect">) {
  const rows = Math.max(1, Math.ceil(node.cores.length / CORES_PER_ROW));
  const rowHeight = threads(node) * (CELL.height + 1) + CELL.gap + 2;
  const columns = Math.min(node.cores.length, CORES_PER_ROW);
  const width = Math.max(1, columns * (CELL.width + CELL.gap) - CELL.gap);
  return (
    <svg className="cores" width={width} height={rows * rowHeight} role="img" aria-label={coresText(node)}>
      {node.cores.map((core, index) =>
        core.cpus.map((cpu, thread) => {
          const user = core.use[String(cpu)] ?? null;
          const use = cpuUse(user);
          const colour = use === "vdu" ? lookup.colour(user ?? "") : null;
          return (
            <rect
              key={cpu}
              className={colour === null ? `cpu cpu-${use}` : `cpu cpu-vdu use-${colour}`}
              x={(index % CORES_PER_ROW) * (CELL.width + CELL.gap)}
              y={Math.floor(index / CORES_PER_ROW) * rowHeight + thread * (CELL.height + 1)}
              width={CELL.width}
              height={CELL.height}
              rx={2}
              data-testid={`cpu-${host.name}-${cpu}`}
              data-use={user ?? "free"}
            >
              <title>{`CPU ${cpu}: ${user ?? "free"}`}</title>
            </rect>
          );
        }),
      )}
    </svg>
  );
}

function coresText(node: NumaNode): string {
  const users = node.cores.flatMap((core) => core.cpus.map((cpu) => core.use[String(cpu)] ?? null));
  const free = users.filter((user) => user === null).length;
  return `${plural(node.cores.length, "core")}, ${free} of ${users.length} CPUs free`;
}

function Bar({ label, used, total, text }: { readonly label: string; readonly used: number; readonly total: number; readonly text: string }) {
  const share = total <= 0 ? 0 : Math.min(1, used / total);
  return (
    <p className="bar" title={`${label}: ${text} used`}>
      <span className="bar-label">{label}</span>
      <span className="bar-text">{text}</span>
      <span className="bar-track" aria-hidden="true">
        <span className={share > 0.9 ? "bar-fill bar-full" : "bar-fill"} style={{ width: `${share * 100}%` }} />
      </span>
    </p>
  );
}

const VFS_SHOWN = 8;

function NicLine({ nic, lookup }: { readonly nic: Nic; readonly lookup: Lookup }) {
  const users = new Map(nic.usedVfs.map((used) => [used.vf, used.by]));
  const shown = Math.min(nic.totalVfs, VFS_SHOWN);
  const names = nic.usedVfs.map((used) => `VF ${used.vf}: ${used.by}`).join(", ");
  const title = `${nic.name} ${nic.pci ?? ""} on ${nic.physnet ?? "no physical network"}; ${names || "no VF used"}`;
  return (
    <p className="nic" title={title} data-testid={`nic-${nic.name}`}>
      <span className="nic-name">{nic.name}</span>
      {nic.physnet !== null && <span className="faint">{nic.physnet}</span>}
      <span className="vfs">
        {Array.from({ length: shown }, (_, vf) => {
          const user = users.get(vf);
          const colour = user === undefined ? null : lookup.colour(user);
          return <i key={vf} className={user === undefined ? "vf" : `vf vf-used ${colour === null ? "" : `use-${colour}`}`} />;
        })}
        <span className="vf-count">
          {nic.usedVfs.length}/{nic.totalVfs} VF
        </span>
      </span>
    </p>
  );
}

/** A host among very many: its state and how full it is. */
export const HostCard = memo(function HostCard({ data }: { readonly data: HostData }) {
  const { host, onSelect, isSelected } = data;
  const users = host.numaNodes.flatMap((node) => node.cores.flatMap((core) => Object.values(core.use)));
  const taken = users.filter((user) => user !== null && user !== "shared" && user !== "reserved").length;
  const total = users.filter((user) => user !== "shared" && user !== "reserved").length;
  return (
    <section
      className={classes("host", "host-card", !host.reachable && "host-lost", isSelected && "is-selected")}
      aria-label={`Host ${host.name}`}
      data-testid={`host-${host.name}`}
    >
      <HostTitle host={host} onSelect={onSelect} />
      {host.reachable ? (
        <div className="host-card-facts">
          <Bar label="CPUs" used={taken} total={total} text={`${taken} of ${total}`} />
          <p className="faint">{plural(host.vnfcs.length, "VNFC")}</p>
        </div>
      ) : (
        <Trouble host={host} />
      )}
    </section>
  );
});

function place({ x, y, width, height }: Rect): { left: number; top: number; width: number; height: number } {
  return { left: x, top: y, width, height };
}

function classes(...names: readonly (string | false)[]): string {
  return names.filter((name) => name !== false).join(" ");
}
