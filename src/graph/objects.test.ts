/** The table of declared objects: the last word by event time stands, in every order of arrival. */
import { expect, test } from "vitest";
import type { NamespaceObject } from "../model/objects.ts";
import type { ObjectSeen } from "../model/observations.ts";
import { makeWriteSet } from "../model/rows.ts";
import { ObjectTable } from "./objects.ts";

const second = 1_000_000;
const options = { objectsMax: 100, objectsPerNamespaceMax: 100, latenessUs: 60 * second };

function namespace(name: string, version: string): NamespaceObject {
  return { type: "namespace", uid: "u", namespace: "", name, labels: { version }, annotations: {} };
}

function seen(
  event: ObjectSeen["event"],
  atS: number,
  version: string,
  changes: Partial<ObjectSeen> = {},
): ObjectSeen {
  const source = { kind: "objects", key: "lab", cluster: "lab", namespace: "" } as const;
  const object = namespace("shop", version);
  const base = {
    kind: "object_seen",
    nanos: 0,
    source,
    trust: "attested",
    cluster: "lab",
  } as const;
  return { ...base, event, timeUs: atS * second, object, ...changes };
}

const inNamespace = (atS: number, of: string, name: string): ObjectSeen =>
  seen("listed", atS, "1", { object: { ...namespace(name, "1"), namespace: of } });

function versionOf(table: ObjectTable, name = "shop"): string | undefined {
  return table.find("lab", "namespace", "", name)?.labels["version"];
}

function orders<Item>(items: readonly Item[]): Item[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, index) =>
    orders(items.toSpliced(index, 1)).map((rest) => [item, ...rest]),
  );
}

function restarted(table: ObjectTable, atS: number): ObjectTable {
  const rows = makeWriteSet(1, atS * second);
  table.collect(rows);
  const next = new ObjectTable(options);
  next.restore({ ...rows, lastCommitUs: atS * second });
  return next;
}

const policyParts = {
  type: "network_policy",
  podSelector: { labels: {}, hasExpressions: false },
  isIngress: true,
  isEgress: false,
  ingressRules: 0,
  egressRules: 0,
  spec: {},
} as const;

test.each([
  [
    "a newer modification stands against an older list",
    ["added 1 a", "modified 5 c", "listed 3 b"],
    "c",
  ],
  ["a deletion stands against older news", ["added 1 a", "modified 3 b", "deleted 5 b"], undefined],
  ["a deletion stands against a list of the same time", ["listed 5 a", "deleted 5 a"], undefined],
  ["an object comes back", ["added 1 a", "deleted 5 a", "added 6 b"], "b"],
  ["two words of one time", ["added 5 a", "modified 5 b", "added 2 c"], "first"],
])("in every order: %s", (_name, words, expected) => {
  const results = orders(words).map((order) => {
    const table = new ObjectTable(options);
    for (const word of order) {
      const [event = "", at = "", version = ""] = word.split(" ");
      table.seen(seen(event as ObjectSeen["event"], Number(at), version), "lab"); // as listed above
      table.advance(10 * second);
    }
    return versionOf(table);
  });
  const [first] = results;
  expect(results).toEqual(results.map(() => (expected === "first" ? first : expected)));
});

test("what the next complete list lacks is gone, and a later word brings it back", () => {
  const table = new ObjectTable(options);
  for (const name of ["shop", "bank"])
    table.seen(seen("listed", 1, "1", { object: namespace(name, "1") }), "lab");
  table.takeChanges();
  table.seen(seen("listed", 900, "1", { object: namespace("bank", "1") }), "lab");
  table.advance(959 * second);
  expect(versionOf(table)).toBe("1");
  table.advance(961 * second);
  expect(versionOf(table)).toBeUndefined();
  expect(versionOf(table, "bank")).toBe("1");
  expect(table.takeChanges().map(({ key, isGone }) => [key, isGone])).toEqual([
    ["lab/namespace//shop", true],
  ]);
  table.seen(seen("listed", 900, "1"), "lab");
  expect(versionOf(table)).toBe("1");
});

test("a list of one namespace says nothing of another, a list of two says it of all", () => {
  const table = new ObjectTable(options);
  for (const of of ["a", "b", "c"]) table.seen(inNamespace(1, of, of), "lab");
  table.seen(inNamespace(900, "a", "other"), "lab");
  table.advance(970 * second);
  const living = () => ["a", "b", "c"].filter((of) => table.find("lab", "namespace", of, of));
  expect(living()).toEqual(["b", "c"]);
  for (const of of ["a", "b"]) table.seen(inNamespace(1_800, of, of), "lab");
  table.advance(1_900 * second);
  expect(living()).toEqual(["a", "b"]);
});

test("an object told of about when the list was made is not gone by its absence", () => {
  const table = new ObjectTable(options);
  table.seen(seen("listed", 1, "1"), "lab");
  table.seen(seen("modified", 895, "2"), "lab");
  table.seen(seen("listed", 900, "1", { object: namespace("bank", "1") }), "lab");
  table.advance(1_000 * second);
  expect(versionOf(table)).toBe("2");
});

