/**
 * Nodes as the API shows them. A node that was found to be another is never shown: every question
 * resolves it to the survivor first.
 */
import type Database from "better-sqlite3";
import type { ApiNode } from "../../model/api.ts";

export interface StoredNode {
  readonly id: number;
  readonly key: string;
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
  readonly kind: string;
  readonly mesh: string;
  readonly mode: string;
  readonly external: number;
  readonly address: string;
  readonly resolved: string;
  readonly firstSeenUs: number;
  readonly lastSeenUs: number;
}

const columns = `
  node.id, node.key, node.cluster, node.namespace, node.name, node.kind, node.mesh, node.mode,
  node.external, node.address, node.resolved,
  node.first_seen_us AS firstSeenUs,
  node.last_seen_us AS lastSeenUs`;

/** Which node each merged one has become. Chains are followed; a circle, our bug, ends anywhere. */
export class Merges {
  readonly #into: ReadonlyMap<number, number>;
  readonly #from = new Map<number, number[]>();

  constructor(into: ReadonlyMap<number, number>) {
    this.#into = into;
    for (const id of into.keys()) {
      const survivor = this.survivor(id);
      const merged = this.#from.get(survivor);
      if (merged === undefined) this.#from.set(survivor, [id]);
      else merged.push(id);
    }
  }

  survivor(id: number): number {
    let survivor = id;
    for (let steps = 0; steps <= this.#into.size; steps++) {
      const next = this.#into.get(survivor);
      if (next === undefined) break;
      survivor = next;
    }
    return survivor;
  }

  /** The survivors and everything that became one of them: what rows of edges may still name. */
  withMerged(survivors: Iterable<number>): number[] {
    return [...survivors].flatMap((id) => [id, ...(this.#from.get(id) ?? [])]);
  }
}

export class NodeQueries {
  readonly #merged: Database.Statement;
  readonly #byKey: Database.Statement;
  readonly #byIds: Database.Statement;
  readonly #detail: Database.Statement;
  readonly #latest: Database.Statement;
  readonly #idsOfNamespaces: Database.Statement;

  constructor(database: Database.Database) {
    this.#merged = database
      .prepare(`
        SELECT id, merged_into
        FROM node
        WHERE merged_into <> 0`)
      .raw();
    // A survivor's own key wins over the old key of a merged node, and that over an alias.
    this.#byKey = database
      .prepare(`
        SELECT id
        FROM (
          SELECT id, merged_into <> 0 AS rank
          FROM node
          WHERE key = @key
          UNION ALL
          SELECT node_id, 2
          FROM node_alias
          WHERE alias = @key
        )
        ORDER BY rank, id
        LIMIT 1`)
      .pluck();
    this.#byIds = database.prepare(`
      SELECT ${columns}
      FROM json_each(@ids) AS wanted
      JOIN node ON node.id = wanted.value`);
    this.#detail = database.prepare("SELECT detail FROM node WHERE id = ?").pluck();
    this.#latest = database.prepare(`
      SELECT ${columns}
      FROM node
      WHERE merged_into = 0
        AND (@wanted IS NULL OR namespace IN (SELECT value FROM json_each(@wanted)))
      ORDER BY last_seen_us DESC, id
      LIMIT @limit`);
    this.#idsOfNamespaces = database
      .prepare(`
        SELECT id
        FROM node
        WHERE merged_into = 0
          AND namespace IN (SELECT value FROM json_each(?))`)
      .pluck();
  }

  merges(): Merges {
    return new Merges(new Map(this.#merged.all() as [number, number][])); // raw pairs of the SELECT
  }

  /** The survivor behind a key or an alias; null if nobody is known by it. */
  find(key: string, merges: Merges): number | null {
    const id = this.#byKey.get({ key }) as number | undefined; // node ids
    return id === undefined ? null : merges.survivor(id);
  }

  byIds(ids: Iterable<number>): StoredNode[] {
    return this.#byIds.all({ ids: JSON.stringify([...ids]) }) as StoredNode[]; // `columns`
  }

  /** JSON of the graph stage; apart from the rest, since it is most of a row and a drawing has many. */
  detail(id: number): string {
    return (this.#detail.get(id) as string | undefined) ?? "{}"; // one TEXT column
  }

  /** Null = of all namespaces. */
  latest(namespaces: readonly string[] | null, limit: number): StoredNode[] {
    const wanted = namespaces === null ? null : JSON.stringify(namespaces);
    return this.#latest.all({ wanted, limit }) as StoredNode[]; // `columns`
  }

  ofNamespaces(namespaces: readonly string[]): number[] {
    return this.#idsOfNamespaces.all(JSON.stringify(namespaces)) as number[]; // one INTEGER column
  }
}

export function nodeToApi(node: StoredNode, insights: number): ApiNode {
  return {
    id: node.key,
    cluster: node.cluster,
    namespace: node.namespace,
    name: node.name || node.address,
    kind: node.kind,
    mode: node.mode,
    external: node.external === 1,
    insights,
  };
}
