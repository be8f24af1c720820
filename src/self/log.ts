/**
 * The log: one line per record, as text for people or JSON for machines, on stderr unless told
 * otherwise. It takes flat fields alone and cuts and cleans every string, because telemetry is hostile:
 * no record can hold a control character, a second line or more than a few hundred bytes of somebody
 * else's text. It is no place for bodies, attributes or credentials.
 */
import { pino, type DestinationStream, type Logger } from "pino";

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";
export type LogFormat = "text" | "json";
export type LogFields = Readonly<Record<string, string | number | boolean>>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** From now on. */
  setLevel(level: LogLevel): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Takes one whole line per call. */
  readonly write?: (line: string) => void;
}

const textMaxLength = 256;
const messageMaxLength = 1024;

export function makeLog(options: LogOptions): Log {
  const write = options.write ?? ((line: string) => void process.stderr.write(line));
  const destination: DestinationStream = {
    write: options.format === "json" ? write : (line) => write(jsonLineToText(line)),
  };
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  return {
    debug: (message, fields) => logTo(logger, "debug", message, fields),
    info: (message, fields) => logTo(logger, "info", message, fields),
    warn: (message, fields) => logTo(logger, "warn", message, fields),
    error: (message, fields) => logTo(logger, "error", message, fields),
    setLevel: (level) => void (logger.level = level),
  };
}

function logTo(
  logger: Logger,
  level: Exclude<LogLevel, "silent">,
  message: string,
  fields: LogFields = {},
): void {
  if (!logger.isLevelEnabled(level)) return;
  const clean: Record<string, string | number | boolean> = Object.create(null); // keys are ours, values are not
  for (const [name, value] of Object.entries(fields)) {
    clean[name] = typeof value === "string" ? printable(value, textMaxLength) : value;
  }
  logger[level](clean, printable(message, messageMaxLength));
}

/** Control characters, line separators and marks that turn the writing direction around. */
// oxlint-disable-next-line no-control-regex -- taking them out is what it is for
const unprintable = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** One printable line of at most `maxLength` characters; what is taken out shows as U+FFFD. */
export function printable(text: string, maxLength: number): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength - 1)}…` : text;
  return cut.replace(unprintable, "\ufffd");
}

function jsonLineToText(line: string): string {
  const { time, level, msg, ...fields } = JSON.parse(line) as Record<string, unknown>; // pino wrote it
  const tail = Object.entries(fields).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`);
  return `${String(time)} ${String(level).padEnd(5)} ${String(msg)}${tail.join("")}\n`;
}
