/** Text out of a view's bytes. Telemetry may hold anything: invalid UTF-8 becomes U+FFFD. */
export function readText(bytes: Buffer, start: number, end: number): string {
  return bytes.toString("utf8", start, end);
}
