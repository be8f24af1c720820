import { expect, test } from "vitest";
import { canonicalIp, parseHostPort } from "./ip.ts";

test("addresses have one form, and what is none has none", () => {
  const cases: [string, string][] = [
    ["10.1.0.51", "10.1.0.51"],
    ["255.255.255.255", "255.255.255.255"],
    ["::ffff:10.1.0.51", "10.1.0.51"],
    ["FD00:0:0::33", "fd00::33"],
    ["fe80::1%eth0", "fe80::1"],
    ["10.1.0.51%x", "10.1.0.51"],
    ["10.1.0", ""],
    ["10.1.0.256", ""],
    ["010.1.0.5", ""],
    ["0x0a.1.0.5", ""],
    ["a:b", ""],
    [":::", ""],
    ["1:2:3:4:5:6:7:8:9", ""],
    ["reviews:9080", ""],
    ["-", ""],
    ["", ""],
  ];
  for (const [text, expected] of cases) expect([text, canonicalIp(text)]).toEqual([text, expected]);
});

test("addresses with ports", () => {
  const cases: [string, string, number][] = [
    ["10.1.0.51:9080", "10.1.0.51", 9080],
    ["[fd00::33]:80", "fd00::33", 80],
    ["fd00::33", "fd00::33", 0],
    ["10.1.0.51", "10.1.0.51", 0],
    ["10.1.0.51:99999", "10.1.0.51", 0],
    ["reviews:9080", "", 0],
    ["-", "", 0],
  ];
  for (const [text, ip, port] of cases)
    expect([text, parseHostPort(text)]).toEqual([text, { ip, port }]);
});
