/** Istio's policies: PeerAuthentication (who must speak mutual TLS), AuthorizationPolicy (who may call). */
import type {
  AuthorizationPolicyObject,
  DeclaredMode,
  PeerAuthenticationObject,
} from "../../model/objects.ts";
import { field, intField, isObject, type Json, listField, portOf, textField } from "../json.ts";
import { parseRfc3339 } from "../times.ts";
import { boundedList, readSelector, readSpec, specOf, type ObjectAt } from "./object-metadata.ts";

const maxPorts = 128;
const maxRules = 512;
const maxParts = 256;

const modes: ReadonlyMap<string, DeclaredMode> = new Map([
  ["STRICT", "strict"],
  ["PERMISSIVE", "permissive"],
  ["DISABLE", "disable"],
]);

const actions: ReadonlyMap<string, AuthorizationPolicyObject["action"]> = new Map([
  ["DENY", "deny"],
  ["AUDIT", "audit"],
  ["CUSTOM", "custom"],
]);

/** Parts of a source that only mutual TLS can prove; `requestPrincipals` come from a token. */
const identityParts = [
  "principals",
  "notPrincipals",
  "namespaces",
  "notNamespaces",
  "serviceAccounts",
  "notServiceAccounts",
];
const identityKeys: ReadonlySet<string> = new Set(["source.principal", "source.namespace"]);

export function readPeerAuthentication(at: ObjectAt): PeerAuthenticationObject {
  const spec = specOf(at.object);
  const metadata = field(at.object, "metadata");
  return {
    type: "peer_authentication",
    ...at.metadata,
    selector: readSelector(field(spec, "selector")),
    mode: modeOf(field(spec, "mtls")),
    portModes: portModesOf(field(spec, "portLevelMtls"), at),
    createdUs: parseRfc3339(textField(metadata, "creationTimestamp")).us,
    generation: Math.max(0, intField(metadata, "generation")),
    ...readSpec(spec, at.tally),
  };
}

/** UNSET, or none at all: what the namespace or the mesh declares. */
function modeOf(mtls: Json): DeclaredMode {
  return modes.get(textField(mtls, "mode")) ?? "unset";
}

function portModesOf(value: Json, { tally }: ObjectAt): Readonly<Record<string, DeclaredMode>> {
  const entries = isObject(value) ? Object.entries(value) : [];
  if (entries.length > maxPorts) tally.dropped("k8sobjects", "capacity");
  return Object.fromEntries(
    entries
      .slice(0, maxPorts)
      .map(([port, mtls]) => [String(portOf(port)), modeOf(mtls)] as const)
      .filter(([port]) => port !== "0"),
  );
}

export function readAuthorizationPolicy(at: ObjectAt): AuthorizationPolicyObject {
  const spec = specOf(at.object);
  const rules = boundedList(spec, "rules", maxRules, at.tally);
  const targets = [field(spec, "targetRef"), ...listField(spec, "targetRefs", 64)];
  return {
    type: "authorization_policy",
    ...at.metadata,
    selector: readSelector(field(spec, "selector")),
    targetRefs: targets.map((target) => textField(target, "name")).filter((name) => name !== ""),
    action: actions.get(textField(spec, "action")) ?? "allow",
    usesIdentity: rules.some(restsOnIdentity),
    rules: rules.length,
    ...readSpec(spec, at.tally),
  };
}

function restsOnIdentity(rule: Json): boolean {
  const sources = listField(rule, "from", maxParts).map((from) => field(from, "source"));
  const conditions = listField(rule, "when", maxParts);
  return (
    sources.some((source) => identityParts.some((part) => listField(source, part, 1).length > 0)) ||
    conditions.some((condition) => identityKeys.has(textField(condition, "key")))
  );
}
