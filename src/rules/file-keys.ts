/**
 * The keys of a rule file beside those of its rules: overrides, waivers, tests of their own and the file
 * as a whole.
 */
import {
  duration,
  fixtures,
  namePattern,
  ruleKeys,
  severities,
  slug,
  testKeys,
  text,
  type Key,
  type Keys,
  type Shape,
} from "./keys.ts";

/** A day; what the calendar thinks of it is checked where it is used. */
export const dayPattern = String.raw`^\d{4}-\d{2}-\d{2}$`;

const listItems: Shape = {
  kind: "list",
  of: { kind: "either", of: [{ kind: "int" }, text] },
  isNonEmpty: true,
};
const changeKeys: Keys = {
  add: { shape: listItems, says: "Items that the list gets." },
  remove: { shape: listItems, says: "Items that the list loses." },
};
const reasonKey: Key = { shape: text, isRequired: true, says: "Why it is changed here." };

/** Changes of one rule; what is not said stays as the rule's file has it. */
export const ruleOverrideKeys: Keys = {
  rule: { shape: slug, isRequired: true, says: "The rule that is changed." },
  enabled: { shape: { kind: "bool" }, says: "Whether it is evaluated." },
  severity: {
    shape: { kind: "choice", values: severities },
    says: "Another severity.",
  },
  for: { shape: duration, says: "How long the condition holds before it fires." },
  keep_firing_for: {
    shape: duration,
    says: "How long it keeps firing after the condition held last.",
  },
  params: {
    shape: { kind: "map", keys: namePattern, like: "lower_case", of: { kind: "any" } },
    says: "Values of the rule's params, by name.",
  },
  lists: {
    shape: {
      kind: "map",
      keys: namePattern,
      like: "lower_case",
      of: { kind: "record", keys: changeKeys },
    },
    says: "Changes of the lists that the rule uses, for this rule alone.",
  },
  reason: reasonKey,
};

/** Changes of one list, for every rule that uses it. */
export const listOverrideKeys: Keys = {
  list: {
    shape: { kind: "text", pattern: namePattern, like: "lower_case" },
    isRequired: true,
    says: "The list that is changed, for every rule.",
  },
  ...changeKeys,
  reason: reasonKey,
};

/** Either of the two. */
const overrideKeys: Keys = {
  ...ruleOverrideKeys,
  ...listOverrideKeys,
  rule: { shape: slug, says: "The rule that is changed." },
  list: {
    shape: { kind: "text", pattern: namePattern, like: "lower_case" },
    says: "The list that is changed, for every rule; instead of a rule.",
  },
};

/** Acceptance of what a rule finds, for a while. */
export const waiverKeys: Keys = {
  id: { shape: slug, isRequired: true, says: "Its name in lists, metrics and records." },
  rules: {
    shape: { kind: "list", of: slug, isNonEmpty: true },
    isRequired: true,
    says: "The rules whose insights it accepts.",
  },
  where: {
    shape: text,
    isRequired: true,
    says: "CEL condition over the rules' entity: which insights it accepts.",
  },
  reason: { shape: text, isRequired: true, says: "Why the finding is accepted." },
  owner: { shape: text, isRequired: true, says: "Who answers for it." },
  ticket: { shape: text, says: "Where the work on it is followed." },
  expires: {
    shape: { kind: "text", pattern: dayPattern, like: "a date like 2027-01-31" },
    isRequired: true,
    says: "Its last day, in UTC.",
  },
};

/** A test that stands outside of its rule. */
export const outsideTestKeys: Keys = {
  rule: { shape: slug, isRequired: true, says: "The rule that is tested." },
  ...testKeys,
};

/** The top of a file. */
export const fileKeys: Keys = {
  version: {
    shape: { kind: "choice", values: [1] },
    isRequired: true,
    says: "Version of the format.",
  },
  ruleset: { shape: slug, says: "Name of the set that the file's rules belong to." },
  lists: {
    shape: {
      kind: "map",
      keys: namePattern,
      like: "lower_case",
      of: { kind: "list", of: { kind: "either", of: [{ kind: "int" }, text] } },
    },
    says: "Named lists, usable in every file's expressions.",
  },
  macros: {
    shape: { kind: "map", keys: namePattern, like: "lower_case", of: text },
    says: "Named CEL expressions, usable in every file's expressions.",
  },
  rules: { shape: { kind: "list", of: { kind: "record", keys: ruleKeys } }, says: "The rules." },
  overrides: {
    shape: { kind: "list", of: { kind: "record", keys: overrideKeys } },
    says: "Changes of rules and lists of other files, at most one of each.",
  },
  fixtures: { shape: fixtures, says: "Entities that tests of this file begin with, by name." },
  tests: {
    shape: { kind: "list", of: { kind: "record", keys: outsideTestKeys } },
    says: "Tests of rules of other files; in files named *_test.yaml.",
  },
  waivers: {
    shape: { kind: "list", of: { kind: "record", keys: waiverKeys } },
    says: "Accepted findings, each with an end.",
  },
};
