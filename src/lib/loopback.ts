import { canonicalIp } from "./ip.ts";

/** Whether a host that is listened on can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  if (host === "localhost") return true;
  const ip = canonicalIp(host); // a name may begin with 127. as well
  return ip === "::1" || ip.startsWith("127.");
}
