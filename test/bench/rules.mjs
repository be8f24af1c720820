// The speed of conditions, ratios in one run: the reference expression as hand-written code, by our
// compiler and by another implementation's planner; then one tick of changed facets through the whole
// evaluator with every shipped rule. Ends with 1 when a requirement is not met.
// Run: npm run build && node test/bench/rules.mjs
import { celEnv, parse, plan } from "@bufbuild/cel";
import { readRuleFiles, shippedRulesFolder } from "../../dist/cli/rules-folder.js";
import { entityFields, makeEntity } from "../../dist/model/entities.js";
import { compile, makeFrame } from "../../dist/rules/compile.js";
import { Evaluator } from "../../dist/rules/evaluator.js";
import { FrontEnd } from "../../dist/rules/front-end.js";
import { loadRules } from "../../dist/rules/load.js";

const text =
  "edge.security != 'mutual_tls' && edge.bytes_sent > 1000 " +
  "&& !(edge.dst.namespace in exempt) && edge.dst.external";
const exempt = ["kube-system", "istio-system", "monitoring"];
const exemptSet = new Set(exempt);
const slowerThanByHandMax = 6;
const fasterThanPlannerMin = 10;
const tickMsMax = 100;
const facets = 5_000;

/** What somebody would write who has this one condition to evaluate. */
const byHand = (edge) =>
  edge.security !== "mutual_tls" &&
  edge.bytes_sent > 1_000 &&
  !exemptSet.has(edge.dst.namespace) &&
  edge.dst.external;

function makeEdge(index, plain) {
  const edge = makeEntity("edge");
  edge.security = plain ? "none" : "mutual_tls";
  edge.bytes_sent = 1_001 + index;
  edge.dst.namespace = `shop-${index % 50}`;
  edge.dst.external = true;
  return edge;
}

/** Three of four are mTLS and stop at the first term; or all four terms are true. */
const mixes = {
  mix: Array.from({ length: 1_024 }, (_, index) => makeEdge(index, index % 4 === 0)),
  full: Array.from({ length: 1_024 }, (_, index) => makeEdge(index, true)),
};

const variables = { edge: "edge", exempt: "list<string>" };
const checked = new FrontEnd(variables).check(text);
if (!checked.ok) throw new Error(checked.error.message);
const lists = new Map([["exempt", exempt]]);
const ours = compile(checked.node, { variable: "edge", lists, params: new Map() });
const frame = makeFrame();
const planned = plan(celEnv(), parse(text));

function toCel(record, type) {
  const entries = Object.entries(entityFields[type]).map(([name, of]) => {
    if (of === "node") return [name, toCel(record[name], of)];
    return [name, of === "int" ? BigInt(record[name]) : record[name]];
  });
  return Object.fromEntries(entries);
}

function run(evaluate, inputs, rounds) {
  let matches = 0;
  for (let round = 0; round < rounds; round++) {
    for (const input of inputs) if (evaluate(input) === true) matches++;
  }
  return matches / rounds;
}

/** CPU nanoseconds of one evaluation, the least of several measurements: other work only adds. */
function nsOf(evaluate, inputs, rounds) {
  run(evaluate, inputs, Math.ceil(rounds / 2));
  let least = Infinity;
  for (let repeat = 0; repeat < 7; repeat++) {
    const before = process.cpuUsage();
    run(evaluate, inputs, rounds);
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, ((user + system) * 1_000) / (rounds * inputs.length));
  }
  return least;
}

function ourWay(edge) {
  frame.entity = edge;
  frame.steps = 0;
  return ours(frame);
}

let isMet = true;
function print(result, met) {
  isMet &&= met;
  process.stdout.write(`${JSON.stringify({ bench: "rules", ...result, met })}\n`);
}

for (const [mix, edges] of Object.entries(mixes)) {
  const cel = edges.map((edge) => ({ edge: toCel(edge, "edge"), exempt }));
  const counts = [run(byHand, edges, 1), run(ourWay, edges, 1), run(planned, cel, 1)];
  if (new Set(counts).size !== 1) throw new Error(`they disagree: ${counts.join(", ")}`);
  const ns = {
    byHand: nsOf(byHand, edges, 1_000),
    compiled: nsOf(ourWay, edges, 1_000),
    planner: nsOf(planned, cel, 8),
  };
  const slower = ns.compiled / ns.byHand;
  const faster = ns.planner / ns.compiled;
  const met = slower <= slowerThanByHandMax && faster >= fasterThanPlannerMin;
  const rounded = Object.fromEntries(
    Object.entries(ns).map(([name, one]) => [name, +one.toFixed(1)]),
  );
  print(
    {
      mix,
      ns: rounded,
      slowerThanByHand: +slower.toFixed(1),
      fasterThanPlanner: +faster.toFixed(1),
    },
    met,
  );
}

const { rules } = loadRules(readRuleFiles(shippedRulesFolder));

/** A facet between two meshed workloads whose numbers have moved; one of a hundred is in plaintext. */
function makeChange(index, tick) {
  const entity = makeEntity("edge");
  const meshed = {
    cluster: "c1",
    mesh: "yes",
    mode: "sidecar",
    resolved: "object",
    kind: "Deployment",
  };
  Object.assign(entity.src, meshed, {
    namespace: "shop",
    name: `web-${index % 500}`,
    principal: "p",
  });
  Object.assign(entity.dst, meshed, {
    namespace: "pay",
    name: `cart-${index % 300}`,
    principal: "q",
  });
  Object.assign(entity, { port: 8_080, requests: 10 * tick + index, bytes_sent: 1_000 * tick });
  entity.security = index % 100 === 0 ? "none" : "mutual_tls";
  entity.declared_mode = "strict";
  const atUs = tick;
  return {
    kind: "entity",
    type: "edge",
    id: `e-${index}`,
    entity,
    judged: true,
    atUs,
    evidence: [],
    observers: [],
  };
}

const evaluator = new Evaluator(rules, { push() {} });
const ticks = [];
for (let tick = 1; tick <= 12; tick++) {
  const changes = Array.from({ length: facets }, (_, index) => makeChange(index, tick));
  const before = process.cpuUsage();
  evaluator.push(changes);
  const { user, system } = process.cpuUsage(before);
  ticks.push((user + system) / 1_000);
}
const [coldMs, ...warm] = ticks;
const warmMs = warm.toSorted((a, b) => a - b)[Math.floor(warm.length / 2)];
const ofEdges = rules.filter((rule) => rule.meta.on === "edge").length;
print(
  {
    tick: facets,
    rules: rules.length,
    ofEdges,
    coldMs: +coldMs.toFixed(1),
    warmMs: +warmMs.toFixed(1),
  },
  coldMs <= tickMsMax && warmMs <= tickMsMax,
);
process.exitCode = isMet ? 0 : 1;
