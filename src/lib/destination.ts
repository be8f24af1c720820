/** A destination as people write it: a host, an address or a network, and a port. */
import { canonicalIp, parseCidr, type Cidr } from "./ip.ts";

export interface DestinationPattern {
  /** A name, or a canonical address; "" where it is a network. */
  readonly host: string;
  readonly network: Cidr | null;
  readonly port: number;
}

const namePattern =
  /^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$/;

/**
 * `otel.monitoring.svc:4317`, `10.0.0.7:4317`, `10.0.0.0/8:4317`, `[2001:db8::/32]:4317`; null for anything
 * else. A name has a dot at least: what a short one means depends on who asks.
 */
export function parseDestination(text: string): DestinationPattern | null {
  const match = /^(?:\[([0-9A-Fa-f:.]+(?:\/\d{1,3})?)\]|([^[\]:]+)):(\d{1,5})$/.exec(text);
  const where = match?.[1] ?? match?.[2] ?? "";
  const port = Number(match?.[3]);
  if (!match || port === 0 || port > 65_535) return null;
  const network = where.includes("/") ? parseCidr(where) : null;
  if (network) return { host: "", network, port };
  const address = canonicalIp(where);
  if (address !== "") return { host: address, network: null, port };
  const isName = match[1] === undefined && namePattern.test(where) && !/^[\d.]+$/.test(where);
  return isName ? { host: where.toLowerCase(), network: null, port } : null;
}
