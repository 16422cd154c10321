import type { Node, NodeTypes } from "@xyflow/react";
import { Background, BackgroundVariant, Controls, ReactFlow, ReactFlowProvider, useReactFlow, ViewportPortal } from "@xyflow/react";
import { useEffect, useMemo, useRef, useState } from "react";

import { reason } from "../api/client";
import type { Chain, HostFacts, Topology } from "../api/documents";
import type { Lookup } from "../lookup";
import { stopsOf } from "../lookup";
import type { Select, Selection } from "../selection";
import { isSelected } from "../selection";
import { ChainLines } from "./ChainLines";
import { packWithElk } from "./elk";
import { HostCard, HostNode } from "./HostNode";
import type { MapLayout } from "./layout";
import { layoutKey, layOut } from "./layout";
import { Legend } from "./Legend";
import { highlighted } from "./highlight";
import { NetworkNode, SapNode, VnfcNode } from "./nodes";

interface MapProps {
  readonly topology: Topology;
  readonly hostFacts: ReadonlyMap<string, HostFacts>;
  readonly lookup: Lookup;
  readonly chain: Chain | null;
  readonly selection: Selection | null;
  readonly onSelect: Select;
}

const NODE_TYPES: NodeTypes = {
  host: HostNode,
  card: HostCard,
  vnfc: VnfcNode,
  network: NetworkNode,
  sap: SapNode,
};

/** Room for the controls on the left and the legend at the bottom. */
const LEGEND_HEIGHT = 44;
const FIT = { padding: { top: "14px", right: "14px", bottom: `${LEGEND_HEIGHT}px` as const, left: "54px" }, maxZoom: 1.1 } as const;

export function MapView(props: MapProps) {
  return (
    <section className="map" aria-label="Map of hosts, functions and networks" data-testid="map">
      <ReactFlowProvider>
        <Canvas {...props} />
      </ReactFlowProvider>
    </section>
  );
}

function Canvas({ topology, hostFacts, lookup, chain, selection, onSelect }: MapProps) {
  const { layout, problem } = useLayout(topology);
  const frame = useRefit(layout);
  const nodes = useMemo(
    () => (layout === null ? [] : nodesOf(layout, { topology, hostFacts, lookup, chain, selection, onSelect })),
    [layout, topology, hostFacts, lookup, chain, selection, onSelect],
  );
  return (
    <div className="map-frame" ref={frame} data-testid="map-frame">
      {problem !== "" && <p className="banner" role="alert">The map cannot be laid out: {problem}</p>}
      <ReactFlow
        nodes={nodes}
        nodeTypes={NODE_TYPES}
        nodesDraggable={false}
        nodesConnectable={false}
        nodesFocusable={false}
        elementsSelectable={false}
        onlyRenderVisibleElements={nodes.length > 60}
        minZoom={0.1}
        maxZoom={2.5}
        zoomOnDoubleClick={false}
        panOnScroll={false}
        proOptions={{ hideAttribution: true }}
      >
        <Background variant={BackgroundVariant.Dots} gap={22} size={1} />
        {layout !== null && (
          <ViewportPortal>
            <ChainLines topology={topology} lookup={lookup} layout={layout} chainId={chain?.id ?? null} />
          </ViewportPortal>
        )}
        <Controls showInteractive={false} fitViewOptions={FIT} />
      </ReactFlow>
      <Legend />
    </div>
  );
}

/** The layout of the newest topology; until ELK has answered, that of the one before. */
function useLayout(topology: Topology): { readonly layout: MapLayout | null; readonly problem: string } {
  const [result, setResult] = useState<{ layout: MapLayout | null; problem: string }>({ layout: null, problem: "" });
  const key = layoutKey(topology);
  const newest = useRef(topology);
  useEffect(() => {
    newest.current = topology;
  }, [topology]);
  useEffect(() => {
    let isWanted = true;
    layOut(newest.current, packWithElk)
      .then((layout) => isWanted && setResult({ layout, problem: "" }))
      .catch((error: unknown) => isWanted && setResult({ layout: null, problem: reason(error) }));
    return () => {
      isWanted = false;
    };
  }, [key]);
  return result;
}

/** Show everything at first, and again when the layout or the window changed; a chain that is taller moves nothing. */
function useRefit(layout: MapLayout | null): React.RefObject<HTMLDivElement | null> {
  const frame = useRef<HTMLDivElement>(null);
  const { fitView, getViewport } = useReactFlow();
  useEffect(() => {
    const element = frame.current;
    if (layout === null || element === null) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let width = 0;
    const fit = (): void => {
      clearTimeout(timer);
      element.dataset["fitted"] = "false";
      timer = setTimeout(() => {
        width = element.clientWidth;
        void fitView(FIT).then(() => {
          element.dataset["fitted"] = "true";
        });
      }, 60);
    };
    const observer = new ResizeObserver(() => {
      const { y, zoom } = getViewport();
      if (element.clientWidth !== width || y + layout.bottom * zoom > element.clientHeight - LEGEND_HEIGHT) fit();
    });
    fit();
    observer.observe(element);
    return () => {
      clearTimeout(timer);
      observer.disconnect();
    };
  }, [layout, fitView, getViewport]);
  return frame;
}

function nodesOf(layout: MapLayout, props: MapProps): Node[] {
  const { topology, hostFacts, lookup, chain, selection, onSelect } = props;
  const onChain = new Set(chain === null ? [] : stopsOf(chain, lookup).map((stop) => stop.id));
  const lit = highlighted(selection, topology);
  const nodes: Node[] = [];
  const add = (type: string, id: string, rect: { x: number; y: number; width: number; height: number }, data: object, zIndex = 1): void => {
    const { x, y, width, height } = rect;
    // React Flow takes no clicks for nodes that it neither moves nor selects; their own buttons want them.
    const style = { pointerEvents: "all" } as const;
    nodes.push({ id: `${type} ${id}`, type, position: { x, y }, width, height, zIndex, style, data: { ...data, width, height } });
  };
  for (const host of topology.hosts) {
    const rect = layout.hosts.get(host.name);
    if (rect === undefined) continue;
    const data = { host, facts: hostFacts.get(host.name) ?? null, lookup, onSelect, isSelected: isSelected(selection, "host", host.name) };
    add(layout.collapsed ? "card" : "host", host.name, rect, data, 0);
    for (const vnfc of host.vnfcs) {
      const inside = layout.vnfcs.get(vnfc.id);
      if (inside === undefined) continue;
      const colour = lookup.colour(lookup.keyOf({ host, vnfc }) ?? "");
      const marks = { isOnChain: onChain.has(vnfc.id), isLit: lit.has(vnfc.id), isSelected: isSelected(selection, "vnfc", vnfc.id) };
      add("vnfc", vnfc.id, inside, { vnfc, colour, onSelect, ...marks }, 2);
    }
  }
  for (const network of topology.networks) {
    const rect = layout.networks.get(network.id);
    const data = { network, onSelect, isSelected: isSelected(selection, "network", network.id), isLit: lit.has(network.id) };
    if (rect !== undefined) add("network", network.id, rect, data);
  }
  for (const sap of topology.saps) {
    const rect = layout.saps.get(sap.id);
    const network = topology.networks.find((one) => one.id === sap.networkId)?.name ?? "";
    const marks = { isOnChain: onChain.has(sap.id), isLit: lit.has(sap.id), isSelected: isSelected(selection, "sap", sap.id) };
    if (rect !== undefined) add("sap", sap.id, rect, { sap, network, onSelect, ...marks });
  }
  return nodes;
}
