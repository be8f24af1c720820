/**
 * The life of insights under `kill -9` at random moments, with a real process, store and sink: nobody is
 * told twice, no transition is lost, and no restart resolves or raises anything.
 *
 * Policies turn on and off all the time under rules with windows of seconds, so that kills meet insights
 * that are pending, firing and kept firing. What is right is judged from what was sent and acknowledged,
 * never from the engine's own word. LIFECYCLE_KILLS and LIFECYCLE_SEED choose how often and which course.
 */
import { randomInt } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { expect, test } from "vitest";
import { encodeLogs } from "../../src/cli/demo/otlp.ts";
import { OtlpClient } from "../../src/cli/otlp-client.ts";
import type { ApiInsight, ApiPage } from "../../src/model/api.ts";
import { Signal } from "../../src/model/stages.ts";
import { OtlpSink, type SinkRecord } from "../support/otlp-sink.ts";
import { freePort, getJson, startEngine, TempFolder, until } from "../support/program.ts";

const kills = Number(process.env["LIFECYCLE_KILLS"] ?? 10);
const seed = Number(process.env["LIFECYCLE_SEED"] ?? randomInt(1, 2 ** 31));

/** Windows in milliseconds: one fires at once, one waits, one is kept. */
const rules = [
  { id: "kill-quick", forMs: 0, keepMs: 1_500 },
  { id: "kill-waits", forMs: 1_500, keepMs: 500 },
  { id: "kill-kept", forMs: 500, keepMs: 4_000 },
] as const;

/** What the engine may take from an acknowledged request to a transition: coalescing and one tick. */
const slackMs = 1_000;
const policyCount = 8;

const ruleText = ({ id, forMs, keepMs }: (typeof rules)[number]): string => `
  - id: ${id}
    title: A policy that is off
    severity: high
    confidence: high
    on: policy
    when: policy.kind == 'PeerAuthentication' && policy.spec.mtls.mode == 'DISABLE'
    for: ${forMs}ms
    keep_firing_for: ${keepMs}ms
    message: "{{ policy.namespace }} is off"
`;

/** The same in every run of a seed. */
function makeRandom(start: number): (n: number) => number {
  let state = start;
  return (n) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7f_ff_ff_ff;
    return Math.floor((state / 0x80_00_00_00) * n);
  };
}

/** One thing that was said of a policy, and between when and when the engine took it in. */
interface Said {
  readonly isOff: boolean;
  readonly sentMs: number;
  ackedMs: number;
}

class Policies {
  /** By number of the policy, in order; the last one may still wait for its answer. */
  readonly said: Said[][] = Array.from({ length: policyCount }, () => []);

  /** Says something of one policy until it is acknowledged, or returns false when the engine is gone. */
  async say(client: OtlpClient, policy: number, isOff: boolean): Promise<boolean> {
    const list = this.said[policy] ?? [];
    const waiting = list.at(-1);
    const said =
      waiting?.ackedMs === Infinity ? waiting : { isOff, sentMs: Date.now(), ackedMs: Infinity };
    if (said !== waiting) list.push(said);
    const result = await client.send(Signal.logs, this.#request(policy, said, list.length));
    if (result.ok) said.ackedMs = Date.now();
    return result.ok;
  }

  isOff(policy: number): boolean {
    return this.said[policy]?.at(-1)?.isOff ?? false;
  }

  /** The same bytes when it is sent again. */
  #request(policy: number, { isOff, sentMs }: Said, generation: number): Uint8Array {
    const object = {
      apiVersion: "security.istio.io/v1",
      kind: "PeerAuthentication",
      metadata: {
        uid: `uid-${policy}`,
        namespace: `n${policy}`,
        name: "default",
        generation,
        resourceVersion: String(1_000 + generation),
        creationTimestamp: "2026-01-01T00:00:00Z",
      },
      spec: { mtls: { mode: isOff ? "DISABLE" : "STRICT" } },
    };
    const log = {
      timeMs: sentMs,
      attributes: { "k8s.resource.name": "peerauthentications" },
      body: { type: generation === 1 ? "ADDED" : "MODIFIED", object },
    };
    return encodeLogs({ "k8s.cluster.name": "demo" }, [log]).bytes;
  }
}

