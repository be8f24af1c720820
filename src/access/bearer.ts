/** The `Authorization` header of a request, judged without knowing any token. */
import { Secret } from "../lib/secret.ts";
import { tokenLengthMax } from "./tokens.ts";

export type Bearer =
  | { readonly kind: "none" }
  /** Twice there, empty, of another scheme, or no token. */
  | { readonly kind: "malformed" }
  | { readonly kind: "token"; readonly token: Secret };

const pattern = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/**
 * `rawHeaders`: names and values in turn, as `node:http` and `node:http2` give them. Their parsed headers
 * would hide a second header, of which another server on the way may have seen the other one.
 */
export function readBearer(rawHeaders: readonly string[]): Bearer {
  let value: string | null = null;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() !== "authorization") continue;
    if (value !== null) return { kind: "malformed" };
    value = rawHeaders[at + 1] ?? "";
  }
  if (value === null) return { kind: "none" };
  const token = value.length > tokenLengthMax + 16 ? undefined : pattern.exec(value)?.[1];
  return token === undefined || token.length > tokenLengthMax
    ? { kind: "malformed" }
    : { kind: "token", token: new Secret(token) };
}
