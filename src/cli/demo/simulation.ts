/**
 * The simulated mesh as a stream of OTLP requests: objects first and every ten seconds, then once a
 * second whatever the sources had to say, as separate senders would send it.
 */
import { encodeCounters, encodeLogs, encodeSpans, type OtlpRequest } from "./otlp.ts";
import { Random } from "./random.ts";
import { agentProcess, appProcess, execEvent, podObject, proxyProcess } from "./sources.ts";
import { Story } from "./story.ts";
import { Outbox, Ports, Traffic } from "./traffic.ts";
import { clusterName, pods } from "./world.ts";

const pageViewsPerSecond = 4;
const objectsEverySeconds = 10;
const scrapeEverySeconds = 2;

export class Simulation {
  readonly #out = new Outbox();
  readonly #traffic: Traffic;
  readonly #story: Story;
  #second = 0;

  constructor(seed: number) {
    const random = new Random(seed);
    const ports = new Ports();
    this.#traffic = new Traffic(random, ports, this.#out);
    this.#story = new Story(ports, this.#out);
  }

  /** The requests of the second that ends now. */
  tick(nowMs: number): OtlpRequest[] {
    const startMs = nowMs - 1_000;
    if (this.#second === 0) this.#startProcesses(startMs);
    const requests: OtlpRequest[] = [];
    if (this.#second % objectsEverySeconds === 0) requests.push(listPods(nowMs));
    for (let view = 0; view < pageViewsPerSecond; view++) {
      this.#traffic.pageView(startMs + view * (900 / pageViewsPerSecond));
    }
    this.#traffic.payment(startMs + 500);
    this.#traffic.housekeeping(startMs + 700);
    this.#story.beat(startMs + 100);
    requests.push(...this.#drain(nowMs));
    this.#second++;
    return requests;
  }

  #startProcesses(atMs: number): void {
    for (const pod of Object.values(pods)) {
      this.#out.processEvents.push(execEvent(appProcess(pod), atMs));
      if (!pod.hasSidecar) continue;
      this.#out.processEvents.push(execEvent(agentProcess(pod), atMs));
      this.#out.processEvents.push(execEvent(proxyProcess(pod), atMs));
    }
  }

  #drain(nowMs: number): OtlpRequest[] {
    const out = this.#out;
    const requests = [
      encodeLogs({}, out.accessLogs),
      encodeLogs({ "k8s.cluster.name": clusterName }, out.processEvents),
      encodeLogs({}, out.flows),
    ];
    if (out.spans.length > 0) requests.push(encodeSpans({ "service.name": "envoy" }, out.spans));
    if (this.#second % scrapeEverySeconds === 0) {
      const scraper = { "service.name": "kubernetes-pods", "k8s.cluster.name": clusterName };
      requests.push(encodeCounters(scraper, out.scrape(), nowMs));
    }
    out.accessLogs = [];
    out.processEvents = [];
    out.flows = [];
    out.spans = [];
    return requests;
  }
}

function listPods(nowMs: number): OtlpRequest {
  const objects = Object.values(pods).map((pod) => podObject(pod, nowMs));
  return encodeLogs({ "k8s.cluster.name": clusterName }, objects);
}
