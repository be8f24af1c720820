import { expect, test } from "vitest";
import { Simulation } from "./simulation.ts";

const nowMs = 1_795_000_000_000;

function story(seed: number): string[] {
  const simulation = new Simulation(seed);
  return [0, 1, 2, 3, 4].flatMap((second) =>
    simulation
      .tick(nowMs + second * 1_000)
      .map(({ signal, bytes }) => `${signal}:${Buffer.from(bytes).toString("base64")}`),
  );
}

test("the same seed tells the same story", () => {
  expect(story(7)).toEqual(story(7));
  expect(story(7)).not.toEqual(story(8));
});

test("the attack appears after the second second, in processes and on the wire", () => {
  const texts = story(1).map((request) =>
    Buffer.from(request.slice(2), "base64").toString("latin1"),
  );
  const firstShell = texts.findIndex((text) => text.includes("/bin/bash"));
  expect(firstShell).toBeGreaterThan(5);
  expect(texts.some((text) => text.includes("198.51.100.66"))).toBe(true);
});
