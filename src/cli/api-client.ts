/** Asks the HTTP API of a running engine, for the commands that show what it knows. */
import { printable, UserError } from "./io.ts";

export async function getJson<T>(
  baseUrl: string,
  path: string,
  query: Readonly<Record<string, string | undefined>>,
): Promise<T> {
  const url = makeUrl(baseUrl, path);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, value);
  }
  const response = await reach(url);
  if (!response.ok) throw await apiError(url, response);
  try {
    return (await response.json()) as T; // the engine's own API, of the same version
  } catch {
    throw new UserError(`cannot read ${url.href}: what answers there is no engine; see --url`, 1);
  }
}

export async function reach(url: URL): Promise<Response> {
  try {
    return await fetch(url, { signal: AbortSignal.timeout(10_000) });
  } catch (cause) {
    const why = fetchTrouble(cause);
    throw new UserError(
      `cannot reach an engine at ${url.origin}: ${why}; start one with "mesh-insights serve" or name it with --url`,
      1,
    );
  }
}

/** `fetch` says "fetch failed" for everything; the reason is in its cause. */
function fetchTrouble(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return "no answer in 10 s";
  const { cause } = error;
  const code = cause instanceof Error && "code" in cause ? cause.code : "";
  if (code === "ECONNREFUSED") return "nobody listens there";
  return cause instanceof Error ? cause.message : error.message;
}

export function makeUrl(baseUrl: string, path: string): URL {
  try {
    return new URL(path, baseUrl);
  } catch {
    throw new UserError(`cannot use --url "${baseUrl}": give it as http://host:port`);
  }
}

async function apiError(url: URL, response: Response): Promise<UserError> {
  const text = await response.text();
  let detail = text.slice(0, 200);
  try {
    detail = (JSON.parse(text) as { detail?: string }).detail ?? detail;
  } catch {
    // Not a problem document: the text itself is the best there is.
  }
  return new UserError(`cannot read ${url.pathname}: ${response.status}, ${printable(detail)}`, 1);
}
