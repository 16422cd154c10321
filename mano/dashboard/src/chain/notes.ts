// The short lines in a function's box.

import { compact, exact, plural, rate } from "../format";
import type { Station } from "./diagram";

export interface Note {
  readonly key: string;
  readonly mood: "plain" | "warn" | "bad";
  readonly text: string;
  /** the whole of it */
  readonly title: string;
}

const STATES: Readonly<Record<string, string>> = { open: "passed by", closed: "closed", next: "down" };

export function notesOf(station: Station): readonly Note[] {
  const notes: Note[] = [];
  const add = (key: string, mood: Note["mood"], text: string, title: string): void => void notes.push({ key, mood, text, title });
  const { down, passedBy, kept, active, latencyMs } = station;
  if (down !== null) add("down", "bad", STATES[down.onFailure] ?? "down", down.reason);
  if (passedBy !== null) {
    const title = `${exact(passedBy.total)} packets went past it while it was down, now ${rate(passedBy.perSecond)}`;
    add("passed", "warn", `${compact(passedBy.total)} past it`, title);
  }
  const serves = [active === null ? "" : plural(active, "flow"), latencyMs === null ? "" : `${latencyMs.toFixed(2)} ms`];
  if (active !== null || latencyMs !== null) {
    const text = serves.filter((part) => part !== "").join(" · ");
    add("serves", "plain", text, "connections that it serves; time of an echo request to here and back");
  }
  if (kept !== null && kept > 0) {
    add("kept", "bad", `${compact(kept)} not passed on`, `${exact(kept)} packets were handed to it and did not come back: dropped, or answered by it`);
  }
  for (const drop of station.drops) {
    add(`drop ${drop.reason}`, "bad", `${compact(drop.packets)} dropped`, `${exact(drop.packets)} packets dropped here: ${drop.reason}`);
  }
  return notes;
}
