/** `serve`: runs the engine until it is told to stop. */
import { App, type LoadedWork } from "../app.ts";
import type { Config } from "../config/config.ts";
import { makeLog, type Log } from "../self/log.ts";
import { fileTrouble, UserError, type CliIo } from "./io.ts";
import { readConfig, readRules, type ConfigOptions, type LoadedRuleSet } from "./load.ts";
import { keepRules, readRulesToStart } from "./start-rules.ts";
import { packageVersion } from "./version.ts";

export interface ServeOptions extends ConfigOptions {
  readonly logLevel?: string;
  readonly logFormat?: string;
}

export async function runServe(options: ServeOptions, io: CliIo): Promise<number> {
  const over = [
    ...(options.logLevel === undefined ? [] : [`telemetry.log_level=${options.logLevel}`]),
    ...(options.logFormat === undefined ? [] : [`telemetry.log_format=${options.logFormat}`]),
  ];
  const configOf = (): Config => readConfig({ ...options, set: [...options.set, ...over] }, io);
  const load = (): LoadedWork => {
    const config = configOf();
    return toWork(config, readRules(config), []);
  };
  const config = configOf();
  const { set, errors, trouble } = readRulesToStart(config);
  const work = toWork(config, set, errors);
  const { logLevel: level, logFormat: format } = work.config.telemetry;
  const log = makeLog({ level, format, write: io.error });
  if (trouble !== "") log.error("rules cannot be used", { why: trouble });
  const keep = ({ config: used, ruleFiles }: LoadedWork): void => {
    try {
      keepRules(used, ruleFiles);
    } catch (error) {
      log.warn("cannot keep the rules for the next start", { why: fileTrouble(error) });
    }
  };
  return runApp({ work, load, keep, log, io, started: (app) => io.out(welcome(app, config)) });
}

export function toWork(
  config: Config,
  { files: ruleFiles, metas: rules }: LoadedRuleSet,
  ruleErrors: LoadedWork["ruleErrors"],
): LoadedWork {
  return { config, ruleFiles, rules, ruleErrors };
}

export interface RunOptions {
  readonly work: LoadedWork;
  /** Reads everything again, for a reload; throws a `UserError` with every fault. */
  readonly load: () => LoadedWork;
  /** Told of work that runs without a fault, for a start when newer files cannot be used. */
  readonly keep?: (work: LoadedWork) => void;
  readonly log: Log;
  readonly io: CliIo;
  readonly started: (app: App) => void | Promise<void>;
}

/** Runs an engine from its start to a clean stop: 0, or 1 when it lost its store. */
export async function runApp({ work, load, keep, log, io, started }: RunOptions): Promise<number> {
  const stopped = new AbortController();
  let fatal = "";
  const onFatal = (why: string): void => {
    fatal = why;
    stopped.abort();
  };
  const version = packageVersion();
  await using app = await startOrExplain({
    work,
    load,
    keep: keep ?? (() => {}),
    version,
    log,
    onFatal,
  });
  io.onHangup(() => void app.reload());
  await started(app);
  await aborted(AbortSignal.any([io.signal, stopped.signal]));
  log.info("stopping");
  if (fatal !== "") io.error(`fatal: ${fatal}\n`);
  return fatal === "" ? 0 : 1;
}

/** What hinders a start is the user's to mend: a port, a database, a lock. One line, no stack. */
async function startOrExplain(parts: Parameters<typeof App.start>[0]): Promise<App> {
  try {
    return await App.start(parts);
  } catch (error) {
    throw new UserError(error instanceof Error ? error.message : String(error), 1);
  }
}

export async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function welcome(app: App, { grpc }: Config): string {
  const tls =
    grpc.tls === null ? "{ insecure: true }" : "{ ca_file: <who signed our certificate> }";
  const token =
    grpc.auth === null
      ? ""
      : '\n      headers: { authorization: "Bearer ${env:MESH_INSIGHTS_TOKEN}" }';
  return `OTLP/gRPC on ${app.grpcAddress}, OTLP/HTTP on ${app.httpAddress}, page and API on ${app.webUrl}

Put this into the configuration of your collector:

  exporters:
    otlp_grpc/mesh-insights:
      endpoint: ${app.grpcAddress}
      tls: ${tls}${token}
      compression: gzip
      timeout: 10s
      retry_on_failure: { max_elapsed_time: 0 }

`;
}
