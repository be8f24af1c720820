import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Signal } from "../model/stages.ts";
import {
  makeRecordingWriter,
  readRecording,
  recordedBodyMax,
  type RecordedRequest,
} from "./recording.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "recording-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

let fileCount = 0;
const newPath = (): string => path.join(folder, `${++fileCount}.rec`);

const requests: RecordedRequest[] = [
  { receivedUs: 1_767_614_400_000_001, signal: Signal.traces, body: Buffer.from("abc") },
  { receivedUs: 1_767_614_400_000_000, signal: Signal.logs, body: Buffer.alloc(0) },
  { receivedUs: 1_767_614_400_000_002, signal: Signal.metrics, body: Buffer.alloc(200_000, 7) },
];

async function record(written: readonly RecordedRequest[] = requests): Promise<string> {
  const file = newPath();
  await using writer = await makeRecordingWriter(file);
  await Promise.all(written.map((request) => writer.write(request)));
  expect(writer.count).toBe(written.length);
  return file;
}

/** The requests that could be read, and the message of the error that ended the reading. */
async function readAll(file: string): Promise<{ read: RecordedRequest[]; error: string }> {
  const read: RecordedRequest[] = [];
  try {
    for await (const request of readRecording(file)) read.push(request);
  } catch (error) {
    return { read, error: error instanceof Error ? error.message : "" };
  }
  return { read, error: "" };
}

test("what was written is read, in order, also when nobody waited in between", async () => {
  const { read, error } = await readAll(await record());
  expect(error).toBe("");
  expect(read.map(({ body, ...rest }) => ({ ...rest, body: Buffer.from(body) }))).toEqual(requests);
});

test("bodies can be transferred: each has an ArrayBuffer of its own", async () => {
  const { read } = await readAll(await record());
  expect(read.map(({ body }) => body.buffer.byteLength)).toEqual([3, 0, 200_000]);
});

test("the format is as documented", async () => {
  const file = await record(requests.slice(0, 1));
  const bytes = await readFile(file);
  const time = (1_767_614_400_000_001n * 1_000n).toString(16).padStart(16, "0");
  const littleEndian = Buffer.from(time, "hex").reverse().toString("hex");
  expect(bytes.toString("hex")).toBe(
    `${Buffer.from("MESHREC1").toString("hex")}${littleEndian}0103000000${Buffer.from("abc").toString("hex")}`,
  );
});

test("only the owner may read a recording, and none is overwritten", async () => {
  const file = await record();
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  await expect(makeRecordingWriter(file)).rejects.toThrow(
    `cannot create recording "${file}": the file exists; choose another name`,
  );
});

test("a body that could not be read again is refused, and the next one is written", async () => {
  const file = newPath();
  {
    await using writer = await makeRecordingWriter(file);
    const body = Buffer.alloc(recordedBodyMax + 1);
    const tooBig = writer.write({ receivedUs: 1, signal: Signal.logs, body });
    await expect(tooBig).rejects.toThrow("cannot record a request: its body has 67108865 bytes");
    await writer.write({ receivedUs: 1, signal: Signal.logs, body: Buffer.from("x") });
  }
  expect((await readAll(file)).read).toHaveLength(1);
});

const magic = Buffer.from("MESHREC1");
const header = (signal: number, length: number, ns = 1_000n): Buffer => {
  const bytes = Buffer.alloc(13);
  bytes.writeBigUInt64LE(ns, 0);
  bytes.writeUInt8(signal, 8);
  bytes.writeUInt32LE(length, 9);
  return bytes;
};
const whole = Buffer.concat([header(1, 2), Buffer.from("ab")]);

test.each([
  { name: "empty", parts: [], read: 0, says: "at byte 0: the file is empty" },
  {
    name: "foreign",
    parts: [Buffer.from("SQLite format 3")],
    read: 0,
    says: "at byte 0: it is no recording",
  },
  {
    name: "half a magic",
    parts: [magic.subarray(0, 5)],
    read: 0,
    says: "at byte 0: it is no recording",
  },
  { name: "nothing recorded", parts: [magic], read: 0, says: "" },
  {
    name: "a header cut off",
    parts: [magic, whole, header(1, 2).subarray(0, 6)],
    read: 1,
    says: "at byte 23: cut off: 6 of the 13 bytes of a request's header",
  },
  {
    name: "a body cut off",
    parts: [magic, whole, header(1, 9), Buffer.from("abc")],
    read: 1,
    says: "at byte 23: cut off: 3 of a request's 9 bytes",
  },
  {
    name: "an unknown signal",
    parts: [magic, whole, header(9, 0)],
    read: 1,
    says: "at byte 23: unknown signal 9",
  },
  {
    name: "an impossible length",
    parts: [magic, header(1, 0xffff_ffff)],
    read: 0,
    says: "at byte 8: a request of 4294967295 bytes",
  },
  {
    name: "an impossible time",
    parts: [magic, header(1, 0, 2n ** 64n - 1n)],
    read: 0,
    says: "at byte 8: impossible time of arrival",
  },
])("reading: $name", async ({ parts, read, says }) => {
  const file = newPath();
  await writeFile(file, Buffer.concat(parts));
  const result = await readAll(file);
  expect(result.read).toHaveLength(read);
  expect(result.error.slice(0, 200)).toContain(
    says === "" ? "" : `cannot read recording "${file}": ${says}`,
  );
  expect(result.error === "").toBe(says === "");
});

test("a file that is not there", async () => {
  const { error } = await readAll(path.join(folder, "none"));
  expect(error).toMatch(/^cannot read recording ".*none": no such file/);
});
