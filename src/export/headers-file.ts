/**
 * The text of a headers file, which holds credentials: one `name: value` per line, empty lines and lines
 * that begin with `#` left out. A fault names the line and never what stands in it.
 */

/** What a sink's own limits on headers would refuse sooner or later. */
const headersMax = 64;
const valueMaxLength = 8_192;

export type HeadersFile =
  | { readonly ok: true; readonly headers: readonly (readonly [name: string, value: string])[] }
  | { readonly ok: false; readonly message: string };

/** `content-type` and the like belong to gRPC; `-bin` would need a binary value. */
const namePattern = /^(?!grpc-|content-type$|te$|user-agent$)[0-9a-z_.-]+(?<!-bin)$/;
const valuePattern = /^[\x20-\x7e]+$/;

export function parseHeaders(text: string): HeadersFile {
  const headers: (readonly [string, string])[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const fault = (why: string): HeadersFile => ({
      ok: false,
      message: `cannot use line ${index + 1} of the headers file: ${why}; write one "name: value" per line`,
    });
    const colon = line.indexOf(":");
    if (colon < 0) return fault("there is no colon");
    const name = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (!namePattern.test(name)) return fault("its name is none that gRPC lets us set");
    if (!valuePattern.test(value) || value.length > valueMaxLength) {
      return fault("its value is empty, too long or not printable ASCII");
    }
    if (headers.length >= headersMax) return fault(`there are more than ${headersMax} headers`);
    headers.push([name, value]);
  }
  return { ok: true, headers };
}
