/**
 * Attacks and ordinary traffic in a live mesh on one machine: real Envoys as sidecars behind Istio's
 * redirect rules, facts from the kernel and from the wire, a real collector, the built engine. Every attack
 * must be found, and nobody innocent accused. Run it by `npm run test:live`.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ApiGraph, ApiInsight, ApiPage } from "../../src/model/api.ts";
import { getJson, root, until } from "../support/program.ts";
import { attackOnce, attacks, attacksOfEach, type Attack } from "./attackers.ts";
import {
  cart,
  cartService,
  collectorService,
  coredns,
  nodeIp,
  outside,
  readyPort,
  web,
} from "./mesh.ts";
import { startWorld, type World } from "./world.ts";

let world: World | null = null;

beforeAll(async () => {
  world = await startWorld();
}, 240_000);

afterAll(async () => world?.[Symbol.asyncDispose](), 60_000);

function live(): World {
  if (!world) throw new Error("the live mesh did not start");
  return world;
}

/** `source -> destination protocol:port route security` of the application's ports. */
async function ordinaryEdges(): Promise<string[]> {
  const ports = new Set([5_432, 8_080]);
  const { edges } = await getJson<ApiGraph>(`${live().engine.web}/api/v1/graph?limit=1000`);
  return edges
    .filter(({ port }) => ports.has(port))
    .map(
      ({ source, target, protocol, port, route, security }) =>
        `${source} -> ${target} ${protocol}:${port} ${route} ${security}`,
    )
    .toSorted();
}

test("ordinary traffic goes through the sidecars, which say so", async () => {
  const expected = [
    // The kubelet's probes of the application, in plaintext from the machine.
    "demo//node-a -> demo/shop/cart http:8080 declared unknown",
    "demo/shop/web -> demo/shop/cart http:8080 declared mutual_tls",
    "demo/shop/web -> external/203.0.113.6 http:8080 passthrough unknown",
    "demo/shop/web -> external/203.0.113.6 tcp:5432 passthrough unknown",
  ];
  const isSo = (edges: string[]): boolean => edges.join() === expected.join();
  await until(ordinaryEdges, isSo, 90_000).catch(() => {});
  expect(await ordinaryEdges()).toEqual(expected);
});

/** An insight as `rule namespace/workload address:port`. */
function lineOf({ rule, namespace, workload, peer }: ApiInsight): string {
  const other = peer.address === "" ? "" : ` ${peer.address}:${peer.port}`;
  return `${rule} ${namespace}/${workload}${other}`;
}

/** What was found out about who goes around the mesh, under whose identity and in plaintext. */
async function accusations(): Promise<ApiInsight[]> {
  const url = `${live().engine.web}/api/v1/insights?limit=1000`;
  const { items, next } = await getJson<ApiPage<ApiInsight>>(url);
  expect(next).toBeNull();
  const families = ["capture", "identity", "encryption"];
  const rules = new Set(
    families
      .flatMap((family) => readdirSync(join(root, "rules", family)))
      .map((file) => file.replace(".yaml", "")),
  );
  return items.filter(({ rule }) => rules.has(rule));
}

/** The lines by which one attack may be found; the first rule is the strongest. */
const linesOf = ({ rules, address, firstPort }: Attack, index: number): string[] =>
  rules.map((rule) => `${rule} shop/web ${address}:${firstPort + index}`);

const numbers = Array.from({ length: attacksOfEach }, (_, index) => index);

async function expectFound(attack: Attack): Promise<void> {
  const missed = async (): Promise<number[]> => {
    const found = new Set((await accusations()).map(lineOf));
    return numbers.filter((index) => !linesOf(attack, index).some((line) => found.has(line)));
  };
  await until(missed, (indexes) => indexes.length === 0, 90_000).catch(() => {});
  expect(await missed(), `missed of ${attacksOfEach} ${attack.name}`).toEqual([]);
}

