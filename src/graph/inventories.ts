/**
 * What inventories tell of pods, taken into the table of pods: who holds which address, whose workload a
 * pod is of, which proxy it has. Second to objects: of a pod that an object has described, nothing here
 * counts. It keeps no pods of its own.
 */
import type { ObjectSeen, PodInventory } from "../model/observations.ts";
import type { Us } from "../model/time.ts";
import { isPeerAddress } from "./address-scope.ts";
import type { IdentityTables, PodRecord } from "./identity.ts";
import { InventoryLists } from "./inventory-lists.ts";
import { OwnerStrength } from "./ip-owners.ts";
import type { IdentityOptions } from "./options.ts";
import {
  endOfInventory,
  factsOfInventory,
  learnInventory,
  makeInventory,
  objectOfInventory,
} from "./pod-inventory.ts";

const unnamed = { workload: "", workloadKind: "", address: "" } as const;

export class Inventories {
  readonly #identity: IdentityTables;
  readonly #options: IdentityOptions;
  readonly #lists: InventoryLists<PodRecord>;

  constructor(identity: IdentityTables, options: IdentityOptions, latenessUs: Us) {
    this.#identity = identity;
    this.#options = options;
    this.#lists = new InventoryLists(latenessUs);
  }

  seen({ cluster, timeUs: atUs, trust }: ObjectSeen, object: PodInventory): void {
    // A forged part must not take a pod's proxy, address or life away.
    if (trust === "claimed") return;
    const { namespace, name: pod, uid: podUid } = object;
    const name = { ...unnamed, cluster, namespace, pod, podUid };
    const told = { atUs, trust, strength: OwnerStrength.inventory, mode: "unknown" } as const;
    const record = this.#identity.podSeen({ ...told, name });
    if (!record || record.isAttested) return;
    this.#lists.add(record.facts.cluster, object.teller, record, atUs);
    record.inventory ??= makeInventory();
    if (learnInventory(record.inventory, object, atUs)) this.#apply(record, atUs);
    else this.#hold(record, atUs);
  }

  /** Ends pods that complete lists lack. */
  advance(nowUs: Us): void {
    for (const { item: pod, listedUs, withoutUs } of this.#lists.missing(nowUs)) {
      const { inventory, isAttested } = pod;
      if (!inventory || isAttested || this.#identity.podByKey(pod.key) !== pod) continue;
      // Another instance has told of it since.
      if (Object.values(inventory.listedUs).some((oneUs) => oneUs >= withoutUs)) continue;
      inventory.goneUs = withoutUs;
      this.#apply(pod, listedUs);
    }
  }

  /** Lists that were not complete at the restart are not known any more: the next ones tell the same. */
  podRestored(pod: PodRecord): void {
    if (!pod.inventory || pod.isAttested) return;
    for (const [teller, atUs] of Object.entries(pod.inventory.listedUs)) {
      this.#lists.restore(pod.facts.cluster, teller, pod, atUs);
    }
  }

  #apply(pod: PodRecord, atUs: Us): void {
    const { inventory, facts } = pod;
    if (!inventory) return;
    const object = objectOfInventory(inventory, facts);
    const { loUs: endUs } = endOfInventory(inventory, object);
    const isOwnerKnown = "pod" in inventory.parts || object.ownerName !== "";
    const known = factsOfInventory(object, inventory, facts, this.#options);
    this.#identity.podLearned(pod, isOwnerKnown ? object : null, { ...known, endUs }, atUs);
    this.#hold(pod, atUs);
  }

  /** The pod had its addresses then. */
  #hold(pod: PodRecord, atUs: Us): void {
    const { inventory, facts, key } = pod;
    if (!inventory) return;
    const object = objectOfInventory(inventory, facts);
    const { cluster, namespace } = facts;
    const { hosts, owners } = this.#identity;
    if (object.hostNetwork) return hosts.told(cluster, object.ips, object.node);
    const end = endOfInventory(inventory, object);
    const times = { atUs, startUs: object.startUs, endLoUs: end.loUs, endHiUs: end.hiUs };
    const sighting = { ...times, isListed: false, lives: end.loUs === 0 };
    for (const ip of object.ips) {
      if (isPeerAddress(ip)) {
        owners.claim(cluster, ip, namespace, key, OwnerStrength.inventory, sighting);
      }
    }
  }
}
