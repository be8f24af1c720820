/**
 * Istio's own configuration, which comes in ConfigMaps: `istio` holds the mesh's settings as YAML in
 * `mesh`, `istio-sidecar-injector` what is injected as JSON in `values`; a revision is a suffix of both.
 */
import type { InjectorObject, MeshConfigObject } from "../../model/objects.ts";
import {
  field,
  isObject,
  listField,
  parseJsonObject,
  portOf,
  textField,
  textList,
} from "../json.ts";
import type { Json } from "../json.ts";
import { boundedList, type ObjectAt } from "./object-metadata.ts";

const vocabulary = "k8sobjects";
const meshName = "istio";
const injectorName = "istio-sidecar-injector";
const revisionLabel = "istio.io/rev";
/** Values of an injector hold templates' settings too. */
const maxValuesLength = 262_144;
const maxTextLength = 1_048_576;
const maxProviders = 128;
const maxListed = 256;

/** Null for a ConfigMap that is none of Istio's, or whose text cannot be read. */
export function readMeshConfigMap(at: ObjectAt): MeshConfigObject | InjectorObject | null {
  const { name } = at.metadata;
  const data = field(at.object, "data");
  if (isNamed(name, injectorName)) {
    const values = parseJsonObject(textField(data, "values", maxTextLength), maxValuesLength);
    return values ? injector(at, values) : unreadable(at);
  }
  // Others begin with `istio-` too: the CA's root certificate, leader elections.
  if (!isNamed(name, meshName) || textField(data, "mesh") === "") return null;
  const mesh = at.parseYaml(textField(data, "mesh", maxTextLength));
  return mesh ? meshConfig(at, mesh) : unreadable(at);
}

function unreadable({ tally }: ObjectAt): null {
  tally.dropped(vocabulary, "bad_line");
  return null;
}

function isNamed(name: string, wanted: string): boolean {
  return name === wanted || name.startsWith(`${wanted}-`);
}

function revisionOf({ metadata }: ObjectAt, wanted: string): string {
  const { labels, name } = metadata;
  return labels[revisionLabel] || name.slice(wanted.length + 1) || "default";
}

function meshConfig(at: ObjectAt, mesh: Json): MeshConfigObject {
  const proxy = field(mesh, "defaultConfig");
  const discovery = hostAndPort(textField(proxy, "discoveryAddress"));
  return {
    type: "mesh_config",
    ...at.metadata,
    revision: revisionOf(at, meshName),
    outboundMode: outboundModeOf(mesh),
    trustDomains: [textField(mesh, "trustDomain") || "cluster.local", ...aliasesOf(mesh)],
    rootNamespace: textField(mesh, "rootNamespace") || at.metadata.namespace,
    discoveryHost: discovery.host,
    discoveryPort: discovery.port,
    providers: [...extensionProviders(at, mesh), ...addressedProviders(proxy, mesh)],
  };
}

function aliasesOf(mesh: Json): readonly string[] {
  return textList(mesh, "trustDomainAliases", maxListed);
}

/** Istio's default is to let everything out. */
function outboundModeOf(mesh: Json): MeshConfigObject["outboundMode"] {
  const mode = textField(field(mesh, "outboundTrafficPolicy"), "mode");
  if (mode === "REGISTRY_ONLY") return "registry_only";
  return mode === "" || mode === "ALLOW_ANY" ? "allow_any" : "unknown";
}

type Provider = MeshConfigObject["providers"][number];

/** Each has a name and one object of its kind; what is called over the network has `service`, `port`. */
function extensionProviders(at: ObjectAt, mesh: Json): readonly Provider[] {
  return boundedList(mesh, "extensionProviders", maxProviders, at.tally)
    .flatMap((provider) => (isObject(provider) ? Object.values(provider) : []))
    .map((kind) => ({
      // `namespace/host` says in whose view the host is looked up.
      host: textField(kind, "service").split("/").at(-1) ?? "",
      port: portOf(field(kind, "port")),
    }))
    .filter(({ host }) => host !== "");
}

/** Older settings name a destination as `host:port`. */
function addressedProviders(proxy: Json, mesh: Json): readonly Provider[] {
  const tracing = field(proxy, "tracing");
  const kinds = isObject(tracing) ? Object.values(tracing) : [];
  const services = ["envoyAccessLogService", "envoyMetricsService"];
  const all = [...kinds, ...services.map((name) => field(proxy, name)), field(mesh, "ca")];
  return all
    .slice(0, maxProviders)
    .map((one) => hostAndPort(textField(one, "address")))
    .filter(({ host }) => host !== "");
}

function hostAndPort(text: string): Provider {
  const colon = text.lastIndexOf(":");
  const port = colon < 0 ? 0 : portOf(text.slice(colon + 1));
  return { host: port > 0 ? text.slice(0, colon) : text, port };
}

function injector(at: ObjectAt, values: Json): InjectorObject {
  const proxy = field(field(values, "global"), "proxy");
  return {
    type: "injector",
    ...at.metadata,
    revision: revisionOf(at, injectorName),
    // Empty captures nothing; left out, it is the charts' default.
    includedOutboundRanges:
      field(proxy, "includeIPRanges") === undefined ? ["*"] : listOf(proxy, "includeIPRanges"),
    includedOutboundPorts: listOf(proxy, "includeOutboundPorts"),
    excludedOutboundPorts: listOf(proxy, "excludeOutboundPorts"),
    excludedOutboundRanges: listOf(proxy, "excludeIPRanges"),
    excludedInboundPorts: listOf(proxy, "excludeInboundPorts"),
  };
}

/** Comma-separated text, as the charts have it; a list of a few is let in as well. */
function listOf(value: Json, name: string): readonly string[] {
  const texts = listField(value, name, maxListed).length
    ? textList(value, name, maxListed)
    : textField(value, name, 8_192).split(",", maxListed);
  return texts.map((text) => text.trim()).filter((text) => text !== "");
}
