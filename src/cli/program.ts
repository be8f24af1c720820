/** The command line: every command with its options, help and examples, and what becomes of errors. */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import type { InsightState, Severity } from "../model/insights.ts";
import { runBackup } from "./backup.ts";
import { runBaseline } from "./baseline.ts";
import { runCoverage } from "./coverage.ts";
import { runDemo } from "./demo.ts";
import { runDoctor } from "./doctor.ts";
import { graphFormats, runGraph } from "./graph.ts";
import { runHealth } from "./health.ts";
import { runInsights } from "./insights.ts";
import { UserError, type CliIo } from "./io.ts";
import { runLayers } from "./layers.ts";
import { runPrintConfig } from "./print-config.ts";
import { runQuery, tablesHelp } from "./query.ts";
import { runRecord } from "./record.ts";
import { runReplay } from "./replay.ts";
import { runRulesCheck } from "./rules-check.ts";
import { runRulesDiff } from "./rules-diff.ts";
import { runRulesDocs } from "./rules-docs.ts";
import { runRulesExplain } from "./rules-explain.ts";
import { runRulesTest } from "./rules-test.ts";
import { runSchema, schemaNames, type SchemaName } from "./schema.ts";
import { runServe } from "./serve.ts";
import { runValidate } from "./validate.ts";
import { runWaivers } from "./waivers.ts";
import { packageVersion, runVersion } from "./version.ts";

const defaultUrl = "http://127.0.0.1:4316";
const tokenHelp = "a token that may read (default: that in MESH_INSIGHTS_TOKEN, if any)";

const logLevels = ["debug", "info", "warn", "error"] as const;
const logFormats = ["text", "json"] as const;
const states: readonly InsightState[] = ["pending", "firing", "resolved", "unknown"];
const severities: readonly Severity[] = ["info", "low", "medium", "high", "critical"];

