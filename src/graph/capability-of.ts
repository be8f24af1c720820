/** What an observation proves of whoever sent it. */
import type { Capability, Observation } from "../model/observations.ts";

/** Of flows only their vocabulary knows what they prove, and says so by a heartbeat. */
const capabilities: Readonly<Partial<Record<Observation["kind"], Capability>>> = {
  span_half: "spans",
  proxy_leg: "proxy_logs",
  socket_opened: "sockets",
  process_seen: "processes",
  object_seen: "objects",
};

/** What was told of by chance proves nothing of who tells. */
export function isSelective(observation: Observation): boolean {
  if (observation.kind !== "process_seen" && observation.kind !== "socket_opened") return false;
  return observation.selective === true;
}

/** Undefined: nothing. */
export function capabilityOf(observation: Observation): Capability | undefined {
  if (observation.kind === "heartbeat") return observation.capability;
  if (observation.kind === "object_seen" && observation.form) return observation.form;
  return capabilities[observation.kind];
}