test("a list of the whole cluster shows that all objects of its kind are told", () => {
  const policy = (name: string, of: string) => ({
    object: { ...namespace(name, "1"), ...policyParts, namespace: of },
  });
  const told = (table: ObjectTable) => table.find("lab", "object_kind", "", "networkpolicies");
  const table = new ObjectTable(options);
  for (const of of ["a", "a"]) table.seen(seen("listed", 1, "1", policy("one", of)), "lab");
  table.seen(seen("listed", 2, "1", policy("other", "b")), "lab");
  expect(told(table)).toBeUndefined();
  for (const of of ["a", "b"]) table.seen(seen("listed", 3, "1", policy("one", of)), "lab");
  expect(told(table)).toBeDefined();
  expect(told(restarted(table, 910))).toBeDefined();
});

test("claimed objects are not kept", () => {
  const table = new ObjectTable(options);
  table.seen(seen("added", 1, "1", { trust: "claimed" }), "lab");
  expect(table.size).toBe(0);
});

test("a restart keeps objects, deletions and lists that are not complete", () => {
  const table = new ObjectTable(options);
  table.seen(seen("listed", 1, "1"), "lab");
  table.seen(seen("listed", 900, "1", { object: namespace("bank", "1") }), "lab");
  table.seen(seen("deleted", 905, "1", { object: namespace("old", "1") }), "lab");
  const next = restarted(table, 910);
  expect(next.takeChanges().length).toBe(3);
  next.seen(seen("modified", 904, "2", { object: namespace("old", "2") }), "lab");
  next.advance(1_000 * second);
  expect([versionOf(next), versionOf(next, "bank"), versionOf(next, "old")]).toEqual([
    undefined,
    "1",
    undefined,
  ]);
});

test("what was said again moves its row's times only, and a forgotten object leaves the store", () => {
  const table = new ObjectTable(options);
  table.seen(seen("listed", 1, "1"), "lab");
  table.collect(makeWriteSet(1, 0));
  table.seen(seen("listed", 900, "1"), "lab");
  const again = makeWriteSet(2, 0);
  table.collect(again);
  expect(again.objects).toMatchObject([{ atUs: 900 * second, listedUs: 900 * second, detail: "" }]);
  table.seen(seen("deleted", 1_000, "1"), "lab");
  table.advance(3_000 * second);
  const last = makeWriteSet(3, 0);
  table.collect(last);
  expect(last.objects).toEqual([]);
  expect(last.forgotten).toEqual([{ table: "objects", key: "lab/namespace//shop" }]);
});

test("one namespace cannot take all the room", () => {
  const table = new ObjectTable({ ...options, objectsPerNamespaceMax: 2 });
  for (const name of ["a", "b", "c"]) table.seen(inNamespace(1, "flood", name), "lab");
  table.seen(inNamespace(1, "quiet", "d"), "lab");
  expect([table.size, table.dropped]).toEqual([3, 1]);
  expect(table.find("lab", "namespace", "quiet", "d")).toBeDefined();
});

test("a namespace's specs take no more than their share, and it is said which were left out", () => {
  const table = new ObjectTable({ ...options, objectsMax: 1_000, objectsPerNamespaceMax: 1_000 });
  const spec = { text: "x".repeat(60_000) };
  const route = (of: string, index: number): ObjectSeen =>
    seen("listed", 1, "1", {
      object: { ...namespace(`r${index}`, "1"), namespace: of, type: "virtual_service", ...shape },
    });
  const shape = { selector: null, hosts: [], exportedTo: [], spec };
  for (let index = 0; index < 400; index++) table.seen(route("greedy", index), "lab");
  table.seen(route("shop", 0), "lab");
  const isCut = (of: string, name: string): boolean =>
    table.find("lab", "virtual_service", of, name)?.specCut ?? false;
  const cut = Array.from({ length: 400 }, (_, index) => isCut("greedy", `r${index}`));
  // 16 MiB hold 278 of them.
  expect(cut.indexOf(true)).toBe(278);
  expect(cut.filter(Boolean)).toHaveLength(400 - 278);
  expect(table.dropped).toBe(400 - 278);
  expect(isCut("shop", "r0")).toBe(false);
  // What is deleted makes room, also after a restart.
  const next = restarted(table, 2);
  for (const event of ["modified", "deleted"] as const) {
    next.seen({ ...route("greedy", 0), event, timeUs: 3 * second }, "lab");
  }
  next.advance(60 * 60 * second);
  next.seen({ ...route("greedy", 399), event: "modified", timeUs: 3_601 * second }, "lab");
  expect(next.find("lab", "virtual_service", "greedy", "r399")?.specCut).toBeUndefined();
});

test("who controls a ReplicaSet is kept only where its name does not tell", () => {
  const table = new ObjectTable(options);
  const controller = (name: string, ownerKind: string, ownerName: string, atS = 1): void =>
    table.seen(
      seen("listed", atS, "1", {
        object: { ...namespace(name, "1"), type: "replica_set", ownerKind, ownerName },
      }),
      "lab",
    );
  controller("web-6d4b75cb9d", "Deployment", "web");
  controller("static", "", "");
  expect(table.size).toBe(0);
  controller("web-6d4b75cb9d", "Rollout", "web");
  controller("cart-6d4b75cb9d", "", "");
  controller("odd", "Deployment", "web");
  expect(table.size).toBe(3);
  // What was told otherwise before is told again.
  controller("web-6d4b75cb9d", "Deployment", "web", 2);
  expect(table.find("lab", "replica_set", "", "web-6d4b75cb9d")?.ownerKind).toBe("Deployment");
});
