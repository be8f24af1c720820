/** Which pods a label selector means. An expression is not evaluated: it may hit, and accuses nobody. */
import type { LabelSelector } from "../../model/objects.ts";

export type Selected = "yes" | "maybe" | "no";

type Labels = Readonly<Record<string, string>>;

/** A selector without labels and expressions selects everything. */
export function selects(selector: LabelSelector, labels: Labels): Selected {
  for (const [name, value] of Object.entries(selector.labels)) {
    if (!Object.hasOwn(labels, name) || labels[name] !== value) return "no";
  }
  return selector.hasExpressions ? "maybe" : "yes";
}

/** The pods of one workload may bear different labels: only what hits all of them surely hits it. */
export function selectsAll(selector: LabelSelector, pods: readonly Labels[]): Selected {
  const each = new Set(pods.map((labels) => selects(selector, labels)));
  const [only] = each;
  return each.size === 1 && only ? only : each.size === 0 ? "no" : "maybe";
}

export function isWide(selector: LabelSelector): boolean {
  return !selector.hasExpressions && Object.keys(selector.labels).length === 0;
}
