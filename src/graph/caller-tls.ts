/**
 * What a caller's TLS says of who made the connection, which a server's proxy logs beside its address.
 * Envoy sends access logs without sequence numbers, from several threads: nothing proves that no batch of
 * a client's lines was lost, or that its log is not of errors alone. So a missing line accuses nobody by
 * itself where the caller spoke the mesh's own mutual TLS, as its proxy does and an application cannot
 * without the proxy's certificate. It accuses where the caller spoke plain, and its proxy would not have:
 * the server, or the caller elsewhere, is known to speak mutual TLS, and the two are not known to talk
 * plain by configuration.
 */
import type { ProxyLeg } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import { callerTls, touches, type Leg } from "./legs.ts";
import { endKey } from "./orientation.ts";
import { SeenTimes } from "./seen-times.ts";
import type { SourceEnd } from "./source-ends.ts";

/** By a server's end and by a caller's address: when callers spoke the mesh's own mutual TLS. */
export class TlsHabits {
  readonly #mesh: SeenTimes;

  constructor(reachUs: Us) {
    this.#mesh = new SeenTimes(reachUs);
  }

  get dropped(): number {
    return this.#mesh.dropped;
  }

  /** A server's line; returns which of `habitKeys` it tells of. */
  line(line: ProxyLeg): readonly string[] {
    if (line.side !== "inbound" || line.trust === "claimed" || callerTls(line) !== "mesh")
      return [];
    const { cluster, downstreamLocalIp: ip, downstreamLocalPort: port } = line;
    const keys = habitKeys(cluster, line.downstreamRemoteIp, endKey(cluster, ip, port));
    for (const key of keys) this.#mesh.note(key, line.timeUs);
    return keys;
  }

  /** Whether callers who spoke as a proxy does were logged at that server's end then. */
  logsCallers(server: string, atUs: Us): boolean {
    return this.#mesh.isNear(server, atUs);
  }

  /** Whether the caller's proxy would have spoken mutual TLS to that server's end then. */
  isMeshExpected(cluster: string, ip: string, server: string, atUs: Us): boolean {
    return habitKeys(cluster, ip, server).some((key) => this.#mesh.isNear(key, atUs));
  }
}

/** What could show that a caller's proxy would have spoken mutual TLS to that server's end. */
export function habitKeys(cluster: string, ip: string, server: string): readonly string[] {
  return [server, `${cluster}|${ip} calls`];
}

/** Whether the caller's own proxy logged a connection from that end to there, which was plain. */
export function isPlainByProxy(end: SourceEnd, toIp: string, toPort: number, boundUs: Us): boolean {
  const believed: Leg[] = [];
  for (const leg of end.legs.values()) {
    const isThere = leg.toIp === toIp && leg.toPort === toPort;
    if (isThere && leg.first.trust !== "claimed") believed.push(leg);
  }
  return believed.some(
    (leg) =>
      leg.role === "inbound" &&
      callerTls(leg.first) === "plain" &&
      leg.spans.some((span) =>
        believed.some(
          (other) => other.role === "opened" && touches(other, span.fromUs, span.toUs, boundUs),
        ),
      ),
  );
}
