import { expect, test } from "vitest";
import { makeEntity } from "../model/entities.ts";
import { checkTree } from "./check.ts";
import { compile, makeFrame } from "./compile.ts";
import { durationType, FrontEnd } from "./front-end.ts";
import { Fault } from "./fault.ts";

const lists = new Map<string, readonly string[] | readonly number[]>([
  ["names", ["web", "cart"]],
  ["ports", [80, 443]],
  ["networks", ["10.0.0.0/8", "2001:db8::/32"]],
]);
const params = new Map<string, string | number | boolean>([
  ["few", 3],
  ["long", 60_000_000],
]);
const frontEnds = {
  edge: makeFrontEnd("edge"),
  policy: makeFrontEnd("policy"),
  workload: makeFrontEnd("workload"),
  namespace: makeFrontEnd("namespace"),
  source: makeFrontEnd("source"),
};

function makeFrontEnd(type: string): FrontEnd {
  return new FrontEnd({
    [type]: type,
    params: { few: "int", long: durationType },
    names: "list<string>",
    ports: "list<int>",
    networks: "list<string>",
  });
}

function makeEntities() {
  const edge = makeEntity("edge");
  edge.src.name = "web";
  edge.src.labels = { app: "web", "": "empty", big: "a".repeat(40_000) };
  edge.port = 443;
  edge.requests = Number.MAX_SAFE_INTEGER;
  edge.plaintext_share = 0.25;
  edge.dst.address = "10.1.2.3";
  edge.reporters = ["source", "destination"];
  const policy = makeEntity("policy");
  policy.spec = { replicas: 3, share: 1.5, on: true, empty: null, hosts: ["a", "b"], of: { x: 1 } };
  const workload = makeEntity("workload");
  workload.containers = [
    { ...makeEntity("container"), name: "app", ports: [8080, 9090] },
    { ...makeEntity("container"), name: "istio-proxy", privileged: true },
  ];
  const namespace = makeEntity("namespace");
  namespace.name = "shop";
  const source = makeEntity("source");
  source.interval = 15_000_000;
  return { edge, policy, workload, namespace, source };
}

type EntityName = keyof typeof frontEnds;

/** The value, or the reason of the fault. */
function evaluate(text: string): unknown {
  const variable = /\b(policy|workload|namespace|source)\./.exec(text)?.[1] ?? "edge";
  const type = variable as EntityName; // one of the pattern's
  const checked = frontEnds[type].check(text);
  if (!checked.ok) throw new Error(`${text}: ${checked.error.message}`);
  expect(checkTree(checked.node, lists, new Set([type]))).toEqual([]);
  const run = compile(checked.node, { variable: type, lists, params });
  try {
    return run({ ...makeFrame(), entity: makeEntities()[type] });
  } catch (error) {
    if (error instanceof Fault) return `fault: ${error.reason}`;
    throw error;
  }
}

