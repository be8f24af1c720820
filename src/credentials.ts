/**
 * What a configuration says of tokens and certificates, as gates and TLS that listeners use: files are
 * read at the start and whenever they have changed. `serve` and `record` share it.
 */
import { readFileSync } from "node:fs";
import { FailureLimit } from "./access/failure-limit.ts";
import { FileWatch } from "./access/file-watch.ts";
import { TokenGate } from "./access/gate.ts";
import type { ServerTls } from "./access/server-tls.ts";
import { parseTokenFile, TokenTable } from "./access/tokens.ts";
import type { AuthConfig, ServerTlsConfig } from "./config/access.ts";
import type { Config } from "./config/config.ts";
import { systemClock } from "./lib/clock.ts";
import type { PortName, Principal, Scope } from "./model/access.ts";
import { AccessEvents } from "./self/access-events.ts";
import type { Instruments } from "./self/instruments.ts";
import type { Log } from "./self/log.ts";
import type { WebAccess } from "./serve/access.ts";
import { Sessions } from "./serve/sessions.ts";

interface Gate {
  readonly gate: TokenGate;
  auth: AuthConfig;
  unwatch: () => void;
}

export class Credentials implements Disposable {
  readonly #watch: FileWatch;
  readonly #limit = new FailureLimit(systemClock);
  readonly #events: Readonly<Record<PortName, AccessEvents>>;
  readonly #gates = new Map<PortName, Gate>();

  constructor(metrics: Instruments, log: Log, watch = new FileWatch()) {
    this.#watch = watch;
    // All of them, so that every series is there from the start.
    const eventsOf = (port: PortName): AccessEvents =>
      new AccessEvents(port, metrics, log, systemClock);
    this.#events = { grpc: eventsOf("grpc"), http: eventsOf("http"), web: eventsOf("web") };
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }

  /** Null when no token is asked for; throws when the files cannot be used. */
  gateOf(port: PortName, auth: AuthConfig | null): TokenGate | null {
    return auth === null ? null : this.#makeGate(port, auth);
  }

  #makeGate(port: PortName, auth: AuthConfig): TokenGate {
    const gate = new TokenGate(new TokenTable([]), this.#limit, this.#events[port]);
    this.#gates.set(port, { gate, auth, unwatch: this.#watchTokens(port, auth, gate) });
    return gate;
  }

  /** Null = plain text. Afterwards `use` gets what has changed; it throws when that is no good. */
  tlsOf(
    port: PortName,
    tls: ServerTlsConfig | null,
    use: (tls: ServerTls) => void,
  ): ServerTls | null {
    if (tls === null) return null;
    const paths = [tls.certFile, tls.keyFile];
    if (tls.clientCaFile !== "") paths.push(tls.clientCaFile);
    let first: ServerTls | null = null;
    const events = this.#events[port];
    this.#watch.add({
      paths,
      use: (texts) => {
        const read = toTls(texts, tls);
        if (first === null) first = read;
        else use(read);
      },
      changed: () => events.changed("certificate"),
      kept: (why) => events.kept("certificate", why),
    });
    return first;
  }

  /** Looks for changed files now; they are looked at every second anyway. */
  check(): Promise<void> {
    return this.#watch.check();
  }

  /** Whom the web port asks, and by what; null = nobody. */
  webAccess({ auth, tls }: Config["web"]): WebAccess | null {
    const asksForCertificates = (tls?.clientCaFile ?? "") !== "";
    if (auth === null && !asksForCertificates) return null;
    const { clients = [], anonymous = [], sessionUs = 0 } = auth ?? {};
    const gate = this.#makeGate("web", auth ?? { tokens: [] });
    const named = clients.map((client) => [client.name, toPrincipal(client)] as const);
    return {
      gate,
      clients: new Map(named),
      otherClients: auth === null ? anyClient : null,
      anonymous: toPrincipal({ name: "", scopes: anonymous, namespaces: [] }),
      sessions: new Sessions(systemClock, sessionUs),
      isTls: tls !== null,
    };
  }

  /**
   * Other names and files of tokens where some were asked for and are; whether any are asked for stays
   * until the next start, since the endpoint stays as well. Throws, and changes nothing, when files
   * cannot be used.
   */
  reload(auths: Readonly<Record<PortName, AuthConfig | null>>): void {
    const news = [...this.#gates].flatMap(([port, old]) => {
      const auth = auths[port];
      return auth === null ? [] : [{ port, old, auth }];
    });
    for (const { auth } of news) {
      const texts = auth.tokens.map(({ tokenFile }) => readFileSync(tokenFile, "utf8"));
      makeTokenTable(auth, texts);
    }
    for (const { port, old, auth } of news) {
      const unwatch = this.#watchTokens(port, auth, old.gate);
      old.unwatch();
      this.#gates.set(port, { gate: old.gate, auth, unwatch });
    }
  }

  #watchTokens(port: PortName, auth: AuthConfig, gate: TokenGate): () => void {
    const events = this.#events[port];
    return this.#watch.add({
      paths: auth.tokens.map(({ tokenFile }) => tokenFile),
      use: (texts) => gate.replace(makeTokenTable(auth, texts)),
      changed: () => events.changed("tokens"),
      kept: (why) => events.kept("tokens", why),
    });
  }
}

/** Throws, naming the file but never what is in it. */
export function makeTokenTable({ tokens }: AuthConfig, texts: readonly string[]): TokenTable {
  return new TokenTable(
    tokens.map(({ name, scopes, namespaces, tokenFile }, index) => {
      const read = parseTokenFile(texts[index] ?? "");
      if (!read.ok) throw new Error(`${read.message} ("${tokenFile}")`);
      const principal = toPrincipal({ name, scopes, namespaces });
      return { principal, digests: read.digests };
    }),
  );
}

/** Where the configuration names nobody, a certificate of the authority lets read all, and change nothing. */
const anyClient = toPrincipal({
  name: "a certificate",
  scopes: ["read", "metrics"],
  namespaces: [],
});

interface Leave {
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly namespaces: readonly string[];
}

function toPrincipal({ name, scopes, namespaces }: Leave): Principal {
  return { name, scopes: new Set(scopes), namespaces };
}

function toTls(texts: readonly string[], { minVersion }: ServerTlsConfig): ServerTls {
  const [cert = "", key = "", clientCa] = texts;
  const tls: ServerTls = { cert, key, minVersion: `TLSv${minVersion}` };
  return clientCa === undefined ? tls : { ...tls, clientCa };
}
