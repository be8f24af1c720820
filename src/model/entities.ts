/**
 * The entities that rules see: every type, field, zero value, default key and subject. Field names are
 * the public vocabulary of rules; removing or renaming one breaks users' rules. Some fields are filled
 * by later work; until then they hold their zero value, which no shipped rule mistakes for a finding.
 *
 * Zero values: "" for text, 0 for numbers, -1 for ids (`uid`, `run_as_user`, …: unknown or not set),
 * false, empty list or map; an enumeration starts with its first value.
 */

/** A field whose text is one of a closed list; the first is its zero value. */
export interface EnumField {
  readonly values: readonly [string, ...string[]];
}

export type FieldType =
  | "string"
  | "int"
  /** An int whose zero value is -1. */
  | "id"
  /** An int whose zero value is 1337, Istio's UID and GID of the proxy. */
  | "proxy_id"
  | "double"
  | "bool"
  /** A length of time, held as microseconds. */
  | "duration"
  /** A time since something. Held as the time it counts from (Us, 0 = never); only comparable. */
  | "age"
  | "dyn"
  | "list<string>"
  | "list<int>"
  | "list<container>"
  | "map<string, string>"
  | "map<string, double>"
  | "node"
  | "process"
  | EnumField;

const oneOf = <const V extends readonly [string, ...string[]]>(...values: V) =>
  ({ values }) as const;

const meshMode = oneOf("unknown", "sidecar", "ambient", "gateway", "waypoint", "none");
const peerAuthenticationMode = oneOf("unknown", "unset", "strict", "permissive", "disable");
const confidence = oneOf("unknown", "low", "medium", "high");
const trust = oneOf("unknown", "claimed", "attested", "verified");

const node = {
  cluster: "string",
  namespace: "string",
  name: "string",
  kind: "string",
  service: "string",
  service_account: "string",
  principal: "string",
  mesh: oneOf("unknown", "yes", "no"),
  mode: meshMode,
  external: "bool",
  address: "string",
  labels: "map<string, string>",
  host_network: "bool",
  resolved: oneOf("none", "inferred", "claimed", "metrics", "object"),
} as const;

const edge = {
  src: "node",
  dst: "node",
  port: "int",
  protocol: "string",
  security: oneOf("unknown", "mutual_tls", "none", "mixed"),
  plaintext_share: "double",
  requests: "int",
  errors: "int",
  bytes_sent: "int",
  bytes_received: "int",
  connections: "int",
  request_rate: "double",
  error_rate: "double",
  reporters: "list<string>",
  channels: "list<string>",
  route: oneOf("unknown", "declared", "passthrough", "blackhole", "inbound_passthrough"),
  response_flags: "list<string>",
  denied: "int",
  /** Of several the one that is not the source's own; never that of a gateway between. */
  src_principal: "string",
  dst_principal: "string",
  first_seen_age: "age",
  last_seen_age: "age",
  /** At the destination's port; `unknown` while `security` also tells of what was sent under another. */
  declared_mode: peerAuthenticationMode,
  via_waypoint: "bool",
  via_egress_gateway: "bool",
  stale: "bool",
  src_trust_domain: "string",
  dst_trust_domain: "string",
  /** Of its principals, those that are not ours; none while nobody has said which are. */
  foreign_trust_domains: "list<string>",
} as const;

const flow = {
  src: "node",
  dst: "node",
  src_ip: "string",
  src_port: "int",
  dst_ip: "string",
  dst_port: "int",
  transport: "string",
  direction: oneOf("unknown", "egress", "ingress", "local"),
  oriented: oneOf("unknown", "observed", "inferred"),
  open: "bool",
  external: "bool",
  bytes: "int",
  vantage: oneOf("unknown", "wire", "socket", "proxy"),
  agent: "string",
  rung: oneOf("none", "b2", "b3", "b4", "b5", "b5s"),
  outcome: oneOf("unknown", "found", "cleared"),
  reason: "string",
  confidence,
  trust,
  uid: "id",
  gid: "id",
  process: "string",
  container: "string",
  family: "int",
  excluded_by: oneOf("none", "unknown", "annotation", "config"),
  before_proxy_ready: "bool",
  in_proxy_container: "bool",
  outside_hbone: "bool",
} as const;

const process = {
  pod: "node",
  pod_name: "string",
  container: "string",
  exe: "string",
  name: "string",
  command: "string",
  pid: "int",
  uid: "id",
  gid: "id",
  euid: "id",
  egid: "id",
  user: "string",
  parent_exe: "string",
  agent: "string",
  is_proxy: "bool",
  in_proxy_container: "bool",
  /** In an init container that ends before the proxy starts, which counts as the proxy's. */
  before_proxy: "bool",
  proxy_uid: "proxy_id",
  proxy_gid: "proxy_id",
  trust,
  /** Medium where nobody named the container in time. */
  confidence,
} as const;

