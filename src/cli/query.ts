/** `query`: read-only SQL on the store, also beside a running engine, bounded in rows and time. */
import { fork } from "node:child_process";
import { describeTables, type AdHocAnswer, type Cell } from "../store/ad-hoc.ts";
import { formatTable, printable, UserError, type CliIo } from "./io.ts";
import type { QueryReply, QueryRequest } from "./query-child.ts";
import { storePathOf, type StoreOptions } from "./store-path.ts";

export interface QueryOptions extends StoreOptions {
  readonly json?: boolean | undefined;
  /** Most rows that are printed. */
  readonly limit: number;
}

const answerMaxBytes = 32 * 1024 * 1024;
/** A reader holds up the engine's checkpoints, so its log grows meanwhile. */
const timeoutMs = 10_000;
/** Longer cells are cut in the table. */
const cellMax = 80;

export async function runQuery(sql: string, options: QueryOptions, io: CliIo): Promise<number> {
  const limits = { rowsMax: options.limit, bytesMax: answerMaxBytes };
  const request = { path: storePathOf(options, io), sql, limits };
  const answer = await askChild(request, io.signal);
  io.out(options.json === true ? answerJson(answer) : answerTable(answer));
  if (answer.isCut) {
    io.error(`only the first ${answer.rows.length} rows are shown; see --limit, or ask for less\n`);
  }
  return 0;
}

async function askChild(request: QueryRequest, signal: AbortSignal): Promise<AdHocAnswer> {
  const url = new URL("./query-child.js", import.meta.url);
  const child = fork(url, { serialization: "advanced" });
  const reply = await new Promise<QueryReply>((resolve) => {
    const fail = (message: string): void => resolve({ ok: false, message });
    const timer = setTimeout(() => {
      fail(`cannot run the query: no answer in ${timeoutMs / 1_000} s; ask for less`);
    }, timeoutMs);
    signal.addEventListener("abort", () => fail("stopped"), { once: true });
    child.once("message", (message) => resolve(message as QueryReply)); // what the child sends
    child.once("error", (error) => fail(`cannot run the query: ${error.message}`));
    child.once("exit", () => {
      clearTimeout(timer);
      fail("cannot run the query: it took more memory than there is; ask for less");
    });
    child.send(request, (error) => error && fail(`cannot run the query: ${error.message}`));
  });
  child.kill("SIGKILL"); // it has said what it had to, or never will
  if (reply.ok) return reply.answer;
  throw new UserError(printable(reply.message), 1);
}

export function answerTable({ columns, rows }: AdHocAnswer): string {
  if (rows.length === 0) return "no rows\n";
  const texts = rows.map((row) => row.map((cell) => cut(printable(String(plain(cell) ?? "")))));
  return formatTable(columns.map(printable), texts);
}

const cut = (text: string): string =>
  text.length > cellMax ? `${text.slice(0, cellMax - 1)}…` : text;

/** An array of objects; of columns with the same name the last one counts. */
export function answerJson({ columns, rows }: AdHocAnswer): string {
  const items = rows.map((row) =>
    Object.fromEntries(columns.map((column, at) => [column, plain(row[at] ?? null)])),
  );
  return `${JSON.stringify(items, null, 2)}\n`;
}

/** Whole numbers beyond what JSON's readers hold exactly become text, bytes become hexadecimal digits. */
function plain(cell: Cell): string | number | null {
  if (cell instanceof Uint8Array) return Buffer.from(cell).toString("hex");
  if (typeof cell !== "bigint") return cell;
  const number = Number(cell);
  return Number.isSafeInteger(number) ? number : String(cell);
}

/** For `--help`. */
export function tablesHelp(): string {
  const tables = describeTables();
  const width = Math.max(...tables.map(({ name }) => name.length));
  const lines = tables.map(
    ({ name, columns }) => `  ${name.padEnd(width)}  ${wrap(columns.join(", "), width + 4)}`,
  );
  return `\nTables and their columns (times ending in _us: microseconds since 1970):\n${lines.join("\n")}`;
}

/** At blanks, to lines of about 100 characters of which `indent` are taken. */
function wrap(text: string, indent: number): string {
  const lines = text.match(new RegExp(`.{1,${100 - indent}}(?: |$)`, "g")) ?? [text];
  return lines.map((line) => line.trimEnd()).join(`\n${" ".repeat(indent)}`);
}
