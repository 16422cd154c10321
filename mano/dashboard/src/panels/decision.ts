// A stored placement decision, for people: why here, why not elsewhere.

import { pageSize, plural } from "../format";

export interface Difference {
  readonly name: string;
  readonly here: number;
  readonly there: number;
}

export interface Explanation {
  readonly why: readonly string[];
  /** hosts that were refused by name */
  readonly elsewhere: readonly { readonly host: string; readonly text: string }[];
  /** how many hosts fell to which constraint */
  readonly refused: readonly { readonly code: string; readonly text: string; readonly hosts: number }[];
  readonly runnerUp: { readonly host: string; readonly differences: readonly Difference[] } | null;
}

const CODES: Readonly<Record<string, string>> = {
  HOST_STATE: "takes no new VNFCs (draining or down)",
  LABEL: "lacks a label that is asked for",
  ZONE: "lies in another zone",
  AFFINITY: "an affinity or anti-affinity rule forbids it",
  CPU_DEDICATED: "has too few free dedicated CPUs",
  CPU_SHARED: "has too little room in its shared CPUs",
  THREAD_POLICY: "has no cores that fit the thread policy",
  MEMORY: "has too little free memory",
  NUMA_CELLS: "has no NUMA nodes that fit the cells",
  STORAGE: "has too little storage",
  PHYSNET: "has no NIC on the physical network",
  VF: "has no free VF",
  NIC_NUMA: "has no VF on the right NUMA node",
  BANDWIDTH: "has too little bandwidth left on its NICs",
  LINK_BANDWIDTH: "is behind links with too little bandwidth left",
  LATENCY: "would make a chain too slow",
};

export function refusalText(code: string): string {
  const pages = /^PAGES_(\d+)$/.exec(code)?.[1];
  if (pages !== undefined) return `has too few free pages of ${pageSize(Number(pages))}`;
  return CODES[code] ?? code;
}

export function explain(decision: Readonly<Record<string, unknown>>): Explanation {
  const runnerUp = decision["runnerUp"];
  return {
    why: texts(decision["why"]),
    elsewhere: Object.entries(members(decision["notElsewhere"])).map(([host, text]) => ({ host, text: texts(text).join("; ") })),
    refused: Object.entries(numbers(decision["reasons"])).map(([code, hosts]) => ({ code, text: refusalText(code), hosts })),
    runnerUp:
      typeof runnerUp === "string" && runnerUp !== ""
        ? { host: runnerUp, differences: differences(numbers(decision["score"]), numbers(decision["runnerUpScore"])) }
        : null,
  };
}

/** How far the choice went: "1 of 3 hosts could take it". */
export function feasibility(decision: Readonly<Record<string, unknown>>): string {
  const { hosts, feasible } = decision;
  if (typeof hosts !== "number" || typeof feasible !== "number") return "";
  return `${feasible} of ${plural(hosts, "host")} could take it`;
}

/** camelCase or snake_case names as words. */
export function words(name: string): string {
  return name.replaceAll("_", " ").replace(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`);
}

function differences(here: Readonly<Record<string, number>>, there: Readonly<Record<string, number>>): readonly Difference[] {
  return Object.keys(here)
    .map((name) => ({ name: words(name), here: here[name] ?? 0, there: there[name] ?? 0 }))
    .filter((one) => one.here !== one.there);
}

function texts(value: unknown): readonly string[] {
  if (typeof value === "string") return value.split("\n").filter((line) => line.trim() !== "");
  if (Array.isArray(value)) return value.flatMap(texts);
  return Object.entries(members(value)).map(([key, text]) => `${key}: ${texts(text).join("; ")}`);
}

function members(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function numbers(value: unknown): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(members(value)).filter((entry): entry is [string, number] => typeof entry[1] === "number"));
}
