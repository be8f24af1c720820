import { expect, test } from "vitest";
import { FrontEnd } from "./front-end.ts";

const frontEnd = new FrontEnd({ edge: "edge", names: "list<string>" });

test.each([
  ["edge.port = 80", 10, "'=' is unexpected", "=="],
  ["edge.port > 0 and edge.stale", 14, "'and' is unexpected", "&&"],
  ["edge.port == 80 or edge.stale", 16, "'or' is unexpected", "||"],
  ["not edge.stale", 4, "'edge' is unexpected", "!"],
  ["edge.port is 3", 10, "'is' is unexpected", "=="],
  ["edge.port > 0 & edge.stale", 14, "'&' is unexpected", "&&"],
  ["names contains 'a'", 6, "'contains' is unexpected", ""],
  ["(edge.port > 0", 14, "the expression ends, ')' is missing", ""],
  ["[1, 2", 5, "the expression ends, ']' is missing", ""],
  ["edge.port >", 11, "the expression ends", ""],
  ["edge..port", 5, "'.' is unexpected, a name is missing", ""],
  ["edge.name == 'a", 13, "Unterminated string", ""],
])("%s", (text, start, message, suggestion) => {
  expect(frontEnd.check(text)).toMatchObject({
    ok: false,
    error: { code: "RULE_CEL_SYNTAX", range: { start }, message, suggestion },
  });
});
