/**
 * The engine's host with the real pipeline on a virtual clock: every order of requests, commits and
 * failures, and what becomes of a fault of ours in each stage.
 */
import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { encodeCounters, encodeLogs, encodeSpans, type OtlpRequest } from "../src/cli/demo/otlp.ts";
import { loadConfig } from "../src/config/config.ts";
import { EngineHost } from "../src/engine/host.ts";
import { pipelineOptions } from "../src/engine/options.ts";
import { Pipeline, type PipelineOptions } from "../src/engine/pipeline.ts";
import type { Answer } from "../src/model/requests.ts";
import type { WriteSet } from "../src/model/rows.ts";
import { loadRules } from "../src/rules/load.ts";
import { usPerHour, usPerMinute, usPerMs, usPerSecond } from "../src/model/time.ts";

const startUs = 1_795_300_000_000_000;
const startMs = startUs / usPerMs;

const loaded = loadConfig([], ["cluster.name=demo"], {});
if (!loaded.ok) throw new Error("the test's settings are valid");
const options = pipelineOptions(loaded.config, []);

/** One call between two addresses that nobody else uses, told by the server's proxy. */
function call(n: number, cluster = ""): OtlpRequest {
  const [client, server] = [`10.50.0.${n}`, `10.60.0.${n}`];
  const body =
    `[${new Date(startMs).toISOString()}] "GET /${n} HTTP/1.1" 200 - via_upstream - "-" 0 5 1 1 "-" ` +
    `"test/1" "r-${n}" "server:80" "${server}:80" inbound|80|| 127.0.0.6:40000 ` +
    `${server}:80 ${client}:30000 - default\n`;
  const resource = cluster === "" ? {} : { "k8s.cluster.name": cluster };
  return encodeLogs(resource, [{ timeMs: startMs, attributes: {}, body }]);
}

/** The engine between a receiver and a store, both played by the test. */
class World {
  readonly host: EngineHost;
  /** Answers by request; more than one would be a fault. */
  readonly answers: Answer[][] = [];
  readonly sent: WriteSet[] = [];
  readonly troubles: string[] = [];
  readonly broken: (string | null)[] = [];
  readonly lost: string[] = [];
  /** Whether the store has a write-set that it has said nothing about. */
  isInFlight = false;
  nowUs = startUs;

  constructor(over: Partial<PipelineOptions> = {}, poison: readonly string[] = []) {
    const pipeline = new Pipeline({ ...options, ...over }, { push() {} });
    this.host = new EngineHost(
      pipeline,
      {
        answer: (id, answer) => this.answers[id]?.push(answer),
        commit: (writeSet) => {
          if (this.isInFlight) throw new Error("a second commit is on its way");
          this.isInFlight = true;
          this.sent.push(writeSet);
        },
        trouble: (what) => this.troubles.push(what),
        broken: (poisonous) => this.broken.push(poisonous),
        storeLost: (why) => this.lost.push(why),
      },
      poison,
    );
  }

  /** Returns the request's number. */
  request({ signal, bytes }: OtlpRequest): number {
    const id = this.answers.push([]) - 1;
    const body = new Uint8Array(bytes).buffer;
    const hash = hashOf(bytes);
    const receivedUs = this.nowUs;
    const sender = { listener: "grpc", client: "" } as const;
    const request = { signal, body, wire: null, hash, receivedUs, sender };
    this.host.request(id, request, this.nowUs);
    return id;
  }

  acknowledge(insightId: string): number {
    const id = this.answers.push([]) - 1;
    const acknowledgement = { by: "jo", atUs: this.nowUs, untilUs: 0, note: "" };
    this.host.command(id, { kind: "acknowledge", insightId, acknowledgement }, this.nowUs);
    return id;
  }

  pass(us: number): void {
    this.nowUs += us;
    this.host.tick(this.nowUs);
  }

  commit(): void {
    this.host.commit(this.nowUs);
  }

