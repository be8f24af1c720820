/** What one more source would add, for people: `coverage` and `doctor` both end with it. */
import type { ApiNextSource, ApiSourceGuide } from "../model/api-coverage.ts";
import { printable } from "./io.ts";

/** Rules named of each, and sources told in full of those that give the same. */
const rulesShown = 5;
const sourcesShown = 4;

/** The first `most` of them, "" where nothing would be gained. */
export function nextSourcesText(next: readonly ApiNextSource[], most: number): string {
  const shown = next.slice(0, most);
  if (shown.length === 0) return "";
  const head = "What one more source would add, if it told of every workload:\n";
  return head + shown.map((one) => gainText(one)).join("");
}

function gainText({ capabilities, sources, judged, partly, rules }: ApiNextSource): string {
  const parts = [
    judged > 0 ? `${judged} more judgements of a rule on a workload` : "",
    partly > 0 ? `${partly} more in part` : "",
  ].filter((part) => part !== "");
  const names = rules.slice(0, rulesShown).map(({ rule, workloads }) => `${rule} (${workloads})`);
  const more = rules.length > rulesShown ? `, and ${rules.length - rulesShown} other rules` : "";
  return [
    `\n${capabilities.join(" and ")}: ${parts.join(", ")}`,
    ...(names.length > 0 ? [`  ${names.join(", ")}${more}`] : []),
    ...sources.slice(0, sourcesShown).map(guideText),
    ...(sources.length > sourcesShown ? [othersText(sources.slice(sourcesShown))] : []),
  ]
    .map((line) => `${line}\n`)
    .join("");
}

const guideText = ({ title, switch_on }: ApiSourceGuide): string =>
  printable(`  - ${title}: ${switch_on}`);

const othersText = (others: readonly ApiSourceGuide[]): string =>
  printable(`  - or ${others.map(({ id }) => id).join(", ")} (docs/sources.md)`);
