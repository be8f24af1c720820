/**
 * Where two senders tell of one pod what cannot both be so (or, of its proxy, what counts twice): what no pod ever changes, or an address that
 * is another's. One of them is forged, or two clusters go by one name; which one, nobody can say here, so
 * it is told of the source and changes no pod. Pure functions.
 */
import type { Evidence } from "../model/changes.ts";
import type { PodObject, SourceRef } from "../model/observations.ts";
import { usPerHour, type Us } from "../model/time.ts";
import { contentHash } from "./content-hash.ts";

/** Plain data, stored with its source. */
export interface Contradiction {
  /** `cluster/namespace/pod` */
  readonly about: string;
  /** One sentence, the same whoever came first. */
  readonly text: string;
  /** Of the later of the two. */
  readonly atUs: Us;
}

export interface Contradicted extends Contradiction {
  readonly source: SourceRef;
}

/** It counts so long after it was last told. */
const contradictedForUs = usPerHour;
/** Of one source; what is beyond is said by these already. */
const contradictionsMax = 20;

/** What of a pod stays as it was from its first container to its last. */
const lasting: Readonly<Record<string, (pod: PodObject) => string>> = {
  containers: ({ containers }) =>
    containers
      .filter(({ ephemeral }) => !ephemeral)
      .map(({ name }) => name)
      .sort()
      .join(", "),
  "service account": ({ serviceAccount }) => serviceAccount,
  "host network": ({ hostNetwork }) => (hostNetwork ? "yes" : "no"),
  "user ids of the host": ({ hostUsers }) => (hostUsers ? "yes" : "no"),
  machine: ({ node }) => node,
};

/** Two words on one pod, by its UID; "" where both may be so. What one does not tell contradicts nothing. */
export function contradictionOf(one: PodObject, other: PodObject): string {
  if (one.uid !== other.uid) return "";
  const differing = Object.entries(lasting).flatMap(([what, of]) => {
    const words = [of(one), of(other)];
    if (words.includes("") || words[0] === words[1]) return [];
    return [`${what} ${words.sort().join(" or ")}`];
  });
  return differing.join("; ");
}

/** Takes it in among those of a source; the list stays the same object where there is nothing new. */
export function addContradiction(
  known: readonly Contradiction[],
  added: Contradiction,
): readonly Contradiction[] {
  const rest = known.filter(({ about, text }) => about !== added.about || text !== added.text);
  if (rest.length === known.length && known.length >= contradictionsMax) return known;
  return [...rest, added];
}

/** Those that count no more are gone. */
export function standing(known: readonly Contradiction[], nowUs: Us): readonly Contradiction[] {
  if (known.every(({ atUs }) => atUs + contradictedForUs > nowUs)) return known;
  return known.filter(({ atUs }) => atUs + contradictedForUs > nowUs);
}

export function contradictionEvidence({ kind, key }: SourceRef, one: Contradiction): Evidence {
  const { about, text, atUs } = one;
  return {
    atUs,
    nanos: 0,
    vantage: kind === "proxy" ? "proxy" : "object",
    source: key,
    text: `two senders tell of ${about}: ${text}`,
    fields: { pod: about, differs: text },
    hash: contentHash(["contradiction", key, about, text]),
  };
}
