/**
 * Istio's and the Gateway API's objects that rules read as `policy`: where traffic goes, what proxies are
 * set to. Of each the spec as it is, bounded, and three things that are spelled differently in each kind:
 * whom it selects, which hosts it is about, who sees it.
 */
import type { LabelSelector, RoutingObject, RoutingType } from "../../model/objects.ts";
import { field, listField, textField, textList, textMap, type Json } from "../json.ts";
import { readSelector, readSpec, specOf, type ObjectAt } from "./object-metadata.ts";

const maxHosts = 256;
const maxParts = 256;
const maxLabels = 128;
const maxLabelLength = 512;

type HostsOf = (spec: Json) => readonly string[];
type SelectorOf = (spec: Json) => LabelSelector | null;

interface Shape {
  readonly hosts?: HostsOf;
  readonly selector?: SelectorOf;
}

const listed: HostsOf = (spec) => textList(spec, "hosts", maxHosts);
const named: HostsOf = (spec) => textList(spec, "hostnames", maxHosts);

/** `selector.matchLabels`; without it everybody in its reach, unless it is attached to something. */
const bySelector: SelectorOf = (spec) =>
  isAttached(spec) ? null : readSelector(field(spec, "selector"));

/** `workloadSelector.labels`, and everybody without it. */
const byWorkloadLabels: SelectorOf = (spec) =>
  isAttached(spec) ? null : workloadLabels(field(spec, "workloadSelector"));

/** The same where nobody is selected without it. */
const byGivenLabels: SelectorOf = (spec) => {
  const selector = field(spec, "workloadSelector");
  return selector === undefined || selector === null ? null : workloadLabels(selector);
};

/** Istio's Gateway selects gateways of any namespace, and a rule for clients all that see it: not told. */
const shapes: Readonly<Record<RoutingType, Shape>> = {
  request_authentication: { selector: bySelector, hosts: (spec) => issuersOf(spec) },
  sidecar: { selector: byWorkloadLabels, hosts: (spec) => hostsOfParts(spec, "egress") },
  destination_rule: { hosts: (spec) => [textField(spec, "host")] },
  virtual_service: { hosts: listed },
  istio_gateway: { hosts: (spec) => hostsOfParts(spec, "servers") },
  service_entry: { selector: byGivenLabels, hosts: listed },
  workload_entry: { hosts: (spec) => [textField(spec, "address")] },
  telemetry: { selector: bySelector },
  proxy_config: { selector: bySelector },
  envoy_filter: { selector: byWorkloadLabels },
  gateway: { hosts: (spec) => listField(spec, "listeners", maxParts).map(hostnameOf) },
  http_route: { hosts: named },
  grpc_route: { hosts: named },
  tls_route: { hosts: named },
  tcp_route: {},
  reference_grant: {},
};

export function readRouting(type: RoutingType, at: ObjectAt): RoutingObject {
  const spec = specOf(at.object);
  const { hosts, selector } = shapes[type];
  const all = new Set(hosts?.(spec).filter((host) => host !== ""));
  return {
    type,
    ...at.metadata,
    selector: selector?.(spec) ?? null,
    hosts: [...all].sort().slice(0, maxHosts),
    exportedTo: textList(spec, "exportTo", maxParts),
    ...readSpec(spec, at.tally),
  };
}

function workloadLabels(selector: Json): LabelSelector {
  return { labels: textMap(selector, "labels", maxLabels, maxLabelLength), hasExpressions: false };
}

function isAttached(spec: Json): boolean {
  return field(spec, "targetRef") !== undefined || listField(spec, "targetRefs", 1).length > 0;
}

function hostsOfParts(spec: Json, name: string): readonly string[] {
  return listField(spec, name, maxParts).flatMap((part) => textList(part, "hosts", maxHosts));
}

const defaultPorts: Readonly<Record<string, string>> = { "https:": "443", "http:": "80" };

/** Where the keys of each token's issuer are, as `host:port`. */
function issuersOf(spec: Json): readonly string[] {
  return listField(spec, "jwtRules", maxParts).flatMap((rule) => {
    const uri = textField(rule, "jwksUri");
    if (!URL.canParse(uri)) return [];
    const { protocol, hostname, port } = new URL(uri);
    const given = port || (defaultPorts[protocol] ?? "");
    return hostname === "" || given === "" ? [] : [`${hostname}:${given}`];
  });
}

function hostnameOf(listener: Json): string {
  return textField(listener, "hostname");
}
