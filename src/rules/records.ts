/**
 * Reads fields of entities and their records. A function for each name that conditions on traffic read:
 * the JIT remembers the layout of records for each place in the source, and a place that reads by a
 * variable name meets all of them. That makes a condition twice as fast (`test/bench/rules.mjs`).
 */
import type { EdgeEntity, FlowEntity, NodeEntity } from "../model/entities.ts";
import { Fault, type Value } from "./fault.ts";

/** Fields of what changes thousands of times a second. */
type HotField = keyof EdgeEntity | keyof FlowEntity | keyof NodeEntity;
type HotRecord = Readonly<Record<HotField, Value>>;

const readers: Readonly<Record<HotField, (record: HotRecord) => Value>> = {
  cluster: (record) => record.cluster,
  namespace: (record) => record.namespace,
  name: (record) => record.name,
  kind: (record) => record.kind,
  service: (record) => record.service,
  service_account: (record) => record.service_account,
  principal: (record) => record.principal,
  mesh: (record) => record.mesh,
  mode: (record) => record.mode,
  external: (record) => record.external,
  address: (record) => record.address,
  labels: (record) => record.labels,
  host_network: (record) => record.host_network,
  resolved: (record) => record.resolved,
  src: (record) => record.src,
  dst: (record) => record.dst,
  port: (record) => record.port,
  protocol: (record) => record.protocol,
  security: (record) => record.security,
  plaintext_share: (record) => record.plaintext_share,
  requests: (record) => record.requests,
  errors: (record) => record.errors,
  bytes_sent: (record) => record.bytes_sent,
  bytes_received: (record) => record.bytes_received,
  connections: (record) => record.connections,
  request_rate: (record) => record.request_rate,
  error_rate: (record) => record.error_rate,
  reporters: (record) => record.reporters,
  channels: (record) => record.channels,
  route: (record) => record.route,
  response_flags: (record) => record.response_flags,
  denied: (record) => record.denied,
  src_principal: (record) => record.src_principal,
  dst_principal: (record) => record.dst_principal,
  first_seen_age: (record) => record.first_seen_age,
  last_seen_age: (record) => record.last_seen_age,
  declared_mode: (record) => record.declared_mode,
  via_waypoint: (record) => record.via_waypoint,
  via_egress_gateway: (record) => record.via_egress_gateway,
  stale: (record) => record.stale,
  src_trust_domain: (record) => record.src_trust_domain,
  dst_trust_domain: (record) => record.dst_trust_domain,
  foreign_trust_domains: (record) => record.foreign_trust_domains,
  src_ip: (record) => record.src_ip,
  src_port: (record) => record.src_port,
  dst_ip: (record) => record.dst_ip,
  dst_port: (record) => record.dst_port,
  transport: (record) => record.transport,
  direction: (record) => record.direction,
  oriented: (record) => record.oriented,
  open: (record) => record.open,
  bytes: (record) => record.bytes,
  vantage: (record) => record.vantage,
  agent: (record) => record.agent,
  rung: (record) => record.rung,
  outcome: (record) => record.outcome,
  reason: (record) => record.reason,
  confidence: (record) => record.confidence,
  trust: (record) => record.trust,
  uid: (record) => record.uid,
  gid: (record) => record.gid,
  process: (record) => record.process,
  container: (record) => record.container,
  family: (record) => record.family,
  excluded_by: (record) => record.excluded_by,
  before_proxy_ready: (record) => record.before_proxy_ready,
  in_proxy_container: (record) => record.in_proxy_container,
  outside_hbone: (record) => record.outside_hbone,
};

const noField = new Fault("missing", "the entity lacks a field of its type");

/** Gives the field of a record that has it by its static type. */
export function readerOf(name: string): (record: Value) => Value {
  const read = isHot(name)
    ? readers[name]
    : (record: Value) => (record as Readonly<Record<string, Value>>)[name];
  return (record) => {
    const value = read(record as HotRecord); // a record: by its static type
    if (value === undefined) throw noField;
    return value;
  };
}

function isHot(name: string): name is HotField {
  return Object.hasOwn(readers, name);
}
