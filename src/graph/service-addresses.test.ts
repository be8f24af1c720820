/** What Services and EndpointSlices say of virtual addresses, through time. */
import { expect, test } from "vitest";
import type { EndpointSliceObject, ServiceObject } from "../model/objects.ts";
import type { ObjectSeen } from "../model/observations.ts";
import { makeWriteSet } from "../model/rows.ts";
import { ObjectTable } from "./objects.ts";
import { ServiceAddresses } from "./service-addresses.ts";

const second = 1_000_000;
const minute = 60 * second;
const options = { objectsMax: 100, objectsPerNamespaceMax: 100, latenessUs: minute };
const named = { uid: "u", namespace: "shop", labels: {}, annotations: {} };
const vip = "10.96.0.20";

function service(name: string, ips: readonly string[], targetPort = 8080): ServiceObject {
  const port = {
    name: "http",
    transport: "tcp",
    port: 80,
    targetPort,
    targetPortName: "",
  } as const;
  const dns = { ...port, name: "dns", transport: "udp", port: 53 } as const;
  const base = { ...named, name, externalName: "", selector: {} };
  return { ...base, type: "service", clusterIps: ips, ports: [port, dns] };
}

function slice(of: string, ips: readonly string[], port = 8080, name = of): EndpointSliceObject {
  const endpoints = ips.map((ip) => ({
    addresses: [ip],
    podNamespace: "",
    podName: "",
    podUid: "",
    isReady: true,
  }));
  const ports = [
    { name: "admin", transport: "tcp", port: 9901 },
    { name: "http", transport: "tcp", port },
  ] as const;
  return { ...named, type: "endpoint_slice", name, service: of, ports, endpoints };
}

class World {
  table = new ObjectTable(options);
  services = new ServiceAddresses();

  see(object: ObjectSeen["object"], atUs: number, event: ObjectSeen["event"] = "modified"): this {
    const source = { kind: "objects", key: "lab", cluster: "lab", namespace: "" } as const;
    const about = { source, trust: "attested", cluster: "lab", nanos: 0 } as const;
    this.table.seen({ kind: "object_seen", ...about, event, timeUs: atUs, object }, "lab");
    return this.settle();
  }

  settle(): this {
    for (const record of this.table.takeChanges()) this.services.changed(record);
    return this;
  }

  restart(atUs: number): this {
    const rows = makeWriteSet(1, atUs);
    this.table.collect(rows);
    this.table = new ObjectTable(options);
    this.services = new ServiceAddresses();
    this.table.restore({ ...rows, lastCommitUs: atUs });
    return this.settle();
  }

  behind(atUs: number, ip = vip): readonly string[] {
    return this.services.endpointsOf("lab", ip, 80, atUs);
  }
}

test("a port leads to the slices' port of the same name, in both families", () => {
  const world = new World()
    .see(service("cart", [vip, "fd00::14"]), minute)
    .see(slice("cart", ["10.244.1.20"]), minute)
    .see(slice("cart", ["fd00::20"], 8080, "cart-6"), minute);
  expect(world.behind(minute)).toEqual(["10.244.1.20:8080", "[fd00::20]:8080"]);
  const { services } = world;
  expect(services.isEndpoint("lab", "fd00::14", 80, "fd00::20", 8080, minute)).toBe(true);
  expect(services.isEndpoint("lab", vip, 80, "10.244.1.20", 9901, minute)).toBe(false);
  expect(services.endpointsOf("lab", vip, 53, minute)).toEqual([]);
  expect(services.endpointsOf("other", vip, 80, minute)).toEqual([]);
  expect(services.serviceOf("lab", "fd00::14", minute)).toEqual({
    service: "cart",
    namespace: "shop",
  });
  expect(services.targetPort("lab", "shop", "cart", 80)).toBe(8080);
});

test("endpoints are those of their time, also after a restart", () => {
  const world = new World()
    .see(service("cart", [vip]), minute)
    .see(slice("cart", ["10.244.1.20"]), minute)
    .see(slice("cart", ["10.244.1.21"]), 20 * minute);
  for (const each of [world, world.restart(21 * minute)]) {
    expect(each.behind(10 * minute)).toEqual(["10.244.1.20:8080"]);
    expect(each.behind(25 * minute)).toEqual(["10.244.1.21:8080"]);
    const may = (ip: string, atUs: number) =>
      each.services.isEndpoint("lab", vip, 80, ip, 8080, atUs);
    expect([may("10.244.1.20", 21 * minute), may("10.244.1.20", 22 * minute)]).toEqual([
      true,
      false,
    ]);
    expect([may("10.244.1.21", 12 * minute), may("10.244.1.21", 9 * minute)]).toEqual([
      true,
      false,
    ]);
  }
});

test("the order of words decides nothing", () => {
  const words = [
    [service("cart", [vip]), 1],
    [slice("cart", ["10.244.1.20"]), 1],
    [slice("cart", ["10.244.1.20", "10.244.1.21"]), 2],
    [slice("cart", ["10.244.1.21"]), 3],
    [slice("cart", ["10.244.1.22"]), 4],
  ] as const;
  const answers = (world: World) =>
    [1, 2, 3, 4, 5].map((at) => world.behind(at * minute).toSorted());
  const world = new World();
  for (const [object, at] of words) world.see(object, at * minute);
  for (let turn = 1; turn < words.length; turn++) {
    const other = new World();
    for (const [object, at] of [...words.slice(turn), ...words.slice(0, turn)].toReversed()) {
      other.see(object, at * minute);
    }
    expect(answers(other)).toEqual(answers(world));
  }
});

test("an address that another service has got stands for each at its time", () => {
  const world = new World()
    .see(service("cart", [vip]), minute)
    .see(service("cart", [vip]), 10 * minute, "deleted")
    .see(service("basket", [vip]), 15 * minute);
  const at = (atUs: number) => world.services.serviceOf("lab", vip, atUs)?.service;
  expect([at(5 * minute), at(16 * minute)]).toEqual(["cart", "basket"]);
});

test("who watches a virtual end hears of new endpoints, and a forgotten service explains nothing", () => {
  const world = new World().see(service("cart", [vip]), minute);
  expect(world.services.takeChangedEnds()).toEqual(["lab|10.96.0.20:80", "lab|10.96.0.20:53"]);
  world.see(slice("cart", ["10.244.1.20"]), 2 * minute);
  expect(world.services.takeChangedEnds()).toContain("lab|10.96.0.20:80");
  expect(world.services.takeChangedAddresses()).toEqual(["lab|10.96.0.20"]);
  world.see(service("cart", [vip]), 3 * minute, "deleted");
  world.table.advance(60 * minute);
  world.settle();
  expect(world.services.serviceOf("lab", vip, 2 * minute)).toBeUndefined();
  expect(world.behind(2 * minute)).toEqual([]);
});

test("which ends belong to a service by name", () => {
  const world = new World()
    .see(service("otel", [vip]), minute)
    .see(slice("otel", ["10.244.1.20"]), minute);
  const isOf = (ip: string, port: number) =>
    world.services.isOfService("lab", "shop", "otel", 80, ip, port, minute);
  expect([isOf(vip, 80), isOf("10.244.1.20", 8080), isOf("10.244.1.20", 80)]).toEqual([
    true,
    true,
    false,
  ]);
});
