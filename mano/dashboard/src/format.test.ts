import { describe, expect, it } from "vitest";

import { clock, compact, memory, pageSize, plural, ranges, rate, total } from "./format";

describe("numbers for people", () => {
  it.each([
    [0, "0"],
    [999, "999"],
    [1000, "1.0k"],
    [9949, "9.9k"],
    [12_345, "12k"],
    [999_500, "1.0M"],
    [3_400_000, "3.4M"],
    [-1500, "-1.5k"],
  ])("shortens %d to %s", (value, text) => expect(compact(value)).toBe(text));

  it.each([
    [99_999, "99\u2009999"],
    [1_234_567, "1.2M"],
    [123, "123"],
  ])("keeps %d exact as long as there is room: %s", (value, text) => {
    expect(total(value)).toBe(text);
    expect(text.length).toBeLessThanOrEqual(6);
  });

  it.each([
    [null, "–/s"],
    [0, "0/s"],
    [0.24, "0.2/s"],
    [12.4, "12/s"],
    [1234, "1.2k/s"],
  ])("tells a rate of %s as %s", (value, text) => expect(rate(value)).toBe(text));

  it("tells sizes", () => {
    expect([memory(512), memory(2048), memory(1536), memory(65_536)]).toEqual(["512 MiB", "2 GiB", "1.5 GiB", "64 GiB"]);
    expect([pageSize(4), pageSize(2048), pageSize(1_048_576)]).toEqual(["4 KiB", "2 MiB", "1 GiB"]);
  });

  it("tells lists of CPUs as ranges", () => {
    expect(ranges([3, 2, 10, 11, 12, 40])).toBe("2-3, 10-12, 40");
    expect(ranges([])).toBe("");
  });

  it("tells times and amounts", () => {
    expect(clock(new Date(2026, 0, 2, 3, 4, 5))).toBe("03:04:05");
    expect([plural(1, "host"), plural(0, "host")]).toEqual(["1 host", "0 hosts"]);
  });
});
