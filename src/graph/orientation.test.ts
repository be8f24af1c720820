import { expect, test } from "vitest";
import type { Flow } from "../model/observations.ts";
import { endKey, FlowEnds } from "./orientation.ts";

function flow(srcPort: number, dstPort: number, change: Partial<Flow> = {}): Flow {
  return {
    kind: "flow",
    timeUs: 0,
    nanos: 0,
    source: { kind: "node_agent", key: "c/h", cluster: "c", namespace: "" },
    trust: "attested",
    cluster: "c",
    host: "h",
    agent: "a",
    srcIp: "10.0.0.1",
    srcPort,
    dstIp: "10.0.0.2",
    dstPort,
    transport: "tcp",
    startUs: 0,
    endUs: 1,
    clamped: false,
    bytes: 1,
    packets: 1,
    tcpFlags: 27,
    closed: true,
    ...change,
  };
}

test.each([
  ["a socket shows the opener", flow(50_000, 50_001), true, false, "forward observed"],
  ["a socket shows the opener at the other end", flow(80, 50_001), false, true, "reply observed"],
  ["ports tell, if exactly one is a server's", flow(50_000, 443), false, false, "forward inferred"],
  ["and the other way round", flow(443, 50_000), false, false, "reply inferred"],
  ["contradicting sockets tell nothing", flow(50_000, 50_001), true, true, "unknown unknown"],
  ["two ephemeral ports tell nothing", flow(50_000, 50_001), false, false, "unknown unknown"],
  ["two low ports tell nothing", flow(1_024, 443), false, false, "unknown unknown"],
])("%s", (_name, one, opened, answered, expected) => {
  const { side, how } = new FlowEnds().orient(one, opened, answered);
  expect(`${side} ${how}`).toBe(expected);
});

test("an end that somebody connected to listens, whatever its port", () => {
  const ends = new FlowEnds();
  ends.listens(endKey("c", "10.0.0.2", 50_001));
  const expected = { side: "forward", how: "observed" };
  expect(ends.orient(flow(443, 50_001), false, false)).toEqual(expected);
  ends.listens(endKey("other", "10.0.0.1", 50_000));
  expect(ends.orient(flow(50_000, 50_001), false, false)).toEqual(expected);
});

test("an end that three peers share is a server's; the same peer three times is not", () => {
  const ends = new FlowEnds();
  for (let i = 0; i < 3; i++) ends.seen(flow(50_000, 50_001));
  expect(ends.orient(flow(50_000, 50_001), false, false).side).toBe("unknown");
  for (let port = 50_002; port < 50_004; port++) ends.seen(flow(port, 50_001));
  const expected = { side: "forward", how: "inferred" };
  expect(ends.orient(flow(50_000, 50_001), false, false)).toEqual(expected);
});

test("what a flood of ends can fill is bounded", () => {
  const ends = new FlowEnds();
  for (let i = 0; i < 60_000; i++)
    ends.listens(endKey("c", `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 1));
  expect(ends.size).toBe(50_000);
});

test("the ports of many clients do not drive out the end that they all connect to", () => {
  const ends = new FlowEnds();
  ends.listens(endKey("c", "10.0.0.2", 50_001));
  for (let client = 0; client < 60_000; client++) {
    const srcIp = `10.1.${client >> 8}.${client & 255}`;
    ends.seen(flow(50_000, 50_001, { srcIp }));
  }
  expect(ends.size).toBe(20_001);
  const { how } = ends.orient(flow(50_000, 50_001), false, false);
  expect(how).toBe("observed");
});
