/** Names with values as one text that is the same for every order, and back. */

/** Sorted by name, each part with its length, so that no two different sets give one text. */
export function pairsToText(pairs: ReadonlyMap<string, string>): string {
  let text = "";
  for (const key of [...pairs.keys()].sort()) {
    const value = pairs.get(key) ?? "";
    text += `${key.length}:${key}${value.length}:${value}`;
  }
  return text;
}

/** Of a text that `pairsToText` has not made, as much as can be read. */
export function textToPairs(text: string): Map<string, string> {
  const pairs = new Map<string, string>();
  let at = 0;
  const next = (): string => {
    const colon = text.indexOf(":", at);
    const length = colon < 0 ? 0 : Number(text.slice(at, colon));
    const from = colon < 0 || !Number.isInteger(length) ? text.length : colon + 1;
    at = Math.min(from + length, text.length);
    return text.slice(from, at);
  };
  while (at < text.length) {
    const key = next();
    pairs.set(key, next());
  }
  return pairs;
}
