import { expect, test } from "vitest";
import type { ContainerSpec, PodObject } from "../model/observations.ts";
import { identityDefaults } from "./options.ts";
import {
  exclusionsOf,
  initContainersBefore,
  modeOfPod,
  proxyContainerOf,
  proxyFactsOf,
  workloadOfPod,
  workloadOfPodName,
} from "./pods.ts";
import { makeContainer, makePod } from "../../test/support/graph-observations.ts";

test.each([
  ["reviews-v1-6d8f5c9b7c-l4q8z", "Deployment reviews-v1"],
  ["productpage-v1-75b8c6d9f4-w2n6k", "Deployment productpage-v1"],
  ["api-7f9c4d5b66-abcde", "Deployment api"],
  ["redis-0", "StatefulSet redis"],
  ["istio-cni-node-x7k2p", "DaemonSet istio-cni-node"],
  ["debug", "Pod debug"],
])("the name %s is that of a pod of %s", (name, expected) => {
  const workload = workloadOfPodName(name);
  expect(`${workload.kind} ${workload.name}`).toBe(expected);
  expect(workload.isInferred).toBe(true);
});

test.each<[Partial<PodObject>, string]>([
  [
    { ownerKind: "ReplicaSet", ownerName: "web-abc", labels: { "pod-template-hash": "abc" } },
    "Deployment web",
  ],
  [{ ownerKind: "ReplicaSet", ownerName: "web-6d8f5c9b7c" }, "Deployment web"],
  [{ ownerKind: "ReplicaSet", ownerName: "plain" }, "ReplicaSet plain"],
  [{ ownerKind: "Job", ownerName: "backup-28473920" }, "CronJob backup"],
  [{ ownerKind: "Job", ownerName: "migrate" }, "Job migrate"],
  [{ ownerKind: "StatefulSet", ownerName: "redis" }, "StatefulSet redis"],
  [{ ownerKind: "Node", ownerName: "n1", name: "etcd-n1", node: "n1" }, "Pod etcd"],
  [{ name: "alone" }, "Pod alone"],
])("the owner of %j is %s", (parts, expected) => {
  const { kind, name } = workloadOfPod(makePod(parts));
  expect(`${kind} ${name}`).toBe(expected);
});

const app = makeContainer({ name: "app" });
const proxy = makeContainer({ name: "istio-proxy", image: "docker.io/istio/proxyv2:1.27" });

function modeOf(containers: ContainerSpec[], parts: Partial<PodObject> = {}): string {
  const pod = makePod({ containers, ...parts });
  return modeOfPod(pod, proxyContainerOf(pod, identityDefaults));
}

test("a pod's mode shows in its containers, labels and annotations", () => {
  expect(modeOf([app, proxy])).toBe("sidecar");
  expect(modeOf([{ ...proxy, init: true, restartable: true }, app])).toBe("sidecar");
  expect(modeOf([{ ...proxy, init: true }, app])).toBe("none");
  expect(modeOf([app, { ...proxy, ephemeral: true }])).toBe("none");
  expect(modeOf([app, { ...proxy, image: "evil/proxy:1" }])).toBe("sidecar");
  expect(modeOf([proxy])).toBe("gateway");
  expect(modeOf([app])).toBe("none");
  expect(modeOf([app], { annotations: { "ambient.istio.io/redirection": "enabled" } })).toBe(
    "ambient",
  );
  const waypoint = { "gateway.istio.io/managed": "istio.io-mesh-controller" };
  expect(modeOf([proxy], { labels: waypoint })).toBe("waypoint");
  const role = { istio: "ingressgateway" };
  expect(modeOf([app, proxy], { labels: role })).toBe("gateway");
  const init = makeContainer({ name: "istio-init", init: true });
  for (const labels of [waypoint, role]) {
    expect(modeOf([init, app, proxy], { labels }), "a captured pod").toBe("sidecar");
  }
});

test("the proxy's ids are its container's, else the pod's, else 1337", () => {
  const ids = (containers: ContainerSpec[], parts: Partial<PodObject> = {}) => {
    const pod = makePod({ containers, ...parts });
    const { uid, gid } = proxyFactsOf(pod, proxyContainerOf(pod, identityDefaults));
    return [uid, gid];
  };
  expect(ids([app, proxy])).toEqual([1337, 1337]);
  expect(ids([app, { ...proxy, runAsUser: 2000, runAsGroup: 0 }])).toEqual([2000, 0]);
  expect(ids([app, proxy], { runAsUser: 5, runAsGroup: 6 })).toEqual([5, 6]);
  expect(ids([app])).toEqual([1337, 1337]);
});

test("declared holes are read, and init containers that ran before the proxy", () => {
  const annotations = {
    "traffic.sidecar.istio.io/excludeOutboundPorts": "3306, 6379,",
    "traffic.sidecar.istio.io/excludeOutboundIPRanges": "10.9.0.0/16",
  };
  expect(exclusionsOf(makePod({ annotations }))).toEqual({
    ports: ["3306", "6379"],
    ranges: ["10.9.0.0/16"],
  });
  const early = makeContainer({ name: "early", init: true });
  const late = makeContainer({ name: "late", init: true });
  const native = { ...proxy, init: true, restartable: true };
  const pod = makePod({ containers: [early, native, late, app] });
  expect(initContainersBefore(pod, native)).toEqual(["early"]);
  expect(initContainersBefore(makePod({ containers: [early, late, app, proxy] }), proxy)).toEqual([
    "early",
    "late",
  ]);
});
