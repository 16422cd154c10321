import { describe, expect, it } from "vitest";

import { explain, feasibility, refusalText, words } from "./decision";

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
