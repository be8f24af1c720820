/**
 * Waivers from their file to what pages: rules, waivers and lifecycle together, on a virtual clock. What
 * is waived is evaluated, kept, counted and told like everything else, and pages nobody.
 */
import { expect, test } from "vitest";
import type { AnyEntityChange } from "../src/model/changes.ts";
import { makeEntity, type Entity } from "../src/model/entities.ts";
import { Evaluator, evaluatorDefaults } from "../src/rules/evaluator.ts";
import { loadRules } from "../src/rules/load.ts";
import { WaiverSet } from "../src/rules/waiving.ts";
import { atSecond, evidenceOf, InsightWorld } from "./support/insight-world.ts";

const day = 86_400;

const rules = `
version: 1
ruleset: test
rules:
  - id: odd-process
    title: An odd process
    severity: high
    confidence: high
    on: process
    when: process.uid == 1337
    key: [process.pod]
    keep_firing_for: 1000d
    message: "{{ process.exe }}"
  - id: open-policy
    title: An open policy
    severity: low
    confidence: high
    on: policy
    when: policy.spec.open == true
    key: [policy.namespace]
    keep_firing_for: 1h
    message: "{{ policy.name }}"
`;

interface WaiverText {
  readonly id?: string;
  readonly rule?: string;
  readonly where: string;
  readonly expires?: string;
}

/** The virtual clock starts on 2026-01-05 at noon. */
const waiver = ({
  id = "known",
  rule = "odd-process",
  where,
  expires = "2026-12-31",
}: WaiverText) => `
  - id: ${id}
    rules: [${rule}]
    where: ${JSON.stringify(where)}
    reason: it is known
    owner: jo
    expires: ${expires}
`;

class World {
  readonly insights: InsightWorld;
  #rules;
  #evaluator;

  constructor(...waivers: readonly string[]) {
    const { loaded, set } = load(waivers);
    this.#rules = loaded.rules;
    const metas = loaded.rules.map(({ meta }) => meta);
    const outbox = { isOn: true, reminderUs: 0, charactersMax: 1_000_000 };
    this.insights = new InsightWorld({ outbox, occurrencesMax: 8 }, metas, set);
    this.#evaluator = this.#start(set);
  }

  /** A process with its name; `uid` 0 is none that matters. */
  exec(second: number, exe: string): this {
    const pod = { ...makeEntity("node"), cluster: "c", namespace: "shop", name: "web" };
    const entity = { ...makeEntity("process"), uid: 1337, exe, pod, pid: second };
    return this.#tell(second, { type: "process", id: `${exe}@${second}`, entity });
  }

  policy(second: number, name: string, open: boolean): this {
    const entity: Entity<"policy"> = {
      ...makeEntity("policy"),
      name,
      namespace: "shop",
      spec: { open },
    };
    return this.#tell(second, { type: "policy", id: name, entity });
  }

  at(second: number): this {
    this.insights.at(second);
    return this;
  }

  /** A reload: the same rules, other waivers. */
  reload(second: number, ...waivers: readonly string[]): this {
    const { loaded, set } = load(waivers);
    this.insights.commit(second).restart(
      loaded.rules.map(({ meta }) => meta),
      set,
    );
    this.#evaluator = this.#start(set);
    return this.at(second);
  }

  /** `rule state: count` of what is there. */
  get shown(): string[] {
    return Object.entries(this.insights.samples("insights"))
      .filter(([, value]) => value > 0)
      .map(([labels, value]) => `${labels.split(" ")[0]} ${labels.split(" ").at(-1)}: ${value}`);
  }

  /** What sinks were told so far, with the waiver. */
  told(second: number): string[] {
    this.insights.commit(second);
    const recorded = this.insights.recorded();
    return this.insights.records.map(({ waiver: id }, index) => `${recorded[index]} ${id}`.trim());
  }

  waivers(): Record<string, number> {
    return this.insights.samples("waivers");
  }

