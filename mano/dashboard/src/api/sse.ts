// Server-sent events (HTML standard, clause 9.2.6) from a stream of text: EventSource cannot send a bearer token.

export interface Message {
  readonly id: string;
  readonly name: string;
  readonly data: string;
}

export interface Parsed {
  readonly messages: readonly Message[];
  /** What the server wants between two attempts, in milliseconds; null when it said nothing. */
  readonly retryMs: number | null;
}

/** Feed it pieces of text as they arrive; each call gives the messages that became complete. */
export class EventParser {
  #rest = "";
  #id = "";
  #name = "";
  #data: string[] = [];

  feed(piece: string): Parsed {
    // A CR at the end may be the first half of a CR LF: it waits for the next piece.
    const text = this.#rest + piece;
    const held = text.endsWith("\r") ? 1 : 0;
    const lines = text.slice(0, text.length - held).split(/\r\n|\r|\n/);
    this.#rest = (lines.pop() ?? "") + text.slice(text.length - held);
    const messages: Message[] = [];
    let retryMs: number | null = null;
    for (const line of lines) {
      if (line === "") {
        const message = this.#dispatch();
        if (message !== null) messages.push(message);
      } else {
        retryMs = this.#field(line) ?? retryMs;
      }
    }
    return { messages, retryMs };
  }

  #field(line: string): number | null {
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#name = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^\d+$/.test(value)) return Number(value);
    return null;
  }

  #dispatch(): Message | null {
    const message = { id: this.#id, name: this.#name || "message", data: this.#data.join("\n") };
    const empty = this.#data.length === 0;
    this.#name = "";
    this.#data = [];
    return empty ? null : message;
  }
}
