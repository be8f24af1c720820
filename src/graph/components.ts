/**
 * The programs of the mesh itself (istiod, Istio's CNI agent, ztunnel) and what they count, told to the
 * rules as `component`: one for all instances of a workload. Counters are told as what they added within
 * the last two five-minute buckets of event time, ends of certificates as the hours that are left. A
 * sidecar is told only for plaintext that its own counters show and Istio's metrics do not. How many of a
 * program's pods are available is told by the cluster, also while the program itself is silent: that is a
 * component beside the other, by the same names, with a silence of its own.
 */
import { evidenceMax, type Evidence, type GraphChange } from "../model/changes.ts";
import { makeEntity, type Entity } from "../model/entities.ts";
import type { ComponentSample } from "../model/observations.ts";
import { usPerHour, usPerMinute, usPerSecond, usToRfc3339, type Us } from "../model/time.ts";
import { isOfMesh, isReplicas, replicasOf, type Replicas } from "./component-replicas.ts";
import {
  addPoint,
  bucketOf,
  increaseOf,
  isCurrent,
  lastOf,
  makeComponentSeries,
  type ComponentSeries,
} from "./component-series.ts";
import { contentHash } from "./content-hash.ts";
import { workloadOfPodName } from "./pods.ts";
import { bucketUs } from "./security.ts";

export interface ComponentLimits {
  /** Sidecars that show their connections may be half of them. */
  readonly componentsMax: number;
  /** Series of all instances of all components; one component may have half of them. */
  readonly componentSeriesMax: number;
}

interface Instance {
  firstUs: Us;
  lastUs: Us;
  version: string;
  versionUs: Us;
}

/** Of a sidecar, with the connections that it took without TLS. */
interface Listener {
  readonly instance: string;
  readonly port: string;
  count: number;
}

interface Component {
  readonly kind: ComponentSample["component"];
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
  readonly id: string;
  /** What the cluster tells of the workload, and not the program of itself. */
  readonly isWorkload: boolean;
  newestUs: Us;
  /** Up to when it was judged as it was told last: that it fell silent then is no news of a later time. */
  toldUs: Us;
  readonly instances: Map<string, Instance>;
  readonly series: Map<string, ComponentSeries>;
  /** As the rules know it, "" = they do not. */
  told: string;
}

const sweepUs = usPerMinute;
/** So long after the last word nobody can tell any more; and so long it is one of the mesh's at all. */
const silentUs = 2 * bucketUs;
const forgottenUs = 24 * usPerHour;
const expiries: ReadonlyMap<string, string> = new Map([
  ["root_cert_expires_at", "root_cert_expiry_seconds"],
  ["cert_chain_expires_at", "cert_chain_expiry_seconds"],
]);

export class Components {
  readonly #limits: ComponentLimits;
  /** Whether Istio's own metrics tell of the connections that this proxy takes. */
  readonly #hasRows: (sourceKey: string) => boolean;
  readonly #meshNamespaces: readonly string[];
  readonly #components = new Map<string, Component>();
  readonly #dirty = new Set<Component>();
  /** Sidecars that were told of plaintext: Istio's metrics, which say more, may come at any time. */
  readonly #told = new Set<Component>();
  #series = 0;
  #proxies = 0;
  #sweptUs = 0;
  dropped = 0;

  /** `meshNamespaces`: where workloads are the mesh's if their names say so. */
  constructor(
    limits: ComponentLimits,
    hasRows: (sourceKey: string) => boolean,
    meshNamespaces: readonly string[],
  ) {
    this.#limits = limits;
    this.#hasRows = hasRows;
    this.#meshNamespaces = meshNamespaces;
  }

