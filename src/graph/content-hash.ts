/** Identities made of content: the same facts give the same hash in every process, always. */
import { createHash } from "node:crypto";

/** 128 bits as 32 hex digits over the parts in order; no two lists of parts are confused. */
export function contentHash(parts: readonly (string | number)[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 32);
}
