/** Connections without a socket: when they are judged, what takes them back, what a restart changes. */
import { expect, test } from "vitest";
import { Bypass } from "../src/graph/bypass.ts";
import { Gaps } from "../src/graph/gaps.ts";
import { makeWriteSet, type JournalRow, type Restored } from "../src/model/rows.ts";
import { alive, cart, cartPod, listening, meshName, serverLine } from "./scenarios/wire-cases.ts";
import {
  app,
  connect,
  makePod,
  outboundLine,
  outside,
  seconds,
  t0,
  web,
  wire,
  World,
} from "./scenarios/bypass-world.ts";

const flow = wire(1, 40_001, outside, 443);
const late = outboundLine(1, 39_000, [outside, 443], 40_001, [outside, 443]);
const found = ["web b5 203.0.113.5:443 medium"];

const otherPod = makePod({ uid: "u7", name: "other-1", nodeId: 7, ips: ["10.1.0.52"] });
const otherName = { ...app.pod, pod: "other-1", podUid: "u7", address: "10.1.0.52" };

function passSeconds(world: World, count: number): void {
  for (let second = 0; second < count; second += 5) world.pass(seconds(5));
}

function undecided(world: World): Record<string, number> {
  const samples: { name: string; labels: Record<string, string>; value: number }[] = [];
  world.bypass.counters(samples);
  const reasons: Record<string, number> = {};
  for (const { name, labels, value } of samples) {
    if (name === "flows_undecided_total" && value > 0) reasons[labels["reason"] ?? ""] = value;
  }
  return reasons;
}

/** A world in which web logged long before, and the flow has come. */
function worldOf(pods = [makePod(), cartPod]): World {
  const world = new World({ pods });
  world.take(alive(-20));
  world.take(flow);
  return world;
}

test("it waits for the grace and for a sign that the proxy lived past the end", () => {
  const world = worldOf();
  passSeconds(world, 100);
  expect(world.findings()).toEqual([]);
  expect(undecided(world)).toEqual({ proxy_silent: expect.any(Number) as number });
  world.take(alive(110));
  world.pass(seconds(1));
  expect(world.findings()).toEqual(found);
  expect(world.marks.marked.size).toBe(1);
});

test("not before the grace, even when the proxy has long logged past it", () => {
  const world = worldOf();
  world.take(alive(8));
  passSeconds(world, 60);
  expect(world.findings()).toEqual([]);
  passSeconds(world, 15);
  expect(world.findings()).toEqual(found);
});

test("a pod whose lines come quickly and often is judged after half a minute", () => {
  const world = new World({ pods: [makePod(), cartPod] });
  const seen: number[] = [];
  for (let second = 5; second < 60; second++) {
    world.take(alive(second));
    if (second === 12) world.take(wire(12, 40_001, outside, 443));
    world.pass(seconds(1));
    seen.push(world.findings().length);
  }
  expect(world.findings()).toEqual(found);
  // Its end at 13 s, and half a minute.
  expect(seen.indexOf(1)).toBe(32);
});

test("a late leg withdraws it for a quarter of an hour, under the same id", () => {
  const world = worldOf();
  world.take(alive(40));
  passSeconds(world, 80);
  expect(world.findings()).toEqual(found);
  passSeconds(world, 800);
  world.take(late);
  expect(world.findings()).toEqual([]);
  expect(world.marks.marked.size).toBe(0);
  const ids = world.said.flatMap((change) => (change.kind === "entity" ? [change.id] : []));
  expect(new Set(ids).size).toBe(1);
  expect(world.said.at(-1)).toMatchObject({ entity: { outcome: "cleared", rung: "none" } });
});

test("a line of the proxy's own to there, however late, leaves it undecided again", () => {
  const world = worldOf();
  world.take(listening);
  world.take(alive(40));
  passSeconds(world, 80);
  expect(world.findings()).toEqual(found);
  world.take(outboundLine(30, 39_001, [outside, 443], 40_777, [outside, 443]));
  world.pass(seconds(1));
  expect(world.findings()).toEqual([]);
  expect(world.said.at(-1)).toMatchObject({ entity: { reason: "reached_by_proxy" } });
  expect(world.marks.marked.size).toBe(0);
});

