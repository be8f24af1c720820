/**
 * Which mode of mutual TLS is in force at a server: mesh, namespace, workload, port, the narrowest one
 * that says anything. Of several policies in one scope the oldest governs; ports have a mode of their own
 * only by a policy that selects the workload; a selector in the root namespace counts for nothing.
 */
import type { EdgeEntity } from "../../model/entities.ts";
import type { PeerAuthenticationObject } from "../../model/objects.ts";
import type { Us } from "../../model/time.ts";
import { isWide, selectsAll } from "./selectors.ts";

/** `unset`: nobody declares anything, which Istio takes for permissive. */
export type PeerMode = EdgeEntity["declared_mode"];

export interface PeerModes {
  readonly mode: PeerMode;
  /** Where a port differs from `mode`. */
  readonly ports: ReadonlyMap<number, PeerMode>;
  /** Since when all that was read for it is as it is. */
  readonly sinceUs: Us;
}

export interface PeerPolicy {
  readonly object: PeerAuthenticationObject;
  /** Since when it is known to be as it is. */
  readonly sinceUs: Us;
}

/** What bears on a workload: the policies of the root namespace and of its own, and the last deletion. */
export interface PeerPolicies {
  /** False: it cannot be told which namespace is the root, or whether policies are told of at all. */
  readonly isKnown: boolean;
  readonly mesh: readonly PeerPolicy[];
  readonly namespace: readonly PeerPolicy[];
  readonly goneUs: Us;
}

type Labels = Readonly<Record<string, string>>;

export const unknownModes: PeerModes = { mode: "unknown", ports: new Map(), sinceUs: 0 };

/** `pods`: the labels that the workload's pods bear; [] asks for the namespace alone. */
export function peerModes(policies: PeerPolicies, pods: readonly Labels[]): PeerModes {
  const { mesh, namespace, isKnown } = policies;
  const wideInMesh = oldest(mesh.filter(({ object }) => isWide(object.selector)));
  const wide = oldest(namespace.filter(({ object }) => isWide(object.selector)));
  const narrow = namespace.filter(({ object }) => !isWide(object.selector));
  const hits = narrow.map((one) => ({ ...one, hit: selectsAll(one.object.selector, pods) }));
  const sinceUs = sinceOf(policies);
  if (pods.length > 0 && hits.some(({ hit }) => hit === "maybe")) {
    return { ...unknownModes, sinceUs };
  }
  const own = oldest(hits.filter(({ hit }) => hit === "yes"));
  const inherited = isKnown ? said(wideInMesh) || "unset" : "unknown";
  const mode = said(own) || said(wide) || inherited;
  return { mode, ports: portsOf(own, mode), sinceUs };
}

/** Port 0: the port is not known, so there is a mode only if all ports have the same. */
export function modeAtPort({ mode, ports }: PeerModes, port: number): PeerMode {
  if (port !== 0) return ports.get(port) ?? mode;
  return ports.size === 0 ? mode : "unknown";
}

/** Of two of the same age the one whose name comes first: no order of arrival decides. */
function oldest(policies: readonly PeerPolicy[]): PeerPolicy | undefined {
  return policies.toSorted(
    (a, b) => a.object.createdUs - b.object.createdUs || (a.object.name < b.object.name ? -1 : 1),
  )[0];
}

/** "" where the policy leaves it to the next wider scope. */
function said(policy: PeerPolicy | undefined): PeerMode | "" {
  const mode = policy?.object.mode ?? "unset";
  return mode === "unset" ? "" : mode;
}

function portsOf(own: PeerPolicy | undefined, mode: PeerMode): ReadonlyMap<number, PeerMode> {
  const ports = new Map<number, PeerMode>();
  for (const [port, declared] of Object.entries(own?.object.portModes ?? {})) {
    const atPort = declared === "unset" ? mode : declared;
    if (atPort !== mode) ports.set(Number(port), atPort);
  }
  // Nearly no workload has any: all of them share the one that is empty.
  return ports.size === 0 ? unknownModes.ports : ports;
}

/** A policy that was never set again is as it was made; of another one only what was heard counts. */
function sinceOf({ mesh, namespace, goneUs }: PeerPolicies): Us {
  let sinceUs = goneUs;
  for (const { object, sinceUs: heardUs } of [...mesh, ...namespace]) {
    const isAsMade = object.generation === 1 && object.createdUs > 0;
    sinceUs = Math.max(sinceUs, isAsMade ? Math.min(object.createdUs, heardUs) : heardUs);
  }
  return sinceUs;
}
