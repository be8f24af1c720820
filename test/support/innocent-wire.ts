/**
 * Connections of an innocent day as the nodes' flow exporters see them: both directions, a record every
 * two minutes while they last and one at their end, some from the nodes of both ends.
 */
import type { DayCluster } from "./innocent-cluster.ts";
import { logSender, type LogSender, type Travel } from "./innocent-senders.ts";
import { flowRecord, type DayNode } from "./innocent-words.ts";

const partialEveryMs = 120_000;
const [syn, fin, acknowledged] = [0x02, 0x01, 0x18];
const resetAndAcknowledged = 0x14;

/** TCP's flags of both directions' records. */
interface Flags {
  readonly there: number;
  readonly back: number;
}

const bothWays = (flags: number): Flags => ({ there: flags, back: flags });

export interface WirePlan {
  readonly fromIp: string;
  readonly fromPort: number;
  readonly toIp: string;
  readonly toPort: number;
  readonly transport?: "tcp" | "udp";
  /** The nodes whose exporters may see it. */
  readonly nodes: readonly (DayNode | undefined)[];
  readonly openMs: number;
}

export interface Connection extends WirePlan {
  readonly samplers: readonly DayNode[];
  reportedMs: number;
  /** Infinity while it is open. */
  closeMs: number;
}

export class Wire {
  readonly #cluster: DayCluster;
  readonly #exporters = new Map<DayNode, LogSender>();

  constructor(cluster: DayCluster, travel: Travel) {
    this.#cluster = cluster;
    const { nowMs } = cluster.agenda;
    for (const node of cluster.nodes) this.#exporters.set(node, logSender(travel, 4_000, nowMs));
  }

  tick(nowMs: number, isLast: boolean): void {
    for (const exporter of this.#exporters.values()) exporter.tick(nowMs, isLast);
  }

  open(plan: WirePlan): Connection {
    const { random } = this.#cluster;
    const [first, ...rest] = plan.nodes.filter((node) => node !== undefined);
    const others = rest.filter((node) => node !== first && random.next() < 0.3);
    const samplers = first ? [first, ...others] : [];
    const connection = { ...plan, samplers, reportedMs: plan.openMs, closeMs: Infinity };
    this.#later(connection);
    return connection;
  }

  /** Opened and closed: exporters tell of it soon after. */
  short(
    plan: WirePlan,
    durationMs: number,
    flags: Flags = bothWays(syn | acknowledged | fin),
  ): void {
    const connection = this.open(plan);
    connection.closeMs = plan.openMs + durationMs;
    this.#cluster.agenda.at(connection.closeMs + 2_000, () =>
      this.#report(connection, connection.closeMs, flags),
    );
  }

  /** Nobody listens there: one segment each way. */
  refused(plan: WirePlan): void {
    this.short(plan, 1, { there: syn, back: resetAndAcknowledged });
  }

  close(connection: Connection, atMs: number): void {
    if (connection.closeMs !== Infinity) return;
    connection.closeMs = Math.max(atMs, connection.reportedMs);
    const isFirst = connection.reportedMs === connection.openMs;
    const flags = bothWays((isFirst ? syn : 0) | acknowledged | fin);
    this.#report(connection, connection.closeMs, flags);
  }

  #later(connection: Connection): void {
    const atMs = connection.reportedMs + partialEveryMs;
    this.#cluster.agenda.at(atMs, () => {
      if (connection.closeMs <= atMs) return;
      const isFirst = connection.reportedMs === connection.openMs;
      this.#report(connection, atMs, bothWays((isFirst ? syn : 0) | acknowledged));
      this.#later(connection);
    });
  }

  #report(connection: Connection, endMs: number, { there, back }: Flags): void {
    const { fromIp, fromPort, toIp, toPort, transport = "tcp", reportedMs } = connection;
    connection.reportedMs = endMs;
    for (const node of connection.samplers) {
      const skewMs = node.flowSkewMs;
      const times = { startMs: reportedMs + skewMs, endMs: endMs + skewMs };
      const common = { transport, ...times, bytes: 4_000, sampler: node.ip };
      const request = { fromIp, fromPort, toIp, toPort, flags: there, ...common };
      const far = { fromIp: toIp, fromPort: toPort, toIp: fromIp, toPort: fromPort };
      const exporter = this.#exporters.get(node);
      exporter?.push({}, flowRecord(request));
      exporter?.push({}, flowRecord({ ...far, flags: back, ...common }));
    }
  }
}
