/**
 * ExportMetricsServiceRequest → `MetricsView`. Walks the metrics; their points are read in `points.ts`.
 *
 * https://github.com/open-telemetry/opentelemetry-proto/blob/v1.11.0/opentelemetry/proto/metrics/v1/metrics.proto
 */
import { Rows } from "./columns.ts";
import { Envelope } from "./envelope.ts";
import { defaultDecodeLimits } from "./limits.ts";
import type { DecodeLimits } from "./limits.ts";
import { makeMetrics } from "./metrics-tables.ts";
import { PointReader } from "./points.ts";
import { MetricKind } from "./views.ts";
import type { Decoded, Metrics, MetricsView } from "./views.ts";

/** Decodes one request at a time; the view is overwritten by the next one. */
export class MetricsDecoder {
  readonly #envelope: Envelope;
  readonly #metrics: Rows<Metrics>;
  readonly #points: PointReader;

  constructor(limits: DecodeLimits = defaultDecodeLimits) {
    this.#envelope = new Envelope("ExportMetricsServiceRequest", limits, (scope, end) =>
      this.#readMetric(scope, end),
    );
    this.#metrics = new Rows(makeMetrics(), limits.itemsMax);
    this.#points = new PointReader(this.#envelope);
  }

  decode(bytes: Buffer): Decoded<MetricsView> {
    this.#metrics.reset();
    this.#points.reset();
    const error = this.#envelope.decode(bytes);
    if (error !== null) return error;
    this.#metrics.publish();
    this.#points.publish();
    return { ok: true, view: this.#view() };
  }

  #view(): MetricsView {
    const { points, exemplars, lists } = this.#points;
    return {
      ...this.#envelope.view(),
      metrics: this.#metrics.table,
      points: points.table,
      exemplars: exemplars.rows.table,
      doubles: lists.doubles.table.value,
      countsLow: lists.counts.table.low,
      countsHigh: lists.counts.table.high,
    };
  }

  /**
   * ```proto
   * message Metric {
   *   string name = 1; string description = 2; string unit = 3;
   *   oneof data {
   *     Gauge gauge = 5; Sum sum = 7; Histogram histogram = 9;
   *     ExponentialHistogram exponential_histogram = 10; Summary summary = 11;
   *   }
   *   repeated KeyValue metadata = 12;
   * }
   * ```
   */
  #readMetric(scope: number, end: number): void {
    const { reader, attributes } = this.#envelope;
    const row = this.#metrics.add();
    const table = this.#metrics.table;
    table.scope[row] = scope;
    table.pointStart[row] = this.#points.points.count;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      switch (tag) {
        case 0x0a:
          reader.rangeInto(table.nameStart, table.nameEnd, row, end);
          break;
        case 0x12:
          reader.rangeInto(table.descriptionStart, table.descriptionEnd, row, end);
          break;
        case 0x1a:
          reader.rangeInto(table.unitStart, table.unitEnd, row, end);
          break;
        case 0x2a:
          this.#readData(row, MetricKind.gauge, reader.length(end));
          break;
        case 0x3a:
          this.#readData(row, MetricKind.sum, reader.length(end));
          break;
        case 0x4a:
          this.#readData(row, MetricKind.histogram, reader.length(end));
          break;
        case 0x52:
          this.#readData(row, MetricKind.exponentialHistogram, reader.length(end));
          break;
        case 0x5a:
          this.#readData(row, MetricKind.summary, reader.length(end));
          break;
        case 0x62: {
          const { metadataStart: starts, metadataEnd: ends } = table;
          starts[row] = attributes.readRun(starts[row]!, ends[row]!, tag, end);
          ends[row] = attributes.rows.count;
          break;
        }
        default:
          reader.skip(tag, end);
      }
    }
    reader.finish(end);
    table.pointEnd[row] = this.#points.points.count;
  }

  /**
   * ```proto
   * message Gauge | Summary { repeated <point> data_points = 1; }
   * message Histogram | ExponentialHistogram {
   *   repeated <point> data_points = 1; AggregationTemporality aggregation_temporality = 2;
   * }
   * message Sum {
   *   repeated NumberDataPoint data_points = 1; AggregationTemporality aggregation_temporality = 2;
   *   bool is_monotonic = 3;
   * }
   * ```
   */
  #readData(row: number, kind: MetricKind, end: number): void {
    const { reader } = this.#envelope;
    const table = this.#metrics.table;
    if (table.kind[row] !== kind) this.#startKind(row, kind);
    const isTemporal = kind !== MetricKind.gauge && kind !== MetricKind.summary;
    while (reader.pos < end) {
      const tag = reader.tag(end);
      if (tag === 0x0a) {
        this.#points.read(row, kind, reader.length(end));
      } else if (tag === 0x10 && isTemporal) {
        table.temporality[row] = reader.enumByte(end);
      } else if (tag === 0x18 && kind === MetricKind.sum) {
        table.isMonotonic[row] = reader.bool(end) ? 1 : 0;
      } else {
        reader.skip(tag, end);
      }
    }
    reader.finish(end);
  }

  /** The last member of the oneof wins and drops what another one brought. */
  #startKind(row: number, kind: MetricKind): void {
    const table = this.#metrics.table;
    this.#points.replaceFrom(table.pointStart[row]!);
    table.kind[row] = kind;
    table.temporality[row] = 0;
    table.isMonotonic[row] = 0;
  }
}
