/** Field paths like `flow.src` as rules name them in `key`, `subject`, `peer` and `confidence`. */
import {
  entityFields,
  type EntityType,
  type FieldType,
  type RecordType,
} from "../model/entities.ts";
import { fieldOf, isRecordType } from "./check.ts";
import { nearest } from "../lib/nearest.ts";

export interface Path {
  readonly text: string;
  readonly type: FieldType | RecordType;
  /** The value in an entity, which has every field of its type. */
  readonly get: (entity: unknown) => unknown;
}

export interface PathError {
  /** Where in the path's text. */
  readonly offset: number;
  readonly message: string;
  readonly suggestion: string;
}

/** Follows a path from the rule's entity type. */
export function resolvePath(on: EntityType, text: string): Path | PathError {
  const [root = "", ...names] = text.split(".");
  if (root !== on) {
    return { offset: 0, message: `a path begins with '${on}', not '${root}'`, suggestion: on };
  }
  let type: FieldType | RecordType = on;
  let offset = root.length + 1;
  for (const name of names) {
    const record = recordOf(type);
    const next = record ? fieldOf(record, name) : undefined;
    if (next === undefined) {
      const known = record ? Object.keys(entityFields[record]) : [];
      const message = `no field '${name}' in ${record ?? text.slice(0, offset - 1)}`;
      return { offset, message, suggestion: nearest(name, known) };
    }
    type = next;
    offset += name.length + 1;
  }
  return { text, type, get: makeGet(names) };
}

/** Lists and maps have no one value, ages and doubles never the same twice. */
export function isKeyType(type: Path["type"]): boolean {
  if (typeof type === "object") return true;
  if (isRecordType(type)) return type === "node";
  return ["string", "int", "id", "proxy_id", "bool"].includes(type);
}

function recordOf(type: FieldType | RecordType): RecordType | null {
  return typeof type === "string" && isRecordType(type) ? type : null;
}

/** Reads the field of an entity; called for every match. */
function makeGet(names: readonly string[]): (entity: unknown) => unknown {
  const [first, second] = names;
  // Nearly every path has one or two names.
  if (first !== undefined && names.length === 1) return (entity) => field(entity, first);
  if (first !== undefined && second !== undefined && names.length === 2) {
    return (entity) => field(field(entity, first), second);
  }
  return (entity) => names.reduce(field, entity);
}

function field(record: unknown, name: string): unknown {
  return (record as Readonly<Record<string, unknown>>)[name]; // the path was followed by types
}
