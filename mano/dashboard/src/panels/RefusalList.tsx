import type { Refusal } from "../api/documents";
import { refusalLines } from "./refusal";

const SHOWN = 5;

/** VDUs that found no place, the latest first; nothing where all did. */
export function RefusalList({ refusals }: { readonly refusals: readonly Refusal[] }) {
  if (refusals.length === 0) return null;
  return (
    <section className="panel refusals" aria-labelledby="refusals-title">
      <h2 id="refusals-title">
        Refused a place <span className="amount">{refusals.length}</span>
      </h2>
      <ul data-testid="refusals">
        {refusals.slice(0, SHOWN).map((refusal) => (
          <li key={refusal.id} title={refusal.refusedAt}>
            <strong>{refusal.key}</strong>
            {refusalLines(refusal).map((line) => (
              <p key={line} className="hint">
                {line}
              </p>
            ))}
          </li>
        ))}
      </ul>
    </section>
  );
}
