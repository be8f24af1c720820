/** `waivers`: what people agreed to live with, as a running engine knows it; what needs somebody first. */
import type { ApiPage, ApiWaiver } from "../model/api.ts";
import { apiTarget, getJson, type TargetOptions } from "./api-client.ts";
import { formatTable, printable, type CliIo } from "./io.ts";

export interface WaiversOptions extends TargetOptions {
  readonly json?: boolean | undefined;
}

export async function runWaivers(options: WaiversOptions, io: CliIo): Promise<number> {
  const page = await getJson<ApiPage<ApiWaiver>>(apiTarget(options, io), "/api/v1/waivers", {});
  io.out(options.json === true ? `${JSON.stringify(page, null, 2)}\n` : waiversTable(page));
  return 0;
}

export function waiversTable({ items, total }: ApiPage<ApiWaiver>): string {
  if (total === 0) return "no waivers\n";
  const rows = items.map((waiver) =>
    [
      waiver.state,
      // It ends with its last day: the end itself is the next day's beginning.
      new Date(Date.parse(waiver.expires) - 1).toISOString().slice(0, 10),
      waiver.id,
      waiver.owner,
      String(waiver.insights),
      waiver.last_matched?.slice(0, 10) ?? "never",
      waiver.rules.join(", "),
      waiver.reason,
    ].map(printable),
  );
  const head = ["STATE", "EXPIRES", "ID", "OWNER", "INSIGHTS", "LAST MATCH", "RULES", "REASON"];
  const more = total > items.length ? `(${items.length} of ${total} shown)\n` : "";
  return formatTable(head, rows) + more;
}
