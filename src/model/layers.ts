/**
 * Defence in depth of a namespace: four layers, each with what is known of it, as the API answers.
 * Derived in `engine/layers.ts`.
 */
export const layerNames = [
  "network",
  "pod_security",
  "authentication_authorisation",
  "monitoring",
] as const;
export type LayerName = (typeof layerNames)[number];

/**
 * `ok`: everything that is asked for is declared, or heard, and no insight says otherwise. `weak`: a part
 * of it, or insights are open. `missing`: nothing of it. `unknown`: nobody tells, which is never `ok`.
 */
export const layerStatuses = ["ok", "weak", "missing", "unknown"] as const;
export type LayerStatus = (typeof layerStatuses)[number];

export interface ApiLayerInsight {
  id: string;
  rule: string;
  severity: string;
  /** `firing`, `acknowledged`, `suppressed` or `unknown`. */
  state: string;
  /** "" = of the namespace itself. */
  workload: string;
}

export interface ApiLayer {
  layer: LayerName;
  status: LayerStatus;
  /** One sentence for people. */
  why: string;
  /** What it was concluded from, by the names that rules know. */
  facts: Record<string, string | number | boolean | string[]>;
  /** The gravest first, at most `layerInsightsMax`. */
  insights: ApiLayerInsight[];
  insights_total: number;
}

export interface ApiNamespaceLayers {
  cluster: string;
  namespace: string;
  layers: ApiLayer[];
}

export interface ApiLayers {
  /** By cluster and namespace. */
  items: ApiNamespaceLayers[];
  /** What `cursor` takes to go on; null = these were the last. */
  next: string | null;
  total: number;
}

export interface LayersFilter {
  cluster?: string;
  namespace?: string;
  /** Namespaces with such a layer. */
  status?: LayerStatus;
  /** Default 100, most 1,000. */
  limit?: number;
  cursor?: string;
}

export const layerInsightsMax = 20;
