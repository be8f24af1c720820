/** What all Kubernetes objects have in common, and how much of an object is kept. */
import type { LabelSelector } from "../../model/objects.ts";
import { field, isObject, listField, textField, textMap, type Json } from "../json.ts";
import type { Tally } from "../tally.ts";

const vocabulary = "k8sobjects";
const maxLabels = 128;
const maxLabelLength = 512;
/** kubectl's copy of the whole object. */
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration";
const platformDomains = ["istio.io", "k8s.io", "kubernetes.io", "openshift.io", "cncf.io"];
const maxSpecLength = 65_536;
const maxSpecDepth = 32;

export interface ObjectMetadata {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** What a reader of one kind of object is given: `tally` counts what it has to leave out. */
export interface ObjectAt {
  readonly object: Json;
  readonly metadata: ObjectMetadata;
  readonly tally: Tally;
  /** The map that YAML in the object holds, or null. */
  parseYaml(text: string): Json;
}

export function readMetadata(metadata: Json): ObjectMetadata {
  return {
    uid: textField(metadata, "uid"),
    namespace: textField(metadata, "namespace"),
    name: textField(metadata, "name"),
    labels: textMap(metadata, "labels", maxLabels, maxLabelLength),
    annotations: annotationsOf(metadata, 1_024),
  };
}

/**
 * Those of Kubernetes and its meshes; values longer than `maxLength` are cut. People and programs write
 * anything into their own annotations, secrets included, and no rule could know what they mean.
 */
export function annotationsOf(metadata: Json, maxLength: number): Readonly<Record<string, string>> {
  return textMap(metadata, "annotations", maxLabels, maxLength, isOfPlatform);
}

/** By the domain before the slash: `traffic.sidecar.istio.io/excludeOutboundPorts`. */
function isOfPlatform(key: string): boolean {
  const domain = key.slice(0, Math.max(0, key.indexOf("/")));
  if (key === lastApplied) return false;
  return platformDomains.some((one) => domain === one || domain.endsWith(`.${one}`));
}

/** The first items of a list; that there are more is counted. */
export function boundedList(
  value: Json,
  name: string,
  maxItems: number,
  tally: Tally,
): readonly Json[] {
  const items = listField(value, name, maxItems + 1);
  if (items.length <= maxItems) return items;
  tally.dropped(vocabulary, "capacity");
  return items.slice(0, maxItems);
}

/** A selector of pods; absent and {} both select all. */
export function readSelector(value: Json): LabelSelector {
  return {
    labels: textMap(value, "matchLabels", maxLabels, maxLabelLength),
    hasExpressions: listField(value, "matchExpressions", 1).length > 0,
  };
}

/** A spec as it came, for rules: without nulls, and {} if it is larger or deeper than any that is meant. */
export function readSpec(
  value: Json,
  tally: Tally,
): { spec: Readonly<Record<string, unknown>>; specCut?: true } {
  const kept = withoutNulls(value, maxSpecDepth);
  if (!isObject(kept)) return { spec: {} };
  if (JSON.stringify(kept).length <= maxSpecLength) return { spec: kept };
  tally.dropped(vocabulary, "too_long");
  return { spec: {}, specCut: true };
}

function withoutNulls(value: Json, depth: number): Json {
  if (value === null || value === undefined || depth === 0) return undefined;
  // Text of JSON can hold a number that is too large for one.
  if (typeof value === "number" && !Number.isFinite(value)) return undefined;
  if (Array.isArray(value)) {
    return value
      .map((item: Json) => withoutNulls(item, depth - 1))
      .filter((item) => item !== undefined);
  }
  if (!isObject(value)) return value;
  const kept = Object.create(null) as Record<string, unknown>; // Object.create is typed any
  for (const [name, item] of Object.entries(value)) {
    const inner = withoutNulls(item, depth - 1);
    if (inner !== undefined) kept[name] = inner;
  }
  return kept;
}

export function specOf(object: Json): Json {
  return field(object, "spec");
}
