import { describe, expect, it } from "vitest";

import { explain, feasibility, refusalText, words } from "./decision";
import { refusalLines } from "./refusal";

describe("a placement decision", () => {
  it("tells why here and why not elsewhere", () => {
    const decision = {
      why: "h1 keeps the chain shortest\nit was free",
      notElsewhere: { h2: "no free VF" },
      reasons: { VF: 1 },
      hosts: 3,
      feasible: 2,
      runnerUp: "h3",
      score: { hostsOpened: 1, chainHops: 1 },
      runnerUpScore: { hostsOpened: 1, chainHops: 3 },
    };
    expect(explain(decision)).toEqual({
      why: ["h1 keeps the chain shortest", "it was free"],
      elsewhere: [{ host: "h2", text: "no free VF" }],
      refused: [{ code: "VF", text: "has no free VF", hosts: 1 }],
      runnerUp: { host: "h3", differences: [{ name: "chain hops", here: 1, there: 3 }] },
    });
    expect(feasibility(decision)).toBe("2 of 3 hosts could take it");
  });

  it("may be empty, or of a shape that this page does not know", () => {
    expect(explain({})).toEqual({ why: [], elsewhere: [], refused: [], runnerUp: null });
    expect(explain({ why: { first: "x" }, reasons: 3, runnerUp: null }).why).toEqual(["first: x"]);
    expect(feasibility({})).toBe("");
  });

  it("names constraints in words", () => {
    expect(refusalText("PAGES_1048576")).toBe("has too few free pages of 1 GiB");
    expect(refusalText("NEW_CODE")).toBe("NEW_CODE");
    expect(words("crossNumaVfs")).toBe("cross numa vfs");
  });
});

describe("a refusal", () => {
  const refusal = {
    hosts: 2,
    reasons: { VF: 1, CPU_DEDICATED: 1 },
    nearest: [{ host: "h7", short: { VF: 2 } }],
    wouldFitIf: ["2 VFs on h7 were freed", "vfs: 1", "vcpus: 2", "memoryMib: 1"],
  };
  const whole = { id: "op/fw", key: "fw/fw/0", refusedAt: "", operationEnded: true, refusal };

  it("tells the histogram, the nearest miss and what would help", () => {
    expect(refusalLines(whole)).toEqual([
      "none of 2 hosts fits: VF on 1, CPU_DEDICATED on 1",
      "nearest: h7 lacks 2 VF",
      "fits if 2 VFs on h7 were freed",
      "fits if vfs: 1",
      "fits if vcpus: 2",
    ]);
  });

  it("says what little there is to say without hosts", () => {
    const empty = { hosts: 0, reasons: {}, nearest: [], wouldFitIf: [] };
    expect(refusalLines({ ...whole, refusal: empty })).toEqual(["none of 0 hosts fits"]);
  });
});