/** Runs one command line; resolves with the exit code. */
export async function runProgram(args: readonly string[], io: CliIo): Promise<number> {
  const program = makeProgram(io);
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCodeOf(program);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (error instanceof UserError) {
      io.error(`error: ${error.message}\n`);
      return error.exitCode;
    }
    io.error(`fatal: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    io.error("this is a fault of mesh-insights; please report it with the lines above\n");
    return 1;
  }
}

const exitCodes = new WeakMap<Command, number>();
const exitCodeOf = (program: Command): number => exitCodes.get(program) ?? 0;

function makeProgram(io: CliIo): Command {
  const program = new Command("mesh-insights")
    .description("Insights about a service mesh from its OpenTelemetry data")
    .version(packageVersion(), "-V, --version")
    .configureOutput({ writeOut: io.out, writeErr: io.error })
    .exitOverride()
    // What stands behind a command is that command's, also where its parent has an option of that name.
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .showHelpAfterError("(run with --help for the options)");
  /** Keeps the exit code of whatever command ran. */
  const done = async (code: number | Promise<number>): Promise<void> => {
    exitCodes.set(program, await code);
  };
  addEngineCommands(program, io, done);
  addRecordingCommands(program, io, done);
  addQuestions(program, io, done);
  addStoreCommands(program, io, done);
  addRules(program, io, done);
  program
    .command("version")
    .description("the versions of mesh-insights, Node and SQLite")
    .addHelpText("after", "\nExample:\n  $ mesh-insights version")
    .action(() => done(runVersion(io)));
  return program;
}

type Done = (code: number | Promise<number>) => Promise<void>;

function withConfig(command: Command): Command {
  return command
    .option("--config <file>", "configuration file; several are merged in order", collect, [])
    .option(
      "--set <key=value>",
      "one setting over the files, as in store.path=/data/mesh.db",
      collect,
      [],
    );
}

function addEngineCommands(program: Command, io: CliIo, done: Done): void {
  withConfig(program.command("serve"))
    .description("run the engine")
    .addOption(oneOf("--log-level <level>", "least severe lines that are written", logLevels))
    .addOption(oneOf("--log-format <format>", "form of the engine's own log", logFormats))
    .addHelpText("after", "\nExample:\n  $ mesh-insights serve --config mesh-insights.yaml")
    .action((options) => done(runServe(options, io)));
  program
    .command("demo")
    .description("run the engine on a simulated mesh with an attack in it")
    .option("--duration <time>", "stop after this long, as in 30s or 5m (default: until stopped)")
    .option("--seed <n>", "another course of the same story", positiveInteger, 1)
    .option("--port-base <port>", "page on this port, OTLP/gRPC on the next", portBase, 4316)
    .addHelpText("after", "\nExample:\n  $ mesh-insights demo --duration 30s")
    .action((options) => done(runDemo(options, io)));
  withConfig(program.command("validate"))
    .description("check everything that serve would load")
    .addHelpText("after", "\nExample:\n  $ mesh-insights validate --config mesh-insights.yaml")
    .action((options) => done(runValidate(options, io)));
  withConfig(program.command("print-config"))
    .description("print the effective configuration, every default filled in")
    .addHelpText(
      "after",
      "\nThe configuration names files that hold secrets and never holds one, so all of it is shown.\n" +
        "\nExample:\n  $ mesh-insights print-config --config mesh-insights.yaml --set store.profile=large",
    )
    .action((options) => done(runPrintConfig(options, io)));
  program
    .command("schema")
    .description("print the JSON Schema of a configuration or rule file")
    .addArgument(new Argument("<of>", "which file's").choices(schemaNames))
    .addHelpText("after", "\nExample:\n  $ mesh-insights schema config > config.schema.json")
    .action((of: SchemaName) => done(runSchema(of, io)));
}

/** Commands that need no running engine, only its store. */
function addStoreCommands(program: Command, io: CliIo, done: Done): void {
  const store = "the store's file (default: that of the configuration)";
  withConfig(program.command("query"))
    .description("ask the store in SQL, also beside a running engine")
    .argument("<sql>", "one statement that reads")
    .option("--store <file>", store)
    .option("--limit <n>", "most rows that are shown", positiveInteger, 1_000)
    .option("--json", "an array of objects instead of a table")
    .addHelpText(
      "after",
      "\nExample:\n  $ mesh-insights query 'SELECT rule, state, count(*) FROM insight GROUP BY 1, 2'",
    )
    .addHelpText("after", tablesHelp)
    .action((sql: string, options) => done(runQuery(sql, options, io)));
  withConfig(program.command("backup"))
    .description("copy the store, also beside a running engine")
    .argument("<file>", "the copy; must not exist")
    .option("--store <file>", store)
    .addHelpText(
      "after",
      "\nThe copy is checked, readable by its owner alone, and used by naming it in store.path.\n" +
        "\nExample:\n  $ mesh-insights backup --store data/mesh-insights.db monday.db",
    )
    .action((file: string, options) => done(runBackup(file, options, io)));
}

function addRecordingCommands(program: Command, io: CliIo, done: Done): void {
  withConfig(program.command("record"))
    .description("write what the receiver gets to a file, until stopped")
    .requiredOption("--out <file>", "the recording; must not exist")
    .addHelpText("after", "\nExample:\n  $ mesh-insights record --out monday.rec")
    .action((options) => done(runRecord(options, io)));
  withConfig(program.command("replay"))
    .description("send a recording to an engine, or evaluate it without one")
    .argument("<file>", "made by record, or OTLP/JSON lines of a collector's file exporter")
    .option("--to <address>", "OTLP/gRPC address of the engine", "127.0.0.1:4317")
    .option("--eval", "evaluate in this process on a virtual clock; insights as JSON lines")
    .option("--speed <n>", "times as fast as recorded; 0 = as fast as it goes", nonNegative, 0)
    .option("--original-time", "send the recorded times instead of shifting them to now")
    .addHelpText(
      "after",
      "\nExamples:\n  $ mesh-insights replay monday.rec --eval\n  $ mesh-insights replay monday.rec --to 127.0.0.1:4317 --speed 1",
    )
    .action((file: string, options) => done(runReplay(file, options, io)));
}

function addQuestions(program: Command, io: CliIo, done: Done): void {
  const insights = program
    .command("insights")
    .enablePositionalOptions()
    .description("list the insights of a running engine")
    .option("--url <url>", "the engine's page", defaultUrl)
    .option("--token-file <file>", tokenHelp)
    .addOption(oneOf("--state <state>", "only insights in this state", states))
    .addOption(oneOf("--severity <severity>", "only insights of this severity", severities))
    .option("--namespace <namespace>", "of the affected workload")
    .option("--json", "as the API answers")
    .option("--watch", "print again whenever the list changes")
    .addHelpText("after", "\nExample:\n  $ mesh-insights insights --state firing --watch")
    .action((options) => done(runInsights(options, io)));
  withConfig(insights.command("baseline"))
    .description("write waivers for what is active now, for a first install")
    .option("--url <url>", "the engine's page", defaultUrl)
    .option("--token-file <file>", tokenHelp)
    .requiredOption("--expires <time>", "when all of them end, as in 30d")
    .option("--owner <name>", "who answers for them", "unassigned")
    .option(
      "--out <file>",
      "the waivers; must not exist; - writes to standard output",
      "waivers.yaml",
    )
    .addHelpText(
      "after",
      "\nExample:\n  $ mesh-insights insights baseline --expires 30d --owner platform --out rules/waivers.yaml",
    )
    .action((options) => done(runBaseline(options, io)));
  program
    .command("graph")
    .description("print the service graph of a running engine")
    .option("--url <url>", "the engine's page", defaultUrl)
    .option("--token-file <file>", tokenHelp)
    .option("--namespace <namespace>", "only edges that touch it")
    .addOption(oneOf("--format <format>", "what to print", graphFormats).default("table"))
    .addHelpText("after", "\nExample:\n  $ mesh-insights graph --format dot | dot -Tsvg > mesh.svg")
    .action((options) => done(runGraph(options, io)));
  program
    .command("coverage")
    .description("who is seen by what, and what the rules can judge")
    .option("--url <url>", "the engine's page", defaultUrl)
    .option("--token-file <file>", tokenHelp)
    .option("--namespace <namespace>", "only its workloads; names those that are not judged")
    .option("--rule <id>", "only this rule")
    .option("--json", "as the API answers")
    .addHelpText("after", "\nExample:\n  $ mesh-insights coverage --namespace shop")
    .action((options) => done(runCoverage(options, io)));
  program
    .command("layers")
    .description("defence in depth: network, pod security, authorisation, monitoring by namespace")
    .option("--url <url>", "the engine's page", defaultUrl)
    .option("--token-file <file>", tokenHelp)
    .option("--namespace <namespace>", "only this one, with why and the insights that say so")
    .option("--json", "as the API answers")
    .addHelpText("after", "\nExample:\n  $ mesh-insights layers --namespace shop")
    .action((options) => done(runLayers(options, io)));
  program
    .command("doctor")
    .description("why a running engine shows less than there is, and what to do")
    .option("--url <url>", "the engine's page", defaultUrl)
    .option("--token-file <file>", tokenHelp)
    .option("--scrape-within <time>", "somebody should scrape /metrics this often (default: 5m)")
    .option("--json", "as the API answers")
    .addHelpText("after", "\nExits with 0 when no problem was found, else with 1.")
    .addHelpText("after", "\nExample:\n  $ mesh-insights doctor --url http://127.0.0.1:4316")
    .action((options) => done(runDoctor(options, io)));
  program
    .command("waivers")
    .description("list the waivers of a running engine; what has ended or will soon comes first")
    .option("--url <url>", "the engine's page", defaultUrl)
    .option("--token-file <file>", tokenHelp)
    .option("--json", "as the API answers")
    .addHelpText("after", "\nExample:\n  $ mesh-insights waivers")
    .action((options) => done(runWaivers(options, io)));
  program
    .command("health")
    .description("exit 0 if a running engine is ready; for container probes")
    .addHelpText("after", "\nExample:\n  $ mesh-insights health --url http://127.0.0.1:4316")
    .option("--url <url>", "the engine's page", defaultUrl)
    .action((options) => done(runHealth(options, io)));
}

function addRules(program: Command, io: CliIo, done: Done): void {
  const rules = program
    .command("rules")
    .description("check, test, explain, compare and document rules");
  rules
    .command("check")
    .description("load and type-check rule files; every problem with its place")
    .argument("[folder]", "rule files (default: the shipped ones)")
    .option("--json", "one JSON document instead of text")
    .addHelpText("after", "\nExample:\n  $ mesh-insights rules check ./my-rules")
    .action((folder: string | undefined, options) =>
      done(runRulesCheck({ folder, json: options.json === true }, io)),
    );
  rules
    .command("test")
    .description("run the tests inside rule files")
    .argument("[folder]", "rule files (default: the shipped ones)")
    .option("--json", "one JSON document instead of text")
    .addHelpText("after", "\nExample:\n  $ mesh-insights rules test ./my-rules")
    .action((folder: string | undefined, options) =>
      done(runRulesTest({ folder, json: options.json === true }, io)),
    );
  rules
    .command("explain")
    .description("a rule in words, or what each part of its condition says of an entity")
    .argument("<rule>", "its id")
    .argument("[entity]", "YAML or JSON as in tests, { flow: { … } }; - = standard input")
    .argument("[folder]", "rule files (default: the shipped ones)")
    .option("--json", "one JSON document instead of text")
    .addHelpText(
      "after",
      "\nExamples:\n  $ mesh-insights rules explain egress-around-proxy\n" +
        "  $ echo 'flow: { rung: b2, outcome: found, uid: 1337 }' | mesh-insights rules explain egress-around-proxy -",
    )
    .action((id: string, entity: string | undefined, folder: string | undefined, options) =>
      done(runRulesExplain(id, { entity, folder, json: options.json === true }, io)),
    );
  rules
    .command("docs")
    .description("write a page for each rule: meaning, how to confirm, fix and waive")
    .argument("[folder]", "rule files (default: the shipped ones)")
    .option("--out <folder>", "where the pages are written; those of gone rules go", "docs/rules")
    .option("--until <day>", "last day of the waivers in the pages (default: in 30 days)")
    .addHelpText("after", "\nExample:\n  $ mesh-insights rules docs ./my-rules --out ./runbooks")
    .action((folder: string | undefined, options) =>
      done(runRulesDocs({ folder, ...options }, io)),
    );
  withConfig(rules.command("diff"))
    .description("the insights of a recording that two rule sets do not agree on")
    .argument("<a>", "rule files, loaded beside the shipped rules")
    .argument("<b>", "others; - is only in the first, + only in these, ~ in both and changed")
    .requiredOption("--recording <file>", "made by record, or OTLP/JSON lines of a collector")
    .option("--alone", "each folder is a whole set: the shipped rules stand aside")
    .option("--json", "one JSON document instead of text")
    .addHelpText("after", "\nExits with 0 when no insight differs, with 1 when some do.")
    .addHelpText(
      "after",
      "\nExample:\n  $ mesh-insights rules diff ./my-rules ./my-rules-next --recording monday.rec",
    )
    .action((a: string, b: string, options) => done(runRulesDiff(a, b, options, io)));
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError("give a whole number above 0");
  return value;
}

function portBase(text: string): number {
  const value = positiveInteger(text);
  if (value >= 65_535) throw new InvalidArgumentError("give a port below 65535");
  return value;
}

function oneOf(flags: string, about: string, choices: readonly string[]): Option {
  return new Option(flags, about).choices(choices);
}

function nonNegative(text: string): number {
  const value = Number(text);
  if (!(value >= 0)) throw new InvalidArgumentError("give a number, 0 or more");
  return value;
}
