/** The small mesh of a story: what its short names stand for. */
import {
  appContainer,
  initContainer,
  makePod,
  proxyContainer,
  type Container,
  type End,
  type Pod,
} from "../scenarios/pipeline-world.ts";
import type { ContainerFields, MeshFields, PodFields, ServiceFields } from "./story-schema.ts";

export interface StoryPod extends Pod {
  /** When its object is first seen; null: never. */
  readonly announcedS: number | null;
}

export interface Mesh {
  readonly pods: ReadonlyMap<string, StoryPod>;
  readonly services: ReadonlyMap<string, ServiceFields & { readonly name: string }>;
  readonly hosts: ReadonlyMap<string, string>;
}

const shortContainers: Readonly<Record<string, Container>> = {
  init: initContainer,
  app: appContainer,
  proxy: proxyContainer,
  "native-proxy": { ...proxyContainer, isNative: true },
};

/** The pods of several files; a later one replaces those of the same name. */
export function makeMesh(...parts: readonly MeshFields[]): Mesh {
  const pods = new Map<string, StoryPod>();
  const services = new Map<string, ServiceFields & { name: string }>();
  const hosts = new Map<string, string>();
  for (const part of parts) {
    for (const [name, fields] of Object.entries(part.pods)) pods.set(name, podOf(name, fields));
    for (const [name, fields] of Object.entries(part.services)) {
      services.set(name, { ...fields, name });
    }
    for (const [name, address] of Object.entries(part.hosts)) hosts.set(name, address);
  }
  return { pods, services, hosts };
}

function podOf(name: string, fields: PodFields): StoryPod {
  const { ip, namespace, cluster, port, suffix, labels, annotations, node } = fields;
  const pod = makePod(fields.workload ?? name, ip, {
    cluster,
    namespace,
    port,
    suffix,
    labels,
    annotations,
    node,
    otherIps: fields.other_ips,
    containers: fields.containers.map(containerOf),
    hostNetwork: fields.host_network,
    hostUsers: fields.host_users ?? true,
    sharesProcesses: fields.share_processes,
    startS: fields.started,
  });
  return { ...pod, announcedS: fields.announced === "never" ? null : fields.announced };
}

function containerOf(fields: ContainerFields): Container {
  if (typeof fields === "string") {
    const known = shortContainers[fields];
    if (known) return known;
    throw new Error(`no container is called ${fields} for short`);
  }
  const { name, image, user, init, native } = fields;
  return {
    name,
    image,
    ...(user === undefined ? {} : { user }),
    ...(init ? { isInit: true } : {}),
    ...(native ? { isNative: true } : {}),
  };
}

/** Throws an error that names what there is, for whoever wrote the story. */
export function podNamed(mesh: Mesh, name: string): StoryPod {
  const pod = mesh.pods.get(name);
  if (pod) return pod;
  throw new Error(`no pod is called "${name}"; there are ${[...mesh.pods.keys()].join(", ")}`);
}

/** `web:8080` or an address with a port. */
export function endOf(mesh: Mesh, text: string): End {
  const colon = text.lastIndexOf(":");
  const name = text.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  const six = mesh.pods.get(name.replace(/-6$/, ""))?.otherIps[0];
  const ip = mesh.pods.get(name)?.ip ?? six ?? mesh.services.get(name)?.ip ?? mesh.hosts.get(name);
  if (ip === undefined && !/^[\d.]+$|:/.test(name)) {
    throw new Error(`"${name}" is neither an address nor a pod, service or host of the mesh`);
  }
  return { ip: ip ?? name, port: Number(text.slice(colon + 1)) };
}

/** The pod that has the address, if it is one's of the mesh. */
export function podAt(mesh: Mesh, ip: string): StoryPod | undefined {
  return [...mesh.pods.values()].find((pod) => pod.ip === ip && !pod.hostNetwork);
}