  /** The store's word about the newest write-set that it got; gives the delays of its records. */
  done(): readonly number[] {
    this.isInFlight = false;
    return this.host.committed(this.sent.at(-1)?.seq ?? 0, this.nowUs);
  }

  fail(code = "disk_full", retryable = true): void {
    this.isInFlight = false;
    const failure = { code, message: `cannot commit: ${code}`, retryable };
    this.host.commitFailed(this.sent.at(-1)?.seq ?? 0, failure, this.nowUs);
  }

  /** `accepted`, `invalid:code`, `unavailable:reason`, `waiting`; several joined by `+`. */
  of(id: number): string {
    const texts = (this.answers[id] ?? []).map((answer) => {
      if (answer.kind === "invalid") return `invalid:${answer.code}`;
      return answer.kind === "unavailable" ? `unavailable:${answer.reason}` : answer.kind;
    });
    return texts.length === 0 ? "waiting" : texts.join("+");
  }

  /** Receipts in all write-sets: more than one of a hash means that it was applied twice. */
  get receipts(): string[] {
    const distinct = new Map(this.sent.map((writeSet) => [writeSet.seq, writeSet]));
    return [...distinct.values()].flatMap(({ receipts }) => receipts.map(({ hash }) => hash));
  }
}

const hashOf = (bytes: Uint8Array): string =>
  createHash("sha256").update(bytes).digest("hex").slice(0, 32);

/** A world past its first commit, which tells the store that somebody watches. */
function awake(over: Partial<PipelineOptions> = {}): World {
  const world = new World(over);
  world.pass(0);
  world.done();
  world.sent.length = 0;
  return world;
}

test("a request of each signal is answered after its commit, with its items", () => {
  const counter = { name: "istio_requests_total", attributes: { reporter: "source" }, value: 1 };
  const span = { traceId: "0".repeat(31) + "1", spanId: "0".repeat(15) + "1", parentSpanId: "" };
  const rest = { isServer: true, name: "x", startMs, endMs: startMs + 1, attributes: {} };
  const world = awake();
  const ids = [
    world.request(call(1)),
    world.request(encodeCounters({}, [counter, counter], startMs)),
    world.request(encodeSpans({}, [{ ...span, ...rest }])),
  ];
  world.commit();
  expect(ids.map((id) => world.of(id))).toEqual(["waiting", "waiting", "waiting"]);
  world.done();
  expect(ids.map((id) => world.answers[id])).toEqual(
    [1, 2, 1].map((items) => [{ kind: "accepted", items, rejectedItems: 0, message: "" }]),
  );
  expect(world.host.isIdle).toBe(true);
});

const anyEdge = `
version: 1
rules:
  - id: any-edge
    title: Any edge
    severity: low
    confidence: low
    on: edge
    subject: edge.dst
    when: edge.requests >= 1
    message: "{{ edge.dst.address }} is called"
`;

/** The options with a rule that fires at once, and with the given settings. */
function optionsWith(...settings: string[]): PipelineOptions {
  const { rules, diagnostics } = loadRules([{ path: "rules/test/any.yaml", text: anyEdge }]);
  const configured = loadConfig([], ["cluster.name=demo", ...settings], {});
  if (!configured.ok || diagnostics.some(({ severity }) => severity === "error")) {
    throw new Error(JSON.stringify(diagnostics));
  }
  return pipelineOptions(configured.config, rules);
}

/** A world whose newest write-set, which is on its way, holds an insight: the graph waits a while first. */
function withInsight(...settings: string[]): World {
  const world = awake(optionsWith(...settings));
  world.request(call(1));
  for (let second = 0; second < 600; second++) {
    world.pass(usPerSecond);
    if ((world.sent.at(-1)?.insights.length ?? 0) > 0) return world;
    if (world.isInFlight) world.done();
  }
  throw new Error("no insight within ten minutes");
}

