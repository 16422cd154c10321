// The connection to /mano/v1/events: kept up, watched, and taken up again where it broke.

import type { Client } from "../api/client";
import { reason, RequestFailed } from "../api/client";
import type { CloudEvent } from "../api/documents";
import { cloudEvent } from "../api/documents";
import { EventParser } from "../api/sse";

/** The server speaks at least every 15 s; a stream that is silent for longer than this is dead. */
const SILENCE_MS = 40_000;
const FIRST_RETRY_MS = 2000;
const LONGEST_RETRY_MS = 15_000;

export interface StreamListener {
  connected(): void;
  /** `error` says why; the next attempt comes after `retryMs`, or never when that is null. */
  disconnected(error: RequestFailed, retryMs: number | null): void;
  event(event: CloudEvent): void;
  /** What the page knows may be out of date: read everything anew. */
  reset(): void;
}

export class EventStream {
  readonly #client: Client;
  readonly #listener: StreamListener;
  #lastId = "";
  #retryMs = FIRST_RETRY_MS;
  #failures = 0;
  #abort = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: Client, listener: StreamListener) {
    this.#client = client;
    this.#listener = listener;
  }

  start(): void {
    this.stop();
    this.#abort = new AbortController();
    void this.#run(this.#abort.signal);
  }

  stop(): void {
    this.#abort.abort();
    clearTimeout(this.#timer);
  }

  async #run(signal: AbortSignal): Promise<void> {
    try {
      await this.#follow(signal);
      throw new RequestFailed("the server ended the stream", 0);
    } catch (error) {
      if (!signal.aborted) this.#failed(error);
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const headers: Record<string, string> = this.#lastId === "" ? {} : { "Last-Event-ID": this.#lastId };
    const watch = new Watchdog(signal, SILENCE_MS);
    try {
      const response = await this.#client.stream("mano/v1/events", headers, watch.signal);
      if (response.body === null) throw new RequestFailed("the stream has no body", 0);
      this.#failures = 0;
      this.#listener.connected();
      const parser = new EventParser();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        watch.feed();
        this.#take(parser, piece.value);
      }
    } catch (error) {
      throw watch.barked ? new RequestFailed("the stream fell silent", 0) : error;
    } finally {
      watch.stop();
    }
  }

  #take(parser: EventParser, piece: string): void {
    const { messages, retryMs } = parser.feed(piece);
    if (retryMs !== null) this.#retryMs = retryMs;
    for (const message of messages) {
      this.#lastId = message.id;
      if (message.name === "reset") this.#listener.reset();
      else if (message.name === "message") this.#listener.event(cloudEvent(JSON.parse(message.data), "event"));
    }
  }

  #failed(error: unknown): void {
    const failure = error instanceof RequestFailed ? error : new RequestFailed(broken(error), 0);
    const refused = failure.status === 401 || failure.status === 403;
    const wait = Math.min(this.#retryMs * 2 ** this.#failures, LONGEST_RETRY_MS);
    this.#failures += 1;
    this.#listener.disconnected(failure, refused ? null : wait);
    if (!refused) this.#timer = setTimeout(() => this.start(), wait);
  }
}

/** What browsers say of a connection that broke differs, and none says much. */
function broken(error: unknown): string {
  return error instanceof TypeError ? "the connection to the server broke" : reason(error);
}

/** Aborts when its owner does, or when it was not fed for `patienceMs`. */
class Watchdog {
  readonly #controller = new AbortController();
  readonly #owner: AbortSignal;
  readonly #patienceMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  barked = false;

  constructor(owner: AbortSignal, patienceMs: number) {
    this.#owner = owner;
    this.#patienceMs = patienceMs;
    owner.addEventListener("abort", this.#abort);
    this.feed();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  feed(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.barked = true;
      this.#controller.abort();
    }, this.#patienceMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#owner.removeEventListener("abort", this.#abort);
  }

  readonly #abort = (): void => this.#controller.abort();
}