test.each<[string, unknown]>([
  // Fields, maps, lists.
  ["edge.src.name == 'web'", true],
  ["edge.src.labels.app", "web"],
  ["edge.src.labels['']", "empty"],
  ["edge.src.labels.missing == 'x'", "fault: missing"],
  ["edge.src.labels.constructor == 'x'", "fault: missing"],
  ["edge.src.labels['__proto__'] == 'x'", "fault: missing"],
  ["has(edge.src.labels.app)", true],
  ["has(edge.src.labels.toString)", false],
  ["has(edge.src.name)", true],
  ["edge.reporters[1]", "destination"],
  ["edge.reporters[2] == ''", "fault: missing"],
  ["edge.reporters[-1] == ''", "fault: missing"],
  ["namespace.name == 'shop'", true],
  ["'namespace.' + namespace.name", "namespace.shop"],
  // A fault on one side counts only where the other does not decide.
  ["edge.src.labels.x == 'y' || true", true],
  ["true || edge.src.labels.x == 'y'", true],
  ["edge.src.labels.x == 'y' && false", false],
  ["false && edge.src.labels.x == 'y'", false],
  ["edge.src.labels.x == 'y' || false", "fault: missing"],
  ["edge.src.labels.x == 'y' && true", "fault: missing"],
  ["!(edge.src.labels.x == 'y')", "fault: missing"],
  ["edge.src.labels.x == 'y' ? true : true", "fault: missing"],
  ["edge.port > 0 ? 'yes' : edge.src.labels.x", "yes"],
  ["1 / 0 == 1 || true", true],
  // Integers truncate, are exact to 2^53, and fault beyond.
  ["edge.port / 2", 221],
  ["-edge.port / 2", -221],
  ["edge.port % 10", 3],
  ["-edge.port % 10", -3],
  ["edge.port / 0 > 1", "fault: arithmetic"],
  ["edge.port % 0 > 1", "fault: arithmetic"],
  ["edge.requests + 1 > 0", "fault: arithmetic"],
  ["edge.requests * 2 > 0", "fault: arithmetic"],
  ["2 + 3 * 4 - 1", 13],
  ["edge.port / 60 > 5 && edge.port == 443 && edge.port in [80, 443]", true],
  // Doubles do not.
  ["edge.plaintext_share / 0.5", 0.5],
  ["edge.plaintext_share / 0.0 > 1.0", true],
  ["edge.plaintext_share > 0", true],
  ["double(edge.port) * 1.5", 664.5],
  ["int(edge.plaintext_share)", 0],
  ["int('42') + 1", 43],
  ["string(int(-0.0)) + string(int(-0.5))", "00"],
  ["int('x') == 1", "fault: conversion"],
  ["double('1.5')", 1.5],
  ["double('') == 1.0", "fault: conversion"],
  ["string(edge.port) + ':' + string(true)", "443:true"],
  // Equality and order.
  ["edge.src.name < 'x' && 'B' < 'a'", true],
  ["'\uffee' < '😀' && '😀' < '😁' && 'a' < 'ab' && '' <= '' && !('b' < 'ab')", true],
  ["dyn('😀') > '\uffee' && dyn(2) >= 1 && dyn(false) < true", true],
  ["dyn(1) < 'a'", "fault: type"],
  ["edge.reporters == ['source', 'destination']", true],
  ["edge.reporters != ['source']", true],
  ["[1, 2] == [1, 2] && [[1]] != [[2]]", true],
  // Maps: literals, and comprehensions over their keys.
  ["{'web': 'shop', 'b': 'x'}[edge.src.name]", "shop"],
  ["{'__proto__': 1}['__proto__'] == 1 && size({}) == 0", true],
  ["{'a': 1, edge.src.name: 2, 'web': 3}.a == 1", "fault: type"],
  ["edge.src.labels.exists(k, k == 'app' && edge.src.labels[k] == 'web')", true],
  ["policy.spec.of.all(k, policy.spec.of[k] == 1)", true],
  // Membership.
  ["edge.src.name in names", true],
  ["edge.port in ports && !(8080 in ports)", true],
  ["edge.port in [80, 443]", true],
  ["'source' in edge.reporters", true],
  ["'app' in edge.src.labels && !('constructor' in edge.src.labels)", true],
  ["edge.src.name in [edge.src.name]", true],
  // Strings.
  [
    "edge.src.name.startsWith('we') && edge.src.name.endsWith('b') && edge.src.name.contains('e')",
    true,
  ],
  ["size('aé😀') == 3 && edge.src.name.size() == 3 && size(edge.reporters) == 2", true],
  ["size(edge.src.labels)", 3],
  ["' A-ß '.trim().lowerAscii() + 'ä'.upperAscii()", "a-ßä"],
  ["edge.src.name.matches('^w.b$') && !edge.src.name.matches('^x')", true],
  ["'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches('^(a+)+$')", false],
  ["'a,b,c'.split(',') == ['a', 'b', 'c'] && ['a', 'b'].join('-') == 'a-b'", true],
  ["'😀abc'.indexOf('c') == 3 && '😀abc'.substring(1, 3) == 'ab' && 'abc'.charAt(2) == 'c'", true],
  ["'a.b'.replace('.', '-') + string(bool('true'))", "a-btrue"],
  ["'abc'.substring(2, 1) == ''", "fault: conversion"],
  ["edge.src.name.replace('', 'x'.replace('x', edge.src.name)).size() > 0", true],
  ["['a'].map(a, edge.src.labels.big.replace('a', edge.src.labels.big)).size() > 0", "fault: cost"],
  ["[edge.src.labels.big, edge.src.labels.big].join(',') == ''", "fault: cost"],
  ["edge.src.labels.big.matches('b')", "fault: cost"],
  // Networks: an address that is none lies in none.
  ["edge.dst.address.inCidr('10.0.0.0/8') && !edge.dst.address.inCidr('192.168.0.0/16')", true],
  ["networks.exists(n, edge.dst.address.inCidr(n))", true],
  ["''.inCidr('0.0.0.0/0') || 'example.com'.inCidr('0.0.0.0/0')", false],
  ["'::ffff:10.1.1.1'.inCidr('10.0.0.0/8') && '2001:db8::1'.inCidr('2001:db8::/32')", true],
  ["edge.dst.address.inCidr(edge.src.name)", "fault: conversion"],
  // Durations.
  ["source.interval > duration('10s') && source.interval < params.long", true],
  ["source.interval == duration('15s')", true],
  // Of what never was the age is larger than every limit.
  ["source.last_seen_age > duration('1h') && params.long < source.last_seen_age", true],
  ["source.last_seen_age <= duration('1h') || duration('1h') > source.last_seen_age", false],
  ["string(source.interval) + string(source.interval.getSeconds())", "15s15"],
  ["edge.port > params.few", true],
  // Comprehensions.
  ["workload.containers.exists(c, c.name == 'app' && 8080 in c.ports)", true],
  ["workload.containers.all(c, c.privileged)", false],
  ["workload.containers.exists_one(c, c.privileged)", true],
  ["workload.containers.filter(c, c.privileged).map(c, c.name)", ["istio-proxy"]],
  ["workload.containers.exists(c, c.ports.exists(p, p == 9090))", true],
  ["workload.containers.map(c, c.ports.map(p, p + 1))", [[8081, 9091], []]],
  ["[].exists(x, true) || ![].all(x, false)", false],
  ["edge.reporters.exists(r, edge.src.labels[r] == 'x' || r == 'destination')", true],
  ["edge.reporters.exists(r, edge.src.labels[r] == 'x')", "fault: missing"],
  ["edge.reporters.all(r, edge.src.labels[r] == 'x' && r == 'destination')", false],
  ["edge.reporters.exists_one(r, edge.src.labels[r] == 'x')", "fault: missing"],
  // Values of any type, checked when they are used.
  ["policy.spec.replicas > 2 && policy.spec.share == 1.5", true],
  ["policy.spec.replicas / 2", 1],
  ["policy.spec.replicas / policy.spec.replicas.of == 1", "fault: missing"],
  ["policy.spec.replicas / dyn(2)", 1],
  ["policy.spec.share / dyn(2)", 0.75],
  ["0 * -edge.port == 0 && string(0 * -edge.port) == '0' && string(-0) == '0'", true],
  ["policy.spec.share / 2 == 0", "fault: type"],
  ["policy.spec.share * policy.spec.share", 2.25],
  ["policy.spec.replicas > 'a'", "fault: type"],
  ["policy.spec.on && true", true],
  ["policy.spec.replicas && true", "fault: type"],
  ["!policy.spec.replicas", "fault: type"],
  ["policy.spec.hosts.exists(h, h == 'b') && policy.spec.hosts[0] == 'a'", true],
  ["policy.spec.replicas.exists(h, h == 'b')", "fault: type"],
  ["policy.spec.empty == null && has(policy.spec.empty)", true],
  [
    "has(policy.spec.none) || has(policy.spec.of.x.y) || has(policy.spec.empty.x) || has(policy.spec.hosts.length)",
    false,
  ],
  // As in CEL, only the last name may be missing.
  ["has(policy.spec.none.deeper)", "fault: missing"],
  ["has(policy.spec.none) && has(policy.spec.none.deeper)", false],
  ["policy.spec.none.deeper == 1", "fault: missing"],
  ["policy.spec.replicas.startsWith('x')", "fault: type"],
  ["policy.spec.replicas + 'x' == ''", "fault: type"],
  ["size(policy.spec.replicas) == 1", "fault: type"],
])("%s", (text, expected) => {
  expect(evaluate(text)).toEqual(expected);
});

