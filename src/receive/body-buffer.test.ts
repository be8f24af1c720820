import { expect, test } from "vitest";
import { BodyBuffer } from "./body-buffer.ts";
import { ownBuffer } from "./inflate.ts";

const kibibyte = 1_024;

function makeBuffer(room: number) {
  const asked: number[] = [];
  const body = new BodyBuffer((bytes) => {
    asked.push(bytes);
    return bytes <= room;
  });
  return { asked, body };
}

test("memory is asked for as bytes arrive, never beyond what the body can be", () => {
  const { asked, body } = makeBuffer(Infinity);
  const chunk = Buffer.alloc(50 * kibibyte, "x");
  for (let at = 0; at < 6; at++) expect(body.append(chunk, 300 * kibibyte)).toBe(true);
  expect(asked).toEqual([64, 128, 256, 300].map((kibibytes) => kibibytes * kibibyte));
  expect(body.take().equals(Buffer.alloc(300 * kibibyte, "x"))).toBe(true);
});

test("without room nothing is taken", () => {
  const { body } = makeBuffer(100 * kibibyte);
  expect(body.append(Buffer.alloc(60 * kibibyte), 300 * kibibyte)).toBe(true);
  expect(body.append(Buffer.alloc(60 * kibibyte), 300 * kibibyte)).toBe(false);
  expect(body.length).toBe(60 * kibibyte);
});

test("a body of known length owns its memory, and keeps nothing of a chunk's", () => {
  const { body } = makeBuffer(Infinity);
  const chunk = Buffer.from("abcdef").subarray(0, 3);
  body.append(chunk, 3);
  const taken = body.take();
  expect(ownBuffer(taken)).toBe(taken.buffer);
  expect(taken.buffer.byteLength).toBe(3);
  expect(body.take()).toHaveLength(0);
});
