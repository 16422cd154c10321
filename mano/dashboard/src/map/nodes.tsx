import { memo } from "react";

import type { Network, Sap, Vnfc } from "../api/documents";
import { ranges } from "../format";
import type { Select } from "../selection";

interface Marks {
  readonly onSelect: Select;
  readonly isSelected: boolean;
  readonly isLit: boolean;
  readonly isOnChain?: boolean;
  readonly width: number;
  readonly height: number;
}

function marked(base: string, { isSelected, isLit, isOnChain }: Marks): string {
  const names = [base, isSelected && "is-selected", isLit && "is-lit", isOnChain && "is-on-chain"];
  return names.filter((name) => name !== false && name !== undefined).join(" ");
}

export const VnfcNode = memo(function VnfcNode({ data }: { readonly data: Marks & { readonly vnfc: Vnfc; readonly colour: number | null } }) {
  const { vnfc, colour, onSelect, width, height } = data;
  const cpus = vnfc.cpus.length > 0 ? `CPUs ${ranges(vnfc.cpus)}` : "shared CPUs";
  return (
    <button
      type="button"
      className={marked("vnfc nopan", data)}
      style={{ width, height }}
      onClick={() => onSelect({ kind: "vnfc", id: vnfc.id })}
      title={`${vnfc.name}: ${vnfc.state}`}
      data-testid={`vnfc-${vnfc.vnfName}`}
    >
      <span className={colour === null ? "swatch" : `swatch use-${colour}`} aria-hidden="true" />
      <span className="vnfc-name">{vnfc.vnfName}</span>
      {vnfc.sf !== null && <span className="vnfc-tag">{vnfc.sf.awareness === "nsh" ? "NSH" : vnfc.sf.layer.toUpperCase()}</span>}
      <span className="vnfc-facts">
        {cpus}
        {vnfc.state !== "STARTED" && <span className="vnfc-state"> · {vnfc.state.toLowerCase()}</span>}
      </span>
    </button>
  );
});

export const NetworkNode = memo(function NetworkNode({ data }: { readonly data: Marks & { readonly network: Network } }) {
  const { network, onSelect, width, height } = data;
  const kind = network.kind === "provider" ? `provider, ${network.physicalNetwork ?? ""}` : `overlay, VNI ${network.vni}`;
  return (
    <button
      type="button"
      className={marked("network nopan", data)}
      style={{ width, height }}
      onClick={() => onSelect({ kind: "network", id: network.id })}
      title={`Network ${network.name}: ${network.subnets.join(", ")}; MTU ${network.mtu}`}
      data-testid={`network-${network.name}`}
    >
      <span className="network-name">{network.name}</span>
      <span className="network-facts">
        {kind} · MTU {network.mtu}
      </span>
      <span className="network-facts">{network.subnets.join(", ")}</span>
    </button>
  );
});

export const SapNode = memo(function SapNode({ data }: { readonly data: Marks & { readonly sap: Sap; readonly network: string } }) {
  const { sap, network, onSelect, width, height } = data;
  return (
    <button
      type="button"
      className={marked("sap nopan", data)}
      style={{ width, height }}
      onClick={() => onSelect({ kind: "sap", id: sap.id })}
      title={`Service access point ${sap.name}`}
      data-testid={`sap-${sap.name}`}
    >
      <span className="network-name">
        <small>SAP</small> {sap.name}
      </span>
      <span className="network-facts">
        on {network || "no network"}
        {sap.host !== null && sap.host !== "" && ` at ${sap.host}`}
      </span>
      <span className="network-facts">{sap.addresses.join(", ")}</span>
    </button>
  );
});
