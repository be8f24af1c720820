/** A mistake in a story is told with its file and line, so that whoever wrote it need not search. */
import { expect, test } from "vitest";
import { parseStory } from "./story-file.ts";

const head = "about: A story of a test.\nfamily: innocent\ntelemetry:\n";
const flow = "  - { at: 1s, from: netflow, src: web:1, dst: outside:443 }\n";

const mistakes: readonly { what: string; text: string; told: RegExp }[] = [
  { what: "broken YAML", text: `${head}  - { at: 1s\n`, told: /^odd\.yaml:[45]: / },
  { what: "an unknown key", text: `${head}${flow}colour: red\n`, told: /^odd\.yaml:5: .*"colour"/ },
  {
    what: "an unknown field of an entry",
    text: `${head}${flow}  - { at: 1s, from: netflow, src: web:1, dst: cart:2, port: 3 }\n`,
    told: /^odd\.yaml:5: telemetry\.1: .*"port"/,
  },
  {
    what: "an unknown source",
    text: `${head}${flow}${flow.replace("netflow", "rumour")}`,
    told: /^odd\.yaml:5: telemetry\.1\.from: /,
  },
  {
    what: "a time without its unit",
    text: head + flow.replace("1s", '"1"'),
    told: /^odd\.yaml:4: telemetry\.0\.at: expected a time like 3s or 1\.5m, not "1"$/,
  },
  {
    what: "a name that the mesh has not",
    text: head + flow + flow.replace("web", "wbe"),
    told: /^odd\.yaml:5: "wbe" is neither an address nor a pod, service or host of the mesh$/,
  },
  {
    what: "a pod that the mesh has not",
    text: `${head}  - { at: 1s, from: tetragon, event: exec, by: wbe/app }\n`,
    told: /^odd\.yaml:4: no pod is called "wbe"; there are web, cart, /,
  },
  {
    what: "nothing that is told",
    text: head.replace("telemetry:", "telemetry: []"),
    told: /^odd\.yaml:/,
  },
];

test.each(mistakes)("$what", ({ text, told }) => {
  expect(() => parseStory("odd.yaml", text)).toThrow(told);
});

test("every mistake is told, not only the first", () => {
  const text = head + flow.replace("1s", "soon") + flow.replace("443", "https");
  expect(() => parseStory("odd.yaml", text)).toThrow(/:4: .*\n.*:5: /);
});

test("an entry is repeated until its end, and keeps its own clock", () => {
  const text = head + flow.replace("at: 1s", "at: 1s, every: 10s, until: 31s, skew: -30s");
  const { steps } = parseStory("even.yaml", text);
  const flows = steps.filter(({ source }) => source === "netflow");
  expect(flows.map(({ atS }) => atS)).toEqual([1, 11, 21, 31]);
});