test("a hostile list costs no seconds", () => {
  const text = "workload.containers.all(c, workload.containers.all(d, c.name == d.name))";
  const checked = frontEnds.workload.check(text);
  if (!checked.ok) throw new Error(checked.error.message);
  const run = compile(checked.node, { variable: "workload", lists, params });
  const entity = makeEntity("workload");
  entity.containers = Array.from({ length: 100_000 }, () => makeEntity("container"));
  const frame = { ...makeFrame(), entity };
  expect(() => run(frame)).toThrow("more than 20000 list items");
});

test.each([
  ["b'x' == b'x'", "a literal of this type is not supported"],
  ["{1: 'a'}[1] == 'a'", "a map whose keys are not strings is not supported"],
  ["bool == int", "a type as a value is not supported"],
  ["type(edge.port) == int", "a type as a value is not supported"],
  ["edge.?port == 1", "'?' is unexpected, a name is missing"],
  [
    "[].all(e, e > 0)",
    "the type of an operand is not known here, as that of an empty list's items",
  ],
  ["edge.port == 9007199254740993", "an integer beyond 2^53 is not supported"],
  ["edge.port == 1u", "no such overload: int == uint"],
  ["edge.reporters.map(r, r == 'a', r) == []", "this form of map() is not supported"],
  ["edge.port >", "the expression ends"],
  ["edge.prot > 1", "no field 'prot'"],
  ["edgy.port > 1", "nothing is named 'edgy'"],
  [Array.from({ length: 300 }, () => "true").join(" && "), "Exceeded maxAstNodes (500)"],
  [
    Array.from({ length: 5_000 }, () => "true").join("&&"),
    "an expression of more than 10000 characters",
  ],
  [`edge.src.name == '${"a".repeat(10_000)}'`, "an expression of more than 10000 characters"],
  [Array.from({ length: 1_400 }, () => "true").join("&&"), "Exceeded maxAstNodes (500)"],
  ["edge.src.`name` == ''", "'`' is unexpected"],
  ["int(1u) == 1", "found no matching overload for 'int(uint)'"],
  ["(".repeat(50) + "true" + ")".repeat(50), "Exceeded maxDepth (40)"],
])("%s is refused", (text, message) => {
  const checked = frontEnds.edge.check(text);
  expect(checked.ok ? "accepted" : checked.error.message).toBe(message);
});

