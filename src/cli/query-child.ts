/**
 * Entry of the process that runs one query for `query`. A process and not a thread: SQLite computes
 * without a pause, and only a process can be ended meanwhile.
 */
import { askSql, type AdHocAnswer, type AdHocLimits } from "../store/ad-hoc.ts";

export interface QueryRequest {
  readonly path: string;
  readonly sql: string;
  readonly limits: AdHocLimits;
}

export type QueryReply =
  | { readonly ok: true; readonly answer: AdHocAnswer }
  | { readonly ok: false; readonly message: string };

process.once("message", ({ path, sql, limits }: QueryRequest) => {
  process.send?.(reply(path, sql, limits), () => process.disconnect());
});

function reply(path: string, sql: string, limits: AdHocLimits): QueryReply {
  try {
    return { ok: true, answer: askSql(path, sql, limits) };
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : String(error) };
  }
}
