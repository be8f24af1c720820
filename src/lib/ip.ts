/**
 * Addresses in one canonical form: dotted IPv4 (also for v4-mapped IPv6), RFC 5952 IPv6. Everything that
 * compares or keys an address uses this text; the store keeps the same address as 16 bytes.
 */
import ipaddr from "ipaddr.js";

/** Dotted decimal without leading zeros: the one form in which an IPv4 address is accepted. */
const ipv4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$/;
/** The library refuses by throwing, which costs 20 microseconds: most of what is no address ends here. */
const ipv6Characters = /^[\da-f:.]{2,45}$/i;

/** The canonical text, or "" when the input is no address (a zone id is cut off). */
export function canonicalIp(text: string): string {
  const zone = text.indexOf("%");
  const address = zone < 0 ? text : text.slice(0, zone);
  if (ipv4.test(address)) return address;
  if (!address.includes(":") || !ipv6Characters.test(address)) return "";
  return ipaddr.IPv6.isValid(address) ? ipaddr.process(address).toString() : "";
}

export interface HostPort {
  readonly ip: string;
  readonly port: number;
}

const noHostPort: HostPort = { ip: "", port: 0 };

/** `1.2.3.4:80`, `[2001:db8::1]:80`, `1.2.3.4`, `2001:db8::1`; ip "" when there is no address in it. */
export function parseHostPort(text: string): HostPort {
  if (text === "" || text === "-") return noHostPort;
  return parseV4Port(text) ?? parseOther(text);
}

/** `1.2.3.4:80`, by far the most common form, in one walk; null = another form. */
function parseV4Port(text: string): HostPort | null {
  let octet = -1;
  let octets = 0;
  for (let at = 0; at < text.length && at < 16; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit >= 0 && digit <= 9) {
      if (octet === 0) return null; // a leading zero
      octet = octet < 0 ? digit : octet * 10 + digit;
      if (octet > 255) return null;
      continue;
    }
    if (octet < 0) return null;
    octets++;
    octet = -1;
    if (text[at] === "." && octets < 4) continue;
    if (text[at] !== ":" || octets !== 4) return null;
    const port = smallNumber(text, at + 1);
    return port < 0 ? null : { ip: text.slice(0, at), port: port <= 65_535 ? port : 0 };
  }
  return null;
}

/** One to five digits that end the text; -1 = something else. */
function smallNumber(text: string, start: number): number {
  const length = text.length - start;
  if (length < 1 || length > 5) return -1;
  let value = 0;
  for (let at = start; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

function parseOther(text: string): HostPort {
  const bracket = text.startsWith("[") ? text.indexOf("]") : -1;
  const colon = text.lastIndexOf(":");
  const isBareV6 = bracket < 0 && text.indexOf(":") !== colon;
  const hostEnd = bracket > 0 ? bracket : isBareV6 || colon < 0 ? text.length : colon;
  const ip = canonicalIp(text.slice(bracket > 0 ? 1 : 0, hostEnd));
  if (ip === "") return noHostPort;
  const portText =
    bracket > 0 ? text.slice(bracket + 2) : isBareV6 || colon < 0 ? "" : text.slice(colon + 1);
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : 0;
  return { ip, port: port <= 65_535 ? port : 0 };
}

/** The 16 bytes of a canonical address as 32 hex digits; IPv4 in its v4-mapped form. */
export function ipToHex(ip: string): string {
  const parsed = ipaddr.parse(ip);
  const v6 = parsed instanceof ipaddr.IPv4 ? parsed.toIPv4MappedAddress() : parsed;
  return v6
    .toByteArray()
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}

export function hexToIp(hex: string): string {
  const bytes = hex.match(/../g) ?? [];
  return ipaddr
    .process(ipaddr.fromByteArray(bytes.map((byte) => Number.parseInt(byte, 16))).toString())
    .toString();
}

/** 4, 6, or 0 for the empty text. */
export function ipFamily(ip: string): 0 | 4 | 6 {
  if (ip === "") return 0;
  return ip.includes(":") ? 6 : 4;
}

/**
 * What kind of place an address is. `private` covers RFC 1918, carrier-grade NAT, unique local: it may
 * be a pod, so an unresolved one is unknown rather than external.
 */
export type IpScope =
  | "loopback"
  | "link_local"
  | "multicast"
  | "unspecified"
  | "private"
  | "public";

/** ipaddr.js has a name for every registered range; the others are public to us. */
const scopes: Readonly<Record<string, IpScope>> = {
  loopback: "loopback",
  linkLocal: "link_local",
  multicast: "multicast",
  broadcast: "multicast",
  unspecified: "unspecified",
  private: "private",
  uniqueLocal: "private",
  carrierGradeNat: "private",
};

export function ipScope(ip: string): IpScope {
  return scopes[ipaddr.parse(ip).range()] ?? "public";
}

export interface Cidr {
  readonly text: string;
  contains(ip: string): boolean;
}

/** A network in CIDR notation (`10.0.0.0/8`; a bare address is a network of one), or null. */
export function parseCidr(text: string): Cidr | null {
  const full = text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`;
  try {
    const [network, bits] = ipaddr.parseCIDR(full);
    return {
      text: full,
      contains(ip: string): boolean {
        if (ip === "" || ipFamily(ip) !== (network.kind() === "ipv6" ? 6 : 4)) return false;
        return ipaddr.parse(ip).match([network, bits] as [ipaddr.IPv4, number]); // same kind: just compared
      },
    };
  } catch {
    return null; // not a network: the caller reports it with its place
  }
}
