/** Since when an object is as it is: the same in every order of arrival, and over a restart. */
import { expect, test } from "vitest";
import type { ObjectSeen } from "../model/observations.ts";
import { makeWriteSet } from "../model/rows.ts";
import { ObjectTable } from "./objects.ts";

const second = 1_000_000;
const options = { objectsMax: 100, objectsPerNamespaceMax: 100, latenessUs: 60 * second };

/** `added 3 a`: the event, its second, and what the object says. */
function seen(word: string): ObjectSeen {
  const [event = "", at = "", version = ""] = word.split(" ");
  return {
    kind: "object_seen",
    event: event as ObjectSeen["event"], // as the tests below have it
    timeUs: Number(at) * second,
    nanos: 0,
    source: { kind: "objects", key: "lab", cluster: "lab", namespace: "" },
    trust: "attested",
    cluster: "lab",
    object: {
      type: "namespace",
      uid: "u",
      namespace: "",
      name: "shop",
      labels: { version },
      annotations: {},
    },
  };
}

function orders<Item>(items: readonly Item[]): Item[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, index) =>
    orders(items.toSpliced(index, 1)).map((rest) => [item, ...rest]),
  );
}

const sinceS = (table: ObjectTable): number => {
  const [record] = [...table.records];
  return (record?.saidUs[0] ?? -1) / second;
};

test.each<[string, string[], number]>([
  ["its first word", ["added 1 a"], 1],
  ["the first of several that say the same", ["added 1 a", "listed 3 a", "listed 9 a"], 1],
  ["the word that changed it", ["added 1 a", "modified 5 b", "listed 7 b"], 5],
  ["the word that brought it back", ["added 1 a", "deleted 4 a", "added 6 a", "listed 8 a"], 6],
  ["its end", ["added 1 a", "deleted 4 a"], 4],
  ["the last of several changes", ["added 1 a", "modified 3 b", "modified 5 a", "listed 9 a"], 5],
])("in every order an object is as it is since %s", (_name, words, expected) => {
  const found = orders(words).map((order) => {
    const table = new ObjectTable(options);
    for (const word of order) table.seen(seen(word), "lab");
    return sinceS(table);
  });
  expect(found).toEqual(found.map(() => expected));
});

test("a restart keeps it, also where only lists have come since", () => {
  const table = new ObjectTable(options);
  const rows = makeWriteSet(1, 9 * second);
  for (const word of ["added 1 a", "modified 5 b"]) table.seen(seen(word), "lab");
  table.collect(rows);
  const [row] = rows.objects;
  table.seen(seen("listed 900 b"), "lab");
  const later = makeWriteSet(2, 901 * second);
  table.collect(later);
  const kept = later.objects.map((one) => ({ ...one, detail: row?.detail ?? "" }));
  const next = new ObjectTable(options);
  next.restore({ ...later, objects: kept, lastCommitUs: 901 * second });
  expect(sinceS(next)).toBe(5);
});