  #start(waivers: WaiverSet): Evaluator {
    return new Evaluator(
      this.#rules,
      { push: (events) => this.insights.insights.push(events) },
      {
        ...evaluatorDefaults,
        waivers,
      },
    );
  }

  #tell(second: number, what: Pick<AnyEntityChange, "type" | "id" | "entity">): this {
    this.insights.at(second);
    const change = {
      ...what,
      kind: "entity",
      judged: true,
      atUs: atSecond(second),
      evidence: [evidenceOf(what.id, second)],
      observers: [],
    };
    this.#evaluator.push([change as AnyEntityChange]); // type and entity go together
    return this;
  }
}

function load(waivers: readonly string[]) {
  const text = waivers.length === 0 ? "" : `waivers:${waivers.join("")}`;
  const files = [
    { path: "rules.yaml", text: rules },
    { path: "waivers.yaml", text: `version: 1\n${text}` },
  ];
  const loaded = loadRules(files);
  expect(loaded.diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  return { loaded, set: new WaiverSet(loaded.waivers) };
}

const sh = waiver({ where: "process.exe == '/bin/sh'" });

test("what is waived is kept, counted as suppressed, and told with its waiver", () => {
  const world = new World(sh).exec(0, "/bin/sh");
  expect(world.shown).toEqual(["odd-process suppressed: 1"]);
  expect(world.told(1)).toEqual(["firing@0 known"]);
  expect([...world.insights.rows.values()][0]).toMatchObject({ state: "firing" });
});

test("one occurrence that nobody has accepted makes it page; taken as a whole again it does not", () => {
  const world = new World(sh).exec(0, "/bin/sh").exec(5, "/bin/nc");
  expect(world.shown).toEqual(["odd-process firing: 1"]);
  expect(world.told(6)).toEqual(["firing@0 known", "update firing@5"]);
});

test("what has been waived and what has not, in any order", () => {
  const world = new World(sh).exec(0, "/bin/nc").exec(5, "/bin/sh");
  expect(world.shown).toEqual(["odd-process firing: 1"]);
  expect(world.told(6)).toEqual(["firing@0"]);
});

test("what is forgotten by its id stays unaccepted", () => {
  const world = new World(sh).exec(0, "/bin/nc");
  for (let second = 1; second < 30; second++) world.exec(second, "/bin/sh");
  expect(world.shown).toEqual(["odd-process firing: 1"]);
});

test("a waiver that ends while an insight fires ends the suppression at that moment", () => {
  const world = new World(waiver({ where: "true", expires: "2026-01-06" })).exec(0, "/bin/sh");
  // Until the end of that day in UTC.
  const endSecond = 1.5 * day;
  world.at(endSecond - 1);
  expect(world.shown).toEqual(["odd-process suppressed: 1"]);
  world.at(endSecond + 100);
  expect(world.shown).toEqual(["odd-process firing: 1"]);
  expect(world.told(endSecond + 100)).toEqual(["firing@0 known", `update firing@${endSecond}`]);
});

test("it ends also while the engine does not run", () => {
  const short = waiver({ where: "true", expires: "2026-01-06" });
  const world = new World(short).exec(0, "/bin/sh").at(10);
  world.insights.commit(10);
  world.reload(10, short).at(4 * day);
  expect(world.shown).toEqual(["odd-process firing: 1"]);
});

test("of two the one that ends last counts, and of two occurrences the one that ends first", () => {
  const long = waiver({ id: "long", where: "true", expires: "2026-03-01" });
  const both = new World(waiver({ where: "true", expires: "2026-01-06" }), long).exec(0, "/bin/sh");
  expect(both.at(3 * day).shown).toEqual(["odd-process suppressed: 1"]);
  expect(both.told(3 * day)).toEqual(["firing@0 long"]);
  const split = new World(
    waiver({ where: "process.exe == '/bin/sh'", expires: "2026-01-06" }),
    waiver({ id: "long", where: "process.exe == '/bin/nc'", expires: "2026-03-01" }),
  );
  split.exec(0, "/bin/nc").exec(1, "/bin/sh").at(day);
  expect(split.shown).toEqual(["odd-process suppressed: 1"]);
  expect(split.at(3 * day).shown).toEqual(["odd-process firing: 1"]);
});

test("a waiver added by a reload accepts what fires, events too", () => {
  const world = new World().exec(0, "/bin/sh").exec(1, "/bin/sh");
  expect(world.reload(10, sh).shown).toEqual(["odd-process suppressed: 1"]);
  expect(world.told(10)).toEqual(["firing@0", "update firing@10 known"]);
});

test("it does not accept what it does not match, however new the rest is", () => {
  const world = new World().exec(0, "/bin/nc").exec(1, "/bin/sh");
  expect(world.reload(10, sh).shown).toEqual(["odd-process firing: 1"]);
});

test("a waiver taken away by a reload pages", () => {
  const world = new World(sh).exec(0, "/bin/sh");
  expect(world.reload(10).shown).toEqual(["odd-process firing: 1"]);
  expect(world.told(10)).toEqual(["firing@0 known", "update firing@10"]);
});

test("a reload with the same waivers says nothing", () => {
  const world = new World(sh);
  // More than there are samples of, the first one unaccepted.
  world.exec(0, "/bin/nc");
  for (let second = 1; second < 7; second++) world.exec(second, "/bin/sh");
  expect(world.reload(10, sh).shown).toEqual(["odd-process firing: 1"]);
  expect(world.told(10)).toEqual(["firing@0"]);
});

test("state entities are asked again when they are told again", () => {
  const open = waiver({ rule: "open-policy", where: "policy.name == 'a'" });
  const world = new World().policy(0, "a", true).reload(10, open).policy(0, "a", true).at(11);
  expect(world.shown).toEqual(["open-policy suppressed: 1"]);
  world.policy(20, "b", true);
  expect(world.shown).toEqual(["open-policy firing: 1"]);
  world.policy(30, "b", false);
  expect(world.shown).toEqual(["open-policy suppressed: 1"]);
  // Nothing is left of it but the keep window: it ends as what it was.
  world.policy(40, "a", false);
  expect(world.shown).toEqual(["open-policy suppressed: 1"]);
});

test("a condition that fails accepts nothing", () => {
  const world = new World(waiver({ rule: "open-policy", where: "policy.spec.gone == 'x'" }));
  expect(world.policy(0, "a", true).shown).toEqual(["open-policy firing: 1"]);
});

test("acknowledged and waived is waived", () => {
  const world = new World(sh).exec(0, "/bin/sh");
  const [insight] = world.insights.insights.current();
  const jo = { by: "jo", atUs: atSecond(1), untilUs: 0, note: "" };
  world.insights.insights.acknowledge(insight?.id ?? "", jo);
  expect(world.shown).toEqual(["odd-process suppressed: 1"]);
});

test("waivers that end soon, have ended or match nothing are counted, over restarts", () => {
  const set = [
    waiver({ id: "used", where: "process.exe == '/bin/sh'" }),
    waiver({ id: "idle", where: "false" }),
    waiver({ id: "short", where: "false", expires: "2026-01-20" }),
  ];
  const none = { active: 0, expiring: 0, expired: 0, unused: 0 };
  const world = new World(...set).exec(0, "/bin/sh");
  expect(world.waivers()).toEqual({ ...none, active: 3 });
  world.insights.commit(1);
  world.at(3 * day);
  expect(world.waivers()).toEqual({ ...none, active: 2, expiring: 1 });
  world.reload(20 * day, ...set).exec(29 * day, "/bin/sh");
  expect(world.waivers()).toEqual({ ...none, active: 2, expired: 1 });
  world.reload(30.5 * day, ...set);
  expect(world.waivers()).toEqual({ ...none, active: 1, expired: 1, unused: 1 });
  // What still fires is in use, whether or not anybody tells of it again.
  world.at(100 * day).insights.commit(100 * day);
  expect(world.waivers()).toEqual({ ...none, active: 1, expired: 1, unused: 1 });
  const ends = world.insights.samples("waiver_expiry_timestamp_seconds");
  expect(ends["short"]).toBe(Date.UTC(2026, 0, 21) / 1_000);
});
