import { expect, test } from "vitest";
import { makeLog, printable, type LogFormat, type LogLevel } from "./log.ts";

function lines(
  format: LogFormat,
  level: LogLevel = "info",
): { log: ReturnType<typeof makeLog>; written: string[] } {
  const written: string[] = [];
  return { log: makeLog({ level, format, write: (line) => written.push(line) }), written };
}

test("json: one object per line, with time, level and fields", () => {
  const { log, written } = lines("json");
  log.info("it listens", { port: 4317, isPlain: true });
  expect(written).toHaveLength(1);
  expect(JSON.parse(written[0] ?? "")).toMatchObject({
    level: "info",
    msg: "it listens",
    port: 4317,
    isPlain: true,
  });
  expect(written[0]).toMatch(/"time":"\d{4}-\d\d-\d\dT.*Z"/);
});

test("text: time, level, message and fields on one line", () => {
  const { log, written } = lines("text");
  log.warn("it broke", { why: "no room" });
  expect(written[0]).toMatch(/^\d{4}-\S+Z warn {2}it broke why="no room"\n$/);
});

test("levels below the wanted one are left out", () => {
  const { log, written } = lines("json", "warn");
  log.debug("a");
  log.info("b");
  log.error("c");
  expect(written).toHaveLength(1);
});

test.each<[string, string]>([
  ["\u001b[31mred\u001b[0m", "\ufffd[31mred\ufffd[0m"],
  ["two\nlines\r", "two\ufffdlines\ufffd"],
  ["\u202eevil\u2066", "\ufffdevil\ufffd"],
  ["naïve ✓", "naïve ✓"],
  ["x".repeat(300), `${"x".repeat(255)}…`],
])("hostile text %j becomes printable", (text, expected) => {
  for (const format of ["text", "json"] as const) {
    const { log, written } = lines(format);
    log.info(text.slice(0, 5), { text });
    expect(written[0]?.trimEnd().split("\n")).toHaveLength(1);
    expect(written[0]).toContain(JSON.stringify(expected));
  }
  expect(printable(text, 256)).toBe(expected);
});

test("a field named __proto__ is a field like any other", () => {
  const { log, written } = lines("json");
  log.info("x", JSON.parse('{"__proto__": "p"}') as Record<string, string>);
  expect(written[0]).toContain('"__proto__":"p"');
});
