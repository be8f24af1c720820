/**
 * Identities made of content: the same facts give the same text and hash in every process, always.
 * Tables use the text; what leaves the graph is the hash of it.
 */
import { createHash } from "node:crypto";

/** One text of all parts; the parts are addresses, names and numbers without control characters. */
export function contentText(...parts: readonly (string | number)[]): string {
  return parts.join("\u0000");
}

/** 128 bits as 32 hex digits over the parts in order; no two lists of parts are confused. */
export function contentHash(parts: readonly (string | number)[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 32);
}
