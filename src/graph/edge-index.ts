/**
 * Edges by their ends and transport: 200,000 of them take 20 bytes each, where a `Map` by one number takes
 * 50, since such a number is an object of its own. Open addressing over places in a list.
 */
import { PagedList } from "../lib/paged-list.ts";
import type { Transport } from "../model/observations.ts";
import type { Edge } from "./edge.ts";

const firstSlots = 256;
/** Its edge has left: who looks for another goes on. */
const left = -1;

export class EdgeIndex {
  /** By place; null = the place is free. */
  readonly #edges = new PagedList<Edge | null>();
  readonly #free: number[] = [];
  #places = 0;
  /** Place + 1 by hash, 0 = none was here; at most half of them taken or left. */
  #slots = new Int32Array(firstSlots);
  #used = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(srcId: number, dstId: number, transport: Transport): Edge | undefined {
    const slot = this.#find(srcId, dstId, transport);
    return slot < 0 ? undefined : this.#at(slot);
  }

  /** There is none between these ends yet. */
  add(edge: Edge): void {
    if ((this.#used + 1) * 2 > this.#slots.length) this.#rebuild();
    const place = this.#free.pop() ?? this.#places++;
    this.#edges.set(place, edge);
    this.#put(edge, place);
    this.#size++;
  }

  /** False = it is not there. */
  delete({ srcId, dstId, transport }: Edge): boolean {
    const slot = this.#find(srcId, dstId, transport);
    if (slot < 0) return false;
    const place = (this.#slots[slot] ?? 0) - 1;
    this.#slots[slot] = left;
    this.#edges.set(place, null);
    this.#free.push(place);
    this.#size--;
    return true;
  }

  *[Symbol.iterator](): Generator<Edge> {
    for (let place = 0; place < this.#places; place++) {
      const edge = this.#edges.get(place);
      if (edge) yield edge;
    }
  }

  /** Its slot, -1 = it is not there. */
  #find(srcId: number, dstId: number, transport: Transport): number {
    const mask = this.#slots.length - 1;
    for (let slot = hashOf(srcId, dstId) & mask; ; slot = (slot + 1) & mask) {
      if (this.#slots[slot] === 0) return -1;
      const edge = this.#at(slot);
      const isSame = edge?.srcId === srcId && edge.dstId === dstId;
      if (isSame && edge.transport === transport) return slot;
    }
  }

  #at(slot: number): Edge | undefined {
    const place = (this.#slots[slot] ?? 0) - 1;
    return place < 0 ? undefined : (this.#edges.get(place) ?? undefined);
  }

  #put({ srcId, dstId }: Edge, place: number): void {
    const mask = this.#slots.length - 1;
    let slot = hashOf(srcId, dstId) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = place + 1;
    this.#used++;
  }

  /** Without those that left, and with room for as many again. */
  #rebuild(): void {
    const isGrown = (this.#size + 1) * 4 > this.#slots.length;
    this.#slots = new Int32Array(isGrown ? this.#slots.length * 2 : this.#slots.length);
    this.#used = 0;
    for (let place = 0; place < this.#places; place++) {
      const edge = this.#edges.get(place);
      if (edge) this.#put(edge, place);
    }
  }
}

/** Ids of nodes are given by us, one after the other: nobody chooses them so that they meet. */
function hashOf(srcId: number, dstId: number): number {
  const mix = Math.imul(srcId, 0x9e37_79b1) ^ Math.imul(dstId, 0x85eb_ca77);
  return Math.imul(mix ^ (mix >>> 15), 0xc2b2_ae3d) >>> 7;
}