const access = {
  process: "process",
  /** Without process ids and the dates of renewals: `/proc/<pid>/environ`; "" = memory, not by a path. */
  path: "string",
  kind: oneOf("unknown", "read", "write", "memory"),
  /** The containers of its pod see each other's processes, by the pod's object. */
  shares_processes: "bool",
} as const;

const container = {
  name: "string",
  image: "string",
  /** The mesh's own by name and image; `impostor` has such a name and another image. */
  role: oneOf("unknown", "application", "proxy", "mesh_init", "impostor"),
  /** Of its pod: of several pods of a workload some may have a sidecar. */
  mode: meshMode,
  init: "bool",
  ephemeral: "bool",
  /** An init container that goes on running: a native sidecar. */
  restartable: "bool",
  run_as_user: "id",
  run_as_group: "id",
  run_as_non_root: "bool",
  privileged: "bool",
  capabilities_add: "list<string>",
  capabilities_drop: "list<string>",
  allow_privilege_escalation: "bool",
  ports: "list<int>",
} as const;

const workload = {
  self: "node",
  /** Its cluster and namespace as a place, without a name. */
  place: "node",
  pods: "int",
  containers: "list<container>",
  run_as_user: "id",
  run_as_group: "id",
  fs_group: "id",
  supplemental_groups: "list<int>",
  share_process_namespace: "bool",
  host_network: "bool",
  host_pid: "bool",
  host_ipc: "bool",
  host_users: "bool",
  automount_service_account_token: "bool",
  /** Those of Kubernetes, OpenShift and Istio: what people write into their own is not kept. */
  annotations: "map<string, string>",
  labels: "map<string, string>",
  injected: "bool",
  injection_declared: "bool",
  /** Its own label or annotation declines the sidecar that its namespace declares. */
  injection_declined: "bool",
  /** Whether its namespace's labels declare sidecars or ambient mode. */
  namespace_in_mesh: oneOf("unknown", "yes", "no"),
  interception_mode: "string",
  excluded_outbound_ports: "list<string>",
  excluded_outbound_ranges: "list<string>",
  excluded_inbound_ports: "list<string>",
  proxy_image: "string",
  proxy_uid: "proxy_id",
  proxy_gid: "proxy_id",
  /** `enabled`; "" = not of every pod; `pending` = no pod runs yet. */
  redirection: "string",
  dataplane_mode: "string",
  authorization_policies: "list<string>",
  declared_mode: peerAuthenticationMode,
  network_policies: "list<string>",
  volume_unaccounted: "int",
  /** Tables of which it lately filled its share, so that something of it was left out. */
  over_capacity: "list<string>",
  /** Capability to `live`, `silent` or `never`. */
  coverage: "map<string, string>",
} as const;

const namespace = {
  name: "string",
  cluster: "string",
  /** Cluster and namespace as a place. */
  self: "node",
  /** Its object has been told, so that what its labels do not say is not declared. */
  declared: "bool",
  /** Kinds of objects, as the API names them in the plural, of which all are told: none is none. */
  told_kinds: "list<string>",
  injection: "string",
  dataplane_mode: "string",
  pod_security_enforce: "string",
  network_policies: "list<string>",
  default_deny_ingress: "bool",
  default_deny_egress: "bool",
  declared_mode: peerAuthenticationMode,
  authorization_policies: "list<string>",
  workloads: "int",
  meshed_workloads: "int",
  workloads_without_policy: "list<string>",
  coverage: "map<string, string>",
} as const;

const cluster = {
  name: "string",
  declared_mode: peerAuthenticationMode,
  outbound_mode: oneOf("unknown", "allow_any", "registry_only"),
  trust_domains: "list<string>",
  strict_anywhere: "bool",
  authorization_policies: "list<string>",
  identity_policies: "int",
  /** Of those, the ones (`namespace/name`) where nothing makes mutual TLS strict. */
  identity_policies_without_strict: "list<string>",
  /** As of a namespace; `meshconfig` = the mesh's configuration names its root namespace. */
  told_kinds: "list<string>",
  istio_versions: "list<string>",
} as const;

/** What is told of a cluster as a whole, and of how much of it nobody says what it is. */
const coverage = {
  cluster: "string",
  /** Whether its objects are told of. */
  objects: oneOf("unknown", "live", "silent", "never"),
  workloads: "int",
  meshed_workloads: "int",
  /** Told of in the last half hour, and nobody says whether they are in the mesh. */
  unknown_workloads: "int",
  /** Some of them by name, `namespace/name`, as text for messages. */
  unknown_examples: "string",
  /** Private addresses with traffic in the last half hour that nobody explains. */
  unresolved_addresses: "int",
  unresolved_examples: "string",
} as const;

