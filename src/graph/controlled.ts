/** What a ReplicaSet or a Job belongs to, by its name and by its object. Pure. */
import type { ControllerObject } from "../model/objects.ts";

export interface Controlled {
  readonly kind: string;
  readonly name: string;
}

/** What a ReplicaSet's or a Job's name says of its own controller. */
export function controllerByName(kind: string, name: string): Controlled {
  if (kind === "ReplicaSet") {
    const match = /^(.+)-[bcdfghjklmnpqrstvwxz2456789]{5,10}$/.exec(name);
    return match?.[1] ? { kind: "Deployment", name: match[1] } : { kind, name };
  }
  // A CronJob's Job carries its scheduled time, in minutes since 1970.
  const match = kind === "Job" ? /^(.+)-\d{8,10}$/.exec(name) : null;
  return match?.[1] ? { kind: "CronJob", name: match[1] } : { kind, name };
}

export const controllerKinds = { replica_set: "ReplicaSet", job: "Job" } as const;

/** What the object says; it controls its pods itself where nobody controls it. */
export function controllerByObject({
  type,
  name,
  ownerKind,
  ownerName,
}: ControllerObject): Controlled {
  return ownerName === ""
    ? { kind: controllerKinds[type], name }
    : { kind: ownerKind, name: ownerName };
}

/** The object says no more than its name, as nearly all do. */
export function isSelfEvident(object: ControllerObject): boolean {
  const told = controllerByObject(object);
  const named = controllerByName(controllerKinds[object.type], object.name);
  return told.kind === named.kind && told.name === named.name;
}