const sink = "exporters.otlp.endpoint=127.0.0.1:4317";

test("a commit tells how long its records have waited for it, once", () => {
  const world = withInsight(sink);
  const outbox = world.sent.at(-1)?.outbox ?? [];
  expect(outbox).toMatchObject([{ state: "firing" }]);
  world.nowUs += 15 * usPerMs;
  expect(world.done()).toEqual(outbox.map(({ atUs }) => world.nowUs - atUs));
  expect(world.done(), "the store says it twice").toEqual([]);
  world.request(call(1));
  world.commit();
  expect(world.done(), "nothing new").toEqual([]);
});

test("records of a commit that failed wait for the one that succeeds", () => {
  const world = withInsight(sink);
  const first = world.sent.at(-1);
  world.fail();
  world.pass(usPerSecond);
  expect(world.sent.at(-1)?.outbox).toEqual(first?.outbox);
  expect(world.done()).toHaveLength(1);
});

test("without a sink no record is made", () => {
  const world = withInsight();
  expect(world.sent.at(-1)).toMatchObject({ insights: [{ state: "firing" }], outbox: [] });
  expect(world.done()).toEqual([]);
});

test("a command is answered when the rows it changed are durable", () => {
  const world = withInsight();
  world.commit();
  world.done();
  const [row] = world.sent.flatMap(({ insights }) => insights);
  const ids = [world.acknowledge(row?.id ?? ""), world.acknowledge("nobody")];
  expect(ids.map((id) => world.of(id))).toEqual(["waiting", "invalid:no_such_insight"]);
  const written = world.sent.at(-1);
  expect(written?.isWhole).toBe(true);
  expect(written?.insights.map(({ detail }) => detail).join()).toContain('"by":"jo"');
  world.done();
  expect(world.of(ids[0] ?? -1)).toBe("accepted");
});

test("a command that cannot be made durable is not accepted", () => {
  const world = withInsight();
  world.commit();
  world.done();
  const [row] = world.sent.flatMap(({ insights }) => insights);
  const id = world.acknowledge(row?.id ?? "");
  world.fail();
  expect(world.of(id)).toBe("unavailable:storage");
  expect(world.of(world.acknowledge(row?.id ?? ""))).toBe("unavailable:storage");
});

test("a duplicate is never applied twice, and is accepted when the first is durable", () => {
  const world = awake();
  const first = world.request(call(1));
  const whileWaiting = world.request(call(1));
  world.commit();
  const whileCommitting = world.request(call(1));
  expect([first, whileWaiting, whileCommitting].map((id) => world.of(id))).toEqual(
    Array(3).fill("waiting"),
  );
  world.done();
  expect([first, whileWaiting].map((id) => world.of(id))).toEqual(["accepted", "accepted"]);
  world.commit();
  expect(world.of(whileCommitting)).toBe("accepted");
  const afterwards = world.request(call(1));
  world.commit();
  expect(world.of(afterwards)).toBe("accepted");
  // The duplicates cost no commit of their own, and no item is counted twice.
  expect(world.sent).toHaveLength(1);
  expect(world.receipts).toHaveLength(1);
  expect(world.answers[afterwards]).toMatchObject([{ items: 0 }]);
  expect(world.host.isIdle).toBe(true);
});

test("a failed commit turns all away, refuses what follows unread, and comes again as it was", () => {
  const world = awake();
  const inCommit = world.request(call(1));
  world.commit();
  const behind = world.request(call(2));
  world.fail();
  const undecodable = world.request({ signal: 3, bytes: new Uint8Array([0xff]) });
  const fresh = world.request(call(3));
  expect([inCommit, behind, undecodable, fresh].map((id) => world.of(id))).toEqual(
    Array(4).fill("unavailable:storage"),
  );
  world.pass(100 * usPerMs);
  expect(world.sent).toHaveLength(1);
  world.pass(100 * usPerMs);
  expect(world.sent).toHaveLength(2);
  expect(world.sent[1]).toBe(world.sent[0]);
  expect(world.of(world.request(call(3)))).toBe("unavailable:storage");
  world.done();
  // What was applied behind the failed commit is still to be written; what was refused is not known.
  const again = [call(1), call(2), call(3)].map((request) => world.request(request));
  world.commit();
  world.done();
  expect(again.map((id) => world.of(id))).toEqual(["accepted", "accepted", "accepted"]);
  expect(world.receipts).toEqual([call(1), call(2), call(3)].map(({ bytes }) => hashOf(bytes)));
});

