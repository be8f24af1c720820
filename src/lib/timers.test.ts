/** Timers that tests turn by hand, and those of the system. */
import { expect, test } from "vitest";
import { FakeClock } from "./clock.ts";
import { FakeTimers, systemTimers } from "./timers.ts";

test("fake timers run in order of time, each once and at its time, also those set meanwhile", () => {
  const clock = new FakeClock(1_000);
  const timers = new FakeTimers(clock);
  const ran: string[] = [];
  const run = (name: string) => (): void => void ran.push(`${name} at ${clock.nowUs()}`);
  timers.after(30, run("late"));
  timers.after(10, () => {
    run("early")();
    timers.after(5, run("child"));
  });
  const cancel = timers.after(20, run("cancelled"));
  cancel();
  expect(timers.nextUs).toBe(1_010);
  timers.advance(29);
  expect(ran).toEqual(["early at 1010", "child at 1015"]);
  expect(clock.nowUs()).toBe(1_029);
  timers.advance(1);
  expect(ran.at(-1)).toBe("late at 1030");
  expect(timers.nextUs).toBe(Infinity);
});

test("a system timer of a thousand years does not run at once, and can be cancelled", async () => {
  let ran = "";
  const cancelLong = systemTimers.after(1e9 * 1e6 * 31.5, () => (ran += "long"));
  systemTimers.after(0, () => (ran += "cancelled"))();
  await new Promise<void>((resolve) => systemTimers.after(1_000, resolve));
  cancelLong();
  expect(ran).toBe("");
});
