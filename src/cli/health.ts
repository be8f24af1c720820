/** `health`: whether a running engine is ready; for container probes. */
import { makeUrl, reach } from "./api-client.ts";
import type { CliIo } from "./io.ts";

export async function runHealth(options: { readonly url: string }, io: CliIo): Promise<number> {
  const response = await reach(makeUrl(options.url, "/-/ready"), null);
  io.out(await response.text());
  return response.ok ? 0 : 1;
}
