import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { metricsReference } from "./reference.ts";

/** `UPDATE_GENERATED=1` writes what the test compares. */
test("docs/metrics.md is what the code says", () => {
  const url = new URL("../../docs/metrics.md", import.meta.url);
  if (process.env["UPDATE_GENERATED"] === "1") writeFileSync(url, metricsReference());
  expect(readFileSync(url, "utf8")).toBe(metricsReference());
});
