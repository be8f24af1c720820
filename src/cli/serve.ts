/** `serve`: runs the engine until it is told to stop. */
import { App } from "../app.ts";
import type { Config } from "../config/config.ts";
import { makeLog, type Log } from "../self/log.ts";
import { UserError, type CliIo } from "./io.ts";
import { readConfig, readRules, type ConfigOptions } from "./load.ts";
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
  const config = readConfig({ ...options, set: [...options.set, ...over] }, io);
  const { logLevel: level, logFormat: format } = config.telemetry;
  const log = makeLog({ level, format, write: io.error });
  return runApp(config, log, io, (app) => io.out(welcome(app)));
}

/** Runs an engine from its start to a clean stop: 0, or 1 when it lost its store. */
export async function runApp(
  config: Config,
  log: Log,
  io: CliIo,
  started: (app: App) => void | Promise<void>,
): Promise<number> {
  const { files: ruleFiles, metas: rules } = readRules(config);
  const stopped = new AbortController();
  let fatal = "";
  const onFatal = (why: string): void => {
    fatal = why;
    stopped.abort();
  };
  const version = packageVersion();
  await using app = await startOrExplain({ config, version, ruleFiles, rules, log, onFatal });
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

function welcome(app: App): string {
  return `OTLP/gRPC on ${app.grpcAddress}, page and API on http://${app.webAddress}

Put this into the configuration of your collector:

  exporters:
    otlp_grpc/mesh-insights:
      endpoint: ${app.grpcAddress}
      tls: { insecure: true }
      compression: gzip
      timeout: 10s
      retry_on_failure: { max_elapsed_time: 0 }

`;
}
