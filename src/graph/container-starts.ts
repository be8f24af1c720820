/**
 * Which of a pod's containers an id was, over all restarts: each start has an id of its own, and an agent
 * that has just seen a container start may know the id alone. Objects tell the running ones and those
 * before, so ids are kept as they are told. Pure functions; they live with the pod's facts.
 */
import type { PodObject } from "../model/observations.ts";
import type { Us } from "../model/time.ts";

export interface ContainerStarts {
  /** In the order in which they were told; at most `startsMax` of one container. */
  readonly ids: readonly { readonly id: string; readonly name: string }[];
  /** How often each container has been started at least, where more than once. */
  readonly counts: Readonly<Record<string, number>>;
  /** Time of the newest object. */
  readonly toldUs: Us;
}

/** What is beyond it is missed like a start that no object told: see `mayBeStartOf`. */
const startsMax = 16;
/** Runtimes' short ids have 12 digits; some agents cut the full one. */
const idDigitsMin = 12;

export function learnStarts(
  known: ContainerStarts | undefined,
  { containers }: PodObject,
  timeUs: Us,
): ContainerStarts {
  const ids = [...(known?.ids ?? [])];
  const counts = { ...known?.counts };
  for (const { name, containerId, formerId = "", restarts = 0 } of containers) {
    for (const id of [formerId, containerId]) {
      if (id === "" || ids.some((one) => one.id === id)) continue;
      const ofName = ids.filter((one) => one.name === name);
      const [oldest] = ofName;
      if (oldest && ofName.length >= startsMax) ids.splice(ids.indexOf(oldest), 1);
      ids.push({ id, name });
    }
    if (restarts > 0) counts[name] = Math.max(counts[name] ?? 0, restarts + 1);
  }
  // Of just its length: it is kept with the pod, and one that grew has room for a dozen more.
  return { ids: ids.slice(), counts, toldUs: Math.max(known?.toldUs ?? 0, timeUs) };
}

/** Whether the other tells no more than the one, but for its time. */
export function isSameStarts(one: ContainerStarts | undefined, other: ContainerStarts): boolean {
  return one?.ids.length === other.ids.length && isSame(one, other);
}

function isSame(one: ContainerStarts, other: ContainerStarts): boolean {
  return (
    one.ids.every(({ id }, index) => other.ids[index]?.id === id) &&
    Object.entries(other.counts).every(([name, count]) => one.counts[name] === count)
  );
}

/** The container whose id the process gives; "" = the id is not given, or no object has told it. */
export function startedAs(starts: ContainerStarts | undefined, containerId: string): string {
  if (containerId.length < idDigitsMin) return "";
  const known = starts?.ids.find(({ id }) => isSameId(id, containerId));
  return known?.name ?? "";
}

/** Objects have told the pod's containers, and this is none of them. */
export function isUntold(starts: ContainerStarts | undefined, containerId: string): boolean {
  if (starts === undefined || starts.ids.length === 0) return false;
  return containerId.length >= idDigitsMin && startedAs(starts, containerId) === "";
}

function isSameId(one: string, other: string): boolean {
  if (one.length < idDigitsMin || other.length < idDigitsMin) return false;
  return one.startsWith(other) || other.startsWith(one);
}

/**
 * Whether a container that the process gives by an untold id may be a start of the named one: the newest
 * object is older than the process, or starts of that container are missing among those told.
 */
export function mayBeStartOf(
  starts: ContainerStarts | undefined,
  name: string,
  containerId: string,
  sinceUs: Us,
): boolean {
  if (starts === undefined || !isUntold(starts, containerId)) return false;
  const told = starts.ids.filter((one) => one.name === name).length;
  return starts.toldUs < sinceUs || told < (starts.counts[name] ?? 1);
}
