// Readers for JSON that a server sent: each says where the document is not what this page expects.

export class DocumentError extends Error {
  constructor(at: string, expected: string) {
    super(`${at || "the document"} should be ${expected}`);
    this.name = "DocumentError";
  }
}

export type Reader<T> = (value: unknown, at: string) => T;

export const text: Reader<string> = (value, at) => {
  if (typeof value !== "string") throw new DocumentError(at, "a text");
  return value;
};

export const number: Reader<number> = (value, at) => {
  if (typeof value !== "number" || !Number.isFinite(value)) throw new DocumentError(at, "a number");
  return value;
};

export const flag: Reader<boolean> = (value, at) => {
  if (typeof value !== "boolean") throw new DocumentError(at, "true or false");
  return value;
};

export const anything: Reader<unknown> = (value) => value;

/** null where the member is null or absent. */
export function maybe<T>(read: Reader<T>): Reader<T | null> {
  return (value, at) => (value === null || value === undefined ? null : read(value, at));
}

/** `fallback` where the member is null or absent. */
export function or<T>(read: Reader<T>, fallback: T): Reader<T> {
  return (value, at) => (value === null || value === undefined ? fallback : read(value, at));
}

export function list<T>(read: Reader<T>): Reader<readonly T[]> {
  return (value, at) => {
    if (!Array.isArray(value)) throw new DocumentError(at, "a list");
    return value.map((item, index) => read(item, `${at}/${index}`));
  };
}

export function map<T>(read: Reader<T>): Reader<Readonly<Record<string, T>>> {
  return (value, at) =>
    Object.fromEntries(Object.entries(members(value, at)).map(([key, item]) => [key, read(item, `${at}/${key}`)]));
}

export function object<T extends object>(readers: { readonly [K in keyof T]: Reader<T[K]> }): Reader<T> {
  return (value, at) => {
    const found = members(value, at);
    const entries = Object.entries<Reader<unknown>>(readers);
    const made: Record<string, unknown> = {};
    for (const [key, read] of entries) made[key] = read(found[key], `${at}/${key}`);
    return made as T;
  };
}

function members(value: unknown, at: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new DocumentError(at, "an object");
  return value as Record<string, unknown>;
}
