/**
 * What a declared container is in its pod: the mesh's own by name and image, the application's, or one
 * that has the mesh's name and another image. Of processes `proxy-container.ts` judges. Pure.
 */
import type { Entity } from "../model/entities.ts";
import type { ContainerSpec } from "../model/observations.ts";
import type { BypassOptions } from "./bypass-options.ts";
import { isAllowedImage } from "./proxy-container.ts";

/** What the mesh's own containers look like. */
export type RoleWords = Pick<
  BypassOptions,
  "proxyContainers" | "meshInitContainers" | "proxyImages"
>;

/** Istio's further init container, which changes nothing about the capture. */
const coreDumps = "enable-core-dump";

/** An ephemeral container is nobody's proxy, whatever its name. */
export function roleOf(
  { name, image, init, restartable, ephemeral }: ContainerSpec,
  { proxyContainers, meshInitContainers, proxyImages }: RoleWords,
): Entity<"container">["role"] {
  const runsOn = !init || restartable;
  const isNamedInit = name === coreDumps || meshInitContainers.includes(name);
  const isNamedProxy = proxyContainers.includes(name);
  if (!isNamedProxy && !isNamedInit) return "application";
  const isAtPlace = !ephemeral && (isNamedProxy ? runsOn : !runsOn);
  if (!isAtPlace || (image !== "" && !isAllowedImage(image, proxyImages))) return "impostor";
  return isNamedProxy ? "proxy" : "mesh_init";
}
