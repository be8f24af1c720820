/** What proxies of an innocent day count, and how they are scraped: each once a minute, from 0 after a restart. */
import type { DayCounts } from "./innocent-counts.ts";
import { sendScrapes, type Travel } from "./innocent-senders.ts";
import {
  buildRow,
  counterRow,
  dayCluster,
  hasProxy,
  type CallEnds,
  type DayPod,
} from "./innocent-words.ts";

type Reporter = "source" | "destination";

interface Count {
  readonly name: string;
  readonly reporter: Reporter;
  readonly ends: CallEnds;
  readonly code: string;
  value: number;
}

export class Scrapes {
  readonly #travel: Travel;
  readonly #day: DayCounts;
  readonly #counts = new Map<DayPod, Map<string, Count>>();

  constructor(travel: Travel, day: DayCounts) {
    this.#travel = travel;
    this.#day = day;
  }

  request(reporter: Reporter, ends: CallEnds, code = "200"): void {
    this.#count("istio_requests_total", reporter, ends, code);
  }

  opened(reporter: Reporter, ends: CallEnds): void {
    this.#count("istio_tcp_connections_opened_total", reporter, ends);
  }

  closed(reporter: Reporter, ends: CallEnds): void {
    this.#count("istio_tcp_connections_closed_total", reporter, ends);
  }

  /** The proxy has ended. */
  reset(pod: DayPod): void {
    if (this.#counts.delete(pod) && pod.endedMs === 0) this.#day.add("counterResets");
  }

  /** Scrapes whoever is due in this second. */
  tick(nowMs: number, pods: readonly DayPod[]): void {
    const second = Math.floor(nowMs / 1_000);
    const due = pods.filter(
      (pod) => hasProxy(pod) && (Number(pod.uid.slice(-12)) * 7) % 60 === second % 60,
    );
    if (due.length === 0) return;
    this.#day.add("scrapes", due.length);
    const targets = due.map((pod) => [
      buildRow(pod),
      ...[...(this.#counts.get(pod)?.values() ?? [])].map(({ name, reporter, ends, code, value }) =>
        counterRow(name, reporter, ends, code, value),
      ),
    ]);
    sendScrapes(this.#travel, nowMs, targets, dayCluster);
  }

  #count(name: string, reporter: Reporter, ends: CallEnds, code = ""): void {
    const { client, server } = ends;
    const by = reporter === "destination" ? server : client;
    if (!hasProxy(by)) return;
    const peer = reporter === "destination" ? client : server;
    const key = `${name} ${reporter} ${peer.namespace}/${peer.workload} ${ends.service} ${code}`;
    let counts = this.#counts.get(by);
    if (!counts) this.#counts.set(by, (counts = new Map()));
    const known = counts.get(key);
    if (known) known.value++;
    else counts.set(key, { name, reporter, ends, code, value: 1 });
  }
}
