/** Reads what `serve` and its kin need: configuration files and rule files, with every fault at once. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import type { AuthConfig } from "../config/access.ts";
import { loadConfig, type Config } from "../config/config.ts";
import { formatConfigDiagnostic } from "../config/diagnostics.ts";
import { makeTokenTable } from "../credentials.ts";
import { ruleOptions } from "../engine/options.ts";
import { parseHeaders } from "../export/headers-file.ts";
import { systemClock } from "../lib/clock.ts";
import { nearest } from "../lib/nearest.ts";
import type { RuleMeta } from "../model/insights.ts";
import { formatDiagnostic, RulesError } from "../rules/diagnostics.ts";
import { loadRules, type CompiledRule, type Waiver } from "../rules/load.ts";
import type { RuleFile } from "../threads/engine-messages.ts";
import { fileTrouble, UserError, type CliIo } from "./io.ts";
import { configToRuleFile } from "./config-rules.ts";
import { readEngineRuleFiles, shippedRulesFolder } from "./rules-folder.ts";

export interface ConfigOptions {
  readonly config: readonly string[];
  readonly set: readonly string[];
}

export interface LoadedRuleSet {
  readonly files: readonly RuleFile[];
  /** Of all rules in the files, also of those that are off. */
  readonly ids: ReadonlySet<string>;
  /** Those that the configuration leaves switched on. */
  readonly rules: readonly CompiledRule[];
  readonly metas: readonly RuleMeta[];
  /** Ended ones too. */
  readonly waivers: readonly Waiver[];
}

/** Throws a `UserError` that holds every diagnostic. */
export function readConfig(options: ConfigOptions, io: CliIo): Config {
  const files = options.config.map((path) => ({ path, text: readText(path, "the configuration") }));
  const loaded = loadConfig(files, options.set, io.env);
  if (loaded.ok) {
    checkCredentials(loaded.config);
    checkExporter(loaded.config);
    return loaded.config;
  }
  const faults = loaded.diagnostics.map(formatConfigDiagnostic).join("\n");
  throw new UserError(`cannot use the configuration:\n${faults}`);
}

/** Throws a `UserError` that holds every fault of every file; a `RulesError` is its cause. */
export function readRules(config: Config): LoadedRuleSet {
  const set = useRules(config, readAllRuleFiles(config));
  checkIds("enable", config.rules.enabled, set.ids);
  checkIds("disable", config.rules.disabled, set.ids);
  return set;
}

/** The shipped files, those of the configured folders, and what the configuration itself says. */
export function readAllRuleFiles(config: Config): readonly RuleFile[] {
  return [shippedRulesFolder, ...config.rules.paths]
    .flatMap(readEngineRuleFiles)
    .concat(configToRuleFile(config) ?? []);
}

/** These files as one set; throws as `readRules` does. */
export function useRules(config: Config, files: readonly RuleFile[]): LoadedRuleSet {
  const loaded = loadRules(files, { ...ruleOptions(config), todayUs: systemClock.nowUs() });
  const errors = loaded.diagnostics.filter(({ severity }) => severity === "error");
  if (errors.length > 0) {
    const texts = new Map(files.map(({ path, text }) => [path, text]));
    const faults = errors.map((error) => formatDiagnostic(error, texts.get(error.file)));
    const message = `cannot load the rules:\n${faults.join("\n")}`;
    throw new UserError(message, undefined, { cause: new RulesError(errors) });
  }
  const { ids, rules, waivers } = loaded;
  return { files, ids, rules, metas: rules.map((rule) => rule.meta), waivers };
}

function checkIds(verb: string, ids: readonly string[], known: ReadonlySet<string>): void {
  const unknown = ids.find((id) => !known.has(id));
  if (unknown === undefined) return;
  const meant = nearest(unknown, known);
  const hint = meant === "" ? "" : ` (did you mean "${meant}"?)`;
  throw new UserError(`cannot ${verb} the rule "${unknown}": there is no such rule${hint}`);
}

/** A certificate or token that cannot be used is found here, not when the first sender comes. */
function checkCredentials(config: Config): void {
  for (const [name, { tls, auth }] of [
    ["receivers.grpc", config.grpc],
    ["receivers.http", config.http],
    ["web", config.web],
  ] as const) {
    if (auth !== null) checkTokens(auth, `${name}.auth`);
    if (tls === null) continue;
    checkPair(tls.certFile, tls.keyFile, `${name}.tls`, "serve");
    if (tls.clientCaFile !== "") checkAuthorities(tls.clientCaFile, `${name}.tls.client_ca_file`);
  }
}

/** The same for what is sent with: these files may change later, but now they must be usable. */
function checkExporter({ exporters: { otlp } }: Config): void {
  if (otlp === null) return;
  const { certFile, keyFile, caFile } = otlp.tls;
  if (certFile !== "") checkPair(certFile, keyFile, "exporters.otlp.tls", "send");
  if (caFile !== "") checkAuthorities(caFile, "exporters.otlp.tls.ca_file");
  if (otlp.headersFile === "") return;
  const headers = parseHeaders(readText(otlp.headersFile, '"exporters.otlp.headers_file"'));
  if (!headers.ok) throw new UserError(`${headers.message} ("${otlp.headersFile}")`);
}

function checkTokens(auth: AuthConfig, where: string): void {
  const texts = auth.tokens.map(({ tokenFile }, index) =>
    readText(tokenFile, `"${where}.tokens.${index}.token_file"`),
  );
  try {
    makeTokenTable(auth, texts);
  } catch (cause) {
    throw new UserError(`cannot use "${where}": ${fileTrouble(cause)}`);
  }
}

function checkPair(certFile: string, keyFile: string, where: string, verb: "serve" | "send"): void {
  const cert = readText(certFile, `"${where}.cert_file"`);
  const key = readText(keyFile, `"${where}.key_file"`);
  const what = `cannot ${verb} TLS with "${certFile}" and "${keyFile}"`;
  const mend = "give a PEM certificate chain and the private key that belongs to it";
  trySecureContext({ cert, key }, what, mend);
}

function checkAuthorities(file: string, key: string): void {
  const ca = readText(file, `"${key}"`);
  trySecureContext({ ca }, `cannot trust what is in "${file}"`, "give PEM certificates");
}

function trySecureContext(options: SecureContextOptions, what: string, mend: string): void {
  try {
    createSecureContext(options);
    // Without a certificate in it, the system's authorities would be trusted instead.
    if (options.ca !== undefined) void new X509Certificate(String(options.ca));
  } catch (cause) {
    throw new UserError(`${what}: ${fileTrouble(cause)}; ${mend}`);
  }
}

function readText(path: string, what: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new UserError(`cannot read ${what} from "${path}": ${fileTrouble(cause)}`);
  }
}
