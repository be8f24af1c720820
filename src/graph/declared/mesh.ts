/** What Istio's own configurations of a cluster declare together: one control plane may have revisions. */
import type { Entity } from "../../model/entities.ts";
import type { MeshConfigObject } from "../../model/objects.ts";

export interface MeshFacts {
  /** Any configuration has been told. */
  readonly isKnown: boolean;
  /** "" where revisions disagree: what is declared for the whole mesh cannot be told then. */
  readonly rootNamespace: string;
  readonly outboundMode: Entity<"cluster">["outbound_mode"];
  /** Of all revisions, sorted. */
  readonly trustDomains: readonly string[];
}

const rootNamespaceDefault = "istio-system";

export function meshFactsOf(configs: readonly MeshConfigObject[]): MeshFacts {
  const roots = new Set(configs.map(({ rootNamespace }) => rootNamespace));
  const modes = new Set(configs.map(({ outboundMode }) => outboundMode));
  const [root = rootNamespaceDefault] = roots;
  const [mode = "unknown"] = modes;
  const trustDomains = new Set(configs.flatMap((config) => config.trustDomains));
  return {
    isKnown: configs.length > 0,
    rootNamespace: roots.size > 1 ? "" : root,
    outboundMode: modes.size > 1 ? "unknown" : mode,
    trustDomains: [...trustDomains].sort(),
  };
}
