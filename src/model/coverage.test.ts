/** What rules can make of what is told, where that differs by what a rule is about. */
import { expect, test } from "vitest";
import { judge, judgeFeed, maskOf } from "./coverage.ts";

const objects = maskOf(["objects"]);
const inventory = maskOf(["inventory"]);

test("objects tell all that an inventory does, but for how many pods the mesh's programs have", () => {
  const ofPods = { id: "one", on: "workload", needs: [["inventory"]], partly: [] } as const;
  const ofPrograms = { ...ofPods, on: "component" } as const;
  expect(judge(ofPods, objects).judgement).toBe("judged");
  expect(judge(ofPrograms, objects)).toEqual({ judgement: "blind", missing: inventory });
  expect(judgeFeed(ofPods, objects).judgement).toBe("judged");
  expect(judgeFeed(ofPrograms, objects)).toEqual({ judgement: "blind", missing: inventory });
});

test("whose place is known is judged where nobody says who is in the mesh; a sidecar is not", () => {
  const ofPrograms = { id: "one", on: "component", needs: [["inventory"]], partly: [] } as const;
  const ofSidecars = { ...ofPrograms, needs: [["proxy_metrics"]] } as const;
  expect(judge(ofPrograms, inventory, "unknown").judgement).toBe("judged");
  expect(judgeFeed(ofPrograms, inventory).judgement).toBe("judged");
  expect(judge(ofSidecars, maskOf(["proxy_metrics"]), "unknown").judgement).toBe("blind");
  expect(judgeFeed(ofSidecars, 0)).toEqual({ judgement: "partly", missing: objects });
  expect(judgeFeed(ofSidecars, objects).judgement).toBe("judged");
});
