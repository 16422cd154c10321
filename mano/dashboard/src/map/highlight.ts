// What belongs to what is selected: the members of a network, the networks of a VNFC.

import type { Topology } from "../api/documents";
import type { Selection } from "../selection";

export function highlighted(selection: Selection | null, topology: Topology): ReadonlySet<string> {
  if (selection === null || selection.kind === "host") return new Set();
  const ports = topology.hosts.flatMap((host) => host.ports);
  if (selection.kind === "network") {
    const owners = ports.filter((port) => port.networkId === selection.id).map((port) => port.ownerId);
    const saps = topology.saps.filter((sap) => sap.networkId === selection.id).map((sap) => sap.id);
    return new Set([...owners, ...saps]);
  }
  if (selection.kind === "vnfc") {
    return new Set(ports.filter((port) => port.ownerId === selection.id).map((port) => port.networkId));
  }
  return new Set(topology.saps.filter((sap) => sap.id === selection.id).map((sap) => sap.networkId));
}
