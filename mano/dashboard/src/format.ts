// Numbers and words for people.

const STEPS = ["", "k", "M", "G", "T"] as const;

/** At most five characters: 0, 999, 1.2k, 12k, 3.4M. */
export function compact(value: number): string {
  let step = 0;
  let left = Math.abs(value);
  while (left >= 999.5 && step < STEPS.length - 1) {
    left /= 1000;
    step += 1;
  }
  const digits = step > 0 && left < 9.95 ? left.toFixed(1) : String(Math.round(left));
  return `${value < 0 ? "-" : ""}${digits}${STEPS[step] ?? ""}`;
}

/** At most six characters, and exact as long as they suffice: 99 999, 1.23M. */
export function total(value: number): string {
  return value < 100_000 ? exact(value) : compact(value);
}

/** 1 234 567, with thin spaces. */
export function exact(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, "\u2009");
}

/** Packets per second: 0/s, 0.4/s, 12/s, 1.2k/s; a dash while not known. */
export function rate(perSecond: number | null): string {
  if (perSecond === null) return "–/s";
  const small = perSecond > 0 && perSecond < 9.95;
  return `${small ? perSecond.toFixed(1) : compact(perSecond)}/s`;
}

/** 512 MiB, 1.5 GiB, 64 GiB. */
export function memory(mib: number): string {
  if (mib < 1024) return `${mib} MiB`;
  const gib = mib / 1024;
  return `${Number.isInteger(gib) || gib >= 100 ? Math.round(gib) : gib.toFixed(1)} GiB`;
}

/** A page size given in KiB: 2 MiB, 1 GiB. */
export function pageSize(kib: number): string {
  if (kib >= 1 << 20) return `${kib / (1 << 20)} GiB`;
  return kib >= 1024 ? `${kib / 1024} MiB` : `${kib} KiB`;
}

/** 12:03:04 in the reader's time zone. */
export function clock(at: Date): string {
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

/** [0, 1, 2, 5] as 0-2, 5. */
export function ranges(numbers: readonly number[]): string {
  const sorted = [...new Set(numbers)].sort((a, b) => a - b);
  const parts: string[] = [];
  for (let start = 0; start < sorted.length; ) {
    let end = start;
    while (sorted[end + 1] === (sorted[end] ?? 0) + 1) end += 1;
    parts.push(start === end ? `${sorted[start] ?? ""}` : `${sorted[start] ?? ""}-${sorted[end] ?? ""}`);
    start = end + 1;
  }
  return parts.join(", ");
}

/** "1 host", "3 hosts". */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
