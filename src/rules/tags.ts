/**
 * Tags of rules, checked against the shipped tables of techniques and controls. An id that a newer
 * version replaced still works, and becomes the new one: what is shown and exported is of one version.
 */
import { nearest } from "../lib/nearest.ts";
import { attackAliases, attackTechniques } from "./attack-table.ts";
import { cisControls, nistControls, pciControls } from "./control-table.ts";

/** Tag to name. */
const known: ReadonlyMap<string, string> = new Map([
  ...readTable("attack", attackTechniques),
  ...readTable("cis-k8s", cisControls),
  ...readTable("nist-800-53", nistControls),
  ...readTable("pci", pciControls),
]);

export type ResolvedTag =
  /** `name` says in words what it is; `isOld`: another id was written. */
  | { readonly ok: true; readonly tag: string; readonly name: string; readonly isOld: boolean }
  | { readonly ok: false; readonly suggestion: string };

export function resolveTag(written: string): ResolvedTag {
  const tag = currentTag(written);
  const name = known.get(tag);
  if (name !== undefined) return { ok: true, tag, name, isOld: tag !== written };
  return { ok: false, suggestion: nearest(written, known.keys()) };
}

function currentTag(tag: string): string {
  const id = tag.startsWith("attack.") ? tag.slice("attack.".length) : "";
  return Object.hasOwn(attackAliases, id) ? `attack.${attackAliases[id]}` : tag;
}

/** Lines of `id | … | name`. */
function readTable(family: string, table: string): readonly (readonly [string, string])[] {
  return table
    .trim()
    .split("\n")
    .map((line) => line.split(" | "))
    .map((cells) => [`${family}.${cells[0]}`, cells.at(-1) ?? ""] as const);
}