const host = {
  name: "string",
  /** Cluster and machine as a place. */
  self: "node",
  pods: "int",
  meshed_pods: "int",
  /** Keys of the node agents that were ever heard from it; `coverage` says what is heard now. */
  agents: "list<string>",
  /** What node agents tell of, to `live`, `silent` or `never`. */
  coverage: "map<string, string>",
} as const;

const policy = {
  kind: "string",
  cluster: "string",
  namespace: "string",
  name: "string",
  /** Cluster and namespace as a place, without a name. */
  self: "node",
  spec: "dyn",
  matches_workloads: "int",
  hosts: "list<string>",
  exported_to: "list<string>",
  missing_references: "list<string>",
} as const;

const component = {
  kind: "string",
  cluster: "string",
  namespace: "string",
  name: "string",
  /** Cluster, namespace and name as a place. */
  self: "node",
  version: "string",
  /**
   * Pods that there are to be, and that are available, as the cluster tells; both 0 in what a program tells
   * of itself, which is another entity of the same name, so that the silence of one does not hide the other.
   */
  desired: "int",
  available: "int",
  metrics: "map<string, double>",
} as const;

const source = {
  kind: oneOf("unknown", "proxy", "node_agent", "objects", "collector"),
  /** `cluster/namespace/pod`, `cluster/host`, a cluster, a collector; `expected:<kind>` of nobody heard. */
  key: "string",
  namespace: "string",
  /** Cluster and namespace as a place, without a name. */
  self: "node",
  /** `gone` is told as the end of the entity: its pod has ended. */
  state: oneOf("unknown", "live", "late", "silent", "gone"),
  last_seen_age: "age",
  /** When it was last heard, as text for messages; "" = never. */
  last_seen: "string",
  interval: "duration",
  lateness: "duration",
  /** How far its clock is ahead at least; one that is behind looks like late telemetry. */
  skew: "duration",
  sampled: "bool",
  dropped: "int",
  /** Of a silent proxy: connections of its pod since its last line that it ought to have logged. */
  flows_without_legs: "int",
  /** The workload that such a proxy serves; of every other source nobody. */
  workload: "node",
  conflicts: "int",
  /** Named by `expected_sources`: its key, or a group of which nobody is heard. */
  expected: "bool",
  /** Has shown that it reports in a rhythm, with traffic or without. */
  regular: "bool",
  /** While silent: whether pod objects say that its pod, or any pod of its machine, still runs. */
  runs: oneOf("unknown", "yes", "no"),
  /** Capabilities it has told of, sorted and joined by ", ". */
  told: "string",
  /** What silence is one of: a proxy's `cluster/namespace`, for all others (and an expected proxy) the key. */
  group: "string",
} as const;

const engine = {
  /** Requests that were not taken for want of room, or through a fault of ours, in the last minute. */
  shed: "int",
  /** Things left out in the last minute because a table was full. */
  overflowed: "int",
  /** Which tables, sorted and joined by ", ". */
  overflowed_in: "string",
  storage: oneOf("unknown", "ok", "degraded"),
  /** Of the store when it is degraded: `nearly_full`, `disk_nearly_full`, `commits_failing`. */
  storage_trouble: "string",
  /** Not told yet. */
  clock: oneOf("unknown", "ok", "skewed"),
  sinks_failing: "int",
  rules_failing: "int",
  /** Their ids, sorted and joined by ", ". */
  failing_rules: "string",
  /** `receivers.trust` says nothing, so every sender is believed. */
  open_trust: "bool",
} as const;

/** Another rule of the set, as the engine sees it. */
const rule = {
  id: "string",
  severity: oneOf("unknown", "info", "low", "medium", "high", "critical"),
  /** Active insights, and how many there may be. */
  active: "int",
  limit: "int",
  /** Matches that were left out for want of room, while more came every minute. */
  left_out: "int",
} as const;

/** Every record type that a rule's expressions can reach, by its CEL type name. */
export const entityFields = {
  node,
  container,
  edge,
  flow,
  process,
  access,
  workload,
  namespace,
  cluster,
  coverage,
  host,
  policy,
  component,
  source,
  engine,
  rule,
} as const satisfies Record<string, Record<string, FieldType>>;

export type RecordType = keyof typeof entityFields;

/** What a rule may stand on (`on:`); the rest are parts of these. */
export type EntityType = Exclude<RecordType, "node" | "container">;

type FieldValue<F> = F extends { readonly values: readonly (infer V)[] }
  ? V
  : F extends "string"
    ? string
    : F extends "int" | "id" | "proxy_id" | "double" | "duration" | "age"
      ? number
      : F extends "bool"
        ? boolean
        : F extends "list<string>"
          ? readonly string[]
          : F extends "list<int>"
            ? readonly number[]
            : F extends "list<container>"
              ? readonly Entity<"container">[]
              : F extends "map<string, string>"
                ? Readonly<Record<string, string>>
                : F extends "map<string, double>"
                  ? Readonly<Record<string, number>>
                  : F extends "node"
                    ? Entity<"node">
                    : F extends "process"
                      ? Entity<"process">
                      : unknown;

