import zlib from "node:zlib";
import { expect, test } from "vitest";
import { acceptEncoding, inflate, inflatedSizeHint, isEncoding } from "./inflate.ts";

const limit = 1_000_000;

test.each([0, 1, 100, 4_095, 5_000, 65_536, 70_000, limit])(
  "%i bytes come out as an ArrayBuffer of exactly their size",
  (length) => {
    const body = Buffer.alloc(length, "abc");
    for (const [encoding, wire] of [
      ["identity", Buffer.from(body)],
      ["gzip", zlib.gzipSync(body)],
      ["deflate", zlib.deflateSync(body)],
    ] as const) {
      const inflated = inflate(wire, encoding, limit);
      expect(inflated).toMatchObject({ ok: true });
      const bytes = inflated.ok ? Buffer.from(inflated.body) : Buffer.from("none");
      expect(bytes.equals(body)).toBe(true);
    }
  },
);

test.each<[string, Buffer, boolean]>([
  ["above the limit", zlib.gzipSync(Buffer.alloc(limit + 1)), true],
  ["far above the limit", zlib.gzipSync(Buffer.alloc(50 * limit)), true],
  ["no gzip", Buffer.alloc(40, 7), false],
  ["empty header", Buffer.from([0x1f]), false],
  ["cut short", zlib.gzipSync(Buffer.alloc(5_000)).subarray(0, 20), false],
])("%s is an error value", (_name, wire, isTooLarge) => {
  expect(inflate(wire, "gzip", limit)).toMatchObject({ ok: false, isTooLarge });
});

test("deflate has the same limit", () => {
  const inflated = inflate(zlib.deflateSync(Buffer.alloc(50 * limit)), "deflate", limit);
  expect(inflated).toMatchObject({ ok: false, isTooLarge: true });
});

test("the hint believes ISIZE only within what is possible", () => {
  const wire = zlib.gzipSync(Buffer.alloc(10_000));
  expect(inflatedSizeHint(wire, "gzip", limit)).toBe(10_000);
  wire.writeUInt32LE(0xffff_ffff, wire.length - 4);
  expect(inflatedSizeHint(wire, "gzip", limit)).toBe(wire.length * 1_032);
  expect(inflatedSizeHint(wire, "gzip", 5_000)).toBe(5_001);
  expect(inflatedSizeHint(wire, "identity", limit)).toBe(wire.length);
});

test("zstd is offered exactly where Node has it", () => {
  expect(isEncoding("zstd")).toBe("zstdDecompressSync" in zlib);
  expect(acceptEncoding.includes("zstd")).toBe(isEncoding("zstd"));
  expect(["br", "snappy", "GZIP", ""].filter((name) => isEncoding(name))).toEqual([]);
});
