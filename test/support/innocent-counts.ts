/** What has really happened on an innocent day, so that a generator that forgot something shows. */
const dayDeeds = [
  "deploys",
  "evictions",
  "jobs",
  "restarts",
  "proxyRestarts",
  "counterResets",
  "addressesReusedWithin5s",
  "startsKnownById",
  "requests",
  "retries",
  "triedAtOldAddress",
  "connectionsPlannedForHours",
  "connectionsThatLastedHours",
  "scrapes",
  "probes",
  "lookUps",
  "initEgress",
  "hostNetworkConnections",
  "ambientCalls",
] as const;
export type DayDeed = (typeof dayDeeds)[number];

export class DayCounts {
  readonly #counts = new Map<DayDeed, number>(dayDeeds.map((deed) => [deed, 0]));

  add(deed: DayDeed, count = 1): void {
    this.#counts.set(deed, (this.#counts.get(deed) ?? 0) + count);
  }

  get all(): Readonly<Record<DayDeed, number>> {
    return Object.fromEntries(this.#counts) as Record<DayDeed, number>; // each is set from the start
  }
}
