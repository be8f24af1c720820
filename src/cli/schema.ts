/** `schema`: the JSON Schemas of the files that people write, for their editors. */
import { configJsonSchema } from "../config/schema.ts";
import { makeRulesSchema } from "../rules/schema.ts";
import type { CliIo } from "./io.ts";

const schemas = { config: configJsonSchema, rules: makeRulesSchema };
export type SchemaName = keyof typeof schemas;
export const schemaNames = Object.keys(schemas) as SchemaName[]; // its own keys

export function runSchema(name: SchemaName, io: CliIo): number {
  io.out(`${JSON.stringify(schemas[name](), null, 2)}\n`);
  return 0;
}
