/** Several connections of one pair of addresses and ports as one: what is said of them together. */
import { mergeEvidence } from "../model/changes.ts";
import type { WireVerdict } from "./wire-verdict.ts";

const sureness = { unknown: 0, low: 1, medium: 2, high: 3 } as const;

/** Several connections of one pair of addresses and ports are told as one, by the surest of them. */
export function merge(found: readonly WireVerdict[]): WireVerdict | undefined {
  const [first] = found.toSorted(
    (a, b) =>
      sureness[b.confidence] - sureness[a.confidence] ||
      (a.rung === b.rung ? 0 : a.rung === "b5s" ? -1 : 1) ||
      a.fromUs - b.fromUs,
  );
  if (!first) return undefined;
  return {
    ...first,
    fromUs: Math.min(...found.map(({ fromUs }) => fromUs)),
    flows: found.flatMap(({ flows }) => flows),
    callerLegs: found.flatMap(({ callerLegs }) => callerLegs),
    sockets: found.flatMap(({ sockets }) => sockets),
    evidence: mergeEvidence(
      [],
      found.flatMap(({ evidence }) => evidence),
    ),
  };
}

/** Why nothing stands: what speaks for the proxy first, then what is not known. */
export function weakest(verdicts: readonly WireVerdict[]): WireVerdict | undefined {
  return (
    verdicts.find(({ kind }) => kind === "cleared") ??
    verdicts.find(({ kind }) => kind === "unknown") ??
    verdicts[0]
  );
}
