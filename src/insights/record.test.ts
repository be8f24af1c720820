/** The shape, the size and the identity of a record. */
import { expect, test } from "vitest";
import { evidenceOf, match, ruleMeta } from "../../test/support/insight-world.ts";
import type { Evidence } from "../model/changes.ts";
import { makeEntity } from "../model/entities.ts";
import type { InsightRecord, RuleMatch } from "../model/insights.ts";
import { makeInsight, type Insight } from "./insight.ts";
import { makeOutboxRow, type Telling } from "./record.ts";

const telling: Telling = {
  kind: "transition",
  state: "firing",
  previousState: "pending",
  reason: "",
  eventUs: 1,
  atUs: 2,
};

function insightOf(parts: Partial<RuleMatch>, rule = ruleMeta("r")): Insight {
  const found = match(rule, "e", 0, parts);
  const insight = makeInsight(found, "f".repeat(64), 1);
  const { atUs, confidence, judged } = found;
  const occurrence = { atUs, seenUs: atUs, confidence, judged, waiver: "", evidence: [] };
  insight.occurrences.add("e", occurrence);
  insight.occurrences.setEvidence(occurrence, found.evidence);
  insight.transitions = 2;
  return insight;
}

function recordOf(insight: Insight, parts: Partial<Telling> = {}): InsightRecord {
  return JSON.parse(makeOutboxRow(insight, { ...telling, ...parts }).record) as InsightRecord; // as written
}

test("a record says everything that a sink may show", () => {
  const rule = ruleMeta("r", {
    description: "why",
    references: ["https://a.example", "https://b.example"],
  });
  const peer = { ...makeEntity("node"), external: true, address: "203.0.113.9" };
  expect(recordOf(insightOf({ peer }, rule))).toEqual({
    uid: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
    insightId: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
    ...telling,
    message: "e at 0",
    rule: {
      id: "r",
      ruleset: "test",
      title: "title of r",
      severity: "high",
      status: "stable",
      version: "1",
      description: "why",
      tags: ["attack.t1040"],
      category: "capture",
      reference: "https://a.example",
    },
    confidence: "high",
    subject: { cluster: "c1", namespace: "shop", workload: "web", kind: "", address: "" },
    peer: { cluster: "", namespace: "", workload: "", kind: "external", address: "203.0.113.9" },
    peerPort: 443,
    firstSeenUs: evidenceOf("e", 0).atUs,
    lastSeenUs: evidenceOf("e", 0).atUs,
    occurrences: 1,
    reopenCount: 0,
    flapping: false,
    waiver: "",
    acknowledgedBy: "",
    evidence: [evidenceOf("e", 0)],
  });
});

test("a uid is one transition's or one reminder's, and the same each time", () => {
  const insight = insightOf({});
  const uidOf = (parts: Partial<Insight>, kind: Telling["kind"] = "transition") =>
    recordOf({ ...insight, ...parts }, { kind }).uid;
  const uids = [
    uidOf({ transitions: 1 }),
    uidOf({ transitions: 2 }),
    uidOf({ transitions: 2, reminders: 1 }, "reminder"),
    uidOf({ transitions: 2, reminders: 2 }, "reminder"),
    uidOf({ transitions: 12 }),
    uidOf({ transitions: 1, reminders: 2 }, "reminder"),
    uidOf({ id: "0".repeat(32), transitions: 1 }),
  ];
  expect(new Set(uids).size).toBe(uids.length);
  expect(uidOf({ transitions: 2, message: "other", reopenCount: 9 })).toBe(uids[1]);
});

test.each([
  ["long", "x".repeat(5_000)],
  ["of control characters, which JSON writes with six bytes", "\u0001".repeat(5_000)],
  ["of half surrogate pairs", "\ud800".repeat(5_000)],
  ["of characters of three bytes", "\u4e16".repeat(5_000)],
])("a record stays below 64 KiB when every text is %s", (_name, text) => {
  const node = { cluster: text, namespace: text, name: text, kind: text, address: text };
  const evidence = Array.from({ length: 20 }, (_, index): Evidence => {
    const fields = Object.fromEntries(Array.from({ length: 20 }, (_item, at) => [`${at}`, text]));
    return { ...evidenceOf(`${index}`, index), source: text, text, fields };
  });
  const rule = ruleMeta(text, {
    ruleset: text,
    title: text,
    version: text,
    description: text,
    category: text,
    references: [text],
    tags: Array.from({ length: 100 }, () => text),
  });
  const place = { ...makeEntity("node"), ...node };
  const insight = insightOf({ message: text, subject: place, peer: place, evidence }, rule);
  const row = makeOutboxRow(insight, telling);
  expect(Buffer.byteLength(row.record)).toBeLessThan(64 * 1_024);
  const record = JSON.parse(row.record) as InsightRecord; // as written
  expect(record.evidence.length).toBeGreaterThan(0);
});

test("a cut text ends in an ellipsis and never within a pair", () => {
  const message = `${"x".repeat(1_022)}\u{1f600}\u{1f600}`;
  expect(recordOf(insightOf({ message })).message).toBe(`${"x".repeat(1_022)}…`);
  expect(recordOf(insightOf({ message: "x".repeat(1_024) })).message).toBe("x".repeat(1_024));
});

test("a number that JSON does not know is kept as a word", () => {
  const fields = { rate: Infinity, port: 443, up: true };
  const evidence = [{ ...evidenceOf("e", 0), fields }];
  const record = recordOf(insightOf({ evidence }));
  expect(record.evidence[0]?.fields).toEqual({ rate: "Infinity", port: 443, up: true });
});
