/**
 * Who may ask what of the page and the API: one middleware before every route, which reads no body. What
 * is not named here takes the scope `read`, and is closed to who may read some namespaces only, so a new
 * route is closed until somebody has thought about it.
 */
import type { HttpBindings } from "@hono/node-server";
import type { Context, MiddlewareHandler } from "hono";
import type { Refused, TokenGate } from "../access/gate.ts";
import { clientNameOf } from "../access/server-tls.ts";
import type { KnownToken } from "../access/tokens.ts";
import type { Principal, Scope } from "../model/access.ts";
import { loginPath, logoutPath, renderLoginPage } from "./login-page.ts";
import { problemResponse } from "./problem.ts";
import type { Sessions } from "./sessions.ts";

declare module "hono" {
  interface ContextVariableMap {
    /** Who asks; not there where nobody is asked. */
    principal: Principal | undefined;
    /** By a cookie; not there where nobody is asked. */
    isLoggedIn: boolean | undefined;
  }
}

export interface WebAccess {
  readonly gate: TokenGate;
  /** By the names of their certificates. */
  readonly clients: ReadonlyMap<string, Principal>;
  /** Whoever else shows a certificate of the authority; null = nobody. */
  readonly otherClients: Principal | null;
  /** Whoever shows nothing. */
  readonly anonymous: Principal;
  readonly sessions: Sessions;
  readonly isTls: boolean;
}

const openPaths: ReadonlySet<string> = new Set([
  "/-/healthy",
  "/healthz",
  "/-/ready",
  "/readyz",
  "/status.css",
  loginPath,
  logoutPath,
]);

/** Their answers hold what their asker may see and nothing else: `limitedTo`, and the page by it. */
const filteredPaths =
  /^\/($|api\/v1\/(insights(\/[^/]+)?|graph|sources|coverage|layers|workloads\/[^/]+\/[^/]+\/[^/]+)$)/;

/** What a request takes; null = it is open to all. */
function scopeOf(context: Context): Scope | null {
  const { method, path } = context.req;
  if (openPaths.has(path)) return null;
  if (method !== "GET" && method !== "HEAD") return "admin";
  if (path === "/status" && context.req.query("verbose") === undefined) return null;
  return path === "/metrics" ? "metrics" : "read";
}

/** Null: nobody is asked. */
export function accessControl(access: WebAccess | null): MiddlewareHandler {
  return async (context, next) => {
    const scope = scopeOf(context);
    if (access === null || scope === null) return next();
    const verdict = identify(access, context, scope);
    if (!verdict.ok) return refuse(access, context, verdict);
    const { principal } = verdict;
    if (scope === "read" && principal.namespaces.length > 0) {
      if (!filteredPaths.test(context.req.path)) {
        const message = "who may read some namespaces only gets no answer that holds others";
        return refuse(access, context, { ok: false, reason: "scope", isFlood: false, message });
      }
    }
    context.set("principal", principal);
    return next();
  };
}

type Identity = { readonly ok: true; readonly principal: Principal } | Refused;

/** The first that is shown counts: a token, a login, a certificate. */
function identify(access: WebAccess, context: Context, scope: Scope): Identity {
  const { gate, clients, anonymous } = access;
  const { incoming } = bindingsOf(context);
  const address = addressOf(context);
  if (incoming.headers.authorization !== undefined) {
    return gate.check(incoming.rawHeaders, address, scope);
  }
  const session = sessionOf(access, context);
  const client = clientNameOf(incoming.socket);
  const byCertificate = client === "" ? null : (clients.get(client) ?? access.otherClients);
  const principal = session?.principal ?? byCertificate ?? anonymous;
  if (principal.scopes.has(scope)) {
    context.set("isLoggedIn", session !== null);
    return { ok: true, principal };
  }
  if (principal !== anonymous) return gate.refuse("scope", address, principal.name);
  return gate.refuse("missing", address);
}

function refuse(
  { isTls }: WebAccess,
  context: Context,
  { reason, message }: Refused,
): Response | Promise<Response> {
  context.header("connection", "close");
  if (reason === "scope") {
    return problemResponse(context, { status: 403, title: "not allowed", detail: message });
  }
  context.header("www-authenticate", 'Bearer realm="mesh-insights"');
  const isPerson = /\btext\/html\b/.test(context.req.header("accept") ?? "");
  if (isPerson && context.req.path === "/") {
    return context.html(renderLoginPage({ isTls, why: "" }), 401);
  }
  return problemResponse(context, { status: 401, title: "who are you?", detail: message });
}

/** What the asker may see of lists; [] = everything. */
export function namespacesOf(context: Context): readonly string[] {
  return context.get("principal")?.namespaces ?? [];
}

export function isReadable(context: Context, namespace: string): boolean {
  const namespaces = namespacesOf(context);
  return namespaces.length === 0 || namespaces.includes(namespace);
}

/** Whose login the request comes by; null = by none. */
function sessionOf(access: WebAccess, context: Context): KnownToken | null {
  const id = cookieOf(context, cookieName(access.isTls));
  const digest = id === "" ? null : access.sessions.find(id);
  return digest === null ? null : access.gate.stillKnown(digest);
}

/** A browser takes `__Host-` only over TLS, and only from the host itself. */
export const cookieName = (isTls: boolean): string =>
  isTls ? "__Host-mesh-insights" : "mesh-insights";

/** "" = there is none. */
export function cookieOf(context: Context, name: string): string {
  const pairs = (context.req.header("cookie") ?? "").split(";").map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1) ?? "";
}

/** Set by the server that hands requests over. */
function bindingsOf(context: Context): HttpBindings {
  return context.env as HttpBindings;
}

export function addressOf(context: Context): string {
  return bindingsOf(context).incoming.socket.remoteAddress ?? "";
}

/**
 * Nothing changes by a page of another site: a browser says where what it sends comes from. Programs say
 * nothing, and show no cookie.
 */
export function sameOrigin(access: WebAccess | null, isTls: boolean): MiddlewareHandler {
  return async (context, next) => {
    const { method } = context.req;
    if (method === "GET" || method === "HEAD") return next();
    const origin = context.req.header("origin");
    const site = context.req.header("sec-fetch-site") ?? "none";
    const hasCookie = access !== null && cookieOf(context, cookieName(isTls)) !== "";
    const isOurs =
      (site === "none" || site === "same-origin") &&
      (origin === undefined ? !hasCookie : isSame(origin, context.req.header("host"), isTls));
    if (isOurs) return next();
    const detail = "this is for programs, and for pages of this engine";
    return problemResponse(context, { status: 403, title: "from another site", detail });
  };
}

function isSame(origin: string, host: string | undefined, isTls: boolean): boolean {
  if (!URL.canParse(origin)) return false;
  const url = new URL(origin);
  // In plain text a proxy before us may speak TLS for us.
  const isProtocol = url.protocol === "https:" || (!isTls && url.protocol === "http:");
  return isProtocol && url.host === host;
}
