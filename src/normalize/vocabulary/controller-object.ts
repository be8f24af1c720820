/**
 * ReplicaSets and Jobs, of which only their own owner matters: it is the workload that pods belong to.
 * Nothing else of them is kept, since a cluster has ten of them for each workload.
 */
import type { ControllerObject } from "../../model/objects.ts";
import { boolField, field, listField, textField, type Json } from "../json.ts";
import type { ObjectAt } from "./object-metadata.ts";

export function readController(
  type: ControllerObject["type"],
  { object, metadata }: ObjectAt,
): ControllerObject {
  const { uid, namespace, name } = metadata;
  const owner = controllerOf(field(object, "metadata"));
  return {
    type,
    uid,
    namespace,
    name,
    labels: {},
    annotations: {},
    ownerKind: textField(owner, "kind"),
    ownerName: textField(owner, "name"),
  };
}

/** The owner that controls the object: others only keep it from being collected. */
export function controllerOf(metadata: Json): Json {
  const owners = listField(metadata, "ownerReferences", 16);
  return owners.find((owner) => boolField(owner, "controller")) ?? owners[0];
}
