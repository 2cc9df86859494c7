/** A listing made the simple way, from all keys at once: what the engines are measured by. */

const compare = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

export function listReference(
  keys: Iterable<string>,
  options: { prefix?: string; delimiter?: string; after?: string; limit: number },
): { objects: string[]; commonPrefixes: string[]; next?: string } {
  const { prefix = "", delimiter = "", after, limit } = options;
  const names = new Map<string, boolean>();
  for (const key of keys) {
    if (!key.startsWith(prefix)) continue;
    const at = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    names.set(at < 0 ? key : key.slice(0, at + delimiter.length), at >= 0);
  }
  const wanted = [...names].filter(([name]) => after === undefined || compare(name, after) > 0);
  wanted.sort(([a], [b]) => compare(a, b));
  const page = wanted.slice(0, limit);
  return {
    objects: page.filter(([, isPrefix]) => !isPrefix).map(([name]) => name),
    commonPrefixes: page.filter(([, isPrefix]) => isPrefix).map(([name]) => name),
    ...(wanted.length > limit && { next: page.at(-1)![0] }),
  };
}

/** mulberry32: the same numbers from the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Keys that sort differently by UTF-16 than by bytes, nest deeply, repeat delimiters, or hold zero bytes. */
export function oddKeys(random: () => number, count: number): Set<string> {
  const pieces = ["a", "b", "/", "//", "é", "\u{1f600}", "\uffff", "\u0001", "\0", " ", "z", "a/b", "%", "+", "_", "\u{10ffff}"];
  const keys = new Set<string>();
  while (keys.size < count) {
    let key = "";
    for (let length = 1 + Math.floor(random() * 6); length > 0; length--) key += pieces[Math.floor(random() * pieces.length)];
    keys.add(key);
  }
  return keys;
}
