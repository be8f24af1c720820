/** Samples of Prometheus' text form, so far as fixtures use it: no escapes, no comments, no times. */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export function readSamples(text: string): readonly Sample[] {
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const [, name = "", inner = "", value = ""] = /^(\w+)\{(.*)\} (\S+)$/.exec(line) ?? [];
      const labels = [...inner.matchAll(/(\w+)="([^"]*)"/g)].map(
        ([, key = "", label = ""]) => [key, label] as const,
      );
      return { name, labels: Object.fromEntries(labels), value: Number(value) };
    });
}
