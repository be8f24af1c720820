/**
 * Why the page is empty, or shows less than there is: facts in, problems out, each with the numbers it
 * was concluded from and what to do. Pure, so that every situation can be planted in a test.
 */
import type { ApiProblem } from "../model/api-status.ts";
import { arrivalProblems } from "./diagnose-arrival.ts";
import { engineProblems } from "./diagnose-engine.ts";
import { meshProblems } from "./diagnose-mesh.ts";
import type { Facts } from "./facts.ts";

/** Errors first; otherwise in the order of the way of the data. */
export function diagnose(facts: Facts): ApiProblem[] {
  const problems = [...arrivalProblems(facts), ...meshProblems(facts), ...engineProblems(facts)];
  const rank = (problem: ApiProblem): number => (problem.severity === "error" ? 0 : 1);
  return problems.toSorted((a, b) => rank(a) - rank(b));
}
