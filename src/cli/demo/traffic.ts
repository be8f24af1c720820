/**
 * Ordinary traffic of the simulated mesh, as all its sources tell it: visitors call productpage through
 * the gateway, productpage calls details and reviews, reviews calls ratings, ratings pays outside. Every
 * connection an application opens is redirected into its sidecar, so its own port never reaches the
 * wire. None of this may raise an insight.
 */
import type { SimulatedLog, SimulatedSpan } from "./otlp.ts";
import type { Random } from "./random.ts";
import {
  agentProcess,
  appProcess,
  clientLine,
  connectEvent,
  flowRecords,
  passthroughLine,
  proxyProcess,
  proxySpan,
  requestCounter,
  serverLine,
  type Call,
  type WireFlow,
} from "./sources.ts";
import { paymentApi, pods, services, type SimulatedPod, type SimulatedService } from "./world.ts";

/** What the simulated sources have to say; the simulation sends and empties it every tick. */
export class Outbox {
  accessLogs: SimulatedLog[] = [];
  processEvents: SimulatedLog[] = [];
  flows: SimulatedLog[] = [];
  spans: SimulatedSpan[] = [];
  /** Running totals, by the labels of their series. */
  readonly counters = new Map<
    string,
    { call: Call; reporter: "source" | "destination"; value: number }
  >();

  count(reporter: "source" | "destination", call: Call): void {
    const { client, server, service, code, isMutualTls } = call;
    const key = [reporter, client?.name, server.name, service.name, code, isMutualTls].join("|");
    const counter = this.counters.get(key);
    if (counter) counter.value++;
    else this.counters.set(key, { call, reporter, value: 1 });
  }

  scrape(): ReturnType<typeof requestCounter>[] {
    return [...this.counters.values()].map((counter) =>
      requestCounter(counter.reporter, counter.call, counter.value),
    );
  }
}

/** Ephemeral ports, handed out in turn as a kernel does under load. */
export class Ports {
  #next = 0;

  next(): number {
    this.#next = (this.#next + 1) % 28_000;
    return 32_768 + this.#next;
  }
}

export class Traffic {
  readonly #random: Random;
  readonly #ports: Ports;
  readonly #out: Outbox;

  constructor(random: Random, ports: Ports, out: Outbox) {
    this.#random = random;
    this.#ports = ports;
    this.#out = out;
  }

  /** One visitor's page view, with all the calls it causes. */
  pageView(atMs: number): void {
    const traceId = this.#random.hex(32);
    const isTraced = this.#random.next() < 0.1;
    const page = this.#call(pods.gateway, services.productpage, atMs);
    const pageSpan = isTraced ? this.#trace(page, traceId, "") : "";
    const details = this.#call(pods.productpage, services.details, atMs + 3);
    const reviews = this.#call(pods.productpage, services.reviews, atMs + 9);
    if (isTraced) this.#trace(details, traceId, pageSpan);
    const reviewsSpan = isTraced ? this.#trace(reviews, traceId, pageSpan) : "";
    if (reviews.server !== pods.reviews1) {
      const ratings = this.#call(reviews.server, services.ratings, atMs + 12);
      if (isTraced) this.#trace(ratings, traceId, reviewsSpan);
    }
  }

  /** A call that leaves the mesh through the sidecar: a known destination, the proxy's own port. */
  payment(atMs: number): void {
    const [appPort, wirePort] = [this.#ports.next(), this.#ports.next()];
    const pod = pods.ratings;
    this.#out.processEvents.push(connectEvent(appProcess(pod), atMs, appPort, paymentApi));
    this.#out.processEvents.push(connectEvent(proxyProcess(pod), atMs + 1, wirePort, paymentApi));
    this.#out.accessLogs.push(passthroughLine(pod, atMs, paymentApi, appPort, wirePort));
    this.#wire({
      fromIp: pod.ip,
      fromPort: wirePort,
      toIp: paymentApi.ip,
      toPort: paymentApi.port,
      startMs: atMs + 1,
    });
  }

  /** What a mesh does by itself: agents talk to istiod, names are looked up, targets are scraped. */
  housekeeping(atMs: number): void {
    const meshed = Object.values(pods).filter((pod) => pod.hasSidecar);
    const pod = meshed[this.#random.below(meshed.length)] ?? pods.productpage;
    const agentPort = this.#ports.next();
    const istiod = { ip: pods.istiod.ip, port: 15_012 };
    this.#out.processEvents.push(connectEvent(agentProcess(pod), atMs, agentPort, istiod));
    this.#wire({
      fromIp: pod.ip,
      fromPort: agentPort,
      toIp: istiod.ip,
      toPort: istiod.port,
      startMs: atMs,
    });
    this.#wire({
      fromIp: pod.ip,
      fromPort: this.#ports.next(),
      toIp: pods.coredns.ip,
      toPort: 53,
      startMs: atMs,
      transport: "udp",
    });
    this.#wire({
      fromIp: pods.prometheus.ip,
      fromPort: this.#ports.next(),
      toIp: pod.ip,
      toPort: 15_020,
      startMs: atMs + 2,
    });
  }

  /** One mTLS call through both sidecars, seen by everybody who would see it. */
  #call(client: SimulatedPod, service: SimulatedService, atMs: number): Call {
    const server = this.#random.pick(service.pods);
    const call: Call = {
      atMs,
      durationMs: 2 + this.#random.below(20),
      client,
      clientIp: client.ip,
      appPort: this.#ports.next(),
      wirePort: this.#ports.next(),
      server,
      service,
      code: this.#random.next() < 0.01 ? 503 : 200,
      isMutualTls: true,
      requestId: this.#requestId(),
    };
    this.#out.accessLogs.push(clientLine(call), serverLine(call));
    this.#out.count("source", call);
    this.#out.count("destination", call);
    if (client.hasSidecar) {
      this.#out.processEvents.push(
        connectEvent(appProcess(client), atMs, call.appPort, {
          ip: service.ip,
          port: service.port,
        }),
        connectEvent(proxyProcess(client), atMs + 1, call.wirePort, {
          ip: server.ip,
          port: server.port,
        }),
      );
    }
    this.#wire({
      fromIp: client.ip,
      fromPort: call.wirePort,
      toIp: server.ip,
      toPort: server.port,
      startMs: atMs + 1,
    });
    return call;
  }

  #trace(call: Call, traceId: string, parentSpanId: string): string {
    const [clientId, serverId] = [this.#random.hex(16), this.#random.hex(16)];
    this.#out.spans.push(
      proxySpan(call, "client", { traceId, spanId: clientId, parentSpanId }),
      proxySpan(call, "server", { traceId, spanId: serverId, parentSpanId: clientId }),
    );
    return serverId;
  }

  #wire(flow: Omit<WireFlow, "bytes" | "endMs" | "transport"> & Partial<WireFlow>): void {
    const bytes = 400 + this.#random.below(9_000);
    this.#out.flows.push(
      ...flowRecords({ transport: "tcp", bytes, endMs: flow.startMs + 25, ...flow }),
    );
  }

  #requestId(): string {
    const hex = this.#random.hex(32);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
  }
}
