/** Objects beside pods, as the collector's k8sobjects receiver brings them. */
import { createHash } from "node:crypto";
import { encodeLogs } from "../../src/cli/demo/otlp.ts";
import { startMs, type Step } from "../scenarios/pipeline-world.ts";

interface Feed {
  readonly cluster: string;
  /** As a watch tells of a change; without it, as a list brings what there is. */
  readonly event?: string | undefined;
}

/** `object` without what every one has: its uid is made from its name. */
export function otherObject(
  atS: number,
  resource: string,
  object: Readonly<Record<string, unknown>>,
  feed: Feed = { cluster: "demo" },
): Step {
  const given: unknown = object["metadata"];
  const metadata = typeof given === "object" && given !== null ? given : {};
  const [namespace, name] = [
    "namespace" in metadata && metadata.namespace,
    "name" in metadata && metadata.name,
  ];
  const uid = createHash("md5")
    .update(`${resource}/${String(namespace)}/${String(name)}`)
    .digest("hex");
  const whole = { apiVersion: "v1", ...object, metadata: { uid, ...metadata } };
  const log = {
    timeMs: startMs + Math.round(atS * 1_000),
    attributes: { "k8s.resource.name": resource },
    body: feed.event === undefined ? whole : { type: feed.event, object: whole },
  };
  const request = encodeLogs({ "k8s.cluster.name": feed.cluster }, [log]);
  return { atS, isObject: true, request };
}
