/** Entities as people write them, in tests of rules and for `rules explain`: what is not written is zero. */
import { createReadStream } from "node:fs";
import { isMap } from "yaml";
import { assert } from "../lib/assert.ts";
import { parseDuration } from "../model/durations.ts";
import {
  entityFields,
  makeEntity,
  type EntityType,
  type FieldType,
  type RecordType,
} from "../model/entities.ts";
import type { Us } from "../model/time.ts";
import { formatDiagnostic, type Diagnostic } from "../rules/diagnostics.ts";
import { entityKeys } from "../rules/keys.ts";
import { Source } from "../rules/source.ts";
import { Report, validateKeys } from "../rules/validate.ts";
import { fileTrouble, UserError } from "./io.ts";

/** It is written by hand: more than this is something else. */
const entityMaxBytes = 1024 * 1024;

type Fields = Readonly<Record<string, unknown>>;

/**
 * The fields in a file, or on standard input for `-`: YAML or JSON with one key, the entity's type. Throws
 * a `UserError` that names every fault with its place.
 */
export async function readEntityFields(path: string, on: EntityType): Promise<Fields> {
  const file = { path: path === "-" ? "standard input" : path, text: await readText(path) };
  const diagnostics: Diagnostic[] = [];
  const source = new Source(file);
  const { contents } = source.document;
  diagnostics.push(...source.yamlErrors());
  const report = new Report(source, diagnostics, 0);
  if (diagnostics.length === 0) {
    const key = entityKeys(() => "")[on];
    if (!isMap(contents) || key === undefined) {
      report.error("RULE_KEY", source.at(0), `an entity is a map as in tests: { ${on}: { … } }`);
    } else validateKeys(contents, { [on]: { ...key, isRequired: true } }, "the entity", report);
  }
  if (diagnostics.length > 0) {
    const faults = diagnostics.map((one) => formatDiagnostic(one, file.text));
    throw new UserError(`cannot use the entity:\n${faults.join("\n")}`);
  }
  return (source.document.toJS() as Readonly<Record<EntityType, Fields>>)[on]; // by the check above
}

async function readText(path: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of path === "-" ? process.stdin : createReadStream(path)) {
      const part = Buffer.from(chunk as Buffer | string); // of a stream without an encoding, bytes
      chunks.push(part);
      bytes += part.length;
      if (bytes > entityMaxBytes) throw new Error(`an entity has at most ${entityMaxBytes} bytes`);
    }
  } catch (cause) {
    throw new UserError(`cannot read the entity from '${path}': ${fileTrouble(cause)}`);
  }
  return Buffer.concat(chunks).toString();
}

/** A record of its own: these fields, whose shapes were validated, merged onto the zero value. */
export function entityOf(type: EntityType, fields: Fields, atUs: Us): object {
  const entity = makeEntity(type);
  merge(entity, type, fields, atUs);
  return entity;
}

/** Of a text that was validated. */
export function durationUs(text: string): Us {
  const us = parseDuration(text);
  assert(us !== null, "durations were validated when the rule was loaded");
  return us;
}

/** Deep-merges the written fields, whose shapes were validated, onto a record. */
function merge(
  record: object,
  type: RecordType,
  fields: Readonly<Record<string, unknown>>,
  atUs: Us,
): void {
  const table: Readonly<Record<string, FieldType>> = entityFields[type];
  const target = record as Record<string, unknown>; // a plain record of this type
  for (const [name, value] of Object.entries(fields)) {
    target[name] = fieldValue(table[name], value, target[name], atUs);
  }
}

function fieldValue(type: FieldType | undefined, value: unknown, old: unknown, atUs: Us): unknown {
  // What is cast here was validated against this very type when the rule was loaded.
  if (type === "duration") return durationUs(value as string);
  // An age is held as the time that it counts from.
  if (type === "age") return atUs - durationUs(value as string);
  if (type === "node" || type === "process") {
    merge(old as object, type, value as Record<string, unknown>, atUs);
    return old;
  }
  if (type !== "list<container>") return value;
  return (value as Record<string, unknown>[]).map((fields) => {
    const container = makeEntity("container");
    merge(container, "container", fields, atUs);
    return container;
  });
}
