/**
 * From bytes to observations of the agents on the machines: golden files of what their fixtures yield, the
 * same from every form in which a collector hands an event on, and what a hostile one may not do.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import type { Flow, Observation, ObservationBatch } from "../src/model/observations.ts";
import { NormalizeRun, toLines } from "./support/normalize-run.ts";
import { logsRequest, type LogRecord } from "./support/otlp-build.ts";

const folder = path.join(import.meta.dirname, "fixtures/vocabulary");
const observedNs = 1_795_246_290_123_456_789n;

function fixtureLines(name: string): string[] {
  return readFileSync(path.join(folder, name), "utf8").trim().split("\n");
}

interface Told {
  readonly batch: ObservationBatch;
  readonly observations: readonly Observation[];
  readonly counts: Readonly<Record<string, number>>;
}

/** What one request of log records yields; heartbeats apart. */
function logged(records: readonly LogRecord[], scope = ""): Told {
  const run = new NormalizeRun();
  const batch = run.push("logs", logsRequest({ scope }, records));
  const observations = batch.observations.filter(({ kind }) => kind !== "heartbeat");
  return { batch, observations, counts: run.counts() };
}

async function check(name: string, { batch, counts }: Told): Promise<void> {
  const golden = path.join(import.meta.dirname, `golden/normalize/${name}.jsonl`);
  const dropped = Object.entries(counts).filter(([key]) => /dropped_items|unrecog/.test(key));
  const lines = [...batch.series, ...batch.observations, Object.fromEntries(dropped)];
  await expect(toLines(lines)).toMatchFileSnapshot(golden);
}

/** As text, as a parsed body, and as attributes. */
function formsOf(lines: readonly string[]): readonly Told[] {
  const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return [
    logged(lines.map((body) => ({ body, observedNs }))),
    logged(parsed.map((body) => ({ body, observedNs }))),
    logged(parsed.map((attributes) => ({ attributes, observedNs }))),
  ];
}

const hubbleLines = fixtureLines("hubble.jsonl");

test("hubble-flows", () =>
  check("hubble-flows", logged(hubbleLines.map((body) => ({ body, observedNs })))));

test("hubble-flows: the same from text, from a parsed body and from attributes", () => {
  const [asText, ...others] = formsOf(hubbleLines);
  for (const other of others) {
    expect(other.observations).toEqual(asText?.observations);
    expect(other.counts).toEqual(asText?.counts);
  }
});

interface HubbleLine {
  readonly flow: Readonly<Record<string, unknown>>;
}

/** The first packet of the fixture, with changes. */
function hubbleFlow(changes: Readonly<Record<string, unknown>>): Told {
  const line = JSON.parse(hubbleLines[0] ?? "") as HubbleLine; // of the fixture
  return logged([{ body: JSON.stringify({ ...line, flow: { ...line.flow, ...changes } }) }]);
}

test.each([
  ["a text for the addresses", { IP: "10.0.0.1" }, "missing_address"],
  ["names for addresses", { IP: { source: "web", destination: "outside" } }, "missing_address"],
  ["a list for the ports", { l4: [1] }, "unused"],
  ["no layer", { l4: null }, "unused"],
  ["a verdict of its own", { verdict: "ADMITTED" }, "unused"],
  ["a number for the verdict", { verdict: 1 }, "unused"],
  ["another point", { trace_observation_point: "__proto__" }, "unused"],
  ["flags of text", { l4: { TCP: { flags: "SYN" } } }, "unused"],
])("hubble-flows: %s tells nothing", (_what, changes, reason) => {
  const { observations, counts } = hubbleFlow(changes);
  expect(observations).toEqual([]);
  expect(counts).toMatchObject({ [`normalize_dropped_items_total hubble-flows:${reason}`]: 1 });
});

test("hubble-flows: ports and names out of bounds are none, and a wrong clock is not believed", () => {
  const l4 = { TCP: { source_port: 70_000, destination_port: -1, flags: { SYN: true } } };
  const source = {
    ID: 1,
    namespace: "n".repeat(9_999),
    pod_name: "p".repeat(9_999),
    workloads: {},
  };
  const [flow] = hubbleFlow({ l4, source, time: "2062-01-01T00:00:00Z" }).observations;
  expect(flow).toMatchObject({ srcPort: 0, dstPort: 0, clamped: true });
  expect((flow as Flow).srcPod?.pod).toHaveLength(253); // toMatchObject has shown that it is one
});
