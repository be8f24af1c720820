/** Defence in depth as the API answers it: what the engine thread told last, filtered and cut. */
import type { ApiLayers, ApiNamespaceLayers, LayersFilter } from "../model/layers.ts";

const limitDefault = 100;
const limitMax = 1_000;

/** `all` by cluster and namespace; null: a cursor that nobody gave. */
export function layersPage(
  all: readonly ApiNamespaceLayers[],
  { cluster, namespace, status, limit, cursor }: LayersFilter,
): ApiLayers | null {
  const wanted = all.filter(
    (one) =>
      (cluster === undefined || one.cluster === cluster) &&
      (namespace === undefined || one.namespace === namespace) &&
      (status === undefined || one.layers.some((layer) => layer.status === status)),
  );
  const after = cursor === undefined ? "" : readCursor(cursor);
  if (after === null) return null;
  const rest = wanted.filter((one) => keyOf(one) > after);
  const items = rest.slice(0, Math.min(limit ?? limitDefault, limitMax));
  const last = items.at(-1);
  const next = last && items.length < rest.length ? makeCursor(last) : null;
  return { items, next, total: wanted.length };
}

const keyOf = ({ cluster, namespace }: ApiNamespaceLayers): string => `${cluster}/${namespace}`;

function makeCursor(last: ApiNamespaceLayers): string {
  return Buffer.from(keyOf(last)).toString("base64url");
}

function readCursor(cursor: string): string | null {
  const key = Buffer.from(cursor, "base64url").toString();
  return key.includes("/") ? key : null;
}
