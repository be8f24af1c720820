/**
 * The JSON Schema of rule files, for editors. Generated from the table that validates them; expressions
 * are plain text to it, so a file that it accepts can still be wrong.
 */
import { fileKeys } from "./file-keys.ts";
import type { Key, Keys, Shape } from "./keys.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;

export function makeRulesSchema(): JsonSchema {
  const definitions = new Map<string, JsonSchema>();
  const file = keysToSchema(fileKeys, definitions);
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "mesh-insights rule file, version 1",
    ...file,
    definitions: Object.fromEntries([...definitions].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

type Definitions = Map<string, JsonSchema>;

/** Keys that are refused are left out, so that editors refuse them too. */
function keysToSchema(keys: Keys, definitions: Definitions): JsonSchema {
  const known = Object.entries(keys).filter(([, key]) => key.refusal === undefined);
  const required = known.filter(([, key]) => key.isRequired).map(([name]) => name);
  return {
    type: "object",
    additionalProperties: false,
    ...(required.length > 0 && { required }),
    properties: Object.fromEntries(
      known.map(([name, key]) => [name, keyToSchema(key, definitions)]),
    ),
  };
}

function keyToSchema({ shape, says }: Key, definitions: Definitions): JsonSchema {
  const schema = shapeToSchema(shape, definitions);
  // Beside `$ref`, draft 7 ignores everything.
  return says === "" || "$ref" in schema ? schema : { description: says, ...schema };
}

/** What JSON Schema cannot say (how names must fit together) it leaves out. */
function shapeToSchema(shape: Shape, definitions: Definitions): JsonSchema {
  switch (shape.kind) {
    case "any":
      return {};
    case "text":
      return { type: "string", ...(shape.pattern !== undefined && { pattern: shape.pattern }) };
    case "int":
      return { type: "integer" };
    case "number":
      return { type: "number" };
    case "bool":
      return { type: "boolean" };
    case "choice":
      return { enum: shape.values };
    case "list":
      return {
        type: "array",
        items: shapeToSchema(shape.of, definitions),
        ...(shape.isNonEmpty && { minItems: 1 }),
      };
    case "map":
      return {
        type: "object",
        ...(shape.keys !== "" && { propertyNames: { pattern: shape.keys } }),
        additionalProperties: shapeToSchema(shape.of, definitions),
      };
    case "record":
      return recordToSchema(shape, definitions);
    case "either":
      return { anyOf: shape.of.map((one) => shapeToSchema(one, definitions)) };
  }
}

/** Entities stand in several places, and a node in most of them: each once, by name. */
function recordToSchema(
  shape: Shape & { readonly kind: "record" },
  definitions: Definitions,
): JsonSchema {
  if (shape.name === undefined) return keysToSchema(shape.keys, definitions);
  if (!definitions.has(shape.name)) {
    definitions.set(shape.name, keysToSchema(shape.keys, definitions));
  }
  return { $ref: `#/definitions/${shape.name}` };
}
