// How a chain spreads over instances, what goes on in which chain behind it, and how it went lately.

import type { Chain, Down, HistorySample } from "../api/documents";
import type { Counts } from "../live/rates";

export interface InstanceRow {
  readonly id: string;
  readonly name: string;
  readonly weight: number;
  /** 0 to 1 of the connections; null where that is not known */
  readonly share: number | null;
  /** packets that it was handed, all paths together; null while not known */
  readonly perSecond: number | null;
  readonly active: number | null;
  readonly down: Down | null;
}

export interface GroupRows {
  readonly name: string;
  readonly spread: boolean;
  readonly instances: readonly InstanceRow[];
}

/** Every group that has more than one instance, with each of them. */
export function groupsOf(chain: Chain, counts: Counts | null): readonly GroupRows[] {
  return chain.groups
    .filter((group) => group.instances.length > 1)
    .map((group) => ({
      name: group.group,
      spread: group.spread,
      instances: group.instances.map((one) => ({
        id: one.sfId,
        name: one.sfName,
        weight: one.weight,
        share: one.share,
        ...servedBy(chain, counts, one.sfId),
        down: counts?.down.find((down) => down.sfId === one.sfId) ?? null,
      })),
    }));
}

function servedBy(chain: Chain, counts: Counts | null, sfId: string): Pick<InstanceRow, "perSecond" | "active"> {
  const hops = chain.paths.flatMap((path) => {
    const counted = counts?.paths.find((one) => one.spi === path.spi);
    return path.hops.flatMap((hop, index) => (hop.sfId === sfId ? [counted?.hops[index]] : []));
  });
  const known = hops.filter((hop) => hop !== undefined);
  const rates = known.map((hop) => hop.handed.perSecond).filter((value) => value !== null);
  return {
    perSecond: rates.length > 0 ? rates.reduce((sum, value) => sum + value, 0) : counts !== null && hops.length === 0 ? 0 : null,
    active: known.find((hop) => hop.active !== null)?.active ?? null,
  };
}

export interface Edge {
  readonly chain: Chain;
  /** what takes packets from one to the other */
  readonly when: readonly string[];
}

/** The chains at whose end this one begins, and those that go on behind it. */
export function edgesOf(chain: Chain, all: readonly Chain[]): { readonly before: readonly Edge[]; readonly behind: readonly Edge[] } {
  const edge = (to: Chain, said: Chain): Edge => ({ chain: to, when: said.classifiers.map((one) => one.text) });
  return {
    before: all.filter((other) => follows(chain, other, all)).map((other) => edge(other, chain)),
    behind: all.filter((other) => follows(other, chain, all)).map((other) => edge(other, other)),
  };
}

/** A chain of a service graph of networking-sfc holds the whole way, and is called after all chains on it. */
function follows(later: Chain, earlier: Chain, all: readonly Chain[]): boolean {
  if (later.after.includes(earlier.id)) return true;
  const within = (one: Chain): boolean =>
    one.portChainId !== null && one.portChainId === later.portChainId && later.name.startsWith(`${one.name}/`);
  if (!within(earlier)) return false;
  const nearest = Math.max(...all.filter(within).map((one) => one.name.length));
  return earlier.name.length === nearest;
}

export interface Trend {
  /** packets per second that entered, one for each two samples; null where a counter began anew */
  readonly rates: readonly (number | null)[];
  readonly highest: number;
  readonly minutes: number;
  readonly dropped: number;
}

/** What came of the samples; null while there are fewer than three. */
export function trendOf(samples: readonly HistorySample[]): Trend | null {
  if (samples.length < 3) return null;
  const rates = samples.slice(1).map((sample, index) => rateBetween(samples[index], sample));
  const [first, last] = [samples[0], samples.at(-1)];
  const sum = (one: HistorySample | undefined): number => Object.values(one?.drops ?? {}).reduce((all, value) => all + value, 0);
  const milliseconds = Date.parse(last?.time ?? "") - Date.parse(first?.time ?? "");
  return {
    rates,
    highest: Math.max(0, ...rates.filter((rate) => rate !== null)),
    minutes: Math.max(1, Math.round(milliseconds / 60_000)),
    dropped: Math.max(0, sum(last) - sum(first)),
  };
}

function rateBetween(before: HistorySample | undefined, after: HistorySample): number | null {
  const entered = (one: HistorySample | undefined): number => (one?.paths ?? []).reduce((sum, path) => sum + path.classified, 0);
  const seconds = (Date.parse(after.time) - Date.parse(before?.time ?? "")) / 1000;
  const grown = entered(after) - entered(before);
  return !(seconds > 0) || grown < 0 ? null : grown / seconds;
}
