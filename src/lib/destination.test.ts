import { expect, test } from "vitest";
import { parseDestination } from "./destination.ts";

test.each([
  ["otel.monitoring.svc:4317", "otel.monitoring.svc", 4_317],
  ["OTEL.monitoring:4317", "otel.monitoring", 4_317],
  ["10.0.0.7:1", "10.0.0.7", 1],
  ["[2001:DB8:0::1]:65535", "2001:db8::1", 65_535],
])("%s is a host", (text, host, port) => {
  expect(parseDestination(text)).toEqual({ host, network: null, port });
});

test.each([
  ["10.0.0.0/8:4317", "10.200.0.1", "11.0.0.1"],
  ["[2001:db8::/32]:4317", "2001:db8::9", "2001:db9::9"],
])("%s is a network", (text, inside, outside) => {
  const destination = parseDestination(text);
  expect([destination?.host, destination?.port]).toEqual(["", 4_317]);
  expect(destination?.network?.contains(inside)).toBe(true);
  expect(destination?.network?.contains(outside)).toBe(false);
});

test.each([
  "otel:4317",
  "otel.monitoring",
  "otel.monitoring:0",
  "otel.monitoring:65536",
  "10.0.0.0/33:4317",
  "10.0.0:4317",
  "2001:db8::1:4317",
  "[otel.monitoring]:4317",
  "a b.c:1",
  ":4317",
  "",
])('"%s" is none', (text) => {
  expect(parseDestination(text)).toBeNull();
});
