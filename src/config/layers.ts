/**
 * Layers of a configuration: files in their order, then `--set` arguments. A layer is its value and the
 * way back from a path in it to the place in the text. `${env:NAME:-default}` is replaced in scalars
 * after parsing, so that a variable cannot bring structure along.
 */
import { isMap, isPair, isScalar, isSeq, LineCounter, parseDocument, Scalar, visit } from "yaml";
import type { Document, Node } from "yaml";
import type { ConfigDiagnostic } from "./diagnostics.ts";

export type Path = readonly (string | number)[];
export type Environment = Readonly<Record<string, string | undefined>>;

export interface ConfigText {
  readonly path: string;
  readonly text: string;
}

export interface Layer {
  readonly value: unknown;
  readonly diagnostics: readonly ConfigDiagnostic[];
  /** A diagnostic at the key (or element) that the path ends at; null if this layer has none. */
  at(path: Path, message: string): ConfigDiagnostic | null;
}

/** No configuration is so long; a file that is was named by mistake. */
const textMax = 1024 * 1024;

export function fileToLayer({ path, text }: ConfigText, env: Environment): Layer {
  if (text.length > textMax) {
    const message = `cannot read configuration: longer than ${textMax} characters`;
    return makeLayer(path, "", null, new LineCounter(), [[0, message]]);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const faults = document.errors.map((error): Fault => [
    error.pos[0],
    `bad YAML: ${error.message}`,
  ]);
  replaceVariables(document, env, faults);
  return makeLayer(path, text, document, lines, faults);
}

/** `a.b.c=value`; the value is YAML, so `[a, b]` is a list. */
export function setToLayer(argument: string, env: Environment): Layer {
  const [, keys = "", text = ""] = /^([A-Za-z0-9_.-]+)=(.*)$/s.exec(argument) ?? [];
  const name = `--set ${argument}`;
  if (keys === "" || keys.split(".").includes("")) {
    const message = 'cannot read "--set": expected key.key=value';
    const fault = { file: name, line: 1, column: 1, source: argument, message };
    return { value: null, diagnostics: [fault], at: () => null };
  }
  const document = parseDocument(text, { prettyErrors: false });
  const faults = document.errors.map((error): Fault => [0, `bad YAML: ${error.message}`]);
  replaceVariables(document, env, faults);
  const path = keys.split(".");
  let value = toValue(document, faults);
  for (const key of path.toReversed()) value = { [key]: value };
  const at: Layer["at"] = (wanted, message) => {
    const isHere = path.every((key, index) => index >= wanted.length || wanted[index] === key);
    return isHere ? { file: name, line: 1, column: 1, source: argument, message } : null;
  };
  const diagnostics = faults.map(([, message]) => at([], message)).filter((one) => one !== null);
  return { value, diagnostics, at };
}

type Fault = readonly [offset: number, message: string];

function makeLayer(
  file: string,
  text: string,
  document: Document | null,
  lines: LineCounter,
  faults: Fault[],
): Layer {
  const value = document === null ? null : toValue(document, faults);
  const place = (offset: number, message: string): ConfigDiagnostic => {
    const { line, col } = lines.linePos(offset);
    const source = text.split(/\r?\n/)[line - 1] ?? "";
    return { file, line: Math.max(1, line), column: Math.max(1, col), source, message };
  };
  return {
    value,
    diagnostics: faults.map(([offset, message]) => place(offset, message)),
    at(path, message) {
      const offset = document === null ? null : offsetOf(document, path);
      return offset === null ? null : place(offset, message);
    },
  };
}

/** The plain value, or null with a fault: aliases may be unresolved, or blow up. */
function toValue(document: Document, faults: Fault[]): unknown {
  if (faults.length > 0) return null;
  try {
    return document.toJS() as unknown;
  } catch (error) {
    faults.push([0, `bad YAML: ${error instanceof Error ? error.message : String(error)}`]);
    return null;
  }
}

/** Where the last key (or element) of the path begins. */
function offsetOf(document: Document, path: Path): number | null {
  let node: unknown = document.contents;
  let offset = 0;
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(
        ({ key }) => isScalar(key) && String(key.value) === String(step),
      );
      if (pair === undefined) return null;
      offset = startOf(pair.key, offset);
      node = pair.value;
    } else if (isSeq(node)) {
      const item: unknown = node.items[Number(step)];
      if (item === undefined) return null;
      offset = startOf(item, offset);
      node = item;
    } else {
      return null;
    }
  }
  return offset;
}

function startOf(node: unknown, otherwise: number): number {
  if (isPair(node)) return startOf(node.key, otherwise);
  return (node as Node | null)?.range?.[0] ?? otherwise; // yaml's own nodes
}

const variable = /\$\{env:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g;

function replaceVariables(document: Document, env: Environment, faults: Fault[]): void {
  visit(document, {
    Scalar(key, node) {
      if (key === "key" || typeof node.value !== "string" || !node.value.includes("${env:")) return;
      const replaced = node.value.replace(variable, (_all, name: string, otherwise?: string) => {
        const value = env[name] ?? otherwise;
        if (value !== undefined) return value;
        const message = `cannot read "\${env:${name}}": the variable is not set and has no default`;
        faults.push([node.range?.[0] ?? 0, message]);
        return "";
      });
      node.value = node.type === Scalar.PLAIN ? plainValue(replaced) : replaced;
    },
  });
}

/** An unquoted scalar keeps its freedom to be a number or a truth. */
function plainValue(text: string): string | number | boolean {
  if (text === "true" || text === "false") return text === "true";
  return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
}

/** Maps are merged, everything else is replaced by the later layer. */
export function mergeLayers(layers: readonly unknown[]): unknown {
  let merged: unknown = {};
  for (const layer of layers) if (layer !== null) merged = mergeValues(merged, layer);
  return merged;
}

function mergeValues(below: unknown, above: unknown): unknown {
  if (!isRecord(below) || !isRecord(above)) return above;
  // No prototype, so that a key `__proto__` is a key like any other, and unknown.
  const merged: Record<string, unknown> = Object.assign(Object.create(null), below);
  for (const [key, value] of Object.entries(above)) {
    merged[key] = key in merged ? mergeValues(merged[key], value) : value;
  }
  return merged;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
