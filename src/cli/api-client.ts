/** Asks the HTTP API of a running engine, for the commands that show what it knows. */
import { readFileSync } from "node:fs";
import { firstToken } from "../access/tokens.ts";
import { Secret } from "../lib/secret.ts";
import { fileTrouble, printable, UserError, type CliIo } from "./io.ts";

/** Which engine is asked, and by whom. */
export interface ApiTarget {
  readonly url: string;
  /** Null = nobody: the engine is open, as on loopback without `web.auth`. */
  readonly token: Secret | null;
}

export interface TargetOptions {
  readonly url: string;
  readonly tokenFile?: string | undefined;
}

const tokenVariable = "MESH_INSIGHTS_TOKEN";

/** The first token of the file, else that of the environment. */
export function apiTarget({ url, tokenFile }: TargetOptions, { env }: CliIo): ApiTarget {
  const text = tokenFile === undefined ? (env[tokenVariable] ?? "") : readTokenFile(tokenFile);
  const token = firstToken(text);
  if (token === "" && tokenFile === undefined) return { url, token: null };
  if (/^[\x21-\x7e]+$/.test(token)) return { url, token: new Secret(token) };
  const where = tokenFile === undefined ? tokenVariable : `"${tokenFile}"`;
  throw new UserError(`cannot use the token of ${where}: there is none, or no proper one`);
}

function readTokenFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new UserError(`cannot read the token from "${path}": ${fileTrouble(cause)}`);
  }
}

export async function getJson<T>(
  { url: baseUrl, token }: ApiTarget,
  path: string,
  query: Readonly<Record<string, string | undefined>>,
): Promise<T> {
  const url = makeUrl(baseUrl, path);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, value);
  }
  const response = await reach(url, token);
  if (!response.ok) throw await apiError(url, response);
  try {
    return (await response.json()) as T; // the engine's own API, of the same version
  } catch {
    throw new UserError(`cannot read ${url.href}: what answers there is no engine; see --url`, 1);
  }
}

export async function reach(url: URL, token: Secret | null): Promise<Response> {
  const headers: Record<string, string> = {};
  if (token !== null) headers["authorization"] = `Bearer ${token.reveal()}`;
  try {
    // An engine redirects nobody, and where somebody else does the token must not follow.
    return await fetch(url, { headers, redirect: "error", signal: AbortSignal.timeout(10_000) });
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
  const hint =
    response.status === 401 ? `; give one with --token-file, or in ${tokenVariable}` : "";
  const why = `${response.status}, ${printable(detail)}${hint}`;
  return new UserError(`cannot read ${url.pathname}: ${why}`, 1);
}