test("a socket that only a record without usable times shows is left undecided by such a line, too", () => {
  const world = new World({ pods: [makePod()] });
  world.take(listening);
  world.take(connect(app, 1, 40_001, outside, 443));
  world.take(wire(12, 40_001, outside, 443, { clamped: true, endUs: t0 + seconds(12) }));
  world.pass(seconds(1));
  expect(world.findings()).toEqual(["web b3 203.0.113.5:443 medium"]);
  world.take(outboundLine(30, 39_001, [outside, 443], 40_777, [outside, 443]));
  world.pass(seconds(1));
  expect(world.findings()).toEqual([]);
  expect(world.said.at(-1)).toMatchObject({ entity: { reason: "clock" } });
});

test("a server's proxy that turns out to log its callers leaves it undecided again", () => {
  const world = new World({ pods: [makePod(), cartPod] });
  world.take(alive(-20));
  world.take(wire(1, 40_001, cart.ip, cart.port));
  world.take(serverLine(-15, 50_002, {}, "10.1.0.98"));
  world.take(alive(40));
  passSeconds(world, 80);
  expect(world.findings()).toEqual(["web b5 10.1.0.60:8080 medium"]);
  world.take(serverLine(50, 50_001, { serverName: meshName }, "10.1.0.99"));
  world.pass(seconds(1));
  expect(world.findings()).toEqual([]);
  expect(undecided(world)).toMatchObject({ unknown_to_server: expect.any(Number) as number });
});

test("why a connection without a line is left undecided is counted", () => {
  const world = worldOf();
  world.take(wire(2, 40_002, "203.0.113.6", 443, { tcpFlags: 6 }));
  world.take(outboundLine(-10, 39_001, [outside, 443], 40_777, [outside, 443]));
  world.take(alive(40));
  passSeconds(world, 100);
  expect(world.findings()).toEqual([]);
  expect(undecided(world)).toMatchObject({
    refused: expect.any(Number) as number,
    reached_by_proxy: expect.any(Number) as number,
  });
});

test("after that what was said stands", () => {
  const world = worldOf();
  world.take(alive(40));
  passSeconds(world, 1_100);
  world.take(late);
  passSeconds(world, 100);
  expect(world.findings()).toEqual(found);
});

test("a pod that turns out to have ended just then takes it back", () => {
  const world = worldOf();
  world.take(serverLine(40, 50_001, {}, "10.1.0.99"));
  passSeconds(world, 80);
  expect(world.findings()).toEqual(found);
  world.take({ kind: "pod", pod: makePod({ endUs: t0 + seconds(20) }) });
  expect(world.findings()).toEqual([]);
  expect(world.said.at(-1)).toMatchObject({ entity: { reason: "pod_ended" } });
});

test("a line of the pod's next owner of the address proves nothing of the one before", () => {
  const next = makePod({ uid: "u9", name: "next-1", nodeId: 9, fromUs: t0 + seconds(25) });
  const world = worldOf([makePod({ endUs: t0 + seconds(20) }), next]);
  const nextName = { ...app.pod, pod: "next-1", podUid: "u9", address: web.ip };
  world.take(alive(40, { pod: nextName }));
  passSeconds(world, 100);
  expect(world.findings()).toEqual([]);
  expect(undecided(world)).toEqual({ pod_ended: expect.any(Number) as number });
});

test("a socket that comes later takes the connection over: one deed, one finding", () => {
  const world = worldOf();
  world.take(alive(40));
  passSeconds(world, 80);
  expect(world.findings()).toEqual(found);
  world.take(connect(app, 1, 40_001, outside, 443));
  expect(world.findings()).toEqual(["web b3 203.0.113.5:443 high"]);
  expect(world.marks.marked.size).toBe(1);
});

test("the mesh's configuration comes late: it alone says what control traffic is, both ways", () => {
  const world = new World({ pods: [makePod(), cartPod] });
  world.take(alive(-20));
  world.take(wire(1, 40_001, "10.1.0.70", 4317));
  world.take(wire(2, 40_002, "10.1.0.71", 15_012));
  world.take(alive(40));
  passSeconds(world, 100);
  expect(world.findings()).toEqual(["web b5 10.1.0.70:4317 medium"]);
  world.town.controlTraffic = ["10.1.0.70:4317"];
  world.pass(seconds(1));
  expect(world.findings()).toEqual(["web b5 10.1.0.71:15012 medium"]);
});

