// Packets per second out of counters that are read about once a second.

import type { Down, Drop, ReasonedDrop, Statistics } from "../api/documents";

/** Rates are means over this time: long enough to be calm, short enough to be live. */
export const WINDOW_MS = 4000;

/** Counters of one moment; `at` in milliseconds of a monotonic clock. */
export interface Sample {
  readonly at: number;
  readonly statistics: Statistics;
}

/** A counter and how fast it grows; null while that is not known. */
export interface Counted {
  readonly total: number;
  readonly perSecond: number | null;
}

export interface CountedHop {
  readonly si: number;
  readonly handed: Counted;
  readonly returned: Counted | null;
  readonly passedBy: Counted;
  readonly active: number | null;
  readonly latencyMs: number | null;
  readonly drops: readonly ReasonedDrop[];
}

export interface CountedPath {
  readonly spi: number;
  readonly classified: Counted | null;
  readonly hops: readonly CountedHop[];
  readonly ended: Counted;
  readonly latencyMs: number | null;
  readonly ingressDrops: readonly ReasonedDrop[];
}

export interface CountedDrop extends Drop {
  readonly perSecond: number | null;
}

export interface Counts {
  readonly at: number;
  readonly paths: readonly CountedPath[];
  readonly drops: readonly CountedDrop[];
  readonly down: readonly Down[];
}

/** The samples with a newer one, without those that no rate needs any more. */
export function withSample(samples: readonly Sample[], next: Sample): readonly Sample[] {
  const kept = samples.filter((sample) => sample.at < next.at);
  const old = kept.findLastIndex((sample) => next.at - sample.at >= WINDOW_MS);
  return [...kept.slice(Math.max(0, old)), next];
}

/** Totals of the newest sample with their rates; null without samples. */
export function count(samples: readonly Sample[]): Counts | null {
  const newest = samples.at(-1);
  if (newest === undefined) return null;
  const oldest = samples[0] ?? newest;
  const seconds = (newest.at - oldest.at) / 1000;
  const rated = (total: number, before: number | null | undefined): Counted => ({
    total,
    perSecond: before === null || before === undefined ? null : rate(total, before, seconds),
  });
  return {
    at: newest.at,
    paths: newest.statistics.paths.map((path) => {
      const was = oldest.statistics.paths.find((other) => other.spi === path.spi);
      return {
        spi: path.spi,
        classified: path.classified === null ? null : rated(path.classified, was?.classified),
        hops: path.hops.map((hop) => {
          const then = was?.hops.find((other) => other.si === hop.si && other.host === hop.host);
          return {
            si: hop.si,
            handed: rated(hop.packets, then?.packets),
            returned: hop.returned === null ? null : rated(hop.returned, then?.returned),
            passedBy: rated(hop.passedBy, then?.passedBy),
            active: hop.active,
            latencyMs: hop.latencyMs,
            drops: hop.drops,
          };
        }),
        ended: rated(path.endPackets, was?.endPackets),
        latencyMs: path.latencyMs,
        ingressDrops: path.ingressDrops,
      };
    }),
    drops: newest.statistics.drops.map((drop) => {
      const then = sameDrop(oldest.statistics.drops, drop);
      return { ...drop, perSecond: rate(drop.packets, then?.packets ?? 0, seconds) };
    }),
    down: newest.statistics.down,
  };
}

/** Old totals without rates: nobody knows whether they still grow. */
export function withoutRates(counts: Counts | null): Counts | null {
  if (counts === null) return null;
  const still = <T extends { readonly perSecond: number | null }>(one: T): T => ({ ...one, perSecond: null });
  return {
    ...counts,
    paths: counts.paths.map((path) => ({
      ...path,
      classified: path.classified && still(path.classified),
      hops: path.hops.map((hop) => ({
        ...hop,
        handed: still(hop.handed),
        returned: hop.returned && still(hop.returned),
        passedBy: still(hop.passedBy),
      })),
      ended: still(path.ended),
    })),
    drops: counts.drops.map(still),
  };
}

/** One entry per host and reason: several flows may drop for the same reason. */
export function mergeDrops(statistics: Statistics): Statistics {
  const merged = new Map<string, Drop>();
  for (const drop of statistics.drops) {
    const key = `${drop.host}\n${drop.reason}`;
    const before = merged.get(key);
    merged.set(key, { ...drop, packets: drop.packets + (before?.packets ?? 0) });
  }
  return { ...statistics, drops: [...merged.values()] };
}

/** A counter that went back was reset; its rate is not known until it has grown again. */
function rate(now: number, before: number, seconds: number): number | null {
  return seconds <= 0 || now < before ? null : (now - before) / seconds;
}

function sameDrop(drops: readonly Drop[], wanted: Drop): Drop | undefined {
  return drops.find((drop) => drop.host === wanted.host && drop.reason === wanted.reason);
}

/** Packets per second that enter the chain, both directions together; null while not known. */
export function chainRate(counts: Counts | null): number | null {
  if (counts === null) return null;
  const rates = counts.paths.map((path) => (path.classified ?? path.hops[0]?.handed ?? path.ended).perSecond);
  const known = rates.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
}
