/**
 * `for` and `keep_firing_for` mean what they mean in Prometheus: the same timelines through our lifecycle
 * on a virtual clock and, as alert rules, through the real `promtool test rules`.
 *
 * How equality is meant. Prometheus looks at a condition every 30 s and knows nothing in between; we are
 * told when it changes. So each change is told to us at the look that sees it, and at every look the
 * states must be the same: pending, firing, or neither (Prometheus has no resolved state, `ALERTS` just
 * ends). It also ends its windows only when it looks: its `for: 45s` is 60 s here, and so is ours. By itself
 * ours is 45 s, and what is true for 50 s fires, which Prometheus may never see. `keep_firing_for` is known to
 * Prometheus since 2.42.
 *
 * Where telemetry is missing the two differ on purpose: Prometheus takes it for false, we for unknown.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { usPerSecond } from "../../src/model/time.ts";
import { InsightWorld, match, miss, ruleMeta } from "../support/insight-world.ts";
import { runToEnd, toolsOrSkip } from "../support/peers.ts";
import { TempFolder } from "../support/program.ts";

const stepSeconds = 30;

interface Timeline {
  readonly name: string;
  /** Seconds. */
  readonly for: number;
  readonly keep: number;
  /** One character for each evaluation: `#` true, `.` false, `?` no data. */
  readonly seen: string;
}

const timelines: readonly Timeline[] = [
  { name: "never", for: 60, keep: 60, seen: "............" },
  { name: "always, at once", for: 0, keep: 0, seen: "############" },
  { name: "always, after a while", for: 120, keep: 0, seen: "############" },
  { name: "one look, no windows", for: 0, keep: 0, seen: "...#........" },
  { name: "one look, kept", for: 0, keep: 90, seen: "...#........" },
  { name: "one look is not enough", for: 30, keep: 90, seen: "...#........" },
  { name: "true for exactly `for`", for: 90, keep: 0, seen: ".####......." },
  {
    name: "false at the very look at which it would fire",
    for: 90,
    keep: 60,
    seen: ".###........",
  },
  { name: "a look more than `for`", for: 90, keep: 60, seen: ".#####......" },
  { name: "a break starts `for` anew", for: 90, keep: 0, seen: ".###.######." },
  { name: "breaks again and again: it never fires", for: 60, keep: 60, seen: ".##.##.##.##.##." },
  { name: "no keep window: ends at the first false look", for: 60, keep: 0, seen: "####.###...." },
  { name: "true again within the keep window", for: 0, keep: 120, seen: "##..##......" },
  { name: "true again resets the keep window", for: 0, keep: 90, seen: "#..#..#..#......" },
  { name: "true again at the very end of the keep window", for: 0, keep: 90, seen: "#...#......." },
  { name: "true again a look too late", for: 0, keep: 90, seen: "#....#......" },
  { name: "after the keep window `for` begins anew", for: 60, keep: 60, seen: "####...####....." },
  {
    name: "within the keep window `for` is not asked again",
    for: 90,
    keep: 90,
    seen: "#####..#..#.....",
  },
  { name: "flaps every look, kept together", for: 0, keep: 30, seen: "#.#.#.#.#.#....." },
  { name: "flaps every look, not kept", for: 0, keep: 0, seen: "#.#.#.#.#.#....." },
  { name: "flaps slower than the keep window", for: 0, keep: 60, seen: "#...#...#...#..." },
  { name: "`for` between two looks", for: 45, keep: 0, seen: ".####......." },
  { name: "`for` a second more than a look", for: 31, keep: 0, seen: ".####......." },
  { name: "keep window between two looks", for: 0, keep: 75, seen: ".##........." },
  { name: "both between looks, reset in the middle", for: 50, keep: 100, seen: ".####..##......." },
  { name: "both windows much longer than anything", for: 600, keep: 600, seen: "########...####." },
  { name: "starts true and stays kept to the end", for: 0, keep: 600, seen: "#..........." },
  { name: "a second life after a long pause", for: 60, keep: 30, seen: "###.........###........." },
];

/** Pseudo-random and the same in every run. */
function* randomTimelines(count: number): Generator<Timeline> {
  let state = 7;
  const below = (n: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * n);
  };
  for (let n = 0; n < count; n++) {
    const [forSeconds, keep] = [below(9) * 20, below(9) * 20];
    let seen = "";
    while (seen.length < 60) seen += (below(2) === 0 ? "#" : ".").repeat(1 + below(6));
    yield { name: `random ${n}`, for: forSeconds, keep, seen: seen.slice(0, 60) };
  }
}

type Shown = "pending" | "firing" | "unknown" | "none";

/** The first look at which so many seconds are over. */
const upToLookUs = (seconds: number): number =>
  Math.ceil(seconds / stepSeconds) * stepSeconds * usPerSecond;

/** What our lifecycle shows at each look. */
function ours({ for: forSeconds, keep, seen }: Timeline): Shown[] {
  const forUs = upToLookUs(forSeconds);
  const rule = ruleMeta("timeline", { forUs, keepFiringForUs: upToLookUs(keep) });
  const world = new InsightWorld({}, [rule]);
  return Array.from(seen).map((look, index) => {
    const second = index * stepSeconds;
    if (look === "#") world.at(second, match(rule, "e", second));
    else world.at(second, miss(rule, "e", second, look === "." ? "judged" : "unjudged"));
    const state = [...world.insights.current()][0]?.state;
    return state === "pending" || state === "firing" || state === "unknown" ? state : "none";
  });
}

/** `0 1 0 stale`: staleness is what a scrape that fails leaves behind. */
const samplesOf = ({ seen }: Timeline): string =>
  Array.from(seen)
    .map((look) => ({ "#": "1", ".": "0", "?": "stale" })[look])
    .join(" ");

