/** Identities of the live mesh: an authority and one certificate per sidecar, as istiod signs them. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hasSidecar, pods, type LivePod } from "./mesh.ts";
import { sh } from "./topology.ts";

export interface Identity {
  readonly key: string;
  readonly certificate: string;
  readonly authority: string;
}

const principalOf = (pod: LivePod): string =>
  `spiffe://cluster.local/ns/${pod.namespace}/sa/${pod.workload}`;

/** Paths of files in `folder`, which the sidecars may read. */
export function makeIdentities(folder: string): ReadonlyMap<LivePod, Identity> {
  mkdirSync(folder);
  const at = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): string => sh("openssl", args);
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const authority = ["-x509", "-days", "2", "-subj", "/O=cluster.local"];
  openssl("req", ...authority, ...newKey, "-keyout", at("ca.key"), "-out", at("ca.pem"));
  const identities = new Map<LivePod, Identity>();
  for (const pod of pods.filter(hasSidecar)) {
    const [key, certificate] = [at(`${pod.workload}.key`), at(`${pod.workload}.pem`)];
    const request = at(`${pod.workload}.csr`);
    openssl("req", ...newKey, "-subj", "/O=cluster.local", "-keyout", key, "-out", request);
    const extensions = at(`${pod.workload}.ext`);
    writeFileSync(extensions, `subjectAltName=critical,URI:${principalOf(pod)}\n`);
    const signer = ["-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial"];
    const signing = ["x509", "-req", "-days", "1", "-in", request, "-extfile", extensions];
    openssl(...signing, ...signer, "-out", certificate);
    chmodSync(key, 0o644); // a key for an hour, and the sidecar is not its owner
    identities.set(pod, { key, certificate, authority: at("ca.pem") });
  }
  return identities;
}
