/** A Kubernetes ServiceAccount: whether its pods are given a token for the API server. */
import type { ServiceAccountObject } from "../../model/objects.ts";
import { field, type Json } from "../json.ts";
import type { ObjectAt } from "./object-metadata.ts";

/** Pods have it too, and theirs comes first. */
export const automountField = "automountServiceAccountToken";

export function readServiceAccount({ object, metadata }: ObjectAt): ServiceAccountObject {
  const automountToken = isTrueUnlessFalse(field(object, automountField));
  return { type: "service_account", ...metadata, automountToken };
}

/** Absent means true for some: Kubernetes' default. */
export function isTrueUnlessFalse(value: Json): boolean {
  return value !== false && value !== "false";
}
