/**
 * Two ambient pods talk at the application's port with no HBONE between them. An agent may see the leg
 * inside the pods' namespaces, which shows the application's port beside a tunnel: so only an agent that
 * has shown tunnels accuses, and only where none of this pair was there about that time.
 */
import type { Us } from "../model/time.ts";
import type { BypassOptions } from "./bypass-options.ts";
import type { Identity } from "./contracts.ts";
import { isProxyTelemetry } from "./innocents.ts";
import { tunnelPort } from "./legs.ts";
import type { SourceEnd } from "./source-ends.ts";
import type { Chain } from "./wire-chains.ts";

export interface AmbientScene {
  readonly identity: Identity;
  readonly options: BypassOptions;
  readonly nowUs: Us;
  /** When this sender first showed a tunnel, by event time; Infinity = never. */
  tunnelsSinceUs(source: string): Us;
  endsOfIp(ip: string): Iterable<SourceEnd>;
}

export interface AmbientVerdict {
  readonly kind: "none" | "wait" | "found" | "cleared" | "final";
  readonly reason: string;
  readonly dueUs: Us;
}

interface Destination {
  readonly end: SourceEnd;
  readonly cluster: string;
  readonly ip: string;
  readonly port: number;
  readonly boundUs: Us;
}

/** `chain`: what an ambient pod, which opened it, has towards there. */
export function judgeAmbient(chain: Chain, to: Destination, scene: AmbientScene): AmbientVerdict {
  const { identity, options, nowUs } = scene;
  const { end, cluster, ip, port, boundUs } = to;
  const { fromUs, flowToUs: toUs } = chain;
  const told = (kind: AmbientVerdict["kind"], reason: string, dueUs = 0): AmbientVerdict => ({
    kind,
    reason,
    dueUs,
  });
  if (chain.flows.length === 0 || port === tunnelPort) return told("none", "tunnel");
  // Until then objects may say that the other end is ambient, too.
  const dueUs = toUs + options.latenessUs;
  if (nowUs < dueUs) return told("wait", "", dueUs);
  const peer = identity.ownerAt(cluster, ip, fromUs, boundUs);
  if (peer.kind !== "pod" || peer.pod.mode !== "ambient" || peer.pod.hostNetwork) {
    return told("none", "no_ambient_peer");
  }
  if (isProxyTelemetry(cluster, ip, port, fromUs, identity)) return told("none", "destination");
  for (const leg of end.legs.values()) {
    const isThen = leg.fromUs <= toUs + boundUs && leg.toUs >= fromUs - boundUs;
    if (leg.first.trust !== "claimed" && isThen) return told("cleared", "proxy_leg");
  }
  if (hasTunnel(end, ip, fromUs - options.latenessUs, toUs + options.latenessUs, scene)) {
    return told("cleared", "tunnel");
  }
  if (nowUs >= fromUs + options.retentionUs - options.latenessUs) {
    return told("final", "too_long_ago");
  }
  const showsTunnels = chain.flows.some(
    ({ flow }) => scene.tunnelsSinceUs(flow.source.key) <= flow.endUs + boundUs,
  );
  return showsTunnels ? told("found", "") : told("none", "agent_shows_no_tunnels");
}

/** Tunnels last and are shared: one shortly before or after is this pair's as well. */
function hasTunnel(end: SourceEnd, ip: string, fromUs: Us, toUs: Us, scene: AmbientScene): boolean {
  for (const { flows } of scene.endsOfIp(end.ip)) {
    for (const { flow } of flows.values()) {
      const isPair = flow.dstIp === ip && flow.dstPort === tunnelPort;
      if (isPair && flow.startUs <= toUs && flow.endUs >= fromUs) return true;
    }
  }
  return false;
}
