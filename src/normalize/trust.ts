/**
 * How far telemetry is believed, by the way it came: the listener that took it, the certificate that its
 * sender showed there, and the origin that a collector's pipeline stamped on it. The first entry that fits
 * decides, and what fits none is only claimed. Without any entry all is attested: open trust.
 */
import type { Trust } from "../model/observations.ts";
import type { RequestSender } from "../model/requests.ts";

/** What an entry leaves open is "", which fits anything. */
export interface TrustEntry {
  readonly listener: RequestSender["listener"] | "";
  /** The name of the sender's certificate. */
  readonly client: string;
  /** The resource attribute `mesh_insights.origin`. */
  readonly origin: string;
  readonly level: Trust;
}

/** What the entries say of one sender, by origin. */
export interface SenderTrust {
  readonly byOrigin: ReadonlyMap<string, Trust>;
  readonly otherwise: Trust;
}

/** Whoever has a certificate of the authority is a sender. */
const sendersMax = 1_000;

export class TrustPolicy {
  readonly #entries: readonly TrustEntry[];
  readonly #bySender = new Map<string, SenderTrust>();

  constructor(entries: readonly TrustEntry[]) {
    this.#entries = entries;
  }

  of(sender: RequestSender): SenderTrust {
    const key = `${sender.listener} ${sender.client}`;
    const known = this.#bySender.get(key);
    if (known) return known;
    if (this.#bySender.size >= sendersMax) this.#bySender.clear();
    const trust = this.#read(sender);
    this.#bySender.set(key, trust);
    return trust;
  }

  #read({ listener, client }: RequestSender): SenderTrust {
    const byOrigin = new Map<string, Trust>();
    for (const entry of this.#entries) {
      if (entry.listener !== "" && entry.listener !== listener) continue;
      if (entry.client !== "" && entry.client !== client) continue;
      if (entry.origin === "") return { byOrigin, otherwise: entry.level };
      if (!byOrigin.has(entry.origin)) byOrigin.set(entry.origin, entry.level);
    }
    return { byOrigin, otherwise: this.#entries.length === 0 ? "attested" : "claimed" };
  }
}

export function trustOf({ byOrigin, otherwise }: SenderTrust, origin: string): Trust {
  return byOrigin.get(origin) ?? otherwise;
}
