/** Headers files: what is read, and that a fault names the line and nothing of what stands there. */
import { expect, test } from "vitest";
import { parseHeaders } from "./headers-file.ts";

test("names are lower case, values keep their colons, comments and empty lines are left out", () => {
  const text = "# of the gateway\nAuthorization: Bearer a:b\r\n\n  X-Scope-OrgID :  tenant-1  \n";
  expect(parseHeaders(text)).toEqual({
    ok: true,
    headers: [
      ["authorization", "Bearer a:b"],
      ["x-scope-orgid", "tenant-1"],
    ],
  });
  expect(parseHeaders("")).toEqual({ ok: true, headers: [] });
});

test.each([
  ["no colon", "authorization secret"],
  ["no name", ": secret"],
  ["a space in the name", "the name: secret"],
  ["a pseudo header", ":authority: secret"],
  ["a name of gRPC's own", "grpc-timeout: secret"],
  ["a name that HTTP/2 uses", "content-type: secret"],
  ["a binary header", "token-bin: secret"],
  ["no value", "authorization:"],
  ["a control character", "authorization: secret\u0007"],
  ["a character beyond ASCII", "authorization: secr\u00e9t"],
  ["a value without end", `authorization: secret${"x".repeat(9_000)}`],
])("%s is a fault of its line, and is not repeated", (_name, line) => {
  const result = parseHeaders(`x-first: 1\n${line}\n`);
  expect(result).toMatchObject({ ok: false, message: expect.stringContaining("line 2") });
  expect(JSON.stringify(result)).not.toContain("secr");
});

test("there is a most of headers", () => {
  const text = Array.from({ length: 65 }, (_, index) => `x-${index}: 1`).join("\n");
  expect(parseHeaders(text)).toMatchObject({ message: expect.stringContaining("line 65") });
});
