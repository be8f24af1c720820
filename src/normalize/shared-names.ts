/**
 * One object for equal names of series: a mesh of 20,000 workloads has 400,000 series, and each would
 * hold texts and ends of its own, 600 bytes of them, which 20,000 others hold as well. Forgetting is
 * always right and only costs memory: when full it starts anew.
 */
import type { PeerName } from "../model/observations.ts";
import type { SeriesFacts } from "./vocabulary.ts";

/** Some 10 MB of texts and as much of ends, were all of them in use. */
const textsMax = 100_000;
const peersMax = 50_000;

export class SharedNames {
  readonly #texts = new Map<string, string>();
  readonly #peers = new Map<string, PeerName>();

  /** The same facts; ends and texts are those that equal facts had before. */
  facts(facts: SeriesFacts): SeriesFacts {
    return {
      ...facts,
      src: this.#peer(facts.src),
      dst: this.#peer(facts.dst),
      protocol: this.#text(facts.protocol),
      responseFlags: this.#text(facts.responseFlags),
    };
  }

  #peer(peer: PeerName): PeerName {
    const { cluster, namespace, workload, service, serviceNamespace, principal } = peer;
    const { pod, address } = peer;
    const parts = [
      cluster,
      namespace,
      workload,
      service,
      serviceNamespace,
      principal,
      pod,
      address,
    ];
    // With their lengths, so that no two different ends give one key.
    const key = parts.map((part) => `${part.length}:${part}`).join("");
    const known = this.#peers.get(key);
    if (known) return known;
    const shared: PeerName = {
      cluster: this.#text(cluster),
      namespace: this.#text(namespace),
      workload: this.#text(workload),
      service: this.#text(service),
      serviceNamespace: this.#text(serviceNamespace),
      principal: this.#text(principal),
      pod: this.#text(pod),
      address: this.#text(address),
    };
    if (this.#peers.size >= peersMax) this.#peers.clear();
    this.#peers.set(key, shared);
    return shared;
  }

  #text(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    if (this.#texts.size >= textsMax) this.#texts.clear();
    this.#texts.set(text, text);
    return text;
  }
}
