/**
 * What an event looked like, kept small: only what differs from the entity's zero value. Read back it is
 * whole again, so that a condition may ask for any field of it.
 */
import { makeEntity, type EntityType } from "./entities.ts";

/** In characters of JSON. What is longer, as telemetry may be, is not kept. */
const sampleMax = 4_096;

/** "" when it is too long. Costs about 5 µs. */
export function toSample(type: EntityType, entity: unknown): string {
  const text = JSON.stringify(differenceOf(entity, makeEntity(type)) ?? {});
  return text.length <= sampleMax ? text : "";
}

export function fromSample(type: EntityType, text: string): unknown {
  return over(makeEntity(type), JSON.parse(text)); // our own text
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Undefined when there is none. */
function differenceOf(value: unknown, zero: unknown): unknown {
  if (!isMap(value) || !isMap(zero)) {
    return JSON.stringify(value) === JSON.stringify(zero) ? undefined : value;
  }
  const parts = Object.entries(value)
    .map(([name, part]) => [name, differenceOf(part, zero[name])] as const)
    .filter(([, part]) => part !== undefined);
  return parts.length === 0 ? undefined : Object.fromEntries(parts);
}

function over(zero: unknown, difference: unknown): unknown {
  if (!isMap(zero) || !isMap(difference)) return difference;
  const parts = Object.entries(difference).map(
    ([name, part]) => [name, name in zero ? over(zero[name], part) : part] as const,
  );
  return { ...zero, ...Object.fromEntries(parts) };
}
