// Requests to the server that this page came from.

import type { Reader } from "./decode";

const DEADLINE_MS = 10_000;

/** Why a request did not bring what was asked for; the text is for people. */
export class RequestFailed extends Error {
  constructor(
    message: string,
    /** HTTP status; 0 when no answer came. */
    readonly status: number,
    readonly hint = "",
  ) {
    super(message);
    this.name = "RequestFailed";
  }
}

export interface Client {
  get<T>(path: string, read: Reader<T>): Promise<T>;
  post<T>(path: string, body: unknown, read: Reader<T>): Promise<T>;
  /** An open response whose body is read as it comes. */
  stream(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response>;
}

export class HttpClient implements Client {
  token: string | null;
  readonly #root: URL;
  readonly #fetch: typeof fetch;

  /** `root` is the server's address; the page lies below it at `ui/`. */
  constructor(root: URL, token: string | null, fetcher: typeof fetch = fetch.bind(globalThis)) {
    this.#root = root;
    this.token = token;
    this.#fetch = fetcher;
  }

  async get<T>(path: string, read: Reader<T>): Promise<T> {
    return this.#json(path, {}, read);
  }

  async post<T>(path: string, body: unknown, read: Reader<T>): Promise<T> {
    const headers = { "Content-Type": "application/json" };
    return this.#json(path, { method: "POST", headers, body: JSON.stringify(body) }, read);
  }

  async stream(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    return this.#send(path, { headers: { Accept: "text/event-stream", ...headers }, signal });
  }

  async #json<T>(path: string, init: RequestInit, read: Reader<T>): Promise<T> {
    const response = await this.#send(path, { ...init, signal: AbortSignal.timeout(DEADLINE_MS) });
    try {
      return read((await response.json()) as unknown, path);
    } catch (error) {
      throw new RequestFailed(`${path} cannot be read: ${reason(error)}`, response.status);
    }
  }

  async #send(path: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers);
    if (this.token !== null) headers.set("Authorization", `Bearer ${this.token}`);
    let response: Response;
    try {
      response = await this.#fetch(new URL(path, this.#root), { ...init, headers, cache: "no-store" });
    } catch (error) {
      if (init.signal?.aborted && !(error instanceof DOMException && error.name === "TimeoutError")) throw error;
      throw new RequestFailed(noAnswer(error), 0, "Is the server running? Look at its log.");
    }
    if (!response.ok) throw await refusal(response);
    return response;
  }
}

function noAnswer(error: unknown): string {
  const late = error instanceof DOMException && error.name === "TimeoutError";
  return late ? `the server did not answer within ${DEADLINE_MS / 1000} s` : "the server cannot be reached";
}

/** The problem details (RFC 7807) of a refusal. */
async function refusal(response: Response): Promise<RequestFailed> {
  let details: Record<string, unknown> = {};
  try {
    details = ((await response.json()) ?? {}) as Record<string, unknown>;
  } catch {
    // No JSON: the status line has to do.
  }
  const say = (key: string): string => (typeof details[key] === "string" ? details[key] : "");
  const message = say("detail") || say("title") || response.statusText || `HTTP ${response.status}`;
  return new RequestFailed(message, response.status, say("hint"));
}

export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