interface StoredTransition {
  readonly id: string;
  readonly rule: string;
  readonly message: string;
  readonly to: string;
  readonly from: string;
  readonly atMs: number;
}

function inStore<T>(folder: string, ask: (database: Database.Database) => T): T {
  const database = new Database(join(folder, "store", "mesh.db"), { readonly: true });
  try {
    return ask(database);
  } finally {
    database.close();
  }
}

const ours = "insight.rule LIKE 'kill-%'";

const transitionsOf = (folder: string): StoredTransition[] =>
  inStore(
    folder,
    (database) =>
      database
        .prepare(
          `SELECT insight_id AS id, rule, insight.message AS message, to_state AS "to",
             from_state AS "from", at_us / 1000.0 AS atMs
           FROM insight_event
           JOIN insight ON insight.id = insight_event.insight_id
           WHERE ${ours}
           ORDER BY insight_id, number`,
        )
        .all() as StoredTransition[], // the columns of the SELECT
  );

/** Which states a kill has met: the store's word of the last commit. */
function statesMet(folder: string, met: Map<string, number>): void {
  const sql = `SELECT CASE WHEN state = 'firing' AND keep_since_us > 0 THEN 'kept' ELSE state END
    FROM insight WHERE ${ours}`;
  const states = inStore(folder, (database) => database.prepare(sql).pluck().all() as string[]);
  for (const state of new Set(states)) met.set(state, (met.get(state) ?? 0) + 1);
}

/** Of each of our insights what the sink was told, repeats of a record left out. */
function toldOf(records: readonly SinkRecord[]): Map<string, string[]> {
  const uids = new Set<string>();
  const told = new Map<string, string[]>();
  for (const { uid, insightId, attributes } of records) {
    const isOurs = String(attributes["security_rule.uuid"]).startsWith("kill-");
    if (uids.has(uid) || !isOurs) continue;
    uids.add(uid);
    const kind = String(attributes["mesh_insights.insight.kind"]);
    const state = String(attributes["mesh_insights.insight.state"]);
    const list = told.get(insightId) ?? [];
    list.push(kind === "transition" ? state : `${kind} ${state}`);
    told.set(insightId, list);
  }
  return told;
}

/** What a sink must have been told, by the history in the store. */
function tellable(transitions: readonly StoredTransition[]): Map<string, string[]> {
  const told = new Map<string, string[]>();
  for (const { id, to, from } of transitions) {
    if (to !== "firing" && !(to === "resolved" && from !== "pending")) continue;
    told.set(id, [...(told.get(id) ?? []), to]);
  }
  return told;
}

/** Times at which a policy was off for certain: acknowledged, and nothing else sent. */
function* certain(list: readonly Said[]): Generator<Said & { readonly untilMs: number }> {
  for (const [index, said] of list.entries()) {
    yield { ...said, untilMs: list[index + 1]?.sentMs ?? Infinity };
  }
}

/** Transitions that cannot follow from what was sent. */
function wrongOnes(transitions: readonly StoredTransition[], policies: Policies): string[] {
  return transitions.flatMap(({ rule, message, to, from, atMs }) => {
    const { forMs, keepMs } = rules.find(({ id }) => id === rule) ?? rules[0];
    const list = policies.said[Number(/^n(\d+) /.exec(message)?.[1])] ?? [];
    const wrong = [...certain(list)].filter(({ isOff, ackedMs, untilMs }) => {
      const fromMs = ackedMs + slackMs;
      if (to === "firing") return !isOff && atMs > fromMs && atMs < untilMs + forMs - 1;
      // What waited to fire again and did not stays closed, as people were told.
      if (to === "resolved" && from === "pending") return false;
      if (to === "resolved") return isOff && atMs > fromMs && atMs < untilMs + keepMs - 1;
      return to === "unknown";
    });
    return wrong.length === 0 ? [] : [`${rule}, ${message}: ${from} to ${to} at ${atMs}`];
  });
}

