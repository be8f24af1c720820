// Evaluations per second of the shipped rules on edges, flows and processes, nearly all of them innocent.
// Run: npm run build && node test/bench/rules-evaluate.mjs
import { makeEntity } from "../../dist/model/entities.js";
import { readRuleFiles, shippedRulesFolder } from "../../dist/cli/rules-folder.js";
import { Evaluator } from "../../dist/rules/evaluator.js";
import { loadRules } from "../../dist/rules/load.js";

const count = 50_000;
const { rules } = loadRules(readRuleFiles(shippedRulesFolder));

const meshed = { mesh: "yes", mode: "sidecar", namespace: "shop", resolved: "object" };

function makeChange(type, index, matches) {
  const entity = makeEntity(type);
  if (type === "edge") {
    Object.assign(entity.src, meshed, { name: `web-${index % 500}` });
    Object.assign(entity.dst, meshed, { name: `cart-${index % 300}` });
    Object.assign(entity, { requests: index, port: 8080 });
    entity.security = matches ? "none" : "mutual_tls";
  } else if (type === "flow") {
    Object.assign(entity.src, meshed, { name: `web-${index % 500}` });
    Object.assign(entity, { dst_ip: "203.0.113.7", dst_port: 443, outcome: "found" });
    entity.rung = matches ? "b2" : "none";
  } else {
    Object.assign(entity.pod, meshed, { name: `web-${index % 500}` });
    Object.assign(entity, { exe: "/bin/app", container: "app", gid: 1000 });
    entity.uid = matches ? 1337 : 1000;
  }
  return {
    kind: "entity",
    type,
    id: `${type}-${index}`,
    entity,
    judged: true,
    atUs: index,
    evidence: [],
    observers: [],
  };
}

for (const type of ["edge", "flow", "process"]) {
  for (const share of [0.01, 1]) {
    const every = Math.round(1 / share);
    const changes = Array.from({ length: count }, (_, index) =>
      makeChange(type, index, index % every === 0),
    );
    const evaluator = new Evaluator(rules, { push() {} });
    const perChange = rules.filter((rule) => rule.meta.on === type).length;
    for (let round = 0; round < 4; round++) evaluator.push(changes); // warm, and everything remembered
    const rounds = 10;
    const before = process.cpuUsage();
    for (let round = 0; round < rounds; round++) evaluator.push(changes);
    const { user, system } = process.cpuUsage(before);
    const nsPerEvaluation = ((user + system) * 1_000) / (rounds * count * perChange);
    const result = {
      bench: "rules-evaluate",
      type,
      matching: share,
      rules: perChange,
      nsPerEvaluation: Math.round(nsPerEvaluation),
      evaluationsPerSecond: Math.round(1e9 / nsPerEvaluation),
    };
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
}
