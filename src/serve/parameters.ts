/**
 * Query parameters of the API, checked before anything is asked of the store. An unknown parameter is
 * an error: a misspelt filter must not look like an answer.
 */
import { z } from "zod";
import type { CoverageFilter } from "../model/api-coverage.ts";
import type { GraphFilter, InsightFilter, SourceFilter } from "../model/api.ts";
import { layerStatuses, type LayersFilter } from "../model/layers.ts";
import { parseDuration } from "../model/durations.ts";

const text = z.string().min(1).max(253);
const limit = (max: number) => z.coerce.number().int().min(1).max(max).optional();

const insightParameters = z.strictObject({
  state: z.enum(["pending", "firing", "resolved", "unknown"]).optional(),
  severity: z.enum(["info", "low", "medium", "high", "critical"]).optional(),
  rule: text.optional(),
  namespace: text.optional(),
  workload: text.optional(),
  q: text.optional(),
  since: z.iso.datetime({ offset: true }).optional(),
  limit: limit(1_000),
  cursor: z.string().min(1).max(1_024).optional(),
});

const graphParameters = z.strictObject({
  namespace: text.optional(),
  focus: z.string().min(1).max(1_024).optional(),
  hops: z.coerce.number().int().min(0).max(10).optional(),
  limit: limit(10_000),
});

const sourceParameters = z.strictObject({
  kind: z.enum(["proxy", "node_agent", "objects", "collector"]).optional(),
  state: z.enum(["live", "late", "silent", "gone", "unknown"]).optional(),
  namespace: text.optional(),
  limit: limit(1_000),
});

const coverageParameters = z.strictObject({
  namespace: text.optional(),
  rule: text.optional(),
  limit: limit(1_000),
});

const layersParameters = z.strictObject({
  cluster: text.optional(),
  namespace: text.optional(),
  status: z.enum(layerStatuses).optional(),
  limit: limit(1_000),
  cursor: z.string().min(1).max(1_024).optional(),
});

const statusParameters = z.strictObject({
  scrape_within: z
    .string()
    .refine((value) => parseDuration(value) !== null, 'expected a length of time such as "5m"')
    .optional(),
});

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly detail: string };

export const parseInsightFilter = (query: Record<string, string>): Parsed<InsightFilter> =>
  parse<InsightFilter>(insightParameters, query);

export const parseGraphFilter = (query: Record<string, string>): Parsed<GraphFilter> =>
  parse<GraphFilter>(graphParameters, query);

export const parseSourceFilter = (query: Record<string, string>): Parsed<SourceFilter> =>
  parse<SourceFilter>(sourceParameters, query);

export const parseCoverageFilter = (query: Record<string, string>): Parsed<CoverageFilter> =>
  parse<CoverageFilter>(coverageParameters, query);

export const parseLayersFilter = (query: Record<string, string>): Parsed<LayersFilter> =>
  parse<LayersFilter>(layersParameters, query);

/** A length of time in which somebody should have asked for /metrics, as a duration's text. */
export const parseStatusQuestion = (
  query: Record<string, string>,
): Parsed<{ readonly scrape_within?: string }> => parse(statusParameters, query);

function parse<T>(schema: z.ZodType, query: Record<string, string>): Parsed<T> {
  const result = schema.safeParse(query);
  if (!result.success) return { ok: false, detail: z.prettifyError(result.error) };
  // Leaving absent parameters out, which zod keeps as undefined, makes the value an exact T.
  const given = Object.entries(result.data as object).filter(([, value]) => value !== undefined);
  return { ok: true, value: Object.fromEntries(given) as T };
}
