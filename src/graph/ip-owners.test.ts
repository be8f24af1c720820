import { expect, test } from "vitest";
import { usPerSecond } from "../model/time.ts";
import { IpOwners, OwnerStrength, type Holder, type Sighting } from "./ip-owners.ts";

const s = usPerSecond;
const t0 = 1_000_000 * s;

interface Said extends Partial<Sighting> {
  readonly pod: string;
  readonly at: number;
  readonly strength?: OwnerStrength;
  readonly start?: number;
  readonly end?: readonly [number, number];
}

function ownersOf(said: readonly Said[], nowSeconds = 0): IpOwners {
  const owners = new IpOwners({
    addressesMax: 100,
    latenessUs: 60 * s,
    ttlUs: 86_400 * s,
    reachUs: 600 * s,
  });
  for (const { pod, at, strength = OwnerStrength.object, start, end, isListed = false } of said) {
    owners.claim("c", "10.0.0.1", "ns", pod, strength, {
      atUs: t0 + at * s,
      startUs: start === undefined ? 0 : t0 + start * s,
      endLoUs: end ? t0 + end[0] * s : 0,
      endHiUs: end ? t0 + end[1] * s : 0,
      isListed,
    });
  }
  owners.advance(t0 + nowSeconds * s);
  return owners;
}

function check(said: readonly Said[], at: number, expected: string, skew = 0, now = 0): void {
  const orders = [said, [...said].reverse()];
  for (const order of orders) {
    const holder = ownersOf(order, now).holderAt("c", "10.0.0.1", t0 + at * s, skew * s);
    expect(textOf(holder), `at ${at}`).toBe(expected);
  }
}

function textOf(holder: Holder): string {
  if (holder.kind === "ambiguous") return `ambiguous ${[...holder.pods].sort().join(" ")}`;
  return holder.kind === "pod" ? holder.pod : "none";
}

test("an object's pod holds its address from its start until it ends", () => {
  const said: Said[] = [
    { pod: "a", at: 5, start: 0 },
    { pod: "a", at: 100, start: 0, end: [89, 100] },
  ];
  check(said, -1, "none");
  check(said, 0, "a");
  check(said, 50, "a");
  check(said, 95, "ambiguous a");
  check(said, 101, "none");
});

test("an address that is reused within seconds is ambiguous while both may hold it", () => {
  const said: Said[] = [
    { pod: "a", at: 5, start: 0 },
    { pod: "a", at: 100, start: 0, end: [89, 100] },
    { pod: "b", at: 97, start: 95 },
  ];
  check(said, 88, "a");
  check(said, 92, "ambiguous a");
  check(said, 98, "ambiguous a b");
  check(said, 101, "b");
});

test("a sender's skew widens every border", () => {
  const said: Said[] = [
    { pod: "a", at: 5, start: 0 },
    { pod: "a", at: 100, start: 0, end: [99, 100] },
    { pod: "b", at: 120, start: 110 },
  ];
  check(said, 97, "a", 1);
  check(said, 98.5, "ambiguous a", 1);
  check(said, 110.5, "ambiguous b", 1);
  check(said, 105, "ambiguous a b", 5);
  check(said, 112, "b", 1);
});

test("from sightings alone the border lies between the last of one and the first of the next", () => {
  const strength = OwnerStrength.proxy;
  const said: Said[] = [
    { pod: "a", at: 0, strength },
    { pod: "a", at: 40, strength },
    { pod: "b", at: 60, strength },
  ];
  check(said, -100, "a");
  check(said, -700, "none");
  check(said, 20, "a");
  check(said, 50, "ambiguous a");
  check(said, 60, "ambiguous a b");
  check(said, 61, "b");
});

test("a stronger source is believed, and knows when its pod ended", () => {
  const said: Said[] = [
    { pod: "a", at: 5, start: 0, end: [50, 51] },
    { pod: "a", at: 10, strength: OwnerStrength.proxy },
    { pod: "b", at: 30, strength: OwnerStrength.self },
  ];
  check(said, 30, "a");
  check(said, 60, "b");
});

test("a pod that a complete list lacks has ended since the last list that had it", () => {
  const said: Said[] = [
    { pod: "a", at: 0, start: -10, isListed: true },
    { pod: "a", at: 60, start: -10, isListed: true },
    { pod: "other", at: 120, start: -5, isListed: true },
  ];
  const lists = (now: number) => {
    const owners = ownersOf(said.slice(0, 2));
    const sighting = { atUs: t0 + 120 * s, startUs: t0, endLoUs: 0, endHiUs: 0, isListed: true };
    owners.claim("c", "10.0.0.2", "ns", "other", OwnerStrength.object, sighting);
    owners.advance(t0 + now * s);
    return (at: number) => textOf(owners.holderAt("c", "10.0.0.1", t0 + at * s, 0));
  };
  expect(lists(179)(130)).toBe("a");
  expect(lists(180)(130)).toBe("none");
  expect(lists(180)(90)).toBe("ambiguous a");
  expect(lists(180)(59)).toBe("a");
});

test("the table is bounded and says what it could not take", () => {
  const owners = new IpOwners({ addressesMax: 2, latenessUs: s, ttlUs: s, reachUs: s });
  const sighting = { atUs: t0, startUs: 0, endLoUs: 0, endHiUs: 0, isListed: false };
  for (let at = 0; at < 5; at++) {
    owners.claim("c", `10.0.0.${at}`, "ns", "a", OwnerStrength.object, sighting);
  }
  expect([owners.size, owners.dropped]).toEqual([2, 3]);
});

test("before the owners that were left out for want of room, nobody is known for sure", () => {
  const said: Said[] = Array.from({ length: 40 }, (_, index) => ({
    pod: `p${index + 10}`,
    at: index * 100,
    start: index * 100,
    end: [index * 100 + 80, index * 100 + 90] as const,
  }));
  const holderAt = (at: number): string =>
    textOf(ownersOf(said).holderAt("c", "10.0.0.1", t0 + at * s, 0));
  expect(holderAt(50)).toBe("ambiguous ");
  expect(holderAt(750)).toBe("ambiguous ");
  expect(holderAt(850)).toBe("p18");
  expect(holderAt(3_950)).toBe("p49");
});

test("what weaker sources say of a pod that its object describes takes no room from others", () => {
  const said: Said[] = Array.from({ length: 30 }, (_, index) => [
    { pod: `p${index + 10}`, at: index * 100 + 1, strength: OwnerStrength.self },
    { pod: `p${index + 10}`, at: index * 100 + 2, strength: OwnerStrength.proxy },
    {
      pod: `p${index + 10}`,
      at: index * 100 + 3,
      start: index * 100,
      end: [index * 100 + 80, index * 100 + 90] as const,
    },
  ]).flat();
  const owners = ownersOf(said);
  expect(owners.dropped).toBe(0);
  expect(textOf(owners.holderAt("c", "10.0.0.1", t0 + 50 * s, 0))).toBe("p10");
});

test("a weaker source that sees a pod again and again changes nothing at a full address", () => {
  const owners = ownersOf(
    Array.from({ length: 40 }, (_, index) => ({
      pod: `p${index + 10}`,
      at: index * 100,
      start: index * 100,
    })),
  );
  owners.takeChanged();
  const sighting = { startUs: 0, endLoUs: 0, endHiUs: 0, isListed: false };
  for (let at = 4_000; at < 4_010; at++) {
    const atUs = t0 + at * s;
    owners.claim("c", "10.0.0.1", "ns", "p49", OwnerStrength.self, { ...sighting, atUs });
  }
  expect(owners.takeChanged()).toEqual([]);
});
