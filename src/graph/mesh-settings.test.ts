/** Where proxies connect to on their own account, by the mesh's configuration. */
import { expect, test } from "vitest";
import type {
  DeclaredObject,
  EndpointSliceObject,
  MeshConfigObject,
  ServiceObject,
} from "../model/objects.ts";
import { MeshSettings } from "./mesh-settings.ts";
import { ObjectTable } from "./objects.ts";
import { ServiceAddresses } from "./service-addresses.ts";

const second = 1_000_000;
const named = { uid: "u", labels: {}, annotations: {} };

function settingsOf(...objects: readonly DeclaredObject[]): MeshSettings {
  const options = { objectsMax: 100, objectsPerNamespaceMax: 100, latenessUs: 60 * second };
  const table = new ObjectTable(options);
  const services = new ServiceAddresses();
  const settings = new MeshSettings(["istio-system"], [], services);
  const source = { kind: "objects", key: "lab", cluster: "lab", namespace: "" } as const;
  for (const object of objects) {
    const about = { kind: "object_seen", event: "listed", cluster: "lab", nanos: 0 } as const;
    table.seen({ ...about, source, trust: "attested", timeUs: second, object }, "lab");
  }
  for (const record of table.takeChanges()) {
    services.changed(record);
    settings.changed(record);
  }
  return settings;
}

function config(namespace: string, changes: Partial<MeshConfigObject> = {}): MeshConfigObject {
  const base = { ...named, type: "mesh_config", namespace, name: "istio" } as const;
  return {
    ...base,
    revision: "default",
    outboundMode: "allow_any",
    trustDomains: ["cluster.local"],
    rootNamespace: "istio-system",
    discoveryHost: "istiod.istio-system.svc",
    discoveryPort: 15_012,
    providers: [
      { host: "otel.observability.svc.cluster.local", port: 4317 },
      { host: "collector.example.com", port: 443 },
      { host: "198.51.100.9", port: 9411 },
      { host: "zipkin", port: 9411 },
    ],
    ...changes,
  };
}

function service(namespace: string, name: string, port: number, ip: string): ServiceObject {
  const base = {
    ...named,
    type: "service",
    namespace,
    name,
    externalName: "",
    selector: {},
  } as const;
  const own = {
    name: "",
    transport: "tcp",
    port,
    targetPort: port + 1,
    targetPortName: "",
  } as const;
  return { ...base, clusterIps: [ip], ports: [own] };
}

function slice(namespace: string, of: string, port: number, ip: string): EndpointSliceObject {
  const base = { ...named, type: "endpoint_slice", namespace, name: of, service: of } as const;
  const pod = { podNamespace: "", podName: "", podUid: "", isReady: true };
  const ports = [{ name: "", transport: "tcp", port }] as const;
  return { ...base, ports, endpoints: [{ addresses: [ip], ...pod }] };
}

test("control traffic is known by virtual address, by endpoint, by address and by host", () => {
  const settings = settingsOf(
    config("istio-system"),
    service("istio-system", "istiod", 15_012, "10.96.0.3"),
    slice("istio-system", "istiod", 15_012, "10.244.0.3"),
    service("observability", "otel", 4317, "10.96.0.4"),
    slice("observability", "otel", 4318, "10.244.0.4"),
    service("istio-system", "zipkin", 9411, "10.96.0.5"),
    service("shop", "otel", 4317, "10.96.0.6"),
  );
  const is = (destination: string, port: number) =>
    settings.isControlTraffic("lab", destination, port, 2 * second);
  const control = [
    ["10.96.0.3", 15_012],
    ["10.244.0.3", 15_012],
    ["10.96.0.4", 4317],
    ["10.244.0.4", 4318],
    ["10.96.0.5", 9411],
    ["198.51.100.9", 9411],
    ["collector.example.com", 443],
  ] as const;
  expect(control.filter(([ip, port]) => !is(ip, port))).toEqual([]);
  const others = [
    ["10.96.0.3", 443],
    ["10.244.0.4", 4317],
    ["10.96.0.6", 4317],
    ["198.51.100.9", 443],
    ["collector.example.com", 80],
  ] as const;
  expect(others.filter(([ip, port]) => is(ip, port))).toEqual([]);
  expect(settings.isControlTraffic("other", "10.96.0.3", 15_012, 2 * second)).toBe(false);
});

test("a provider whose service nobody has told may be at any address of the cluster", () => {
  const settings = settingsOf(
    config("istio-system"),
    service("istio-system", "istiod", 15_012, "10.96.0.3"),
  );
  const is = (destination: string, port: number) =>
    settings.isControlTraffic("lab", destination, port, 2 * second);
  expect([is("10.244.0.3", 15_012), is("10.244.0.3", 15_014), is("198.51.100.3", 15_012)]).toEqual([
    true,
    false,
    false,
  ]);
});

test("a configuration in anybody's namespace says nothing", () => {
  const settings = settingsOf(config("shop"));
  expect(settings.configs("lab")).toEqual([]);
  expect(settings.isControlTraffic("lab", "198.51.100.9", 9411, second)).toBe(false);
});
