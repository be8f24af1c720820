/**
 * Rewrites protobuf messages without changing what they mean to a reader that follows the
 * specification: other orders of the fields, sub-messages in pieces, fields sent twice, unknown fields,
 * lists of numbers packed or not. Knows the messages by reflection, from `otlp-oracle.ts`.
 */
import protobuf from "protobufjs";

/** One field as it lies on the wire. `payload` is what follows the tag and, of type 2, the length. */
interface WireField {
  readonly number: number;
  readonly wireType: number;
  readonly payload: Buffer;
}

export function splitFields(bytes: Buffer): WireField[] {
  const reader = protobuf.Reader.create(bytes);
  const fields: WireField[] = [];
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    const wireType = tag & 7;
    const length = wireType === 2 ? reader.uint32() : 0;
    const start = reader.pos;
    if (wireType === 2) reader.skip(length);
    else reader.skipType(wireType);
    fields.push({ number: tag >>> 3, wireType, payload: bytes.subarray(start, reader.pos) });
  }
  return fields;
}

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

/** A length-delimited field. */
export function lengthField(number: number, ...parts: Buffer[]): Buffer {
  return joinField({ number, wireType: 2, payload: Buffer.concat(parts) });
}

function joinField(field: WireField): Buffer {
  const tag = varint(field.number * 8 + field.wireType);
  const length = field.wireType === 2 ? varint(field.payload.length) : Buffer.alloc(0);
  return Buffer.concat([tag, length, field.payload]);
}

function joinFields(fields: readonly WireField[]): Buffer {
  return Buffer.concat(fields.map(joinField));
}

/** The type of a sub-message in that field, or null. */
function subType(type: protobuf.Type, field: WireField): protobuf.Type | null {
  const known = type.fieldsById[field.number];
  const resolved = known?.resolve().resolvedType;
  return field.wireType === 2 && resolved instanceof protobuf.Type ? resolved : null;
}

function mapSubMessages(
  type: protobuf.Type,
  fields: WireField[],
  change: (type: protobuf.Type, payload: Buffer) => Buffer,
): WireField[] {
  return fields.map((field) => {
    const inner = subType(type, field);
    return inner === null ? field : { ...field, payload: change(inner, field.payload) };
  });
}

export type FieldOrder = "ascending" | "descending";

/**
 * All messages in ascending field numbers, as SDKs and Envoy send them, or descending, as collectors
 * do; elements of one repeated field keep their order.
 */
export function reorder(type: protobuf.Type, bytes: Buffer, order: FieldOrder): Buffer {
  const fields = mapSubMessages(type, splitFields(bytes), (inner, payload) =>
    reorder(inner, payload, order),
  );
  const sign = order === "ascending" ? 1 : -1;
  return joinFields(fields.sort((a, b) => sign * (a.number - b.number)));
}

/** Every message with five fields that nobody knows behind its own, one of each wire type. */
export function withUnknown(type: protobuf.Type, bytes: Buffer): Buffer {
  const own = mapSubMessages(type, splitFields(bytes), withUnknown);
  const group = [varint(1_004 * 8 + 3), varint(5 * 8), varint(7), varint(1_004 * 8 + 4)];
  return Buffer.concat([
    joinFields(own),
    ...[
      { number: 1_000, wireType: 0, payload: varint(300) },
      { number: 1_001, wireType: 1, payload: Buffer.alloc(8, 1) },
      { number: 1_002, wireType: 2, payload: Buffer.from("unknown") },
      { number: 1_003, wireType: 5, payload: Buffer.alloc(4, 1) },
    ].map(joinField),
    ...group,
  ]);
}

/** A small generator of random numbers in [0, 1): the same seed gives the same numbers (mulberry32). */
export function makeRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d_2b_79_f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Everything at once, at random: shuffled, in pieces, repeated, with unknown fields. */
export function scramble(type: protobuf.Type, bytes: Buffer, random: () => number): Buffer {
  const fields = mapSubMessages(type, splitFields(bytes), (inner, payload) =>
    scramble(inner, payload, random),
  );
  const spread = fields.flatMap((field) => spreadField(type, field, random));
  if (random() < 0.3) spread.push(unknownField(type, random));
  if (random() < 0.5) shuffle(spread, random);
  return joinFields(spread);
}

function spreadField(type: protobuf.Type, field: WireField, random: () => number): WireField[] {
  const known = type.fieldsById[field.number];
  if (known === undefined || random() < 0.6) return [field];
  const inner = subType(type, field);
  if (inner !== null && !known.repeated) return cutMessage(field, random);
  if (known.repeated && inner === null && field.wireType === 2) return unpack(known, field, random);
  if (!known.repeated) return [field, field];
  return [field];
}

/** Two messages whose merge is the given one. */
function cutMessage(field: WireField, random: () => number): WireField[] {
  const parts = splitFields(field.payload);
  const cut = Math.floor(random() * (parts.length + 1));
  return [parts.slice(0, cut), parts.slice(cut)].map((piece) => ({
    ...field,
    payload: joinFields(piece),
  }));
}

/** Packed numbers as some packed and some single ones. */
function unpack(known: protobuf.Field, field: WireField, random: () => number): WireField[] {
  const wireType = protobuf.types.packed[known.type as keyof typeof protobuf.types.packed];
  if (wireType === undefined) return [field]; // strings
  const numbers = splitNumbers(wireType, field.payload);
  const cut = Math.floor(random() * (numbers.length + 1));
  const packed = { ...field, payload: Buffer.concat(numbers.slice(0, cut)) };
  const single = numbers.slice(cut).map((payload) => ({ number: field.number, wireType, payload }));
  return [packed, ...single];
}

function splitNumbers(wireType: number, payload: Buffer): Buffer[] {
  const reader = protobuf.Reader.create(payload);
  const numbers: Buffer[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    reader.skipType(wireType);
    numbers.push(payload.subarray(start, reader.pos));
  }
  return numbers;
}

/** A field that the type does not have, or one that it has with another wire type. */
function unknownField(type: protobuf.Type, random: () => number): WireField {
  const known = type.fieldsArray.map((field) => field.id);
  const number = random() < 0.5 ? 100 + Math.floor(random() * 100_000) : (known[0] ?? 1);
  const isKnown = known.includes(number);
  const wireType = isKnown ? 5 : ([0, 1, 2, 5][Math.floor(random() * 4)] ?? 0);
  const size = [1, 8, 3, 0, 0, 4][wireType] ?? 1;
  return { number, wireType, payload: Buffer.alloc(size, 7) };
}

function shuffle(items: WireField[], random: () => number): void {
  for (let at = items.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    [items[at], items[other]] = [items[other]!, items[at]!]; // both indices are in range
  }
}
