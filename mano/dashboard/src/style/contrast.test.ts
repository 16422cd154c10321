import { describe, expect, it } from "vitest";

import theme from "./theme.css?raw";

/** WCAG 2.2, success criterion 1.4.3. */
const ENOUGH = 4.5;

const TEXTS = ["text", "faint", "forward", "reverse", "bad", "warn", "good", "accent"];
const GROUNDS = ["panel", "raised", "ground"];
/** Coloured words stand on their own soft ground too. */
const PAIRS = [
  ["bad", "bad-soft"],
  ["warn", "warn-soft"],
  ["good", "good-soft"],
  ["accent", "accent-soft"],
  ["text", "accent-soft"],
  ["faint", "accent-soft"],
  ["forward", "accent-soft"],
  ["reverse", "accent-soft"],
  ["panel", "accent"],
  ["panel", "bad"],
];

function coloursOf(css: string): ReadonlyMap<string, string> {
  return new Map([...css.matchAll(/--([\w-]+):\s*(#[0-9a-f]{6})/g)].map(([, name = "", colour = ""]) => [name, colour]));
}

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5]
    .map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(a: string, b: string): number {
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

const [light = "", dark = ""] = theme.split("@media (prefers-color-scheme: dark)");

describe.each([
  ["light", coloursOf(light)],
  ["dark", coloursOf(dark)],
])("in %s colours", (_, colours) => {
  const pairs = [...TEXTS.flatMap((text) => GROUNDS.map((ground) => [text, ground])), ...PAIRS];

  it.each(pairs)("%s can be read on %s", (text, ground) => {
    expect(contrast(colours.get(text) ?? "", colours.get(ground) ?? "")).toBeGreaterThanOrEqual(ENOUGH);
  });
});