/** The plain record of a type; fields are written by the graph and read by rules. */
export type Entity<T extends RecordType> = {
  -readonly [K in keyof (typeof entityFields)[T]]: FieldValue<(typeof entityFields)[T][K]>;
};
export type NodeEntity = Entity<"node">;
export type EdgeEntity = Entity<"edge">;
export type FlowEntity = Entity<"flow">;
export type ProcessEntity = Entity<"process">;

/** How an entity behaves in a rule, and what identifies its insights by default (detection.md 7). */
export interface EntityTraits {
  /** State entities resolve `fixed` when a condition turns false and was judged; events go quiet. */
  readonly lifecycle: "state" | "event";
  /** Field paths; a path that ends at a node stands for that node's key (`model/keys.ts`). */
  readonly key: readonly string[];
  readonly subject: string;
  readonly peer: string;
}

export const entityTraits: Readonly<Record<EntityType, EntityTraits>> = {
  edge: {
    lifecycle: "state",
    key: ["edge.src", "edge.dst", "edge.port"],
    subject: "edge.dst",
    peer: "edge.src",
  },
  flow: {
    lifecycle: "event",
    key: ["flow.src", "flow.dst", "flow.dst_port", "flow.transport"],
    subject: "flow.src",
    peer: "flow.dst",
  },
  process: {
    lifecycle: "event",
    key: ["process.pod", "process.container", "process.exe"],
    subject: "process.pod",
    peer: "",
  },
  access: {
    lifecycle: "event",
    key: ["access.process.pod", "access.process.container", "access.path"],
    subject: "access.process.pod",
    peer: "",
  },
  workload: { lifecycle: "state", key: ["workload.self"], subject: "workload.self", peer: "" },
  namespace: {
    lifecycle: "state",
    key: ["namespace.cluster", "namespace.name"],
    subject: "namespace.self",
    peer: "",
  },
  cluster: { lifecycle: "state", key: ["cluster.name"], subject: "", peer: "" },
  coverage: { lifecycle: "state", key: ["coverage.cluster"], subject: "", peer: "" },
  host: { lifecycle: "state", key: ["host.self"], subject: "host.self", peer: "" },
  policy: {
    lifecycle: "state",
    key: ["policy.kind", "policy.cluster", "policy.namespace", "policy.name"],
    subject: "policy.self",
    peer: "",
  },
  component: {
    lifecycle: "state",
    key: ["component.kind", "component.cluster", "component.namespace", "component.name"],
    subject: "component.self",
    peer: "",
  },
  source: {
    lifecycle: "state",
    key: ["source.kind", "source.key"],
    subject: "source.self",
    peer: "",
  },
  engine: { lifecycle: "state", key: [], subject: "", peer: "" },
  rule: { lifecycle: "state", key: ["rule.id"], subject: "", peer: "" },
};

function zeroField(type: FieldType): unknown {
  if (typeof type === "object") return type.values[0];
  switch (type) {
    case "string":
      return "";
    case "int":
    case "double":
    case "duration":
    case "age":
      return 0;
    case "id":
      return -1;
    case "proxy_id":
      return 1337;
    case "bool":
      return false;
    case "dyn":
      return null;
    case "list<string>":
    case "list<int>":
    case "list<container>":
      return [];
    case "map<string, string>":
    case "map<string, double>":
      return {};
    case "node":
    case "process":
      return makeEntity(type);
  }
}

/** What new records of a type are copied from, and the fields that no two of them may share. */
interface Template {
  readonly record: Readonly<Record<string, unknown>>;
  readonly own: readonly (readonly [name: string, field: FieldType])[];
}
const templates = new Map<RecordType, Template>();

/** A new record of the type with every field at its zero value. */
export function makeEntity<T extends RecordType>(type: T): Entity<T> {
  const { record, own } = templates.get(type) ?? makeTemplate(type);
  const copy = { ...record };
  for (const [name, field] of own) copy[name] = zeroField(field);
  return copy as Entity<T>; // built from the same table that the type is derived from
}

/** Records are made for every event: copying one is ten times faster than building it by name. */
function makeTemplate(type: RecordType): Template {
  const fields: [string, FieldType][] = Object.entries(entityFields[type]);
  const record = Object.fromEntries(fields.map(([name, field]) => [name, zeroField(field)]));
  const own = fields.filter(([name]) => typeof record[name] === "object" && record[name] !== null);
  const template: Template = { record, own };
  templates.set(type, template);
  return template;
}
