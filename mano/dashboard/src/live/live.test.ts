import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Client } from "../api/client";
import { RequestFailed } from "../api/client";
import type { Reader } from "../api/decode";
import { chain, statistics, topologyDocument } from "../testing/gilan";
import { eventLine } from "./eventText";
import { LiveModel } from "./model";
import { chainRate, count, mergeDrops, WINDOW_MS, withSample } from "./rates";

describe("rates", () => {
  it("are the mean over the window", () => {
    const samples = [0, 1000, 2000].map((at) => ({ at, statistics: statistics(at / 10) }));
    expect(chainRate(count(samples))).toBe(200);
  });

  it("are not known from one sample, or after a counter went back", () => {
    expect(chainRate(count([{ at: 0, statistics: statistics(5) }]))).toBeNull();
    const back = [{ at: 0, statistics: statistics(5) }, { at: 1000, statistics: statistics(1) }];
    expect(count(back)?.paths[0]?.hops[0]?.handed).toEqual({ total: 1, perSecond: null });
  });

  it("keep one sample that is older than the window", () => {
    let samples = withSample([], { at: 0, statistics: statistics(0) });
    for (let at = 1000; at <= 10_000; at += 1000) samples = withSample(samples, { at, statistics: statistics(at) });
    expect(samples.map((sample) => sample.at)).toEqual([10_000 - WINDOW_MS, 7000, 8000, 9000, 10_000]);
  });

  it("add up drops of the same host and reason", () => {
    const drop = (packets: number) => ({ host: "h1", reason: "guard", packets });
    expect(mergeDrops({ paths: [], drops: [drop(1), drop(2)], down: [] }).drops).toEqual([drop(3)]);
  });
});

describe("an event", () => {
  const event = (type: string, data: Record<string, unknown>) => ({ id: "1", type, subject: "s", time: "", data });

  it("of an operation tells its state and step", () => {
    const data = { operation: "INSTANTIATE", operationState: "PROCESSING", step: "networks", stepState: "COMPLETED" };
    expect(eventLine(event("catena.ns-lcm-op-occ.progressed.v1", data))).toEqual({
      text: "NS instantiate: PROCESSING, step networks completed",
      mood: "good",
    });
  });

  it("of a failure is bad", () => {
    const data = { operation: "INSTANTIATE", operationState: "FAILED_TEMP" };
    expect(eventLine(event("catena.ns-lcm-op-occ.changed.v1", data)).mood).toBe("bad");
  });

  it("of an unknown kind is told as well", () => {
    expect(eventLine(event("catena.some-thing.came-about.v1", { name: "x" })).text).toBe("some thing x came about");
    expect(eventLine(event("other", {})).text).toBe("other s ");
  });
});

/** A server whose answers and event stream the test commands. */
class FakeServer implements Client {
  readonly asked: string[] = [];
  fault: RequestFailed | null = null;
  packets = 0;
  #push: ((text: string) => void) | undefined;
  #end: (() => void) | undefined;

  get<T>(path: string, read: Reader<T>): Promise<T> {
    this.asked.push(path);
    if (this.fault !== null) return Promise.reject(this.fault);
    const documents: Record<string, unknown> = {
      "mano/v1/topology": topologyDocument(),
      "mano/v1/hosts": [],
      "mano/v1/placements": [],
      "mano/v1/placements/refused": [],
    };
    return Promise.resolve(read(documents[path] ?? statistics(this.packets), path));
  }

  post<T>(): Promise<T> {
    return Promise.reject(new RequestFailed("not here", 404));
  }

  stream(_path: string, _headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    if (this.fault !== null) return Promise.reject(this.fault);
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const encoder = new TextEncoder();
        this.#push = (text) => controller.enqueue(encoder.encode(text));
        this.#end = () => controller.close();
        signal.addEventListener("abort", () => controller.error(new DOMException("aborted", "AbortError")));
      },
    });
    return Promise.resolve(new Response(body));
  }

  send(id: number, type: string): void {
    this.#push?.(`id: ${id}\ndata: ${JSON.stringify({ id: String(id), type })}\n\n`);
  }

  hangUp(): void {
    this.#end?.();
  }

  times(path: string): number {
    return this.asked.filter((one) => one === path).length;
  }
}

describe("the model", () => {
  let server: FakeServer;
  let model: LiveModel;

  beforeEach(() => {
    vi.useFakeTimers();
    server = new FakeServer();
    model = new LiveModel(server, () => false);
  });

  afterEach(() => {
    model.stop();
    vi.useRealTimers();
  });

  const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

  it("reads the picture, is live, and counts the first chain every second", async () => {
    model.start();
    await pass(100);
    expect(model.state()).toMatchObject({ link: { status: "connected" }, staleSince: null, chainId: chain().id });
    expect(model.state().picture?.topology.hosts).toHaveLength(3);
    const before = server.times("mano/v1/chains/web/statistics");
    await pass(3000);
    expect(server.times("mano/v1/chains/web/statistics") - before).toBe(3);
  });

  it("reads the picture again for a burst of events, once", async () => {
    model.start();
    await pass(100);
    const before = server.times("mano/v1/topology");
    for (let id = 1; id <= 5; id += 1) server.send(id, "catena.chain.programmed.v1");
    await pass(500);
    expect(model.state().events.map((event) => event.id)).toEqual(["5", "4", "3", "2", "1"]);
    expect(server.times("mano/v1/topology") - before).toBe(1);
  });

  it("is stale from the moment the stream ends, and live again after it was taken up", async () => {
    model.start();
    await pass(100);
    server.hangUp();
    await pass(100);
    expect(model.state()).toMatchObject({ link: { status: "reconnecting" } });
    expect(model.state().staleSince).not.toBeNull();
    await pass(2500);
    expect(model.state()).toMatchObject({ link: { status: "connected" }, staleSince: null });
  });

  it("gives up a stream that fell silent", async () => {
    model.start();
    await pass(100);
    await pass(40_000);
    expect(model.state().link).toEqual({ status: "reconnecting", why: "the stream fell silent" });
  });

  it("keeps the last picture while the server is away, and says why", async () => {
    model.start();
    await pass(100);
    server.fault = new RequestFailed("the server cannot be reached", 0);
    server.hangUp();
    await pass(16_000);
    expect(model.state()).toMatchObject({ problem: { status: 0 }, countsProblem: { status: 0 } });
    expect(chainRate(model.state().counts)).toBeNull();
    expect(model.state().picture).not.toBeNull();
  });

  it("asks for nothing any more after a refusal, until it is started anew", async () => {
    server.fault = new RequestFailed("a bearer token is needed", 401);
    model.start();
    await pass(100);
    expect(model.state()).toMatchObject({ picture: null, problem: { status: 401 }, link: { status: "refused" } });
    server.fault = null;
    model.restart();
    await pass(100);
    expect(model.state()).toMatchObject({ problem: null, link: { status: "connected" } });
  });
});