test("attacks under the proxy's UID and GID, over IPv6 and over UDP are found", async () => {
  for (const index of numbers) {
    await Promise.all(attacks.map((attack) => attackOnce(live().app, attack, index)));
    await sleep(200);
  }
  for (const attack of attacks) await expectFound(attack);
  const found = (await accusations()).map(lineOf);
  expect(found).toContain("proxy-uid-in-application shop/web");
  expect(found).toContain("proxy-gid-in-application shop/web");
});

/** Twice the grace and the lateness that verdicts of absence wait for. */
const untilJudgedMs = 120_000;

test("nobody innocent is accused", async () => {
  await sleep(untilJudgedMs);
  const guilty = new Set([
    "proxy-uid-in-application shop/web",
    "proxy-gid-in-application shop/web",
    // True of this mesh, in which nothing asks for mutual TLS.
    "mesh-not-strict /",
    ...attacks.flatMap((attack) => numbers.flatMap((index) => linesOf(attack, index))),
  ]);
  const wrong = (await accusations()).filter((insight) => !guilty.has(lineOf(insight)));
  expect(wrong.map(({ message, evidence }) => ({ message, evidence }))).toEqual([]);
  // Both vantage points told of them, and they had no reason to complain: else it would prove nothing.
  const { tap } = live();
  const untold = [
    tap.arrivedMs("socket", cartService.ip, cartService.port),
    tap.arrivedMs("wire", cart.ip, cart.port),
    tap.arrivedMs("socket", outside.allowedIp, 5_432),
    tap.arrivedMs("wire", outside.allowedIp, 5_432),
    tap.arrivedMs("wire", outside.allowedIp, 5_433),
    tap.arrivedMs("wire", cart.ip, 9_999),
    tap.arrivedMs("wire", coredns.ip, coredns.port),
    tap.arrivedMs("socket", nodeIp, collectorService.port),
    tap.arrivedMs("wire", nodeIp, collectorService.port),
    tap.arrivedMs("wire", web.ip, readyPort),
  ].map(Number.isNaN);
  expect(untold).not.toContain(true);
  const failures = live().containers.flatMap(({ output }) => output().match(/^failed.*$/gm) ?? []);
  expect(failures).toEqual([]);
}, 300_000);

/** From the arrival of the record that decides to the insight's arrival at a sink, of one attack. */
function delaysOf(attack: Attack): number[] {
  const { tap, learned } = live();
  return numbers.map((index) => {
    const port = attack.firstPort + index;
    const told = attack.vantage.map((vantage) => tap.arrivedMs(vantage, attack.address, port));
    const insight = linesOf(attack, index).flatMap((line) => learned.get(line) ?? []);
    return Math.min(...insight) - Math.max(...told);
  });
}

test("insights come soon after the record that decides", () => {
  for (const attack of attacks) print(attack.name, delaysOf(attack));
  const overTcp = attacks.filter(({ transport }) => transport === "tcp").flatMap(delaysOf);
  print("over TCP in all", overTcp);
  expect(percentile(overTcp, 0.99)).toBeLessThan(5_000);
});

/** The smallest value that a `share` of all do not pass. */
function percentile(values: readonly number[], share: number): number {
  expect(values.filter((value) => !Number.isFinite(value))).toEqual([]);
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

function print(name: string, delays: readonly number[]): void {
  const [p50, p99] = [0.5, 0.99].map((share) => percentile(delays, share).toFixed(0));
  console.info(`record to insight, ${delays.length} ${name}: p50 ${p50} ms, p99 ${p99} ms`);
}

test("the same traffic is found once the redirect rules are gone", async () => {
  live().flushRules();
  const expected = [8_080, 5_432].map(
    (port) => `egress-around-proxy shop/web ${outside.allowedIp}:${port}`,
  );
  const found = async (): Promise<string[]> => {
    const lines = new Set((await accusations()).map(lineOf));
    return expected.filter((line) => lines.has(line));
  };
  await until(found, (lines) => lines.length === expected.length, 90_000).catch(() => {});
  expect(await found()).toEqual(expected);
});
