// ELK's rectangle packing, in a Web Worker of its own: it must never hold up the page.

import type { ELK, ElkNode } from "elkjs/lib/elk-api.js";
import ElkApi from "elkjs/lib/elk-api.js";
import workerUrl from "elkjs/lib/elk-worker.min.js?url";

import type { Rect, Size } from "./geometry";

let elk: ELK | undefined;

export async function packWithElk(sizes: readonly Size[], targetWidth: number, gap: number): Promise<readonly Rect[]> {
  if (sizes.length === 0) return [];
  elk ??= new ElkApi({ workerFactory: () => new Worker(workerUrl) });
  const graph: ElkNode = {
    id: "map",
    layoutOptions: {
      "elk.algorithm": "rectpacking",
      "elk.spacing.nodeNode": String(gap),
      "elk.padding": "[top=0,left=0,bottom=0,right=0]",
      "elk.rectpacking.widthApproximation.strategy": "TARGET_WIDTH",
      "elk.rectpacking.widthApproximation.targetWidth": String(targetWidth),
    },
    children: sizes.map((size, index) => ({ id: String(index), ...size })),
  };
  const placed = await elk.layout(graph);
  return sizes.map((size, index) => {
    const child = placed.children?.[index];
    return { x: child?.x ?? 0, y: child?.y ?? 0, ...size };
  });
}
