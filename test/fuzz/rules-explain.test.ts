/**
 * Random expressions over random entities: the explanation comes to what the rule comes to, and each part
 * that can stand alone gives by its text what the tree says of it.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { EntityType } from "../../src/model/entities.ts";
import { compile, makeFrame, type CompileContext } from "../../src/rules/compile.ts";
import { explainCondition, type ExplainedPart } from "../../src/rules/explain.ts";
import { Fault } from "../../src/rules/fault.ts";
import { durationType, FrontEnd } from "../../src/rules/front-end.ts";
import { Expressions, leavesOf, sampleEntities } from "../support/cel-arbitrary.ts";

const lists = new Map<string, readonly string[] | readonly number[]>([
  ["names", ["web", "a", ""]],
  ["ports", [80, 443, 0]],
]);

const worlds = (["edge", "workload", "policy", "access"] as const).map((type: EntityType) => ({
  type,
  context: { variable: type, lists, params: new Map() } satisfies CompileContext,
  frontEnd: new FrontEnd({ [type]: type, names: "list<string>", ports: "list<int>" }),
  expressions: new Expressions(leavesOf(type, type)),
  entities: sampleEntities(type, 4),
}));
type World = (typeof worlds)[number];

const seen = { parts: 0, skipped: 0, errors: 0 };

/** By the text alone; undefined for a duration. */
function valueOf(text: string, entity: unknown, { frontEnd, context }: World) {
  const checked = frontEnd.check(text);
  expect({ text, ...checked }).toMatchObject({ text, ok: true });
  // Durations are shown as text.
  if (!checked.ok || checked.node.type === durationType) return undefined;
  try {
    const value = compile(checked.node, context)({ ...makeFrame(), entity });
    return { outcome: "value", value };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { outcome: "error", value: null };
  }
}

function compareParts(part: ExplainedPart, entity: unknown, world: World): void {
  seen.parts++;
  if (part.outcome === "skipped") {
    seen.skipped++;
    return;
  }
  // What is said of an item knows the comprehension's variable, which no text alone does.
  if (/^\w+ = /.test(part.text)) return;
  if (part.outcome === "error") seen.errors++;
  const alone = valueOf(part.text, entity, world);
  if (alone === undefined) return;
  const { outcome, value } = part;
  expect({ text: part.text, outcome, value }).toEqual({ text: part.text, ...alone });
  for (const child of part.parts) compareParts(child, entity, world);
}

const cases = fc.oneof(
  ...worlds.map(({ type, expressions }) =>
    expressions.of("bool", 4).map((text) => ({ text, type })),
  ),
);

test("each part says what its text says", { timeout: 120_000 }, () => {
  const property = fc.property(cases, ({ text, type }) => {
    const world = worlds.find((one) => one.type === type);
    if (!world) return;
    const checked = world.frontEnd.check(text);
    if (!checked.ok) return;
    const { context, entities } = world;
    const written = { when: text, condition: checked.node, context, macros: new Map() };
    for (const entity of entities) {
      const whole = explainCondition(written, { ...makeFrame(), entity });
      expect({ outcome: whole.outcome, value: whole.value }).toEqual(valueOf(text, entity, world));
      compareParts(whole, entity, world);
    }
  });
  fc.assert(property, { numRuns: 600 });
  expect(seen.parts).toBeGreaterThan(5_000);
  expect(seen.skipped).toBeGreaterThan(100);
  expect(seen.errors).toBeGreaterThan(100);
});
