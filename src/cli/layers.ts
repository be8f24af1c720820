/** `layers`: defence in depth of each namespace in the mesh, on a running engine. */
import {
  layerNames,
  type ApiLayer,
  type ApiLayers,
  type ApiNamespaceLayers,
} from "../model/layers.ts";
import { apiTarget, getJson, type TargetOptions } from "./api-client.ts";
import { formatTable, printable, type CliIo } from "./io.ts";

export interface LayersOptions extends TargetOptions {
  readonly namespace?: string | undefined;
  readonly json?: boolean | undefined;
}

export async function runLayers(options: LayersOptions, io: CliIo): Promise<number> {
  const { namespace, json } = options;
  const target = apiTarget(options, io);
  const page = await getJson<ApiLayers>(target, "/api/v1/layers", { namespace, limit: "1000" });
  const text =
    namespace === undefined ? layersTable(page) : page.items.map(namespaceText).join("\n");
  const none = "no namespace in the mesh is known\n";
  io.out(
    json === true ? `${JSON.stringify(page, null, 2)}\n` : page.items.length > 0 ? text : none,
  );
  if (page.next !== null) io.error("not all are shown; narrow it with --namespace\n");
  return 0;
}

/** One line for each namespace. */
export function layersTable({ items }: ApiLayers): string {
  const rows = items.map((item) => [
    printable(item.cluster),
    printable(item.namespace),
    ...layerNames.map((name) => item.layers.find(({ layer }) => layer === name)?.status ?? ""),
    String(item.layers.reduce((sum, layer) => sum + layer.insights_total, 0)),
  ]);
  const header = [
    "CLUSTER",
    "NAMESPACE",
    ...layerNames.map((name) => name.toUpperCase().replaceAll("_", " ")),
    "INSIGHTS",
  ];
  return `${formatTable(header, rows)}(--namespace <namespace> says why)\n`;
}

/** Why each layer is as it is, and the insights that say so. */
export function namespaceText({ cluster, namespace, layers }: ApiNamespaceLayers): string {
  const head = `${printable(cluster)}/${printable(namespace)}\n`;
  return head + layers.map(layerText).join("");
}

function layerText({ layer, status, why, insights, insights_total }: ApiLayer): string {
  const lines = insights.map(({ severity, rule, workload }) => {
    const of = workload === "" ? "" : ` ${printable(workload)}`;
    return `    ${severity} ${printable(rule)}${of}\n`;
  });
  const more =
    insights_total > insights.length ? `    (${insights.length} of ${insights_total})\n` : "";
  return `  ${layer.replaceAll("_", " ")}: ${status}: ${printable(why)}\n${lines.join("")}${more}`;
}