const alertOf = (index: number): string => `T${index}`;

/** Everything that promtool needs to say whether `ALERTS` is this at every look. JSON is YAML. */
function writeTest(
  folder: string,
  lines: readonly Timeline[],
  shown: readonly (readonly Shown[])[],
): string {
  const rules = lines.map((line, index) => ({
    alert: alertOf(index),
    expr: `looked{timeline="${index}"} == 1`,
    for: `${line.for}s`,
    keep_firing_for: `${line.keep}s`,
  }));
  const series = lines.map((line, index) => ({
    series: `looked{timeline="${index}"}`,
    values: samplesOf(line),
  }));
  const looks = Math.max(...lines.map(({ seen }) => seen.length));
  const asked = Array.from({ length: looks }, (_, look) => ({
    // What has ended its timeline is not asked any more.
    expr: `ALERTS{timeline=~"${shown.flatMap((states, n) => (look < states.length ? [n] : [])).join("|")}"}`,
    eval_time: `${look * stepSeconds}s`,
    exp_samples: shown.flatMap((states, index) => {
      const state = states[look];
      if (state !== "pending" && state !== "firing") return [];
      const labels = `ALERTS{alertname="${alertOf(index)}", alertstate="${state}", timeline="${index}"}`;
      return [{ labels, value: 1 }];
    }),
  }));
  const interval = `${stepSeconds}s`;
  writeFileSync(join(folder, "rules.json"), JSON.stringify({ groups: [{ name: "g", rules }] }));
  const tests = [{ interval, input_series: series, promql_expr_test: asked }];
  const path = join(folder, "test.json");
  const content = { rule_files: ["rules.json"], evaluation_interval: interval, tests };
  writeFileSync(path, JSON.stringify(content));
  return path;
}

async function promtoolSays(
  promtool: string,
  lines: readonly Timeline[],
  shown: readonly (readonly Shown[])[],
): Promise<string> {
  using folder = new TempFolder();
  const path = writeTest(folder.path, lines, shown);
  const { code, output } = await runToEnd(promtool, ["test", "rules", path], { cwd: folder.path });
  return code === 0 ? "the same" : differences(output, lines).join("\n") || output;
}

/** What promtool says of each look, without all that is as expected. */
function differences(output: string, lines: readonly Timeline[]): string[] {
  const blocks = [...output.matchAll(/time: (\d+\S*),\s+exp: (.*)\s+got: (.*)/g)];
  return blocks.flatMap(([, time = "", wanted = "", got = ""]) => {
    const [expected, found] = [statesIn(wanted), statesIn(got)];
    return lines.flatMap((line, index) => {
      const [we = "none", prometheus = "none"] = [expected.get(index), found.get(index)];
      const what = `T${index} ${line.name} (${line.for}, ${line.keep}) ${line.seen}`;
      return we === prometheus ? [] : [`${time} ${what}: we ${we}, Prometheus ${prometheus}`];
    });
  });
}

function statesIn(samples: string): Map<number, string> {
  const found = samples.matchAll(/alertstate="(\w+)", timeline="(\d+)"/g);
  return new Map([...found].map(([, state = "", index]) => [Number(index), state]));
}

test(`promtool: ${timelines.length} timelines by hand show the same states`, async (context) => {
  const { promtool } = toolsOrSkip(context, "promtool");
  expect(await promtoolSays(promtool, timelines, timelines.map(ours))).toBe("the same");
});

test("promtool: 300 random timelines show the same states", async (context) => {
  const { promtool } = toolsOrSkip(context, "promtool");
  const lines = [...randomTimelines(300)];
  const shown = lines.map(ours);
  // The oracle is worth something only where all states come and go.
  for (const state of ["pending", "firing", "none"] as const) {
    expect(shown.flat().filter((other) => other === state).length).toBeGreaterThan(1_000);
  }
  expect(await promtoolSays(promtool, lines, shown)).toBe("the same");
});

test("promtool: another state at one single look is seen", async (context) => {
  const { promtool } = toolsOrSkip(context, "promtool");
  const shown = timelines.map(ours);
  const wrong = shown.map((states, index) =>
    index === 7 ? states.with(4, states[4] === "none" ? "firing" : "none") : states,
  );
  expect(await promtoolSays(promtool, timelines, wrong)).toContain("T7");
});

/** Where nobody can tell, by one character for each look: `p`, `f`, `u`, `-`. */
const gaps: readonly (Timeline & { readonly prometheus: string; readonly we: string })[] = [
  {
    name: "a gap while it fires: over for Prometheus, unknown to us",
    for: 0,
    keep: 60,
    seen: "###????????##..",
    prometheus: "fffff------ffff",
    we: "fffuuuuuuuuffff",
  },
  {
    name: "a gap while it is pending: `for` begins anew after it",
    for: 60,
    keep: 0,
    seen: "##??####",
    prometheus: "pp--ppff",
    we: "ppppppff",
  },
  {
    name: "a gap within the keep window",
    for: 0,
    keep: 120,
    seen: "##.??......",
    prometheus: "ffffff-----",
    we: "ffffff-----",
  },
];

test.for(gaps)("promtool: $name", async (gap, context) => {
  const { promtool } = toolsOrSkip(context, "promtool");
  const letters: Readonly<Record<string, Shown>> = {
    p: "pending",
    f: "firing",
    u: "unknown",
    "-": "none",
  };
  const states = (text: string): Shown[] =>
    Array.from(text).map((letter) => letters[letter] ?? "none");
  expect(ours(gap)).toEqual(states(gap.we));
  expect(await promtoolSays(promtool, [gap], [states(gap.prometheus)])).toBe("the same");
});
