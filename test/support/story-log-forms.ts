/** The forms in which a line of a proxy's log may come here, made from Istio's default text. */
import { encodeLogs } from "../../src/cli/demo/otlp.ts";
import { nameOf, uidOf, type Carry } from "../scenarios/pipeline-world.ts";
import type { StoryPod } from "./story-mesh.ts";
import type { LogForm } from "./story-schema.ts";

/** `pod`: whose proxy wrote it, where the mesh has it. */
export function carriedAs(form: LogForm, pod: StoryPod | undefined): Carry {
  return ({ text, timeMs }) => {
    const fields = fieldsOf(text);
    const json = JSON.stringify(fields);
    switch (form) {
      case "text":
        return encodeLogs({}, [{ timeMs, attributes: {}, body: `${text}\n` }]);
      case "labels":
        return encodeLogs({}, [{ timeMs, attributes: labelsOf(fields, pod), body: "anything" }]);
      case "attributes":
        return encodeLogs({}, [
          { timeMs: 0, attributes: { ...fields, ...fileOf("") }, body: json },
        ]);
      case "json":
        return encodeLogs({}, [{ timeMs: 0, attributes: fileOf(""), body: json }]);
      case "cri_text":
        return inFile(pod, "istio-proxy", text, timeMs);
      case "cri_json":
        return inFile(pod, "istio-proxy", json, timeMs);
      case "app_file":
        return inFile(pod, "app", text, timeMs);
    }
  };
}

type Fields = Record<string, string>;

/** Of the lines that stories write: no quotes and spaces but those of the format. */
function fieldsOf(text: string): Fields {
  const parts =
    /^\[(\S+)\] "(\S+) (\S+) (\S+)" (\S+) (\S+) (\S+) (\S+) "(\S+)" (\S+) (\S+) (\S+) (\S+) "(\S+)" "(\S+)" "(\S+)" "(\S+)" "(\S+)" (\S+) (\S+) (\S+) (\S+) (\S+) (\S+)$/.exec(
      text,
    );
  if (!parts) throw new Error(`no line of a story: ${text}`);
  return Object.fromEntries(names.map((name, index) => [name, parts[index + 1] ?? ""]));
}

/** Of Istio's JSON format, in the order of its text. */
const names = [
  "start_time",
  "method",
  "path",
  "protocol",
  "response_code",
  "response_flags",
  "response_code_details",
  "connection_termination_details",
  "upstream_transport_failure_reason",
  "bytes_received",
  "bytes_sent",
  "duration",
  "upstream_service_time",
  "x_forwarded_for",
  "user_agent",
  "request_id",
  "authority",
  "upstream_host",
  "upstream_cluster",
  "upstream_local_address",
  "downstream_local_address",
  "downstream_remote_address",
  "requested_server_name",
  "route_name",
];

/** An operator's own choice: named as Envoy's operators, with whose proxy it is. */
function labelsOf(fields: Fields, pod: StoryPod | undefined): Fields {
  const labels = Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name.toUpperCase(), value]),
  );
  return pod ? { ...labels, pod: nameOf(pod), namespace: pod.namespace } : labels;
}

const fileOf = (path: string): Fields =>
  path === "" ? { "log.file.name": "0.log" } : { "log.file.path": path };

/** A line of a container's file, with CRI's prefix: its time is when the line was written. */
function inFile(pod: StoryPod | undefined, container: string, text: string, timeMs: number) {
  if (!pod) throw new Error("whose file would that be?");
  const path = `/var/log/pods/${pod.namespace}_${nameOf(pod)}_${uidOf(pod)}/${container}/0.log`;
  const written = new Date(timeMs + 8).toISOString().replace("Z", "123456Z");
  const body = `${written} stdout F ${text}`;
  return encodeLogs({ "k8s.cluster.name": pod.cluster }, [
    { timeMs: 0, attributes: fileOf(path), body },
  ]);
}