test("what a full table lost accuses nobody, and takes nothing back", () => {
  const world = new World({
    pods: [makePod(), cartPod],
    options: { legsMax: 20, workloadShare: 0.5 },
  });
  for (let line = 0; line < 15; line++) {
    world.take(outboundLine(1, 39_000 + line, [outside, 443], 45_000 + line, [outside, 443]));
  }
  world.take(alive(-20));
  world.take(flow);
  world.take(alive(40));
  passSeconds(world, 100);
  expect(world.findings()).toEqual([]);
  expect(undecided(world)["capacity"]).toBeGreaterThan(0);
});

test("a pod whose proxy logs more destinations than are kept is not judged, and nobody else is spared", () => {
  const world = worldOf();
  const other = "10.1.0.52";
  world.take({ kind: "pod", pod: otherPod });
  world.take(alive(-20, { downstreamRemoteIp: other, pod: otherName }));
  world.take(wire(1, 40_002, outside, 443, { srcIp: other }));
  for (let line = 0; line < 2_010; line++) {
    const reached = [`10.4.${line >> 8}.${line & 255}`, 8080] as const;
    world.take(outboundLine(1, 39_000, reached, 41_000, reached));
  }
  world.take(alive(40));
  world.take(alive(40, { downstreamRemoteIp: other, pod: otherName, lineId: "other-40" }));
  passSeconds(world, 100);
  expect(world.findings()).toEqual(["other b5 203.0.113.5:443 medium"]);
  expect(undecided(world)["capacity"]).toBeGreaterThan(0);
});

function restarted(world: World, journal: readonly JournalRow[], downS: number): World {
  const after = new World({ pods: [...world.town.pods.values()] });
  after.bypass = new Bypass(after.town, after.marks);
  const { seq: _seq, atUs: _atUs, ...tables } = makeWriteSet(0, 0);
  const rows: Restored = { ...tables, journal: [...journal], lastCommitUs: world.nowUs };
  after.bypass.restore(rows, after.said);
  after.nowUs = world.nowUs;
  after.pass(seconds(downS));
  return after;
}

function commit(world: World): readonly JournalRow[] {
  const writeSet = makeWriteSet(1, world.nowUs);
  world.bypass.collect(writeSet);
  return writeSet.journal;
}

test("across a restart of ours it waits five minutes for what senders try again", () => {
  const world = worldOf();
  passSeconds(world, 20);
  const after = restarted(world, commit(world), 3);
  after.take(alive(40));
  passSeconds(after, 280);
  expect(after.findings()).toEqual([]);
  passSeconds(after, 30);
  expect(after.findings()).toEqual(found);
});

test("a restart too long for senders leaves it unknown", () => {
  const world = worldOf();
  passSeconds(world, 20);
  const after = restarted(world, commit(world), 400);
  after.take(alive(300));
  passSeconds(after, 400);
  expect(after.findings()).toEqual([]);
  expect(undecided(after)).toEqual({ gap: expect.any(Number) as number });
});

test("what was found before a restart is said again, and still taken back", () => {
  const world = worldOf();
  world.take(alive(40));
  passSeconds(world, 80);
  const after = restarted(world, commit(world), 2);
  expect(after.findings()).toEqual(found);
  after.take(late);
  expect(after.findings()).toEqual([]);
});

test("a leg that comes right after a restart takes back what the process before has said", () => {
  const world = worldOf();
  world.take(alive(40));
  passSeconds(world, 30);
  const after = restarted(world, commit(world), 2);
  expect(after.findings()).toEqual([]);
  after.take(late);
  expect(after.said.at(-1)).toMatchObject({ entity: { outcome: "cleared" } });
});

test("gaps: only those that touch the span, and none that is over", () => {
  const gaps = new Gaps();
  gaps.add(seconds(100), seconds(110));
  expect(gaps.untilUs(seconds(0), seconds(99))).toBe(0);
  expect(gaps.untilUs(seconds(0), seconds(105))).toBe(seconds(410));
  expect(gaps.untilUs(seconds(111), seconds(200))).toBe(0);
  gaps.add(seconds(1_000), seconds(1_400));
  expect(gaps.untilUs(seconds(900), seconds(1_100))).toBe(-1);
});
