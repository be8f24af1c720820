/**
 * What people are told of a source: the table behind `docs/sources.md`, `doctor` and `coverage`. One entry
 * per source as its user knows it, so a vocabulary that reads a source in two ways has two.
 */
import type { Capability } from "./observations.ts";

export interface SourceGuide {
  /** Kebab-case, unique over all vocabularies, and stable: answers of the API name it. */
  readonly id: string;
  /** As its users call it, with the form where it has several: `OBI flows with addresses`. */
  readonly title: string;
  /** What to switch on there, by the source's own setting names; Markdown, whole sentences. */
  readonly switchOn: string;
  /** What its observations prove while it is heard; empty for what only names or completes others' facts. */
  readonly gives: readonly Capability[];
  /** What it does not show, and why; Markdown, whole sentences. */
  readonly cannotTell: string;
  /** Where the facts were read: a URL, or `owner/repository: path`. */
  readonly reference: string;
}
