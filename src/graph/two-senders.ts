/** Whether two senders scrape one proxy beside each other, and how they can be told apart. Pure functions. */
import { textToPairs } from "../lib/pairs-text.ts";
import { lastOf, type Stand } from "./scrape-stands.ts";

const differencesMax = 5;
const valueLengthMax = 100;

/** Parts of one scrape have one time: somebody has only made several resources of it. */
export function isOneScrape(one: readonly Stand[], other: readonly Stand[]): boolean {
  const times = new Set(one.map(lastOf));
  return other.some((stand) => times.has(lastOf(stand)));
}

/** In what two resources differ, the same for either order; "" where one is not known. */
export function differenceOf(one: string, other: string): string {
  if (one === "" || other === "") return "";
  const [pairs, others] = [textToPairs(one), textToPairs(other)];
  const differing = [...new Set([...pairs.keys(), ...others.keys()])]
    .filter((name) => pairs.get(name) !== others.get(name))
    .sort()
    .slice(0, differencesMax)
    .map((name) => {
      const values = [pairs.get(name) ?? "", others.get(name) ?? ""].sort();
      return `${name} ${values.map((value) => value.slice(0, valueLengthMax) || "(none)").join(" and ")}`;
    });
  return `its counters come twice, as ${differing.join(", ")}`;
}
