import type { ReactNode } from "react";

/** Whatever claims a packet says so where no packet was real. */
export function Simulated({ tier, children }: { readonly tier: string; readonly children: ReactNode }) {
  if (tier !== "simulated") return <>{children}</>;
  return (
    <>
      {children}
      <span className="sim" title="No packet was real: these are the simulator's">
        simulated
      </span>
    </>
  );
}
