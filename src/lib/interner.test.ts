import { expect, test } from "vitest";
import { TextInterner } from "./interner.ts";

function textOf(interner: TextInterner, text: string, padding = ""): string {
  const bytes = Buffer.from(padding + text + padding);
  const start = Buffer.byteLength(padding);
  return interner.text(bytes, start, start + Buffer.byteLength(text));
}

test.each(["", "a", "reviews.bookinfo", "grün 網 🚀", "\0", "x".repeat(2_000)])(
  "gives back the text %j, wherever it stands",
  (text) => {
    const interner = new TextInterner(100, 10_000);
    for (const padding of ["", "ab", "\0"]) expect(textOf(interner, text, padding)).toBe(text);
    expect(interner.entries).toBe(text === "" || text.length > 1_000 ? 0 : 1);
  },
);

test("replaces invalid UTF-8", () => {
  const interner = new TextInterner(10, 1_000);
  expect(interner.text(Buffer.from([0x61, 0xff]), 0, 2)).toBe("a\uFFFD");
});

test("tells many texts apart while it grows", () => {
  const interner = new TextInterner(100_000, 10_000_000);
  const texts = Array.from({ length: 20_000 }, (_, at) => `workload-${at % 5_000}-${at % 7}`);
  for (const text of [...texts, ...texts]) expect(textOf(interner, text)).toBe(text);
  expect(interner.entries).toBe(new Set(texts).size);
  expect(interner.resets).toBe(0);
});

test.each([
  ["entries", new TextInterner(8, 1_000_000)],
  ["bytes", new TextInterner(1_000_000, 40)],
])("starts anew when its %s are used up", (_, interner) => {
  for (let at = 0; at < 100; at++) {
    expect(textOf(interner, `text-${at}`)).toBe(`text-${at}`);
    expect(interner.entries).toBeLessThanOrEqual(8);
  }
  expect(interner.resets).toBeGreaterThan(5);
});

test("still answers when nothing fits", () => {
  const interner = new TextInterner(0, 0);
  expect(textOf(interner, "abc")).toBe("abc");
  expect(interner.entries).toBe(0);
});
