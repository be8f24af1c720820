/**
 * A request of logs was refused: until it comes again, or its sender must have given up, nobody is accused
 * of connections whose lines it may have held.
 */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { readRuleFiles } from "../src/cli/rules-folder.ts";
import { loadConfig } from "../src/config/config.ts";
import { EngineHost } from "../src/engine/host.ts";
import { pipelineOptions } from "../src/engine/options.ts";
import { Pipeline } from "../src/engine/pipeline.ts";
import { Signal } from "../src/model/stages.ts";
import { usPerMs, usPerSecond } from "../src/model/time.ts";
import { loadRules } from "../src/rules/load.ts";
import { startMs } from "./scenarios/pipeline-world.ts";
import { arrive, orders } from "./support/story-arrival.ts";
import { parseStory } from "./support/story-file.ts";

/** A call to the outside, as the wire and the proxy's log tell it; its line comes at a second attempt. */
const telling = (line: string): string => `
about: A flow whose line was in a request that was refused.
family: innocent
telemetry:
  - { at: 1s, every: 20s, until: 9m, from: envoy_log, side: client, app: web:40001, service: cart-service:80, own: web:41001, upstream: cart:8080 }
  - { at: 25s, from: netflow, src: web:40444, dst: outside:443 }
${line}
`;
const retried =
  "  - { at: 25s, arrives: 270s, from: envoy_log, side: client, app: web:40002, service: outside:443, own: web:40444, upstream: outside:443 }";

const { rules } = loadRules(readRuleFiles(fileURLToPath(new URL("../rules", import.meta.url))));
const loaded = loadConfig([], ["cluster.name=demo"], {});
if (!loaded.ok) throw new Error("the test's settings are valid");
const options = pipelineOptions(loaded.config, rules);

/** Seconds of the story in which the accusation stood, first and last; empty when it never did. */
function accusedAt(
  line: string,
  refusedAtS: number | null,
  signal: Signal = Signal.logs,
): number[] {
  const { steps } = parseStory("refused.yaml", telling(line));
  const pipeline = new Pipeline(options, { push() {} });
  let sentSeq = 0;
  const host = new EngineHost(
    pipeline,
    {
      answer() {},
      commit: ({ seq, insights }) => {
        sentSeq = seq;
        for (const { rule, state, id } of insights) {
          if (rule !== "egress-without-proxy-leg") continue;
          if (state === "firing") firing.add(id);
          else firing.delete(id);
        }
      },
      trouble() {},
      broken: (_poison, error) => {
        throw error;
      },
      storeLost() {},
    },
    [],
  );
  const firing = new Set<string>();
  const seconds: number[] = [];
  const requests = arrive(steps, orders["in order"]);
  const sender = { listener: "grpc", client: "" } as const;
  for (let second = 0, next = 0; second < 540; second++) {
    const nowUs = startMs * usPerMs + second * usPerSecond;
    if (second === refusedAtS) host.turnedAway(signal, nowUs);
    for (const { body, ...request } of requests.slice(next)) {
      if (request.receivedUs > nowUs) break;
      const hash = `${next++}`.padStart(32, "0");
      const own = new Uint8Array(body).buffer;
      host.request(next, { ...request, body: own, wire: null, hash, sender }, nowUs);
    }
    host.tick(nowUs);
    host.committed(sentSeq, nowUs);
    if (firing.size > 0) seconds.push(second);
  }
  return seconds.length === 0 ? [] : [seconds[0] ?? 0, seconds.at(-1) ?? 0];
}

test("without a refusal the missing line accuses, and the late one takes it back", () => {
  const [fromS, toS] = accusedAt(retried, null);
  expect(fromS).toBeLessThan(120);
  expect(toS).toBeLessThanOrEqual(280);
});

test("after a refusal nobody is accused until the line has come again", () => {
  expect(accusedAt(retried, 30)).toEqual([]);
});

test("a line that never comes again accuses when its sender has given up", () => {
  const [fromS, toS] = accusedAt("", 30);
  expect(fromS).toBeGreaterThan(320);
  expect(toS).toBe(539);
});

test("a refusal of another signal, or after the line's time, changes nothing", () => {
  const [usual] = accusedAt("", null);
  expect(accusedAt("", 30, Signal.traces)[0]).toBe(usual);
  expect(accusedAt("", 400)[0]).toBe(usual);
});
