/**
 * What is declared about the ends of an edge, and whether what was seen of them fits: the mode of mutual
 * TLS in force at the server, whose identity the caller showed, whether its trust domain is ours. It
 * keeps nothing but which trust domains are ours.
 */
import type { EdgeEntity, NodeEntity } from "../../model/entities.ts";
import { usPerMinute, type Us } from "../../model/time.ts";
import { trustDomainOf } from "../edge-view.ts";
import type { FacetView } from "../facet-view.ts";
import type { Facets } from "../facets.ts";
import type { Declared } from "./declared.ts";
import { modeAtPort, type PeerMode } from "./peer-mode.ts";

/**
 * How long a mode may take to be in force everywhere, and a counter to be scraped that moved before: what
 * was counted until then says nothing about it.
 */
const settledAfterUs = 2 * usPerMinute;

export class EdgeFacts {
  readonly #declared: Declared;
  readonly #facets: Facets;
  /** As configured; empty = what the meshes say of themselves. */
  readonly #configured: readonly string[];
  #trusted: ReadonlySet<string>;

  constructor(declared: Declared, facets: Facets, trustDomains: readonly string[]) {
    this.#declared = declared;
    this.#facets = facets;
    this.#configured = trustDomains;
    this.#trusted = new Set(trustDomains);
  }

  /** Has the edges told again of which anything is declared otherwise than when they were told. */
  touch(): void {
    this.#declared.settle();
    const nodes = this.#declared.takeChangedNodes();
    if (this.#declared.takeChangedTrust()) {
      if (this.#configured.length === 0) this.#trusted = new Set(this.#declared.trustDomains);
      for (const edge of this.#facets.edges) this.#facets.touches.rules(edge);
      return;
    }
    for (const id of nodes) {
      for (const edge of this.#facets.to(id)) this.#facets.touches.rules(edge);
      for (const edge of this.#facets.from(id)) this.#facets.touches.rules(edge);
    }
  }

  /** Fills in what the edge's own traffic cannot tell. */
  fill(entity: EdgeEntity, view: FacetView): void {
    const { srcId, dstId } = view.facet.edge;
    entity.declared_mode = this.#modeAt(dstId, entity.port, view.plaintextFromUs);
    const { srcPrincipals, dstPrincipals } = view.words;
    this.#fillSource(entity, srcId, srcPrincipals);
    if (srcPrincipals.length + dstPrincipals.length > 0 && this.#trusted.size > 0) {
      entity.foreign_trust_domains = this.#foreign([...srcPrincipals, ...dstPrincipals]);
    }
  }

  #modeAt(nodeId: number, port: number, plaintextFromUs: Us): PeerMode {
    const modes = this.#declared.workloads.get(nodeId)?.modes;
    if (!modes) return "unknown";
    const isBefore = plaintextFromUs > 0 && plaintextFromUs < modes.sinceUs + settledAfterUs;
    return isBefore ? "unknown" : modeAtPort(modes, port);
  }

  /**
   * Of several identities that the source showed the one that is not its own. A gateway or waypoint in
   * between shows its own identity while the source's address may stand beside it: that says nothing.
   */
  #fillSource(entity: EdgeEntity, nodeId: number, principals: readonly string[]): void {
    const { workloads } = this.#declared;
    const accounts = workloads.get(nodeId)?.accounts;
    let shown = "";
    let identity: Identity | null = null;
    for (const principal of principals) {
      const one = identityOf(principal);
      const isOwn = isOwnIdentity(one, entity.src, accounts);
      if (!isOwn && one && workloads.isIntermediary(one.join("/"))) continue;
      const isForeign = !isOwn && one !== null && accounts !== undefined && accounts.size > 0;
      if (shown === "" || isForeign) [shown, identity] = [principal, one];
      if (isForeign) break;
    }
    // What the node showed elsewhere is said of this edge only where it is its own.
    if (principals.length === 0) {
      const one = identityOf(entity.src.principal);
      const isUnclear = one === null || entity.src.service_account === "";
      const isKept = isUnclear || isOwnIdentity(one, entity.src, accounts);
      if (isKept) [shown, identity] = [entity.src.principal, one];
    }
    entity.src_principal = shown;
    entity.src_trust_domain = trustDomainOf(shown);
    if (!identity || !isOwnIdentity(identity, entity.src, accounts)) return;
    const [, account] = identity;
    // Its pods may have, or have had, several accounts, of which its node shows one.
    if (account === entity.src.service_account) return;
    entity.src = { ...entity.src, service_account: account };
  }

  #foreign(principals: readonly string[]): readonly string[] {
    const domains = principals.map(trustDomainOf).filter((one) => one !== "");
    return [...new Set(domains)].filter((one) => !this.#trusted.has(one)).sort();
  }
}

type Identity = readonly [namespace: string, account: string];

const identityPattern = /^spiffe:\/\/[^/]+\/ns\/([^/]+)\/sa\/([^/]+)$/;

/** Namespace and account, as Istio writes them into identities; null for identities of another form. */
function identityOf(principal: string): Identity | null {
  const [, namespace, account] = identityPattern.exec(principal) ?? [];
  return namespace === undefined || account === undefined ? null : [namespace, account];
}

function isOwnIdentity(
  identity: Identity | null,
  src: NodeEntity,
  accounts: Pick<ReadonlySet<string>, "has"> | undefined,
): boolean {
  if (!identity || !accounts) return false;
  const [namespace, account] = identity;
  return namespace === src.namespace && accounts.has(account);
}
