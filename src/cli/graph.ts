/** `graph`: the service graph of a running engine, as a table, JSON or Graphviz DOT. */
import type { ApiEdge, ApiGraph, ApiNode } from "../model/api.ts";
import { apiTarget, getJson, type TargetOptions } from "./api-client.ts";
import { formatTable, printable, type CliIo } from "./io.ts";

export interface GraphOptions extends TargetOptions {
  readonly namespace?: string | undefined;
  readonly format: GraphFormat;
}

const formatters = {
  table: graphTable,
  json: (graph: ApiGraph) => `${JSON.stringify(graph, null, 2)}\n`,
  dot: graphDot,
};

export type GraphFormat = keyof typeof formatters;
export const graphFormats = Object.keys(formatters);

export async function runGraph(options: GraphOptions, io: CliIo): Promise<number> {
  const graph = await getJson<ApiGraph>(apiTarget(options, io), "/api/v1/graph", {
    namespace: options.namespace,
  });
  io.out(formatters[options.format](graph));
  if (graph.truncated) io.error("the graph was cut at its limit; narrow it with --namespace\n");
  return 0;
}

function nodeNames(graph: ApiGraph): Map<string, string> {
  const name = (node: ApiNode): string =>
    node.namespace === "" ? node.name : `${node.namespace}/${node.name}`;
  return new Map(graph.nodes.map((node) => [node.id, printable(name(node))]));
}

export function graphTable(graph: ApiGraph): string {
  const names = nodeNames(graph);
  const rows = graph.edges.map((edge) => [
    names.get(edge.source) ?? edge.source,
    names.get(edge.target) ?? edge.target,
    `${edge.protocol}:${edge.port}`,
    edge.security,
    String(edge.requests),
    String(edge.errors),
    edge.around_proxy > 0 ? `${edge.around_proxy} around the proxy` : "",
  ]);
  const header = ["SOURCE", "TARGET", "PORT", "SECURITY", "REQUESTS", "ERRORS", "NOTE"];
  return graph.edges.length === 0 ? "no edges\n" : formatTable(header, rows);
}

export function graphDot(graph: ApiGraph): string {
  const quote = (text: string): string => `"${printable(text).replace(/["\\]/g, "\\$&")}"`;
  const names = nodeNames(graph);
  const nodes = graph.nodes.map(
    (node) => `  ${quote(node.id)} [label=${quote(names.get(node.id) ?? node.id)}];`,
  );
  const edges = graph.edges.map((edge) => {
    const label = quote(`${edge.protocol}:${edge.port}`);
    return `  ${quote(edge.source)} -> ${quote(edge.target)} [label=${label}, color=${colour(edge)}];`;
  });
  return ["digraph mesh {", "  rankdir=LR;", ...nodes, ...edges, "}", ""].join("\n");
}

function colour(edge: ApiEdge): string {
  if (edge.around_proxy > 0) return "red";
  if (edge.security === "mutual_tls") return "darkgreen";
  return edge.security === "none" || edge.security === "mixed" ? "orange" : "gray";
}
