/** Objects beside pods, as the collector's k8sobjects receiver lists them. */
import { createHash } from "node:crypto";
import { encodeLogs } from "../../src/cli/demo/otlp.ts";
import { startMs, type Step } from "../scenarios/pipeline-world.ts";

/** `body` without what every object has: a uid is made from its name. */
export function otherObject(
  atS: number,
  resource: string,
  body: Readonly<Record<string, unknown>>,
  cluster: string,
): Step {
  const metadata: unknown = body["metadata"];
  const given = typeof metadata === "object" && metadata !== null ? metadata : {};
  const uid = createHash("md5")
    .update(`${resource}/${JSON.stringify(given)}`)
    .digest("hex");
  const log = {
    timeMs: startMs + Math.round(atS * 1_000),
    attributes: { "k8s.resource.name": resource },
    body: { apiVersion: "v1", ...body, metadata: { uid, ...given } },
  };
  const request = encodeLogs({ "k8s.cluster.name": cluster }, [log]);
  return { atS, isObject: true, request };
}
