// One line for each event of the stream.

import type { CloudEvent } from "../api/documents";

export type Mood = "good" | "bad" | "plain";

export interface EventLine {
  readonly text: string;
  readonly mood: Mood;
}

const NOUNS: Readonly<Record<string, string>> = {
  "ns-instance": "NS",
  "vnf-instance": "VNF",
  "ns-lcm-op-occ": "NS",
  "vnf-lcm-op-occ": "VNF",
  "vnf-package": "VNF package",
  "ns-descriptor": "NSD",
  "pnf-descriptor": "PNFD",
};

const BAD = /FAILED|ERROR|ROLLED_BACK|unreachable|lost|raised/;
const GOOD = /COMPLETED|ONBOARDED|programmed|instantiated|cleared/;

/** What happened, in words; the type and the data decide, so that an unknown event is told as well. */
export function eventLine(event: CloudEvent): EventLine {
  const [, noun = event.type, verb = ""] = /^catena\.(.+)\.([^.]+)\.v\d+$/.exec(event.type) ?? [];
  const say = (key: string): string => (typeof event.data[key] === "string" ? event.data[key] : "");
  const subject = say("name") || short(event.subject);
  const name = NOUNS[noun] ?? noun.replaceAll("-", " ");
  if (!noun.endsWith("-lcm-op-occ")) {
    return { text: `${name} ${subject} ${verb.replaceAll("-", " ")}`, mood: mood(verb, say("state")) };
  }
  const step = say("step") ? `, step ${say("step")} ${say("stepState").toLowerCase()}` : "";
  const text = `${name} ${say("operation").toLowerCase() || "operation"}: ${say("operationState") || verb}${step}`;
  return { text, mood: mood(say("operationState"), say("stepState")) };
}

function mood(...words: readonly string[]): Mood {
  const all = words.join(" ");
  if (BAD.test(all)) return "bad";
  return GOOD.test(all) ? "good" : "plain";
}

function short(id: string): string {
  return /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(id) ? id.slice(0, 8) : id;
}
