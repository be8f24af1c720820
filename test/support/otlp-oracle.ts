/**
 * What a request means, told twice: by protobufjs reading `proto/`, and by a decoded view. Both come out
 * as the same plain objects, all fields included, so that tests can compare them. Absent and empty are
 * one, as in the views; 64-bit numbers are decimal strings, bytes are hex.
 */
import path from "node:path";
import protobuf from "protobufjs";

const protoFolder = path.join(import.meta.dirname, "../../proto");

function loadRoot(): protobuf.Root {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) =>
    path.isAbsolute(target) ? target : path.join(protoFolder, target);
  const files = ["trace", "metrics", "logs"].map(
    (signal) => `opentelemetry/proto/collector/${signal}/v1/${signal}_service.proto`,
  );
  root.loadSync(files, { keepCase: true });
  root.resolveAll();
  return root;
}

const root = loadRoot();

/** Invalid UTF-8 becomes U+FFFD, as in the views: a request is not refused for one bad text. */
protobuf.BufferReader.prototype.stringVerify = function lenient(this: protobuf.Reader) {
  return this.string();
};
const collector = "opentelemetry.proto.collector";

export type SignalName = "metrics" | "traces" | "logs";

export const requestTypes: Readonly<Record<SignalName, protobuf.Type>> = {
  metrics: root.lookupType(`${collector}.metrics.v1.ExportMetricsServiceRequest`),
  traces: root.lookupType(`${collector}.trace.v1.ExportTraceServiceRequest`),
  logs: root.lookupType(`${collector}.logs.v1.ExportLogsServiceRequest`),
};

export const anyValueType = root.lookupType("opentelemetry.proto.common.v1.AnyValue");
const resourceType = root.lookupType("opentelemetry.proto.resource.v1.Resource");
const nestedTypes = {
  array: root.lookupType("opentelemetry.proto.common.v1.ArrayValue"),
  kvlist: root.lookupType("opentelemetry.proto.common.v1.KeyValueList"),
};

export type Plain = null | boolean | number | string | Plain[] | { [name: string]: Plain };

/** Fields that views do not carry: they mean nothing outside of profiles, or nothing yet. */
const leftOut = new Set(["entity_refs", "key_strindex", "string_value_strindex"]);
/** Open enums of one byte in the views; the severity has a column of its own width. */
const wideEnums = new Set(["severity_number"]);

/** What protobufjs reads; throws where protobufjs does. */
export function bytesToPlain(signal: SignalName, bytes: Buffer): Plain {
  const type = requestTypes[signal];
  return messageToPlain(type, type.decode(bytes));
}

/** The content of a nested array or map, whose byte range a view holds. */
export function nestedToPlain(kind: "array" | "kvlist", bytes: Buffer): Plain {
  const type = nestedTypes[kind];
  return messageToPlain(type, type.decode(bytes));
}

export function resourceToPlain(bytes: Buffer): Plain {
  return messageToPlain(resourceType, resourceType.decode(bytes));
}

type Fields = Record<string, unknown>;

function messageToPlain(type: protobuf.Type, message: Fields): Plain {
  if (type === anyValueType) return valueToPlain(type, message);
  const plain: Record<string, Plain> = {};
  for (const field of type.fieldsArray) {
    if (!leftOut.has(field.name)) plain[field.name] = fieldToPlain(field, message);
  }
  return plain;
}

/** `{ int_value: "1" }`, `{}` when nothing is set. */
function valueToPlain(type: protobuf.Type, message: Fields): Plain {
  const member = type.fieldsArray.find((field) => Object.hasOwn(message, field.name));
  if (member === undefined || leftOut.has(member.name)) return {};
  return { [member.name]: scalarToPlain(member, message[member.name]) };
}

function fieldToPlain(field: protobuf.Field, message: Fields): Plain {
  const value = message[field.name];
  if (field.repeated) {
    return ((value ?? []) as unknown[]).map((item) => scalarToPlain(field, item));
  }
  const isOptional = field.partOf !== null || field.name === "body";
  if (isOptional && !Object.hasOwn(message, field.name)) return null;
  return scalarToPlain(field, value);
}

function scalarToPlain(field: protobuf.Field, value: unknown): Plain {
  const resolved = field.resolvedType;
  if (resolved instanceof protobuf.Type)
    return messageToPlain(resolved, (value ?? resolved.create()) as Fields);
  if (resolved instanceof protobuf.Enum) return enumToPlain(field, value as number);
  if (field.type === "bytes") return Buffer.from((value ?? []) as Uint8Array).toString("hex");
  if (field.type.endsWith("64")) return String(value);
  return value as Plain;
}

function enumToPlain(field: protobuf.Field, value: number): number {
  const unsigned = value >>> 0;
  return wideEnums.has(field.name) || unsigned <= 255 ? unsigned : 255;
}
