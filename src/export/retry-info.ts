/**
 * Reads the pause that a sink asks for out of `grpc-status-details-bin`: a google.rpc.Status with a
 * google.rpc.RetryInfo among its details. A sink can be anybody, so every length is checked, and what
 * makes no sense is no RetryInfo.
 *
 *   message Status    { int32 code = 1; string message = 2; repeated Any details = 3; }
 *   message Any       { string type_url = 1; bytes value = 2; }
 *   message RetryInfo { Duration retry_delay = 1; }
 *   message Duration  { int64 seconds = 1; int32 nanos = 2; }
 */
import { usPerSecond, type Us } from "../model/time.ts";

const retryInfoType = /(^|\/)google\.rpc\.RetryInfo$/;

/** Of a longer status nothing is read; header lists are shorter than this anyway. */
const detailsMaxBytes = 64 * 1_024;

/** The number of a varint or fixed field, the bytes of the others. */
type Field = readonly [number: number, value: number | Buffer];

/** The asked pause, 0 or more; null when the sink sent no RetryInfo that can be read. */
export function retryDelayUs(details: Buffer): Us | null {
  if (details.length > detailsMaxBytes) return null;
  for (const [number, value] of fieldsOf(details) ?? []) {
    if (number !== 3 || !Buffer.isBuffer(value)) continue;
    const delayUs = delayOfAny(value);
    if (delayUs !== null) return delayUs;
  }
  return null;
}

function delayOfAny(bytes: Buffer): Us | null {
  const fields = fieldsOf(bytes);
  const type = bytesOf(fields, 1)?.toString("latin1") ?? "";
  if (!retryInfoType.test(type)) return null;
  const info = fieldsOf(bytesOf(fields, 2) ?? Buffer.alloc(0));
  if (info === null) return null;
  const delay = fieldsOf(bytesOf(info, 1) ?? Buffer.alloc(0));
  if (delay === null) return null;
  const seconds = numberOf(delay, 1);
  const nanos = numberOf(delay, 2);
  return seconds < 0 || nanos < 0 ? null : seconds * usPerSecond + Math.round(nanos / 1_000);
}

function bytesOf(fields: readonly Field[] | null, wanted: number): Buffer | null {
  const value = fields?.findLast(([number]) => number === wanted)?.[1];
  return Buffer.isBuffer(value) ? value : null;
}

function numberOf(fields: readonly Field[], wanted: number): number {
  const value = fields.findLast(([number]) => number === wanted)?.[1];
  return typeof value === "number" ? value : 0;
}

/** All fields of one message; null when it is broken. */
function fieldsOf(bytes: Buffer): readonly Field[] | null {
  const fields: Field[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = readVarint(bytes, at);
    if (tag === null) return null;
    at = tag.end;
    const [number, wireType] = [Math.floor(tag.value / 8), tag.value % 8];
    if (wireType === 0 || wireType === 2) {
      const varint = readVarint(bytes, at);
      if (varint === null) return null;
      at = varint.end;
      if (wireType === 0) {
        fields.push([number, varint.value]);
        continue;
      }
      if (varint.value < 0 || varint.value > bytes.length - at) return null;
      fields.push([number, bytes.subarray(at, at + varint.value)]);
      at += varint.value;
    } else if (wireType === 1 || wireType === 5) {
      at += wireType === 1 ? 8 : 4;
      if (at > bytes.length) return null;
    } else {
      return null;
    }
  }
  return fields;
}

/** Ten bytes are a negative number, whichever; null when it is cut off or longer. */
function readVarint(
  bytes: Buffer,
  start: number,
): { readonly value: number; readonly end: number } | null {
  let value = 0;
  for (let index = 0; index < 10; index++) {
    const byte = bytes[start + index];
    if (byte === undefined) return null;
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return { value: index === 9 ? -1 : value, end: start + index + 1 };
  }
  return null;
}
