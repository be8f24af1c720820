/**
 * What goes wrong in the simulated mesh.
 *
 * - From second 2: a shell in a tenant's notebook runs under the proxy's UID. The redirect rules let the
 *   proxy's own UID out, so its connections leave the pod around the sidecar: a drop site outside, a
 *   scan inside, and details in plaintext, which no client proxy reports.
 * - All the time: another tenant's batch job calls ratings with mTLS turned off by a destination rule.
 */
import {
  clientLine,
  connectEvent,
  execEvent,
  flowRecords,
  serverLine,
  type Call,
  type SimulatedProcess,
} from "./sources.ts";
import type { Outbox, Ports } from "./traffic.ts";
import { dropSite, pods, proxyUserId, services } from "./world.ts";

const attacker: SimulatedProcess = {
  pod: pods.notebook,
  container: pods.notebook.container,
  exe: "/bin/bash",
  uid: proxyUserId,
  pid: 31_337,
};

/** Ports that a scan for storage, consoles and control planes tries first. */
const scannedPorts = [2049, 2379, 10_250, 44_134, 3100, 8080] as const;

export class Story {
  readonly #ports: Ports;
  readonly #out: Outbox;
  #beat = 0;

  constructor(ports: Ports, out: Outbox) {
    this.#ports = ports;
    this.#out = out;
  }

  /** Called once a second. */
  beat(atMs: number): void {
    this.#beat++;
    this.#plaintextBatch(atMs);
    if (this.#beat === 2) this.#out.processEvents.push(execEvent(attacker, atMs));
    if (this.#beat < 3) return;
    if (this.#beat % 3 === 0) this.#aroundTheSidecar(atMs, dropSite);
    if (this.#beat % 5 === 4) this.#plaintextProbe(atMs);
    const port = scannedPorts[this.#beat % scannedPorts.length] ?? 2049;
    this.#aroundTheSidecar(atMs + 200, { ip: pods.reviews1.ip, port });
  }

  /** The shell's own socket, straight onto the wire. */
  #aroundTheSidecar(atMs: number, to: { readonly ip: string; readonly port: number }): number {
    const port = this.#ports.next();
    this.#out.processEvents.push(connectEvent(attacker, atMs, port, to));
    this.#out.flows.push(
      ...flowRecords({
        fromIp: attacker.pod.ip,
        fromPort: port,
        toIp: to.ip,
        toPort: to.port,
        transport: "tcp",
        bytes: 48_000,
        startMs: atMs,
        endMs: atMs + 40,
      }),
    );
    return port;
  }

  /** details' sidecar sees a caller without a certificate; no client proxy knows of the call. */
  #plaintextProbe(atMs: number): void {
    const server = pods.details;
    const port = this.#aroundTheSidecar(atMs, { ip: server.ip, port: server.port });
    const call = this.#plaintextCall(atMs, attacker.pod.ip, port, false);
    this.#out.accessLogs.push(serverLine(call));
    this.#out.count("destination", call);
  }

  #plaintextBatch(atMs: number): void {
    const call = this.#plaintextCall(atMs, pods.batchExport.ip, this.#ports.next(), true);
    this.#out.accessLogs.push(clientLine(call), serverLine(call));
    this.#out.count("source", call);
    this.#out.count("destination", call);
    this.#out.flows.push(
      ...flowRecords({
        fromIp: call.clientIp,
        fromPort: call.wirePort,
        toIp: call.server.ip,
        toPort: call.server.port,
        transport: "tcp",
        bytes: 2_000,
        startMs: atMs,
        endMs: atMs + 20,
      }),
    );
  }

  #plaintextCall(atMs: number, clientIp: string, wirePort: number, isBatch: boolean): Call {
    return {
      atMs,
      durationMs: 8,
      client: isBatch ? pods.batchExport : null,
      clientIp,
      appPort: this.#ports.next(),
      wirePort,
      server: isBatch ? pods.ratings : pods.details,
      service: isBatch ? services.ratings : services.details,
      code: 200,
      isMutualTls: false,
      requestId: `00000000-0000-4000-8000-${String(atMs).slice(-12)}`,
    };
  }
}
