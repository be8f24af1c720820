/**
 * The network of the live mesh: this process' own namespace is the machine, with a bridge on which each pod
 * has a namespace of its own, and beyond it a host outside. As in Kubernetes a process that only sleeps
 * holds each namespace. No names in /run, no rule on the real host: all is gone with the processes.
 */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { readlinkSync } from "node:fs";
import { until } from "../support/program.ts";
import { hasSidecar, nodeIp, nodeIp6, outside, pods, proxyId, type LivePod } from "./mesh.ts";

export interface Topology extends AsyncDisposable {
  /** The process that holds the pod's network namespace. */
  readonly holder: (pod: LivePod) => number;
  /** Takes the redirect rules of what leaves the pod away. */
  readonly flushRules: (pod: LivePod) => void;
  /** The process that holds the namespace of the host outside. */
  readonly outside: number;
}

/** Runs a command to its end; what it printed is in the error if it fails. */
export function sh(command: string, args: readonly string[], input = ""): string {
  return execFileSync(command, args, { input, encoding: "utf8", stdio: ["pipe", "pipe", "pipe"] });
}

const inside = (pid: number, command: string, args: readonly string[], input = ""): string =>
  sh("nsenter", [`--net=/proc/${pid}/ns/net`, command, ...args], input);

const flushed = ["*nat", "-F ISTIO_OUTPUT", "COMMIT", ""].join("\n");

const ip = (lines: readonly string[]): string => sh("ip", ["-batch", "-"], lines.join("\n"));

export async function makeTopology(): Promise<Topology> {
  const outer = process.env["OUTER_NETWORK"] ?? "";
  if (outer === "" || outer === readlinkSync("/proc/self/ns/net")) {
    throw new Error(
      "not in a network namespace of its own: run the live test by npm run test:live",
    );
  }
  const holders: ChildProcess[] = [];
  const hold = async (): Promise<number> => {
    const holder = spawn("unshare", ["--net", "sleep", "infinity"], { stdio: "ignore" });
    holders.push(holder);
    const { pid = 0 } = holder;
    const own = readlinkSync("/proc/self/ns/net");
    await until(
      async () => readlinkSync(`/proc/${pid}/ns/net`),
      (net) => net !== own,
      5_000,
    );
    return pid;
  };
  const stop = async (): Promise<void> => {
    for (const holder of holders) holder.kill("SIGKILL");
  };
  try {
    makeMachine();
    const pids = new Map<LivePod, number>();
    for (const pod of pods) {
      const pid = await hold();
      pids.set(pod, pid);
      joinPod(pod, pid);
      if (hasSidecar(pod)) redirect(pid);
    }
    const beyond = await hold();
    joinOutside(beyond);
    return {
      holder: (pod) => pids.get(pod) ?? 0,
      flushRules: (pod) =>
        void inside(pids.get(pod) ?? 0, "iptables-restore", ["--noflush"], flushed),
      outside: beyond,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The bridge shows the packets between two pods too, to whoever captures on it. */
function makeMachine(): void {
  ip([
    "link set lo up",
    "link add br0 type bridge",
    `addr add ${nodeIp}/24 dev br0`,
    `addr add ${nodeIp6}/64 dev br0 nodad`,
    "link set br0 up promisc on",
  ]);
  sh("sysctl", ["-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]);
}

function joinPod(pod: LivePod, pid: number): void {
  const port = `to-${pod.workload}`;
  ip([`link add ${port} type veth peer name eth0 netns ${pid}`, `link set ${port} master br0 up`]);
  join(pid, [`${pod.ip}/24`, `${pod.ip6}/64`], [nodeIp, nodeIp6]);
}

/** Its servers take every port: what comes in is turned to the one where they listen. */
function joinOutside(pid: number): void {
  const { attackedIp, attackedIp6, allowedIp, gatewayIp, gatewayIp6 } = outside;
  ip([
    `link add outside type veth peer name eth0 netns ${pid}`,
    `addr add ${gatewayIp}/24 dev outside`,
    `addr add ${gatewayIp6}/64 dev outside nodad`,
    "link set outside up",
  ]);
  const addresses = [`${attackedIp}/24`, `${allowedIp}/24`, `${attackedIp6}/64`];
  join(pid, addresses, [gatewayIp, gatewayIp6]);
  const rules = ["*nat", "-A PREROUTING -p tcp -j REDIRECT --to-ports 9000"];
  const all = [...rules, "-A PREROUTING -p udp -j REDIRECT --to-ports 9000", "COMMIT", ""];
  for (const tool of ["iptables-restore", "ip6tables-restore"]) {
    inside(pid, tool, ["--noflush"], all.join("\n"));
  }
}

function join(pid: number, addresses: readonly string[], gateways: readonly string[]): void {
  const lines = [
    "link set lo up",
    ...addresses.map((one) => `addr add ${one} dev eth0${one.includes(":") ? " nodad" : ""}`),
    "link set eth0 up",
    ...gateways.map((one) => `route add default via ${one}`),
  ];
  inside(pid, "ip", ["-batch", "-"], lines.join("\n"));
  // As container runtimes do: a name server is no root.
  inside(pid, "sysctl", ["-qw", "net.ipv4.ip_unprivileged_port_start=0"]);
}

/**
 * What istio-iptables writes into a pod, in its order. IPv6 is not captured, as in clusters in which Istio
 * does not know of it; UDP never is.
 */
function redirect(pid: number): void {
  const toSelf = "-o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m owner";
  const inboundPorts = [15_008, 15_090, 15_021, 15_020];
  const rules = [
    "*nat",
    ":ISTIO_INBOUND - [0:0]",
    ":ISTIO_REDIRECT - [0:0]",
    ":ISTIO_IN_REDIRECT - [0:0]",
    ":ISTIO_OUTPUT - [0:0]",
    "-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001",
    "-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006",
    "-A PREROUTING -p tcp -j ISTIO_INBOUND",
    ...inboundPorts.map((port) => `-A ISTIO_INBOUND -p tcp --dport ${port} -j RETURN`),
    "-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT",
    "-A OUTPUT -j ISTIO_OUTPUT",
    "-A ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN",
    `-A ISTIO_OUTPUT ${toSelf} --uid-owner ${proxyId} -j ISTIO_IN_REDIRECT`,
    `-A ISTIO_OUTPUT -o lo -m owner ! --uid-owner ${proxyId} -j RETURN`,
    `-A ISTIO_OUTPUT -m owner --uid-owner ${proxyId} -j RETURN`,
    `-A ISTIO_OUTPUT ${toSelf} --gid-owner ${proxyId} -j ISTIO_IN_REDIRECT`,
    `-A ISTIO_OUTPUT -o lo -m owner ! --gid-owner ${proxyId} -j RETURN`,
    `-A ISTIO_OUTPUT -m owner --gid-owner ${proxyId} -j RETURN`,
    "-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN",
    "-A ISTIO_OUTPUT -j ISTIO_REDIRECT",
    "COMMIT",
    "",
  ];
  inside(pid, "iptables-restore", ["--noflush"], rules.join("\n"));
}
