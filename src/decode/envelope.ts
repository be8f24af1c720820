/**
 * What the three signals share: request, resources and scopes around items. An item is handed to the
 * signal's own reader where it stands, which on the wire of a collector is BEFORE its scope and resource
 * are known: rows of both exist from the start of their message and are filled when their bytes come.
 *
 * ```proto
 * message Export…ServiceRequest { repeated Resource… resource_… = 1; }
 * message Resource… { Resource resource = 1; repeated Scope… scope_… = 2; string schema_url = 3; }
 * message Scope… { InstrumentationScope scope = 1; repeated <item> … = 2; string schema_url = 3; }
 * ```
 * https://github.com/open-telemetry/opentelemetry-proto/tree/v1.11.0/opentelemetry/proto/collector
 */
import { AttributeReader, ValueReader } from "./attributes.ts";
import { Rows, int32s, uint32s } from "./columns.ts";
import { makeDecodeError } from "./fault.ts";
import type { DecodeLimits } from "./limits.ts";
import { Pieces } from "./pieces.ts";
import type { Attributes, DecodeError, Resources, Scopes } from "./views.ts";
import { WireFault, WireReader } from "./wire.ts";

/** Reads one item (metric, span, log record) that ends at `end`, of the scope of that row. */
type ItemReader = (scope: number, end: number) => void;

function makeResources(): Resources {
  return {
    count: 0,
    attrStart: int32s(),
    attrEnd: int32s(),
    droppedAttributes: uint32s(),
    schemaUrlStart: int32s(),
    schemaUrlEnd: int32s(),
    start: int32s(),
    end: int32s(),
  };
}

function makeScopes(): Scopes {
  return {
    count: 0,
    resource: int32s(),
    nameStart: int32s(),
    nameEnd: int32s(),
    versionStart: int32s(),
    versionEnd: int32s(),
    attrStart: int32s(),
    attrEnd: int32s(),
    droppedAttributes: uint32s(),
    schemaUrlStart: int32s(),
    schemaUrlEnd: int32s(),
  };
}

export interface EnvelopeView {
  bytes: Buffer;
  attributes: Attributes;
  resources: Resources;
  scopes: Scopes;
}

export class Envelope {
  readonly reader = new WireReader();
  readonly values: ValueReader;
  readonly attributes: AttributeReader;
  readonly limits: DecodeLimits;
  readonly #pieces = new Pieces();
  readonly #resources: Rows<Resources>;
  readonly #scopes: Rows<Scopes>;
  readonly #root: string;
  readonly #readItem: ItemReader;

  /** `root` is the type name of the request, for messages. */
  constructor(root: string, limits: DecodeLimits, readItem: ItemReader) {
    this.limits = limits;
    this.values = new ValueReader(this.reader, this.#pieces, limits.depthMax);
    this.attributes = new AttributeReader(this.reader, this.values, limits);
    this.#resources = new Rows(makeResources(), limits.itemsMax);
    this.#scopes = new Rows(makeScopes(), limits.itemsMax);
    this.#root = root;
    this.#readItem = readItem;
  }

  /** Walks the whole request. On an error nothing of it may be used. */
  decode(bytes: Buffer): DecodeError | null {
    this.#reset(bytes);
    try {
      this.#readRequest(bytes.length);
    } catch (error) {
      this.#pieces.take();
      if (!(error instanceof WireFault)) throw error;
      return makeDecodeError(error, this.#root, bytes, this.reader.pos);
    } finally {
      this.reader.close();
    }
    for (const rows of [this.attributes.rows, this.#resources, this.#scopes]) rows.publish();
    return null;
  }

  /** The shared part of the view, once after each decode that succeeded. */
  view(): EnvelopeView {
    return {
      bytes: this.#pieces.take(),
      attributes: this.attributes.rows.table,
      resources: this.#resources.table,
      scopes: this.#scopes.table,
    };
  }

  #reset(bytes: Buffer): void {
    this.reader.open(bytes);
    this.#pieces.reset(bytes);
    this.attributes.reset();
    this.#resources.reset();
    this.#scopes.reset();
  }

  #readRequest(end: number): void {
    const { reader } = this;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x0a) this.#readResourceItems(reader.length(end));
      else reader.skip(tag, end);
    }
    reader.finish(end);
  }

  #readResourceItems(end: number): void {
    const { reader } = this;
    const row = this.#resources.add();
    const table = this.#resources.table;
    let hasResource = false;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 0x0a:
          this.#readResource(row, hasResource, reader.length(end));
          hasResource = true;
          break;
        case 0x12:
          this.#readScopeItems(row, reader.length(end));
          break;
        case 0x1a:
          reader.rangeInto(table.schemaUrlStart, table.schemaUrlEnd, row, end);
          break;
        default:
          reader.skip(tag, end);
      }
    }
    reader.finish(end);
  }

  /**
   * ```proto
   * message Resource {
   *   repeated KeyValue attributes = 1; uint32 dropped_attributes_count = 2;
   *   repeated EntityRef entity_refs = 3;
   * }
   * ```
   * https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/opentelemetry/proto/resource/v1/resource.proto
   */
  #readResource(row: number, isPiece: boolean, end: number): void {
    const { reader, attributes } = this;
    const table = this.#resources.table;
    const start = reader.pos;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x0a) {
        const { attrStart, attrEnd } = table;
        attrStart[row] = attributes.readRun(attrStart[row]!, attrEnd[row]!, tag, end);
        attrEnd[row] = attributes.rows.count;
      } else if (tag === 0x10) {
        table.droppedAttributes[row] = reader.uint32(end);
      } else if (tag === 0x1a) {
        reader.skipMessage(reader.length(end)); // entity_refs: no use for them yet
      } else {
        reader.skip(tag, end);
      }
    }
    reader.finish(end);
    table.start[row] = isPiece
      ? this.#pieces.join(table.start[row]!, table.end[row]!, start, end)
      : start;
    table.end[row] = isPiece ? this.#pieces.end : end;
  }

  #readScopeItems(resource: number, end: number): void {
    const { reader } = this;
    const row = this.#scopes.add();
    const table = this.#scopes.table;
    table.resource[row] = resource;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 0x0a:
          this.#readScope(row, reader.length(end));
          break;
        case 0x12:
          this.#readItem(row, reader.length(end));
          break;
        case 0x1a:
          reader.rangeInto(table.schemaUrlStart, table.schemaUrlEnd, row, end);
          break;
        default:
          reader.skip(tag, end);
      }
    }
    reader.finish(end);
  }

  /**
   * ```proto
   * message InstrumentationScope {
   *   string name = 1; string version = 2; repeated KeyValue attributes = 3;
   *   uint32 dropped_attributes_count = 4;
   * }
   * ```
   * https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/opentelemetry/proto/common/v1/common.proto
   */
  #readScope(row: number, end: number): void {
    const { reader, attributes } = this;
    const table = this.#scopes.table;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 0x0a:
          reader.rangeInto(table.nameStart, table.nameEnd, row, end);
          break;
        case 0x12:
          reader.rangeInto(table.versionStart, table.versionEnd, row, end);
          break;
        case 0x1a: {
          const { attrStart, attrEnd } = table;
          attrStart[row] = attributes.readRun(attrStart[row]!, attrEnd[row]!, tag, end);
          attrEnd[row] = attributes.rows.count;
          break;
        }
        case 0x20:
          table.droppedAttributes[row] = reader.uint32(end);
          break;
        default:
          reader.skip(tag, end);
      }
    }
    reader.finish(end);
  }
}