test.each([
  [
    "timestamp('2026-01-01T00:00:00Z') > timestamp('2025-01-01T00:00:00Z')",
    "the function 'timestamp'",
  ],
  ["timestamp('2026-01-01T00:00:00Z').getDate() == 1", "the function 'getDate'"],
  ["has(params.few)", "has() of a param, which always has a value"],
  ["has(params.typo)", "has() of a param, which always has a value"],
  ["edge.src.name.matches(edge.dst.name)", "the pattern of matches() must be a constant"],
  ["edge.src.name.matches('(?=a)')", "bad pattern (RE2)"],
  ["edge.src.name.matches('(a{100}){10}')", "a pattern of more than 500 steps"],
  ["edge.src.name.matches('(a{1000}){1000}')", "bad pattern (RE2)"],
  [`edge.src.name.matches('${"[ab]".repeat(126)}')`, "a pattern of more than 500 characters"],
  ["duration('5 minutes') > duration('1m')", "'5 minutes' is no duration"],
  ["edge.dst.address.inCidr('10.0.0.0/33')", "'10.0.0.0/33' is no network"],
  ["edge.security == 'mutualtls'", "'mutualtls' is no value of edge.security"],
  ["'plain' != edge.security", "'plain' is no value of edge.security"],
  ["edge.src.mesh in names", "'web' is no value of edge.src.mesh"],
  ["edge.first_seen_age == duration('1h')", "'edge.first_seen_age' is an age: it is compared by"],
  ["edge.first_seen_age > edge.last_seen_age", "'edge.first_seen_age' is an age"],
  ["edge.first_seen_age - duration('1h') > duration('1h')", "'edge.first_seen_age' is an age"],
  ["edge.first_seen_age.getHours() > 1", "'edge.first_seen_age' is an age"],
  ["has(edge.src.labels.app) && has(edge.src.nme)", "no field 'nme' in node"],
  ["has(edge.scr.name)", "no field 'scr' in edge"],
  ["names.exists(edge, edge == 'a')", "the variable 'edge' hides what has that name"],
])("%s passes the library and not us", (text, message) => {
  const checked = frontEnds.edge.check(text);
  if (!checked.ok) throw new Error(checked.error.message);
  const errors = checkTree(checked.node, lists, new Set(["edge"]));
  expect(errors[0]?.message).toContain(message);
});
