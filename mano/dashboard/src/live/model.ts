// What the page knows, kept up to date: read from REST, told by the event stream what to read again.

import type { Client } from "../api/client";
import { reason, RequestFailed } from "../api/client";
import type { CloudEvent, HistorySample, HostFacts, Placement, Refusal, Topology } from "../api/documents";
import * as documents from "../api/documents";
import { anything, flag, list, number, object, or, text } from "../api/decode";
import { EventStream } from "./eventStream";
import type { Counts, Sample } from "./rates";
import { count, mergeDrops, withoutRates, withSample } from "./rates";

/** Events come in bursts; one picture is read for all that come within this time. */
const BURST_MS = 250;
/** Whether a host can be reached is no event: the picture is read this often anyway. */
const PICTURE_MS = 15_000;
const STATISTICS_MS = 1000;
/** The server keeps the history; what is new in it is read this often. */
const HISTORY_MS = 10_000;
const HISTORY_KEPT = 360;
const EVENTS_KEPT = 100;

export interface Picture {
  readonly topology: Topology;
  readonly hostFacts: ReadonlyMap<string, HostFacts>;
  readonly placements: readonly Placement[];
  readonly refusals: readonly Refusal[];
}

export type Link =
  | { readonly status: "connecting" }
  | { readonly status: "connected" }
  | { readonly status: "reconnecting"; readonly why: string }
  | { readonly status: "refused"; readonly why: string };

export interface Proof {
  readonly chainId: string;
  readonly proven: boolean;
  readonly packetsTried: number;
  readonly violations: readonly string[];
  readonly drift: readonly { readonly host: string; readonly missing: readonly unknown[]; readonly foreign: readonly unknown[] }[];
}

export interface State {
  /** null until the first picture arrived */
  readonly picture: Picture | null;
  /** when the newest picture arrived, by the wall clock */
  readonly pictureAt: Date | null;
  /** why the last reading failed; null after one that succeeded */
  readonly problem: RequestFailed | null;
  readonly link: Link;
  /** since when what is shown may be out of date; null while it is live */
  readonly staleSince: Date | null;
  readonly events: readonly CloudEvent[];
  readonly chainId: string | null;
  readonly counts: Counts | null;
  readonly countsProblem: RequestFailed | null;
  /** of the chosen chain, oldest first */
  readonly history: readonly HistorySample[];
}

const EMPTY: State = {
  picture: null,
  pictureAt: null,
  problem: null,
  link: { status: "connecting" },
  staleSince: null,
  events: [],
  chainId: null,
  counts: null,
  countsProblem: null,
  history: [],
};

const proof = object<Omit<Proof, "chainId">>({
  proven: flag,
  packetsTried: or(number, 0),
  violations: or(list(text), []),
  drift: or(list(object({ host: text, missing: or(list(anything), []), foreign: or(list(anything), []) })), []),
});

export class LiveModel {
  #state = EMPTY;
  readonly #client: Client;
  readonly #isHidden: () => boolean;
  readonly #stream: EventStream;
  readonly #listeners = new Set<() => void>();
  #samples: readonly Sample[] = [];
  #reading: Promise<void> | null = null;
  #again = false;
  #pictureTimer: ReturnType<typeof setTimeout> | undefined;
  #statisticsTimer: ReturnType<typeof setTimeout> | undefined;
  #historyAt = -HISTORY_MS;
  #running = false;

