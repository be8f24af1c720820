/**
 * Our compiler against another implementation of CEL: random well-typed expressions over random entities
 * must give the same value, or both an error. What is left out, and why: `support/cel-arbitrary.ts`.
 */
import * as fc from "fast-check";
import { isDeepStrictEqual } from "node:util";
import { expect, test } from "vitest";
import type { EntityType } from "../../src/model/entities.ts";
import { compile, makeFrame } from "../../src/rules/compile.ts";
import { Fault } from "../../src/rules/fault.ts";
import { FrontEnd } from "../../src/rules/front-end.ts";
import { Expressions, leavesOf, sampleEntities } from "../support/cel-arbitrary.ts";
import { failed, planOracle, toCel } from "../support/cel-oracle.ts";

const lists = new Map<string, readonly string[] | readonly number[]>([
  ["names", ["web", "a", ""]],
  ["ports", [80, 443, 0]],
]);
const sharedBindings = { names: ["web", "a", ""], ports: [80n, 443n, 0n] };

const worlds = (["edge", "workload", "policy", "source", "access"] as const).map(makeWorld);

function makeWorld(type: EntityType) {
  return {
    type,
    frontEnd: new FrontEnd({ [type]: type, names: "list<string>", ports: "list<int>" }),
    expressions: new Expressions(leavesOf(type, type)),
    entities: sampleEntities(type, 14).map((entity) => ({ entity, cel: toCel(entity, type) })),
  };
}

const cases = fc.oneof(
  ...worlds.map((world) =>
    fc
      .oneof(
        { weight: 6, arbitrary: world.expressions.of("bool", 4) },
        world.expressions.of("int", 3),
        world.expressions.of("text", 3),
        world.expressions.of("texts", 3),
        world.expressions.of("double", 3),
      )
      .map((text) => ({ text, world })),
  ),
);

const seen = { comparisons: 0, errors: 0, refused: 0 };

/** Compares one expression over every entity of its world. */
function compare(text: string, world: (typeof worlds)[number]): void {
  const { type, frontEnd, entities } = world;
  const checked = frontEnd.check(text);
  if (!checked.ok) {
    seen.refused++;
    return;
  }
  const run = compile(checked.node, { variable: type, lists, params: new Map() });
  const judge = planOracle(text);
  for (const { entity, cel } of entities) {
    const frame = { ...makeFrame(), entity };
    const [ours, theirs] = [attempt(() => run(frame)), judge({ ...sharedBindings, [type]: cel })];
    seen.comparisons++;
    if (theirs === failed) seen.errors++;
    if (isDeepStrictEqual(ours, theirs)) continue;
    expect({ text, entity, value: ours }).toEqual({ text, entity, value: theirs });
  }
}

function attempt(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    if (error instanceof Fault) return failed;
    throw error;
  }
}

test("the same value as another implementation, or both an error", { timeout: 300_000 }, () => {
  const numRuns = Number(process.env["CEL_EXPRESSIONS"] ?? 3_000);
  const property = fc.property(cases, ({ text, world }) => compare(text, world));
  fc.assert(property, { numRuns });
  expect(seen.comparisons).toBeGreaterThan(20_000 * (numRuns / 3_000));
  // Both kinds of result are common, and next to nothing that is made is refused.
  expect(seen.errors / seen.comparisons).toBeGreaterThan(0.1);
  expect(seen.errors / seen.comparisons).toBeLessThan(0.6);
  expect(seen.refused).toBeLessThan(numRuns * 0.03);
});
