/** Sizes and endpoints as people write them, and as the engine counts. */

const byteUnits: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** Also for the JSON Schema. */
export const sizePattern = String.raw`^\d{1,9}(B|KiB|MiB|GiB|TiB)$`;

/** `64MiB`; units are binary, and there is always one. */
export function parseSize(text: string): number | null {
  const [, count, unit] = /^(\d{1,9})(B|KiB|MiB|GiB|TiB)$/.exec(text) ?? [];
  const bytes = Number(count) * (byteUnits[unit ?? ""] ?? Number.NaN);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** Where to listen. */
export interface Endpoint {
  /** An address (IPv6 without brackets) or a name. */
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
}

/** `127.0.0.1:4317`, `[::1]:4317`, `localhost:0`. The host is never left out: it decides who can connect. */
export function parseEndpoint(text: string): Endpoint | null {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  return host === undefined || port > 65_535 ? null : { host, port };
}