for (const [code, answer, broken, lost] of [
  ["invalid_row", "unavailable:restarting", [null], []],
  ["damaged", "unavailable:storage", [], ["cannot commit: damaged"]],
  ["not_a_database", "unavailable:storage", [], ["cannot commit: not_a_database"]],
] as const) {
  test(`a commit that fails for good (${code}) is not tried again`, () => {
    const world = awake();
    const inCommit = world.request(call(1));
    world.commit();
    const behind = world.request(call(2));
    world.fail(code, false);
    expect([inCommit, behind].map((id) => world.of(id))).toEqual([answer, answer]);
    expect({ broken: world.broken, lost: world.lost }).toEqual({ broken, lost });
    expect(world.troubles).toEqual(["a commit failed"]);
    world.pass(usPerMinute);
    world.commit();
    expect(world.sent).toHaveLength(1);
    expect(world.of(world.request(call(3)))).toBe("unavailable:restarting");
    expect(world.host.isIdle).toBe(true);
  });
}

test("an idle engine says every 5 s that it watches, also after its clock was set back", () => {
  const world = awake();
  world.pass(5 * usPerSecond - 1);
  expect(world.sent).toHaveLength(0);
  world.pass(1);
  expect(world.sent).toHaveLength(1);
  world.done();
  world.pass(-usPerHour);
  expect(world.sent).toHaveLength(2);
  expect(world.sent[1]?.atUs).toBe(world.nowUs);
});

test("a clock set back neither holds requests up nor forgets what was applied", () => {
  const world = awake();
  world.pass(20 * usPerMinute);
  world.done();
  world.pass(-usPerHour);
  world.done();
  const first = world.request(call(1));
  world.commit();
  world.done();
  world.pass(usPerSecond);
  const again = world.request(call(1));
  world.commit();
  expect([world.of(first), world.of(again)]).toEqual(["accepted", "accepted"]);
  expect(world.receipts).toHaveLength(1);
});

/** What any vocabulary does with a value of this kind throws: a fault of ours while reading. */
const unusable = new Proxy(
  {},
  {
    get() {
      throw new Error("a vocabulary stumbles");
    },
  },
) as string;

test("a fault while reading: come again, come again, quarantined; others are not concerned", () => {
  const clusterAliases = { unlucky: unusable };
  const world = awake({ normalize: { ...options.normalize, clusterAliases } });
  const outcomes: string[] = [];
  for (let attempt = 0; attempt < 4; attempt++) {
    const good = world.request(call(10 + attempt));
    outcomes.push(world.of(world.request(unluckyObject)));
    world.commit();
    world.done();
    expect(world.of(good)).toBe("accepted");
  }
  expect(outcomes).toEqual([
    "unavailable:internal",
    "unavailable:internal",
    "invalid:quarantined",
    "invalid:quarantined",
  ]);
  expect(world.troubles).toHaveLength(3); // the fourth time it is not even read
  expect(world.receipts).toHaveLength(4);
  expect(world.broken).toEqual([]);
});

const unluckyObject = encodeLogs({ "k8s.cluster.name": "unlucky" }, [
  { timeMs: startMs, attributes: { "k8s.resource.name": "pods" }, body: {} },
]);

