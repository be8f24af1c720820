/** Who may do what, over every port. */

export const scopes = ["ingest", "read", "metrics", "admin"] as const;
/**
 * `ingest`: send telemetry; `read`: page and API; `metrics`: /metrics; `admin`: whatever changes state.
 * None includes another.
 */
export type Scope = (typeof scopes)[number];

/** The ports that ask. */
export const ports = ["grpc", "http", "web"] as const;
export type PortName = (typeof ports)[number];

/** Somebody with a name in the configuration, by a token or a certificate. */
export interface Principal {
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
  /** What `read` is limited to; [] = everything. */
  readonly namespaces: readonly string[];
}