  /**
   * Takes a sample in; true when the journal must hold it. What is only claimed counts nowhere: it could
   * hide what an honest instance tells.
   */
  seen(sample: ComponentSample): boolean {
    if (sample.trust === "claimed") return false;
    if (isReplicas(sample) && !isOfMesh(sample, this.#meshNamespaces)) return false;
    const component = this.#componentOf(sample);
    const series = component && this.#seriesOf(component, sample);
    if (!series) {
      this.dropped++;
      return false;
    }
    const { timeUs, version } = sample;
    const instance = instanceOf(component, sample);
    instance.firstUs = Math.min(instance.firstUs, timeUs);
    instance.lastUs = Math.max(instance.lastUs, timeUs);
    if (version !== "" && (timeUs > instance.versionUs || instance.version === "")) {
      instance.version = version;
      instance.versionUs = timeUs;
    }
    component.newestUs = Math.max(component.newestUs, timeUs);
    this.#dirty.add(component);
    return addPoint(series, sample);
  }

  /** Tells what is different from what was told. */
  tell(nowUs: Us, out: GraphChange[]): void {
    if (nowUs - this.#sweptUs >= sweepUs) {
      this.#sweptUs = nowUs;
      for (const component of this.#components.values()) this.#sweep(component, nowUs, out);
    }
    for (const component of this.#told) this.#dirty.add(component);
    for (const component of this.#dirty) this.#tellOne(component, nowUs, out);
    this.#dirty.clear();
  }

  #componentOf(sample: ComponentSample): Component | null {
    const { component: kind, cluster, namespace, instance } = sample;
    // Without a pod's name there is the scrape's job and target: the kind is all that is known.
    const isWorkload = isReplicas(sample);
    const ofPod = instance.includes("/") ? kind : workloadOfPodName(instance).name;
    const name = isWorkload ? instance : ofPod;
    const id = [kind, cluster, namespace, name, ...(isWorkload ? ["replicas"] : [])].join("|");
    const known = this.#components.get(id);
    if (known) return known;
    const max = this.#limits.componentsMax;
    const isProxy = kind === "proxy";
    if (this.#components.size >= max || (isProxy && this.#proxies >= max / 2)) return null;
    if (isProxy) this.#proxies++;
    const component = {
      kind,
      cluster,
      namespace,
      name,
      id,
      isWorkload,
      newestUs: 0,
      toldUs: 0,
      told: "",
      instances: new Map<string, Instance>(),
      series: new Map<string, ComponentSeries>(),
    };
    this.#components.set(id, component);
    return component;
  }

  #seriesOf(component: Component, sample: ComponentSample): ComponentSeries | null {
    const { instance, metric, series, counts } = sample;
    const key = JSON.stringify([instance, metric, series, counts]);
    const known = component.series.get(key);
    if (known) return known;
    const max = this.#limits.componentSeriesMax;
    if (this.#series >= max || component.series.size >= max / 2) return null;
    const made = makeComponentSeries(sample);
    component.series.set(key, made);
    this.#series++;
    return made;
  }

  /** Series of pods that are no more go; so does a component of which nothing was heard for a day. */
  #sweep(component: Component, nowUs: Us, out: GraphChange[]): void {
    const newest = bucketOf(component.newestUs);
    for (const [key, series] of component.series) {
      // Of a workload the two numbers stand together, and fall silent together.
      if (component.isWorkload || isCurrent(series, newest - 1)) continue;
      if (component.series.delete(key)) this.#series--;
    }
    for (const [name, { lastUs }] of component.instances) {
      if (bucketOf(lastUs) < newest - 2) component.instances.delete(name);
    }
    this.#dirty.add(component);
    if (nowUs - component.newestUs < forgottenUs) return;
    this.#series -= component.series.size;
    this.#components.delete(component.id);
    if (component.kind === "proxy") this.#proxies--;
    this.#dirty.delete(component);
    this.#told.delete(component);
    const { id, told } = component;
    if (told !== "") out.push({ kind: "gone", type: "component", id, atUs: nowUs });
  }

  #tellOne(component: Component, nowUs: Us, out: GraphChange[]): void {
    if (component.isWorkload) return this.#tellWorkload(component, nowUs, out);
    const listeners = component.kind === "proxy" ? this.#plaintextOf(component) : null;
    if (listeners?.length === 0 && component.told === "") return;
    const entity = entityOf(component, listeners);
    const judged = nowUs - component.newestUs <= silentUs;
    const told = JSON.stringify([entity, judged]);
    if (component.told === told) return;
    component.told = told;
    if (judged || component.toldUs === 0) component.toldUs = component.newestUs;
    if (listeners?.length) this.#told.add(component);
    else this.#told.delete(component);
    out.push({
      kind: "entity",
      type: "component",
      id: component.id,
      entity,
      judged,
      atUs: component.toldUs,
      evidence: listeners ? plaintextEvidence(component, listeners) : evidenceOf(component),
      observers: [],
    });
  }

  /** Told anew with each five minutes while pods lack, so that the evidence is that of the last ones. */
  #tellWorkload(component: Component, nowUs: Us, out: GraphChange[]): void {
    const replicas = replicasOf(component.series.values());
    if (!replicas) return;
    const { desired, available, untilUs } = replicas;
    const entity = { ...namedEntity(component), desired, available };
    const judged = nowUs - untilUs <= silentUs;
    // Of the last five minutes, not of the last point: silence after it is no news.
    const atUs = bucketOf(untilUs) * bucketUs;
    const evidence = available < desired ? [lacking(component, replicas)] : [];
    const told = JSON.stringify([entity, judged, evidence]);
    if (component.told === told) return;
    component.told = told;
    const { id } = component;
    const change = { kind: "entity", type: "component", id, entity, judged } as const;
    out.push({ ...change, atUs, evidence, observers: [] });
  }

  /**
   * Connections less those with TLS, of listeners that showed both: a counter that Envoy was told to leave
   * out is not zero. Where Istio's metrics tell of the same proxy they tell the same, and from whom.
   */
  #plaintextOf(component: Component): Listener[] {
    const { cluster, namespace, series } = component;
    const newest = bucketOf(component.newestUs);
    const listeners = new Map<string, Listener & { all: number; tls: number | null }>();
    for (const one of series.values()) {
      const { instance, series: port, metric } = one;
      if (this.#hasRows(`${cluster}/${namespace}/${instance}`)) continue;
      const key = `${instance} ${port}`;
      const listener = listeners.get(key) ?? { instance, port, all: 0, tls: null, count: 0 };
      const increase = increaseIn(component, one, newest);
      if (metric === "http_connections") listener.all += increase;
      else listener.tls = (listener.tls ?? 0) + increase;
      listeners.set(key, listener);
    }
    for (const one of listeners.values()) if (one.tls !== null) one.count = one.all - one.tls;
    return [...listeners.values()].filter(({ count }) => count > 0);
  }
}

function entityOf(
  component: Component,
  listeners: readonly Listener[] | null,
): Entity<"component"> {
  const versions = [...component.instances.values()].map(({ version }) => version).filter(Boolean);
  const version = [...new Set(versions)].toSorted().join(", ");
  const metrics = listeners
    ? { plaintext_connections: listeners.reduce((sum, { count }) => sum + count, 0) }
    : numbersOf(component);
  return { ...namedEntity(component), version, metrics };
}

function namedEntity({ kind, cluster, namespace, name }: Component): Entity<"component"> {
  const self = makeEntity("node");
  Object.assign(self, { cluster, namespace, name, resolved: "inferred" });
  return { ...makeEntity("component"), kind, cluster, namespace, name, self };
}

function instanceOf({ instances }: Component, { instance, timeUs }: ComponentSample): Instance {
  const known = instances.get(instance);
  if (known) return known;
  const made = { firstUs: timeUs, lastUs: timeUs, version: "", versionUs: 0 };
  instances.set(instance, made);
  return made;
}

function increaseIn({ instances }: Component, series: ComponentSeries, newest: number): number {
  const isYoung = series.firstUs > (instances.get(series.instance)?.firstUs ?? 0);
  return increaseOf(series, newest, isYoung);
}

function numbersOf(component: Component): Record<string, number> {
  const numbers: Record<string, number> = {};
  const newest = bucketOf(component.newestUs);
  for (const series of component.series.values()) {
    const { metric, counts } = series;
    if (metric === "build") continue;
    const known = numbers[metric];
    if (counts === "total" || counts === "delta") {
      numbers[metric] = (known ?? 0) + increaseIn(component, series, newest);
    } else if (isCurrent(series, newest)) {
      const { value } = lastOf(series);
      numbers[metric] =
        known === undefined ? value : counts === "amount" ? known + value : Math.min(known, value);
    }
  }
  for (const [at, left] of expiries) {
    const expiresAt = numbers[at];
    if (expiresAt === undefined) continue;
    delete numbers[at];
    numbers[left] = hoursLeft(expiresAt, component.newestUs) * 3_600;
    numbers["cert_expiry_seconds"] = Math.min(
      numbers["cert_expiry_seconds"] ?? Infinity,
      numbers[left],
    );
  }
  return Object.fromEntries(Object.entries(numbers).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Whole hours: what counts down by the second would be told with every scrape. */
function hoursLeft(expiresAt: number, nowUs: Us): number {
  return Math.floor((expiresAt - nowUs / usPerSecond) / 3_600);
}

/** By what does not change with the next point, so that it is the same whatever came first. */
function evidenceOf(component: Component): Evidence[] {
  const newest = bucketOf(component.newestUs);
  const all: Evidence[] = [];
  for (const one of component.series.values()) {
    const isCounter = one.counts === "total" || one.counts === "delta";
    const said = isCounter ? increaseIn(component, one, newest) > 0 : expiries.has(one.metric);
    if (said) all.push(isCounter ? counted(component, one) : expiring(component, one));
  }
  return all
    .toSorted((a, b) => a.atUs - b.atUs || (a.hash < b.hash ? -1 : 1))
    .slice(0, evidenceMax);
}

function plaintextEvidence(component: Component, listeners: readonly Listener[]): Evidence[] {
  const atUs = bucketOf(component.newestUs) * bucketUs;
  const until = minuteText(atUs + bucketUs);
  const all = listeners.map(({ instance, port }) => {
    const what = `${instance} took connections without TLS on port ${port}`;
    return makeEvidence(component, atUs, `${what} in the ten minutes up to ${until}`, {
      instance,
      port,
    });
  });
  return all.toSorted((a, b) => (a.hash < b.hash ? -1 : 1)).slice(0, evidenceMax);
}

function counted(component: Component, { instance, metric, series, buckets }: ComponentSeries) {
  const atUs = (buckets.at(-1)?.index ?? 0) * bucketUs;
  const what = series === "" ? metric : `${metric} (${series})`;
  const text = `${instance} counted ${what} in the ten minutes up to ${minuteText(atUs + bucketUs)}`;
  const fields = { instance, metric, series };
  return makeEvidence(component, atUs, text, fields);
}

function expiring(component: Component, series: ComponentSeries): Evidence {
  const { instance, metric } = series;
  const { value } = lastOf(series);
  const ends = minuteText(value * usPerSecond);
  const what = metric === "root_cert_expires_at" ? "root certificate" : "certificate chain";
  const text = `the ${what} of ${instance} ends at ${ends}`;
  return makeEvidence(component, value * usPerSecond, text, { instance, metric, ends });
}

function lacking(component: Component, { desired, available, untilUs }: Replicas): Evidence {
  const atUs = bucketOf(untilUs) * bucketUs;
  const { name: instance } = component;
  const text = `${available} of ${desired} pods of ${instance} are available in the five minutes up to ${minuteText(atUs + bucketUs)}`;
  const fields = { instance, desired: String(desired), available: String(available) };
  return { ...makeEvidence(component, atUs, text, fields), vantage: "object" };
}

function makeEvidence(
  { id }: Component,
  atUs: Us,
  text: string,
  fields: Readonly<Record<string, string>>,
): Evidence {
  const hash = contentHash(["component", id, atUs, JSON.stringify(fields)]);
  return { atUs, nanos: 0, vantage: "proxy", source: fields["instance"] ?? "", text, fields, hash };
}

const minuteText = (us: Us): string => `${usToRfc3339(us).slice(0, 16)}Z`;
