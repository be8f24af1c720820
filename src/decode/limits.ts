/** What one request may hold. Beyond it the request is refused as `too_large` or `too_deep`. */
export interface DecodeLimits {
  /** Rows of each type: resources, scopes, metrics, points, spans, events, links, records, … */
  readonly itemsMax: number;
  /** Attributes of all owners together. */
  readonly attributesMax: number;
  /** Bucket counts, and bounds and quantiles. */
  readonly numbersMax: number;
  /** Arrays and maps inside each other. */
  readonly depthMax: number;
}

/**
 * Far above what honest senders put into 64 MiB (about 400,000 points, 2 million attributes). A request
 * of empty messages, two bytes each, can make the columns of one decoder grow to about 600 MB at these
 * limits (172 of it attributes, 200 points); they shrink again as `columns.ts` says.
 */
export const defaultDecodeLimits: DecodeLimits = {
  itemsMax: 1 << 20,
  attributesMax: 1 << 22,
  numbersMax: 1 << 23,
  depthMax: 32,
};
