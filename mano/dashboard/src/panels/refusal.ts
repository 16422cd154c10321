import type { Refusal } from "../api/documents";

const SUGGESTED = 3;

function counted(counts: Readonly<Record<string, number>>, word: (name: string, count: number) => string): string {
  return Object.entries(counts)
    .map(([name, count]) => word(name, count))
    .join(", ");
}

/** Why a VDU found no place, what came nearest, and what would make it fit, a line each. */
export function refusalLines({ refusal }: Refusal): readonly string[] {
  const reasons = counted(refusal.reasons, (code, hosts) => `${code} on ${hosts}`);
  const nearest = refusal.nearest[0];
  return [
    `none of ${refusal.hosts} hosts fits${reasons === "" ? "" : `: ${reasons}`}`,
    ...(nearest === undefined
      ? []
      : [`nearest: ${nearest.host} lacks ${counted(nearest.short, (code, count) => `${count} ${code}`)}`]),
    ...refusal.wouldFitIf.slice(0, SUGGESTED).map((text) => `fits if ${text}`),
  ];
}