/** Policies that were off long enough while the engine ran, and were not firing then. */
function missing(
  transitions: readonly StoredTransition[],
  policies: Policies,
  runs: readonly (readonly [number, number])[],
): string[] {
  return policies.said.flatMap((list, policy) =>
    rules.flatMap(({ id, forMs }) =>
      [...certain(list)].flatMap(({ isOff, ackedMs, untilMs }) => {
        const dueMs = ackedMs + forMs + slackMs;
        const isRunning = runs.some(([from, to]) => from < dueMs - slackMs && dueMs < to);
        if (!isOff || dueMs >= untilMs || !isRunning) return [];
        const before = transitions.filter(
          (one) => one.rule === id && one.message === `n${policy} is off` && one.atMs <= dueMs,
        );
        return before.at(-1)?.to === "firing" ? [] : [`${id} n${policy} at ${dueMs}`];
      }),
    ),
  );
}

test(
  `${kills} kills among pending, firing and kept insights: told once, none lost, none resolved`,
  async () => {
    console.log(`LIFECYCLE_SEED=${seed}`);
    const random = makeRandom(seed);
    using folder = new TempFolder();
    const ruleFolder = join(folder.path, "rules");
    mkdirSync(ruleFolder);
    const text = `version: 1\nruleset: kills\nrules:${rules.map(ruleText).join("")}`;
    writeFileSync(join(ruleFolder, "kills.yaml"), text);
    await using sink = new OtlpSink();
    await sink.start();
    const port = await freePort();
    const sets = [
      `rules.paths=[${ruleFolder}]`,
      `exporters.otlp.endpoint=127.0.0.1:${sink.port}`,
      "exporters.otlp.tls.insecure=true",
      "exporters.otlp.retry.initial_interval=100ms",
      "exporters.otlp.retry.max_interval=200ms",
    ];
    const policies = new Policies();
    const runs: [number, number][] = [];
    const met = new Map<string, number>();

    for (let round = 0; round < kills; round++) {
      const engine = await startEngine(folder.path, port, sets);
      await using _engine = engine.program;
      using client = new OtlpClient(engine.grpc, 1);
      const startedMs = Date.now();
      const killAtMs = startedMs + 200 + random(2_000);
      const talking = (async () => {
        for (;;) {
          const policy = random(policyCount);
          if (!(await policies.say(client, policy, !policies.isOff(policy)))) return;
          await sleep(50 + random(300));
        }
      })();
      await sleep(Math.max(0, killAtMs - Date.now()));
      runs.push([startedMs, Date.now()]);
      await engine.program.kill("SIGKILL");
      await talking;
      statesMet(folder.path, met);
    }

    const engine = await startEngine(folder.path, port, sets);
    await using _engine = engine.program;
    using client = new OtlpClient(engine.grpc, 1);
    for (let policy = 0; policy < policyCount; policy++) {
      const isOff = policy % 2 === 0;
      // What waits for its answer since the last kill comes first.
      do await policies.say(client, policy, isOff);
      while (policies.isOff(policy) !== isOff);
    }
    const on = Array.from({ length: policyCount / 2 }, (_, half) => `n${half * 2} is off`);
    await until(
      async () =>
        getJson<ApiPage<ApiInsight>>(`${engine.web}/api/v1/insights?state=firing&q=is off`),
      ({ items }) =>
        items.length === on.length * rules.length &&
        items.every(({ message }) => on.includes(message)),
      20_000,
    );
    await until(
      async () => (await fetch(`${engine.web}/metrics`)).text(),
      (metrics) => /^mesh_insights_export_queue_length\{sink="otlp"\} 0$/m.test(metrics),
      10_000,
    );
    await engine.program.kill("SIGTERM");

    const transitions = transitionsOf(folder.path);
    const told = toldOf(sink.taken);
    console.log(
      `${transitions.length} transitions, ${[...told.values()].flat().length} records in ${sink.taken.length}, ` +
        `met: ${JSON.stringify(Object.fromEntries(met))}`,
    );
    expect(Object.fromEntries(told)).toEqual(Object.fromEntries(tellable(transitions)));
    const twice = [...told].filter(([, states]) =>
      states.some((state, index) => state === states[index - 1]),
    );
    expect(twice).toEqual([]);
    expect(wrongOnes(transitions, policies)).toEqual([]);
    expect(missing(transitions, policies, runs)).toEqual([]);
    // The kills have met what they were meant to meet.
    for (const state of ["pending", "firing", "kept"]) {
      expect([state, met.get(state) ?? 0]).toEqual([
        state,
        expect.toSatisfy((n: number) => n >= kills / 5),
      ]);
    }
  },
  60_000 + kills * 15_000,
);