/** A graph that throws when it is `armed`, wherever its options are read at run time. */
function faultyGraph(option: "coalesceUs" | "unresolvedTtlUs"): {
  graph: PipelineOptions["graph"];
  arm: () => void;
} {
  let isArmed = false;
  const graph = Object.defineProperty({ ...options.graph }, option, {
    get() {
      if (isArmed) throw new Error("the graph stumbles");
      return options.graph[option];
    },
  });
  return { graph, arm: () => (isArmed = true) };
}

for (const [where, option, act, poison] of [
  ["applying a request", "coalesceUs", (w: World) => w.request(call(9)), true],
  ["letting time pass", "coalesceUs", (w: World) => w.pass(100 * usPerMs), false],
  ["collecting a write-set", "unresolvedTtlUs", (w: World) => w.commit(), false],
] as const) {
  test(`a fault while ${where}: everybody comes again, and nothing is touched any more`, () => {
    const { graph, arm } = faultyGraph(option);
    const world = awake({ graph });
    const inCommit = world.request(call(1));
    world.commit();
    if (option === "unresolvedTtlUs") world.done();
    const behind = world.request(call(2));
    arm();
    act(world);
    expect(world.broken).toEqual([poison ? `3:${hashOf(call(9).bytes)}` : null]);
    const early = option === "unresolvedTtlUs" ? "accepted" : "unavailable:restarting";
    expect([world.of(inCommit), world.of(behind)]).toEqual([early, "unavailable:restarting"]);
    expect(world.of(world.request(call(3)))).toBe("unavailable:restarting");
    const commits = world.sent.length;
    world.done();
    world.fail();
    world.pass(usPerMinute);
    world.commit();
    expect(world.sent).toHaveLength(commits);
    expect(world.broken).toHaveLength(1);
    expect(world.answers.every((answers) => answers.length === 1)).toBe(true);
  });
}

test("what broke an earlier engine is never applied", () => {
  const world = new World({}, [`3:${hashOf(call(9).bytes)}`]);
  expect(world.of(world.request(call(9)))).toBe("invalid:quarantined");
  const other = world.request(call(8));
  world.commit();
  world.done();
  expect(world.of(other)).toBe("accepted");
});

test("every order of requests, commits, failures and ticks", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("request" as const), n: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ kind: fc.constantFrom("commit" as const, "done" as const, "fail" as const) }),
    fc.record({
      kind: fc.constant("pass" as const),
      us: fc.constantFrom(0, 60 * usPerMs, 300 * usPerMs, 11 * usPerSecond, -usPerMinute),
    }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const world = awake();
      const durable = new Set<string>();
      const asked: { id: number; hash: string }[] = [];
      /** The store has the newest write-set; nobody may be told so of anything else. */
      const done = (): void => {
        const written = world.isInFlight ? world.sent.at(-1) : undefined;
        for (const { hash } of written?.receipts ?? []) durable.add(hash);
        world.done();
      };
      const check = (): void => {
        for (const { id, hash } of asked) {
          const possible = durable.has(hash)
            ? /^(waiting|accepted|unavailable:storage)$/
            : /^(waiting|unavailable:storage)$/;
          expect(world.of(id)).toMatch(possible);
        }
        expect(new Set(world.receipts).size).toBe(world.receipts.length);
      };
      for (const one of steps) {
        if (one.kind === "request") {
          const request = call(one.n);
          asked.push({ id: world.request(request), hash: hashOf(request.bytes) });
        } else if (one.kind === "pass") world.pass(one.us);
        else if (one.kind === "done") done();
        else world[one.kind]();
        check();
      }
      // Once the store works again, nobody waits for long.
      for (let round = 0; round < 4; round++) {
        done();
        world.pass(11 * usPerSecond);
      }
      done();
      check();
      expect(asked.map(({ id }) => world.of(id))).not.toContain("waiting");
      expect(world.host.isIdle).toBe(true);
      expect([...world.broken, ...world.lost]).toEqual([]);
    }),
    { numRuns: 150 },
  );
});
