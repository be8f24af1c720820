/**
 * What is left out of the capture of a pod's outbound connections by the injector's own configuration.
 * What the pod's annotations say stands in its place, part by part, as in Istio's template.
 */
import { parseCidr } from "../lib/ip.ts";
import type { InjectorObject } from "../model/objects.ts";
import type { PodObject } from "../model/observations.ts";

/** Istio's own words in pod objects for what of outbound connections is captured. */
export const captureAnnotations = {
  excludePorts: "traffic.sidecar.istio.io/excludeOutboundPorts",
  excludeRanges: "traffic.sidecar.istio.io/excludeOutboundIPRanges",
  includePorts: "traffic.sidecar.istio.io/includeOutboundPorts",
  includeRanges: "traffic.sidecar.istio.io/includeOutboundIPRanges",
} as const;
/** A label in older releases. */
const revisionName = "istio.io/rev";

/** What one injector leaves out; null ranges = all destinations are captured but for what is excluded. */
export interface CaptureHoles {
  readonly excludedPorts: readonly string[];
  readonly excludedRanges: readonly string[];
  readonly includedRanges: readonly string[] | null;
  readonly includedPorts: readonly string[];
}

/** Of the control plane that injected the pod; "" where it does not say. */
export function revisionOf({ labels, annotations }: PodObject): string {
  return annotations[revisionName] ?? labels[revisionName] ?? "";
}

/** Without those that leave nothing out. */
export function holesOf(
  pod: PodObject,
  injectors: readonly InjectorObject[],
): readonly CaptureHoles[] {
  const has = (name: string): boolean => pod.annotations[name] !== undefined;
  return injectors
    .map((injector) => ({
      excludedPorts: has(captureAnnotations.excludePorts) ? [] : injector.excludedOutboundPorts,
      excludedRanges: has(captureAnnotations.excludeRanges) ? [] : injector.excludedOutboundRanges,
      includedRanges:
        has(captureAnnotations.includeRanges) || injector.includedOutboundRanges.includes("*")
          ? null
          : injector.includedOutboundRanges,
      includedPorts: has(captureAnnotations.includePorts) ? [] : injector.includedOutboundPorts,
    }))
    .filter(
      ({ excludedPorts, excludedRanges, includedRanges }) =>
        excludedPorts.length + excludedRanges.length > 0 || includedRanges !== null,
    );
}

/** Whether one of several injectors, of which one was the pod's, leaves the destination out. */
export function isLeftOut(holes: readonly CaptureHoles[], ip: string, port: number): boolean {
  return holes.some(
    ({ excludedPorts, excludedRanges, includedRanges, includedPorts }) =>
      hasPort(excludedPorts, port) ||
      hasAddress(excludedRanges, ip) ||
      (includedRanges !== null && !hasAddress(includedRanges, ip) && !hasPort(includedPorts, port)),
  );
}

function hasPort(ports: readonly string[], port: number): boolean {
  return ports.some((text) => text === "*" || Number(text) === port);
}

function hasAddress(ranges: readonly string[], ip: string): boolean {
  return ranges.some((text) => text === "*" || (parseCidr(text)?.contains(ip) ?? false));
}
