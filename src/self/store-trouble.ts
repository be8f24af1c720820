/** When a store is in trouble, in one place for whoever tells: doctor, page, and the engine's own rules. */

/** Of the configured size. */
const nearlyFullShare = 0.8;
const diskLeftMinBytes = 512 * 1024 * 1024;

export interface StoreNumbers {
  readonly sizeBytes: number;
  /** 0 = not known. */
  readonly limitBytes: number;
  /** What the file system has left; null = it does not say. */
  readonly freeBytes: number | null;
  /** In the last minutes. */
  readonly failedCommits: number;
}

/** The cause rather than its effect: a full store also fails commits. */
export function storeTrouble({
  sizeBytes,
  limitBytes,
  freeBytes,
  failedCommits,
}: StoreNumbers): "nearly_full" | "disk_nearly_full" | "commits_failing" | null {
  if (limitBytes > 0 && sizeBytes > nearlyFullShare * limitBytes) return "nearly_full";
  if (freeBytes !== null && freeBytes < diskLeftMinBytes) return "disk_nearly_full";
  return failedCommits > 0 ? "commits_failing" : null;
}
