/** The few bodies that the HTTP side reads. */
import type { Context } from "hono";

/** Null when it is longer than `maxBytes`; never more than that is kept. */
export async function readText(context: Context, maxBytes: number): Promise<string | null> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of context.req.raw.body ?? []) {
    bytes += chunk.length;
    if (bytes > maxBytes) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
