/**
 * The reference page of the configuration, made from its JSON Schema. `docs/configuration.md` is this
 * text; a test compares the two.
 */
import { configJsonSchema, promised } from "./schema.ts";

interface SchemaNode {
  readonly description?: string;
  readonly type?: string;
  readonly const?: string | number;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly additionalProperties?: SchemaNode | false;
  readonly anyOf?: readonly SchemaNode[];
}

const head = `# Configuration

One or more YAML files (\`--config\`, several are merged in order: maps merged, lists replaced), then
\`--set key.key=value\`. In values, \`\${env:NAME}\` and \`\${env:NAME:-default}\` stand for a variable of the
environment. Unknown keys are errors. \`mesh-insights validate --config FILE\` checks everything that
\`serve\` would load; editors find the format in \`schema/config.v1.json\`.

Lengths of time are written \`500ms\`, \`30s\`, \`15m\`, \`1h30m\`, \`30d\`; sizes \`64MiB\`, \`8GiB\`. Everything
binds to 127.0.0.1 unless an endpoint says otherwise; an endpoint that can be reached from the network takes
\`tls\` and \`auth\` (or \`tls.client_ca_file\`), or is refused unless \`insecure\` is set.

\`\`\`yaml
# yaml-language-server: $schema=../schema/config.v1.json
version: 1
cluster:
  name: production
receivers:
  grpc:
    endpoint: 0.0.0.0:4317
    tls:
      cert_file: /etc/mesh-insights/tls/tls.crt
      key_file: /etc/mesh-insights/tls/tls.key
    auth:
      tokens:
        - name: gateway
          token_file: /etc/mesh-insights/tokens/gateway
store:
  path: /var/lib/mesh-insights/mesh-insights.db
  profile: large
\`\`\`

| key | form | default | meaning |
|---|---|---|---|
`;

/** The whole page. */
export function configReference(): string {
  const rows = rowsOf("", configJsonSchema()).map((cells) => `| ${cells.join(" | ")} |\n`);
  const later = [...promised].map((key) => `\`${key}\``).join(", ");
  return `${head}${rows.join("")}\nNot supported by this version, and refused: ${later}.\n`;
}

type Row = readonly [key: string, form: string, otherwise: string, meaning: string];

function rowsOf(path: string, node: SchemaNode): Row[] {
  if (node.properties === undefined) return [];
  return Object.entries(node.properties).flatMap(([name, child]) => {
    const key = path === "" ? name : `${path}.${name}`;
    const meaning = child.description ?? "";
    if (child.properties !== undefined)
      return [[`**\`${key}\`**`, "", "", meaning], ...rowsOf(key, child)];
    const row: Row = [`\`${key}\``, formOf(child), defaultOf(child), meaning];
    return child.items?.properties ? [row, ...rowsOf(`${key}[]`, child.items)] : [row];
  });
}

function formOf(node: SchemaNode): string {
  if (node.const !== undefined) return `\`${node.const}\``;
  if (node.enum !== undefined) return node.enum.map((value) => `\`${value}\``).join(", ");
  if (node.anyOf !== undefined) return "text";
  if (node.items?.properties !== undefined) return "list";
  if (node.type === "array") return `list of ${formOf(node.items ?? {})}`;
  if (node.type === "object") return isOfText(node) ? "map of text to text" : "map";
  if (node.pattern?.includes("KiB") === true) return "size";
  if (node.pattern?.includes("ms") === true) return "time";
  return node.type === "integer" ? "number" : "text";
}

function isOfText({ additionalProperties }: SchemaNode): boolean {
  return additionalProperties !== false && additionalProperties?.type === "string";
}

function defaultOf(node: SchemaNode): string {
  if (node.default === undefined) return "";
  return `\`${typeof node.default === "string" && node.default !== "" ? node.default : JSON.stringify(node.default)}\``;
}
