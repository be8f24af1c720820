/** Container ids as every source writes them differently: with or without the runtime's prefix. */

/** `containerd://3f4a…` without its prefix. */
export function bareContainerId(id: string): string {
  return id.slice(id.indexOf("://") < 0 ? 0 : id.indexOf("://") + 3);
}
