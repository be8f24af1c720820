/** A rule's description with what a test does not care about filled in. */
import type { RuleMeta } from "../../src/model/insights.ts";

export const makeRuleMeta = (parts: Partial<RuleMeta> & Pick<RuleMeta, "id">): RuleMeta => ({
  ruleset: "test",
  category: "capture",
  title: parts.id,
  severity: "critical",
  status: "test",
  version: "1",
  on: "flow",
  lifecycle: "event",
  forUs: 0,
  keepFiringForUs: 0,
  description: "",
  confirm: "",
  layer: "",
  remediation: "",
  falsePositives: [],
  references: [],
  tags: [],
  needs: [],
  partly: [],
  ...parts,
});