  /** Nothing is counted while `isHidden`: nobody looks. */
  constructor(client: Client, isHidden: () => boolean = () => document.hidden) {
    this.#client = client;
    this.#isHidden = isHidden;
    this.#stream = new EventStream(client, {
      connected: () => {
        this.#set({ link: { status: "connected" } });
        this.#readSoon(0);
      },
      disconnected: (error, retryMs) => this.#disconnected(error, retryMs),
      event: (event) => {
        this.#set({ events: [event, ...this.#state.events].slice(0, EVENTS_KEPT) });
        this.#readSoon(BURST_MS);
      },
      reset: () => this.#readSoon(0),
    });
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly state = (): State => this.#state;

  start(): void {
    this.#running = true;
    this.#readSoon(0);
    this.#stream.start();
    this.#countSoon(0);
  }

  stop(): void {
    this.#running = false;
    this.#stream.stop();
    clearTimeout(this.#pictureTimer);
    clearTimeout(this.#statisticsTimer);
  }

  /** Try everything again at once, as after a new token. */
  restart(): void {
    this.stop();
    this.#set({ problem: null, link: { status: "connecting" } });
    this.start();
  }

  /** The chain whose counters are read. */
  selectChain(id: string | null): void {
    if (id === this.#state.chainId) return;
    this.#samples = [];
    this.#historyAt = -HISTORY_MS;
    this.#set({ chainId: id, counts: null, countsProblem: null, history: [] });
    if (this.#running) this.#countSoon(0);
  }

  /** Have the server prove the chain on the simulator and compare the bridges with its tables. */
  async prove(chainId: string): Promise<Proof> {
    const found = await this.#client.post(`mano/v1/chains/${encodeURIComponent(chainId)}/verify`, {}, proof);
    return { chainId, ...found };
  }

  #disconnected(error: RequestFailed, retryMs: number | null): void {
    const status = retryMs === null ? "refused" : "reconnecting";
    this.#set({ link: { status, why: error.message }, staleSince: this.#state.staleSince ?? new Date() });
    if (error.status === 401) this.#set({ problem: error });
  }

  #readSoon(delayMs: number): void {
    if (!this.#running) return;
    clearTimeout(this.#pictureTimer);
    this.#pictureTimer = setTimeout(() => void this.#read(), delayMs);
  }

  async #read(): Promise<void> {
    if (this.#reading !== null) {
      this.#again = true;
      return;
    }
    this.#reading = this.#readPicture();
    await this.#reading;
    this.#reading = null;
    const again = this.#again;
    this.#again = false;
    this.#readSoon(again ? BURST_MS : PICTURE_MS);
  }

  async #readPicture(): Promise<void> {
    try {
      const [topology, hosts, placements, refusals] = await Promise.all([
        this.#client.get("mano/v1/topology", documents.topology),
        this.#client.get("mano/v1/hosts", documents.hostFacts).catch(unlessForbidden),
        this.#client.get("mano/v1/placements", documents.placements).catch(unlessForbidden),
        this.#client.get("mano/v1/placements/refused", documents.refusals).catch(unlessForbidden),
      ]);
      const hostFacts = new Map((hosts ?? []).map((facts) => [facts.name, facts]));
      this.#show({ topology, hostFacts, placements: placements ?? [], refusals: refusals ?? [] });
    } catch (error) {
      this.#set({ problem: asFailure(error), staleSince: this.#state.staleSince ?? new Date() });
    }
  }

  #show(picture: Picture): void {
    const live = this.#state.link.status === "connected";
    this.#set({
      picture,
      pictureAt: new Date(),
      problem: null,
      staleSince: live ? null : this.#state.staleSince,
    });
    const chains = picture.topology.chains;
    if (!chains.some((chain) => chain.id === this.#state.chainId)) this.selectChain(chains[0]?.id ?? null);
  }

  #countSoon(delayMs: number): void {
    clearTimeout(this.#statisticsTimer);
    this.#statisticsTimer = setTimeout(() => void this.#count(), delayMs);
  }

  async #count(): Promise<void> {
    const id = this.#state.chainId;
    if (id !== null && !this.#isHidden()) {
      await this.#readStatistics(id);
      if (performance.now() - this.#historyAt >= HISTORY_MS) await this.#readHistory(id);
    }
    if (this.#running && id === this.#state.chainId) this.#countSoon(STATISTICS_MS);
  }

  async #readStatistics(id: string): Promise<void> {
    try {
      const path = `mano/v1/chains/${encodeURIComponent(id)}/statistics`;
      const statistics = mergeDrops(await this.#client.get(path, documents.statistics));
      if (id !== this.#state.chainId) return;
      this.#samples = withSample(this.#samples, { at: performance.now(), statistics });
      this.#set({ counts: count(this.#samples), countsProblem: null });
    } catch (error) {
      if (id !== this.#state.chainId) return;
      this.#samples = [];
      this.#set({ counts: withoutRates(this.#state.counts), countsProblem: asFailure(error) });
    }
  }

  /** The samples that are new; without them the page goes on as well. */
  async #readHistory(id: string): Promise<void> {
    this.#historyAt = performance.now();
    const known = this.#state.history;
    const last = known.at(-1)?.time;
    const since = last === undefined ? "" : `?since=${encodeURIComponent(last)}`;
    const path = `mano/v1/chains/${encodeURIComponent(id)}/statistics/history${since}`;
    try {
      const { samples } = await this.#client.get(path, documents.history);
      if (id === this.#state.chainId && samples.length > 0) {
        this.#set({ history: [...known, ...samples].slice(-HISTORY_KEPT) });
      }
    } catch (error) {
      if (!(error instanceof Error)) throw error;
    }
  }

  #set(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }
}

/** A tenant's token does not see the infrastructure: the page goes without. */
function unlessForbidden(error: unknown): null {
  if (error instanceof RequestFailed && error.status === 403) return null;
  throw error;
}

function asFailure(error: unknown): RequestFailed {
  return error instanceof RequestFailed ? error : new RequestFailed(reason(error), 0);
}
