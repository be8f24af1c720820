/** Empty tables of the metrics view. */
import { float64s, int32s, uint32s, uint8s } from "./columns.ts";
import type { Exemplars, Metrics, Points } from "./views.ts";

export function makeMetrics(): Metrics {
  return {
    count: 0,
    scope: int32s(),
    nameStart: int32s(),
    nameEnd: int32s(),
    descriptionStart: int32s(),
    descriptionEnd: int32s(),
    unitStart: int32s(),
    unitEnd: int32s(),
    metadataStart: int32s(),
    metadataEnd: int32s(),
    kind: uint8s(),
    temporality: uint8s(),
    isMonotonic: uint8s(),
    pointStart: int32s(),
    pointEnd: int32s(),
  };
}

export function makePoints(): Points {
  return {
    count: 0,
    metric: int32s(),
    startLow: uint32s(),
    startHigh: uint32s(),
    timeLow: uint32s(),
    timeHigh: uint32s(),
    flags: uint32s(),
    attrStart: int32s(),
    attrEnd: int32s(),
    attrBytesStart: int32s(),
    attrBytesEnd: int32s(),
    exemplarStart: int32s(),
    exemplarEnd: int32s(),
    numberKind: uint8s(),
    value: float64s(),
    valueLow: uint32s(),
    valueHigh: int32s(),
    countLow: uint32s(),
    countHigh: uint32s(),
    sum: float64s(),
    min: float64s(),
    max: float64s(),
    has: uint8s(),
    boundStart: int32s(),
    boundEnd: int32s(),
    bucketStart: int32s(),
    bucketEnd: int32s(),
    negativeStart: int32s(),
    negativeEnd: int32s(),
    scale: int32s(),
    positiveOffset: int32s(),
    negativeOffset: int32s(),
    zeroCountLow: uint32s(),
    zeroCountHigh: uint32s(),
    zeroThreshold: float64s(),
  };
}

export function makeExemplars(): Exemplars {
  return {
    count: 0,
    timeLow: uint32s(),
    timeHigh: uint32s(),
    numberKind: uint8s(),
    value: float64s(),
    valueLow: uint32s(),
    valueHigh: int32s(),
    traceIdStart: int32s(),
    traceIdEnd: int32s(),
    spanIdStart: int32s(),
    spanIdEnd: int32s(),
    attrStart: int32s(),
    attrEnd: int32s(),
  };
}
