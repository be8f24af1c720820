/**
 * Each rule as other rules see it: how many insights it has and how many it may have, and how much was
 * left out lately because it had as many. So a rule that matches half the mesh is one finding of its own
 * instead of a number that nobody looks at.
 */
import type { RuleLoad } from "../insights/insights.ts";
import type { EntityChange } from "../model/changes.ts";
import { makeEntity, type Entity } from "../model/entities.ts";
import { usPerSecond, type Us } from "../model/time.ts";

interface Known {
  /** The count at the beginning of the window, and when that was. */
  overflowed: number;
  fromUs: Us;
  leftOut: number;
}

const lookEveryUs = 5 * usPerSecond;
/** What has passed is told for as long. */
const windowUs = 60 * usPerSecond;

export class RuleLoads {
  readonly #known = new Map<string, Known>();
  #lookedUs: Us = 0;

  /** What has changed since the last look, at most every 5 s; at the first look all of them. */
  look(loads: () => Iterable<RuleLoad>, nowUs: Us): EntityChange<"rule">[] {
    if (nowUs < this.#lookedUs + lookEveryUs) return [];
    this.#lookedUs = nowUs;
    const changes: EntityChange<"rule">[] = [];
    for (const load of loads()) {
      const before = this.#known.get(load.rule.id);
      const now = follow(before, load.overflowed, nowUs);
      this.#known.set(load.rule.id, now);
      if (before?.leftOut !== now.leftOut) changes.push(ruleChange(load, now.leftOut, nowUs));
    }
    return changes;
  }
}

/** The count goes on as long as more comes, and is over when nothing has come for a window. */
function follow(before: Known | undefined, overflowed: number, nowUs: Us): Known {
  if (before === undefined) return { overflowed, fromUs: nowUs, leftOut: overflowed };
  const isMore = overflowed > before.overflowed;
  if (isMore) {
    const leftOut = before.leftOut + overflowed - before.overflowed;
    return { overflowed, fromUs: nowUs, leftOut };
  }
  return nowUs >= before.fromUs + windowUs ? { ...before, leftOut: 0 } : before;
}

function ruleChange(load: RuleLoad, leftOut: number, atUs: Us): EntityChange<"rule"> {
  const { rule, active, limit } = load;
  const entity: Entity<"rule"> = {
    ...makeEntity("rule"),
    id: rule.id,
    severity: rule.severity,
    active,
    limit,
    left_out: leftOut,
  };
  const text = `${rule.id} has ${active} active insights of at most ${limit}`;
  const fields = { rule: rule.id, active, limit };
  const evidence = { atUs, nanos: 0, vantage: "object", source: "engine", text, fields } as const;
  return {
    kind: "entity",
    type: "rule",
    id: `rule ${rule.id}`,
    entity,
    judged: true,
    atUs,
    // One of a kind, however often it is told.
    evidence: leftOut > 0 ? [{ ...evidence, hash: `rule ${rule.id} has too many` }] : [],
    observers: [],
  };
}
