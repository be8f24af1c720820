/** What is compared, and how often, seen at Node's own comparison: the same work for every token shown. */
import * as crypto from "node:crypto";
import { beforeEach, expect, test, vi } from "vitest";
import { Secret } from "../lib/secret.ts";
import { digestOf, TokenTable } from "./tokens.ts";

vi.mock("node:crypto", async (importOriginal) => {
  const actual = await importOriginal<typeof crypto>();
  const compare: typeof actual.timingSafeEqual = (a, b) => actual.timingSafeEqual(a, b);
  return { ...actual, timingSafeEqual: vi.fn(compare) };
});

const compared = vi.mocked(crypto.timingSafeEqual);
const tokens = ["the-first-token-of-all", "the-second-token-of-all", "the-third-token-of-all"];
const principal = { name: "somebody", scopes: new Set<never>(), namespaces: [] };
const table = new TokenTable([{ principal, digests: tokens.map(digestOf) }]);

beforeEach(() => {
  compared.mockClear(); // what is returned here would be called
});

test.each([
  ["the first", tokens[0] ?? "", true],
  ["the last", tokens[2] ?? "", true],
  ["one that differs in its first character", "xhe-first-token-of-all", false],
  ["one that differs in its last character", "the-first-token-of-alx", false],
  ["a shorter one", "the-first", false],
  ["a longer one", "the-first-token-of-all".repeat(99), false],
  ["nothing", "", false],
])("of %s, digests are compared, and all of them", (_what, token, isKnown) => {
  expect(table.find(new Secret(token)) !== null).toBe(isKnown);
  const pairs = compared.mock.calls.map(([known, shown]) => [hex(known), hex(shown)]);
  const shown = hex(digestOf(token));
  expect(pairs).toEqual(tokens.map((known) => [hex(digestOf(known)), shown]));
});

const hex = (bytes: NodeJS.ArrayBufferView): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
