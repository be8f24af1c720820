/** Who is the mesh's own container in a pod, and who only bears its name. */
import { expect, test } from "vitest";
import { makeContainer } from "../../test/support/graph-observations.ts";
import { bypassDefaults } from "./bypass-options.ts";
import { roleOf } from "./container-role.ts";

const proxyImage = "registry.example/mirror/proxyv2:1.28.0-distroless";

test.each([
  ["application", { name: "app" }],
  ["application", { name: "app", image: proxyImage }],
  ["proxy", { name: "istio-proxy", image: proxyImage }],
  ["proxy", { name: "istio-proxy", image: "" }],
  ["proxy", { name: "istio-proxy", image: proxyImage, init: true, restartable: true }],
  ["impostor", { name: "istio-proxy", image: "registry.example/evil:1" }],
  ["impostor", { name: "istio-proxy", image: proxyImage, ephemeral: true }],
  ["impostor", { name: "istio-proxy", image: proxyImage, init: true }],
  ["mesh_init", { name: "istio-init", image: proxyImage, init: true }],
  ["mesh_init", { name: "enable-core-dump", image: proxyImage, init: true }],
  ["impostor", { name: "istio-init", image: "registry.example/evil:1", init: true }],
  ["impostor", { name: "istio-init", image: proxyImage }],
] as const)("%s: %o", (role, parts) => {
  expect(roleOf(makeContainer(parts), bypassDefaults)).toBe(role);
});
