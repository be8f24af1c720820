import { inspect } from "node:util";
import { hash } from "node:crypto";
import { expect, test } from "vitest";
import { FakeClock } from "../lib/clock.ts";
import { Secret } from "../lib/secret.ts";
import { usPerMinute } from "../model/time.ts";
import { readBearer } from "./bearer.ts";
import { FailureLimit } from "./failure-limit.ts";
import { digestOf, parseTokenFile, TokenTable } from "./tokens.ts";

const token = "correct-horse-battery-staple";
const other = "0123456789abcdef";
const sha256 = (text: string): string => hash("sha256", text);
const holder = (name: string, ...tokens: string[]) => ({
  principal: { name, scopes: new Set(["read" as const]), namespaces: [] },
  digests: tokens.map(digestOf),
});

test("a token file holds tokens and digests, with comments", () => {
  const text = `# old one until Monday\n${token}\r\n\nsha256:${sha256(other).toUpperCase()}  # new\n`;
  expect(parseTokenFile(text)).toEqual({ ok: true, digests: [digestOf(token), digestOf(other)] });
});

test.each([
  ["", "there is no token in it"],
  ["# only a comment\n", "there is no token in it"],
  ["short", "line 1 of the token file: a token has 16 to 4096 characters"],
  [`${token}\nhunter2 hunter2 hunter2`, "line 2 of the token file: a token has letters, digits"],
  [`sha256:${sha256(token)}0`, "line 1 of the token file: sha256: is followed by 64 hex digits"],
  [`Bearer ${token}`, "line 1 of the token file: a token has letters, digits"],
  ["a".repeat(4_097), "16 to 4096"],
  [`${token}\n`.repeat(101), "more than 100 tokens"],
])(
  "a token file that cannot be used is named by line, and what is in it is not: %#",
  (text, why) => {
    const read = parseTokenFile(text);
    expect(read.ok ? "" : read.message).toContain(why);
    const words = text.replace("comment", "").match(/[a-z0-9-]{7,}/gi) ?? [];
    for (const word of words) expect(JSON.stringify(read)).not.toContain(word);
  },
);

test("a token is known by its digest, whose it is as well, and by nothing less", () => {
  const table = new TokenTable([holder("old", token, "rotated-in-tokens"), holder("new", other)]);
  expect(table.find(new Secret(token))?.principal.name).toBe("old");
  expect(table.find(new Secret("rotated-in-tokens"))?.principal.name).toBe("old");
  expect(table.find(new Secret(other))?.principal.name).toBe("new");
  for (const wrong of ["", token.slice(0, -1), `${token} `, token.toUpperCase(), sha256(token)]) {
    expect(table.find(new Secret(wrong))).toBeNull();
  }
  expect(new TokenTable([]).find(new Secret(token))).toBeNull();
});

test("one token of two names is refused", () => {
  expect(() => new TokenTable([holder("a", token), holder("b", other, token)])).toThrow(
    '"a" and "b" have the same token',
  );
  expect(() => new TokenTable([holder("a", token, token)])).not.toThrow();
});

test.each([
  [["Authorization", `Bearer ${token}`], token],
  [["authorization", `bearer ${token}`], token],
  [["AUTHORIZATION", `BEARER   ${token}==`], `${token}==`],
])("a header of any case is read: %j", (raw, shown) => {
  const read = readBearer(["Host", "a", ...raw]);
  expect(read.kind === "token" && read.token.reveal()).toBe(shown);
});

test.each([
  [[], "none"],
  [["X-Authorization", `Bearer ${token}`], "none"],
  [["Authorization", ""], "malformed"],
  [["Authorization", "Bearer"], "malformed"],
  [["Authorization", "Bearer "], "malformed"],
  [["Authorization", token], "malformed"],
  [["Authorization", `Basic ${token}`], "malformed"],
  [["Authorization", `Bearer ${token}, Bearer ${token}`], "malformed"],
  [["Authorization", `Bearer ${token}`, "authorization", `Bearer ${token}`], "malformed"],
  [["Authorization", `Bearer ${token}`, "Authorization", ""], "malformed"],
  [["Authorization", `Bearer ${"a".repeat(4_097)}`], "malformed"],
])("a header that is none is said to be: %j", (raw, kind) => {
  expect(readBearer(raw).kind).toBe(kind);
});

test("a secret shows itself to nobody who does not ask for it", () => {
  const secret = new Secret(token);
  const shown = [String(secret), [secret].join(), JSON.stringify({ a: [secret] })];
  shown.push(inspect({ a: secret }, { showHidden: true, depth: 9 }), inspect(secret));
  shown.push(Object.values(secret).join());
  expect(shown.join("\n")).not.toContain(token.slice(0, 5));
  expect(JSON.stringify(secret)).toBe('"[REDACTED]"');
  expect(secret.reveal()).toBe(token);
});

test("ten failures within a minute are looked at, whoever else fails, and then again", () => {
  const clock = new FakeClock(usPerMinute);
  const limit = new FailureLimit(clock);
  const tries = (address: string, count: number): number =>
    Array.from({ length: count }, () => limit.allows(address)).filter(Boolean).length;
  expect(tries("10.0.0.1", 30)).toBe(10);
  expect(tries("10.0.0.2", 3)).toBe(3);
  clock.advance(usPerMinute - 1);
  expect(tries("10.0.0.1", 5)).toBe(0);
  expect(tries("10.0.0.2", 30)).toBe(7);
  clock.advance(1);
  expect(tries("10.0.0.1", 30)).toBe(10);
  clock.set(0); // set back: nobody waits for the old time to come again
  expect(tries("10.0.0.1", 30)).toBe(10);
});

test("an IPv6 sender has one allowance for its whole network", () => {
  const limit = new FailureLimit(new FakeClock());
  const from = (address: string): boolean => limit.allows(address);
  for (let host = 1; host <= 10; host++) expect(from(`2001:db8:0:1::${host}`)).toBe(true);
  expect(from("2001:db8:0:1:ffff::1")).toBe(false);
  expect(from("2001:db8::1:0:0:0:1")).toBe(false); // the same network in another form
  expect(from("2001:db8:0:2::1")).toBe(true);
  expect(from("::1")).toBe(true);
});

test("who fails from very many addresses takes a bounded place, and those share what is left", () => {
  const clock = new FakeClock();
  const limit = new FailureLimit(clock);
  const from = (number: number): boolean =>
    limit.allows(`10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`);
  for (let number = 0; number < 10_000; number++) expect(from(number)).toBe(true);
  const shared = Array.from({ length: 1_000 }, (_, number) => from(20_000 + number));
  expect(shared.filter(Boolean)).toHaveLength(10);
  clock.advance(usPerMinute);
  expect(from(30_000)).toBe(true);
});
