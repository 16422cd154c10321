import { describe, expect, it } from "vitest";

import { topologyDocument } from "../testing/gilan";
import { HttpClient, RequestFailed } from "./client";
import { list, number, object, text } from "./decode";
import * as documents from "./documents";
import { EventParser } from "./sse";
import { takeToken, tokenInFragment, tokenInText } from "./token";

describe("documents", () => {
  it("are read as the server writes them, unknown members left out", () => {
    const found = documents.topology(topologyDocument({ more: 1 }), "topology");
    expect(found.hosts.map((host) => host.name)).toEqual(["h1", "h2", "h3"]);
    expect(found).not.toHaveProperty("more");
  });

  it("say where they are not what was expected", () => {
    const read = list(object<{ name: string; size: number }>({ name: text, size: number }));
    expect(() => read([{ name: "a", size: 1 }, { name: "b", size: "2" }], "things")).toThrow("things/1/size should be a number");
  });
});

describe("the token", () => {
  it("is found in the fragment, and in a pasted address", () => {
    expect(tokenInFragment("#token=abc.def")).toBe("abc.def");
    expect(tokenInFragment("#other=1")).toBeNull();
    expect(tokenInText("  http://127.0.0.1:9890/ui/#token=abc ")).toBe("abc");
    expect(tokenInText("Bearer abc")).toBe("abc");
  });

  it("leaves the address at once and is remembered", () => {
    const kept = new Map<string, string>();
    const storage = { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => kept.set(key, value) };
    const shown: unknown[] = [];
    const history = { replaceState: (_: unknown, __: string, url?: string | URL | null) => shown.push(url) };
    const take = (hash: string): string | null =>
      takeToken({ hash, pathname: "/ui/", search: "" }, history, storage as unknown as Storage);
    expect(take("#token=abc")).toBe("abc");
    expect(shown).toEqual(["/ui/"]);
    expect(take("")).toBe("abc");
  });
});

describe("the client", () => {
  const answering = (response: Response, seen: Headers[] = []): HttpClient =>
    new HttpClient(new URL("http://localhost/"), "abc", (_, init) => {
      seen.push(new Headers(init?.headers));
      return Promise.resolve(response);
    });

  it("sends the token", async () => {
    const seen: Headers[] = [];
    await answering(Response.json([1]), seen).get("x", list(number));
    expect(seen[0]?.get("authorization")).toBe("Bearer abc");
  });

  it("tells a refusal in the server's words", async () => {
    const problem = { detail: "a bearer token is needed", hint: "send one" };
    const client = answering(Response.json(problem, { status: 401 }));
    const failure = await client.get("x", text).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(RequestFailed);
    expect(failure).toMatchObject({ status: 401, message: "a bearer token is needed", hint: "send one" });
  });

  it("tells a document that is not what it should be", async () => {
    await expect(answering(Response.json("x")).get("y", number)).rejects.toThrow("y cannot be read: y should be a number");
  });

  it("tells a server that cannot be reached", async () => {
    const client = new HttpClient(new URL("http://localhost/"), null, () => Promise.reject(new TypeError("refused")));
    await expect(client.get("x", text)).rejects.toMatchObject({ status: 0, message: "the server cannot be reached" });
  });
});

describe("the event stream's parser", () => {
  it("gives whole messages however the text is cut", () => {
    const sent = "retry: 2000\n\nid: 7\ndata: {\"a\":\ndata: 1}\n\n: still here\n\nevent: reset\r\nid: 8\r\ndata: {}\r\n\r\n";
    for (let cut = 0; cut <= sent.length; cut += 1) {
      const parser = new EventParser();
      const parts = [parser.feed(sent.slice(0, cut)), parser.feed(sent.slice(cut))];
      expect(parts.flatMap((part) => part.messages)).toEqual([
        { id: "7", name: "message", data: '{"a":\n1}' },
        { id: "8", name: "reset", data: "{}" },
      ]);
      expect(parts.map((part) => part.retryMs).filter((retry) => retry !== null)).toEqual([2000]);
    }
  });
});
