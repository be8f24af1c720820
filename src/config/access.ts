/**
 * Who may use which port: the part of a configuration that says it, and what it must not say. Whatever can
 * be reached from the network asks who comes and is encrypted, unless `insecure` says that this is known.
 */
import { isLoopback } from "../lib/loopback.ts";
import type { PortName, Scope } from "../model/access.ts";
import type { Us } from "../model/time.ts";
import type { ConfigFile } from "./schema.ts";
import type { Endpoint } from "./units.ts";

export interface ServerTlsConfig {
  readonly certFile: string;
  readonly keyFile: string;
  /** "" = senders show no certificate. */
  readonly clientCaFile: string;
  readonly minVersion: "1.2" | "1.3";
}

/** One name and what it may; [] namespaces = all. */
interface Leave {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly namespaces: readonly string[];
}

export interface TokenConfig extends Leave {
  readonly tokenFile: string;
}

export interface AuthConfig {
  readonly tokens: readonly TokenConfig[];
}

export interface WebAuthConfig extends AuthConfig {
  /** By the names of certificates. */
  readonly clients: readonly Leave[];
  /** What may be done by who shows nothing. */
  readonly anonymous: readonly Scope[];
  /** How long a login holds. */
  readonly sessionUs: Us;
}

type FileTls = ConfigFile["web"]["tls"];

export function toServerTls(tls: FileTls): ServerTlsConfig | null {
  if (tls === undefined) return null;
  const { cert_file, key_file, client_ca_file, min_version } = tls;
  return {
    certFile: cert_file,
    keyFile: key_file,
    clientCaFile: client_ca_file ?? "",
    minVersion: min_version,
  };
}

export function toAuth(auth: ConfigFile["receivers"]["grpc"]["auth"]): AuthConfig | null {
  if (auth === undefined) return null;
  const tokens = auth.tokens.map(({ name, token_file: tokenFile, scopes }) => ({
    name,
    tokenFile,
    scopes,
    namespaces: [],
  }));
  return { tokens };
}

export function toWebAuth(auth: ConfigFile["web"]["auth"]): WebAuthConfig | null {
  if (auth === undefined) return null;
  const { tokens, clients, anonymous, session: sessionUs } = auth;
  return {
    tokens: tokens.map(({ token_file: tokenFile, ...leave }) => ({ ...leave, tokenFile })),
    clients,
    anonymous,
    sessionUs,
  };
}

/** Every port as the file has it. */
function portsOf({ receivers, web }: ConfigFile) {
  return {
    grpc: { path: ["receivers", "grpc"], ...receivers.grpc },
    http: { path: ["receivers", "http"], ...receivers.http },
    web: { path: ["web"], ...web },
  } as const satisfies Record<PortName, object>;
}

interface Fault {
  readonly path: (string | number)[];
  readonly message: string;
}

export function accessFaults(file: ConfigFile): Fault[] {
  const exposed = Object.values(portsOf(file)).flatMap(
    ({ path, endpoint, tls, auth, insecure }) => {
      const isAsking = auth !== undefined || tls?.client_ca_file !== undefined;
      const why = insecure ? "" : exposure(endpoint, isAsking, tls !== undefined);
      const key = path.join(".");
      const ways = `set ${key}.tls, and ${key}.auth or ${key}.tls.client_ca_file; or bind to 127.0.0.1; or, if something else protects it, say ${key}.insecure: true`;
      const message = `cannot use "${key}.endpoint": it can be reached from the network, and ${why}: ${ways}`;
      return why === "" ? [] : [{ path: [...path, "endpoint"], message }];
    },
  );
  return [...exposed, ...sameNames(file), ...webFaults(file), ...trustFaults(file.receivers)];
}

/** What a port that can be reached from the network lacks; "" = nothing, or it cannot be reached. */
function exposure(endpoint: Endpoint, isAsking: boolean, isEncrypted: boolean): string {
  if (isLoopback(endpoint.host)) return "";
  const asks = isAsking ? [] : ["asks nobody who it is"];
  return [...asks, ...(isEncrypted ? [] : ["speaks plain text"])].join(" and ");
}

interface Port {
  readonly endpoint: Endpoint;
  readonly tls: ServerTlsConfig | null;
  readonly auth: AuthConfig | null;
}

/** The same of a loaded configuration. */
export function exposureOf({ endpoint, tls, auth }: Port): string {
  const isAsking = auth !== null || (tls?.clientCaFile ?? "") !== "";
  return exposure(endpoint, isAsking, tls !== null);
}

function sameNames(file: ConfigFile): Fault[] {
  return Object.values(portsOf(file)).flatMap(({ path, auth }) => {
    const names = (auth?.tokens ?? []).map(({ name }) => name);
    return names.flatMap((name, index): Fault[] => {
      if (names.indexOf(name) === index) return [];
      const at = [...path, "auth", "tokens", index, "name"];
      const message = `cannot use "${at.join(".")}": "${name}" stands there twice; one file may hold several tokens`;
      return [{ path: at, message }];
    });
  });
}

function webFaults({ web }: ConfigFile): Fault[] {
  const { auth, tls, endpoint, insecure } = web;
  if (auth === undefined) return [];
  const faults: Fault[] = [];
  const add = (keys: (string | number)[], why: string): void => {
    const path = ["web", "auth", ...keys];
    faults.push({ path, message: `cannot use "${path.join(".")}": ${why}` });
  };
  if (auth.tokens.length + auth.clients.length === 0) {
    add([], 'name somebody by "tokens" or "clients"');
  }
  if (auth.clients.length > 0 && tls?.client_ca_file === undefined) {
    add(["clients"], "certificates take web.tls.client_ca_file");
  }
  if (auth.anonymous.length > 0 && !insecure && !isLoopback(endpoint.host)) {
    add(["anonymous"], "on an endpoint that can be reached from the network it takes web.insecure");
  }
  for (const kind of ["tokens", "clients"] as const) {
    auth[kind].forEach(({ namespaces, scopes }, index) => {
      if (namespaces.length === 0 || scopes.every((scope) => scope === "read")) return;
      add([kind, index, "namespaces"], 'only the scope "read" can be limited to namespaces');
    });
  }
  return faults;
}

/** An entry that could never mean what it says. */
function trustFaults({ grpc, http, trust }: ConfigFile["receivers"]): Fault[] {
  const receivers = { grpc, http };
  const fits = (one: "grpc" | "http", client: string): boolean => {
    const { auth, tls } = receivers[one];
    if (auth === undefined) return tls?.client_ca_file !== undefined;
    return auth.tokens.some(({ name }) => name === client);
  };
  return trust.flatMap(({ listener, client, level }, index): Fault[] => {
    const path = ["receivers", "trust", index];
    const name = `cannot use "receivers.trust.${index}"`;
    if (level === "verified" && client === undefined) {
      return [{ path, message: `${name}: "verified" takes a "client"` }];
    }
    if (client === undefined) return [];
    const ways = listener === undefined ? (["grpc", "http"] as const) : [listener];
    if (ways.some((one) => fits(one, client))) return [];
    const message = `${name}: "client" takes "tls.client_ca_file" of its receiver, or a token of that name in its "auth"`;
    return [{ path, message }];
  });
}
