/** Another implementation of CEL, @bufbuild/cel, as the judge of ours: the same expression and entity. */
import {
  celEnv,
  isCelError,
  isCelList,
  isCelMap,
  parse,
  plan,
  type CelInput,
  type CelValue,
} from "@bufbuild/cel";
import { strings } from "@bufbuild/cel/ext";
import { create, isMessage } from "@bufbuild/protobuf";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { entityFields, type FieldType, type RecordType } from "../../src/model/entities.ts";
import { isRecordType } from "../../src/rules/check.ts";

const environment = celEnv({ funcs: strings });

/** An error of either side, of whatever kind. */
export const failed = Symbol("failed");

/** Plans once; evaluates with what `bind` makes of entities. */
export function planOracle(
  text: string,
): (bindings: Readonly<Record<string, CelInput>>) => unknown {
  const planned = plan(environment, parse(text));
  return (bindings) => {
    const result = planned({ ...bindings });
    return isCelError(result) ? failed : toPlain(result);
  };
}

/** An entity with the types that CEL sees: whole numbers as int, durations as messages. */
export function toCel(value: unknown, type: FieldType | RecordType): CelInput {
  if (typeof type === "object") return value as string; // an enumeration
  if (isRecordType(type)) {
    const fields: Readonly<Record<string, FieldType>> = entityFields[type];
    const record = value as Readonly<Record<string, unknown>>; // has the type's fields
    return new Map(Object.entries(fields).map(([name, of]) => [name, toCel(record[name], of)]));
  }
  if (type === "int" || type === "id" || type === "proxy_id") return BigInt(value as number); // by its type
  if (type === "double") return value as number; // likewise
  if (type === "duration" || type === "age") return toDuration(value as number); // likewise
  if (type === "list<container>") {
    return (value as readonly unknown[]).map((item) => toCel(item, "container")); // likewise
  }
  if (type === "map<string, double>") {
    return new Map(Object.entries(value as Readonly<Record<string, number>>)); // likewise
  }
  return fromJson(value);
}

function toDuration(us: number): CelInput {
  const seconds = Math.trunc(us / 1_000_000);
  return create(DurationSchema, {
    seconds: BigInt(seconds),
    nanos: (us - seconds * 1_000_000) * 1_000,
  });
}

/** Numbers without a fraction are integers, as Kubernetes reads its objects. */
function fromJson(value: unknown): CelInput {
  if (Array.isArray(value)) return value.map(fromJson);
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : value;
  if (typeof value !== "object" || value === null) return value as string | boolean | null; // JSON
  return new Map(Object.entries(value).map(([key, inner]) => [key, fromJson(inner)]));
}

function toPlain(value: CelValue): unknown {
  if (typeof value === "bigint") return Number(value);
  if (isCelList(value)) return [...value].map(toPlain);
  if (isCelMap(value)) {
    // All keys are texts here.
    return Object.fromEntries([...value].map(([key, inner]) => [key as string, toPlain(inner)]));
  }
  if (isMessage(value, DurationSchema)) return Number(value.seconds) * 1e6 + value.nanos / 1_000;
  return value;
}
