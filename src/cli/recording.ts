/**
 * Recordings: OTLP requests as the receiver got them, in order of arrival, for `record` and `replay`.
 *
 *   "MESHREC1"                                                     8 bytes
 *   then per request, little endian:
 *   arrival, nanoseconds since the epoch    u64
 *   signal (1 traces, 2 metrics, 3 logs)    u8
 *   length of the body                      u32
 *   body: the request as protobuf, inflated
 *
 * A recording holds what the mesh's telemetry holds, which may be secret: only its owner may read it,
 * and an existing file is never overwritten. Reading holds one request in memory at a time. What is no
 * recording, or is cut off, is an error with the byte offset, after every whole request before it.
 */
import { open, type FileHandle } from "node:fs/promises";
import { Signal } from "../model/stages.ts";
import type { Us } from "../model/time.ts";
import { fileTrouble, UserError } from "./io.ts";

const magic = Buffer.from("MESHREC1", "latin1");
const headerBytes = 8 + 1 + 4;
const nsPerUs = 1_000n;

/** The largest body that is written or read: what a receiver accepts by default. */
export const recordedBodyMax = 64 * 1024 * 1024;

export interface RecordedRequest {
  readonly receivedUs: Us;
  readonly signal: Signal;
  /** When read, the buffer has an ArrayBuffer of its own, which can be transferred. */
  readonly body: Uint8Array;
}

/** Creates the file, readable and writable by its owner alone. */
export async function makeRecordingWriter(path: string): Promise<RecordingWriter> {
  const file = await open(path, "wx", 0o600).catch((cause: unknown) => {
    throw new UserError(`cannot create recording "${path}": ${fileTrouble(cause)}`);
  });
  const writer = new RecordingWriter(path, file);
  await writer.begin();
  return writer;
}

export class RecordingWriter implements AsyncDisposable {
  readonly #path: string;
  readonly #file: FileHandle;
  /** The last write; each waits for the one before, so that requests cannot interleave. */
  #last: Promise<void> = Promise.resolve();
  #count = 0;
  #isClosed = false;

  constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  /** Requests written so far. */
  get count(): number {
    return this.#count;
  }

  async begin(): Promise<void> {
    await this.#append([magic]);
  }

  /**
   * Resolves when the request is in the file; who does not wait for that holds the memory. After the
   * first failure every further write fails, since the file may end within a request.
   */
  async write(request: RecordedRequest): Promise<void> {
    const { body, receivedUs, signal } = request;
    if (body.length > recordedBodyMax) {
      const why = `its body has ${body.length} bytes, at most ${recordedBodyMax} are possible`;
      throw new Error(`cannot record a request: ${why}`);
    }
    const header = Buffer.alloc(headerBytes);
    header.writeBigUInt64LE(BigInt(Math.round(receivedUs)) * nsPerUs, 0);
    header.writeUInt8(signal, 8);
    header.writeUInt32LE(body.length, 9);
    await this.#append([header, body]);
    this.#count++;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#last.catch(() => {}); // told to whoever wrote
    await this.#file.close();
  }

  #append(parts: readonly Uint8Array[]): Promise<void> {
    this.#last = this.#appendAfter(this.#last, parts);
    return this.#last;
  }

  async #appendAfter(previous: Promise<void>, parts: readonly Uint8Array[]): Promise<void> {
    await previous;
    try {
      for (const part of parts) await this.#file.appendFile(part);
    } catch (cause) {
      const message = `cannot write recording "${this.#path}": ${fileTrouble(cause)}`;
      throw new Error(message, { cause });
    }
  }
}

/** Yields the requests in the file's order. Throws at the first byte that is not as it should be. */
export async function* readRecording(path: string): AsyncGenerator<RecordedRequest> {
  const file = await open(path, "r").catch((cause: unknown) => {
    throw new UserError(`cannot read recording "${path}": ${fileTrouble(cause)}`);
  });
  await using reader = new Reader(path, file);
  await reader.readMagic();
  for (let request = await reader.next(); request !== null; request = await reader.next()) {
    yield request;
  }
}

class Reader implements AsyncDisposable {
  readonly #path: string;
  readonly #file: FileHandle;
  #offset = 0;

  constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  async readMagic(): Promise<void> {
    const start = await this.#upTo(magic.length);
    if (start.equals(magic)) {
      this.#offset = magic.length;
      return;
    }
    if (start.length === 0) this.#fail("the file is empty");
    this.#fail(
      'it is no recording: it begins neither with "MESHREC1" nor as a collector\'s OTLP/JSON lines do',
    );
  }

  /** The next request, or null at the end of the file. */
  async next(): Promise<RecordedRequest | null> {
    const header = await this.#upTo(headerBytes);
    if (header.length === 0) return null;
    if (header.length < headerBytes) {
      this.#fail(`cut off: ${header.length} of the ${headerBytes} bytes of a request's header`);
    }
    const receivedUs = Number(header.readBigUInt64LE(0) / nsPerUs);
    const signal = signalOf(header.readUInt8(8));
    const length = header.readUInt32LE(9);
    if (!Number.isSafeInteger(receivedUs)) this.#fail("impossible time of arrival");
    if (signal === null) this.#fail(`unknown signal ${header.readUInt8(8)}`);
    if (length > recordedBodyMax) {
      this.#fail(`a request of ${length} bytes, at most ${recordedBodyMax} are possible`);
    }
    const bodyStart = this.#offset + headerBytes;
    const body = await this.#upTo(length, bodyStart);
    if (body.length < length) this.#fail(`cut off: ${body.length} of a request's ${length} bytes`);
    this.#offset = bodyStart + length;
    return { receivedUs, signal, body };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }

  /** The next bytes, fewer at the end of the file, in a buffer that shares no memory. */
  async #upTo(length: number, from = this.#offset): Promise<Buffer> {
    const buffer = Buffer.allocUnsafeSlow(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await this.#file.read(buffer, filled, length - filled, from + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  }

  #fail(why: string): never {
    throw new UserError(`cannot read recording "${this.#path}": at byte ${this.#offset}: ${why}`);
  }
}

function signalOf(number: number): Signal | null {
  return Object.values(Signal).find((signal) => signal === number) ?? null;
}
