/** Labels of kube-state-metrics as a scrape leaves them, and what every object of it has. */
import type { DeclaredObject } from "../../model/objects.ts";
import { maxNameLength } from "../names.ts";
import type { Pairs } from "../resources.ts";

/** What it writes for nobody. */
const nobody = "<none>";

/** Its own label, by whichever name it comes; "" for nobody. */
export function ownLabel(pairs: Pairs, name: string, maxLength = maxNameLength): string {
  const value = pairs.get(`exported_${name}`) ?? pairs.get(name) ?? "";
  return value === nobody ? "" : value.slice(0, maxLength);
}

/** A name is part of what objects are told apart by, with slashes between. */
export function isBadName(name: string): boolean {
  return name.includes("/");
}

export function named(
  name: string,
  namespace: string,
): Pick<DeclaredObject, "uid" | "namespace" | "name" | "labels" | "annotations"> {
  return { uid: "", namespace, name, labels: {}, annotations: {} };
}
