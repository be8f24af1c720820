/** What kind of place an address is, remembered: the same few addresses come with every event. */
import { canonicalIp, ipScope, type IpScope } from "../lib/ip.ts";

const scopes = new Map<string, IpScope>();
/** Above the addresses of a large cluster; a flood of others only costs parsing again. */
const scopesMax = 100_000;

/** `unspecified` also for what is no address. */
export function addressScope(ip: string): IpScope {
  const known = scopes.get(ip);
  if (known) return known;
  const scope = canonicalIp(ip) === "" ? "unspecified" : ipScope(ip);
  if (scopes.size >= scopesMax) scopes.clear();
  scopes.set(ip, scope);
  return scope;
}

/** Whether a pod or a peer beyond may have it: loopback and the like are nobody's in particular. */
export function isPeerAddress(ip: string): boolean {
  const scope = addressScope(ip);
  return scope === "private" || scope === "public";
}
