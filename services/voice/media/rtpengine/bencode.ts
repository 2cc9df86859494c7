/** Bencode, as the ng protocol of rtpengine is written in. Strings are UTF-8. */
export type Bencoded = string | number | readonly Bencoded[] | { readonly [key: string]: Bencoded };

export function bencode(value: Bencoded): string {
  if (typeof value === "number") return `i${Math.trunc(value)}e`;
  if (typeof value === "string") return `${Buffer.byteLength(value)}:${value}`;
  if (Array.isArray(value)) return `l${value.map(bencode).join("")}e`;
  const entries = Object.entries(value as { [key: string]: Bencoded });
  return `d${entries.map(([key, each]) => bencode(key) + bencode(each)).join("")}e`;
}

/** @throws Error when it is cut off or broken */
export function bdecode(bytes: Buffer): Bencoded {
  return decodeAt(bytes, 0).value;
}

/** What begins there, and where it ends. @throws Error when it is cut off or broken */
export function decodeAt(bytes: Buffer, at: number, depth = 0): { value: Bencoded; end: number } {
  if (depth > 16) throw new Error("The answer is nested too deep.");
  const kind = String.fromCharCode(bytes[at] ?? 0);
  if (kind === "i") {
    const end = bytes.indexOf("e", at);
    if (end === -1) throw new Error("The answer is cut off.");
    return { value: Number(bytes.toString("latin1", at + 1, end)), end: end + 1 };
  }
  if (kind !== "l" && kind !== "d") return decodeString(bytes, at);
  const values: Bencoded[] = [];
  let next = at + 1;
  while (bytes[next] !== 0x65) {
    const { value, end } = decodeAt(bytes, next, depth + 1);
    values.push(value);
    next = end;
  }
  if (kind === "l") return { value: values, end: next + 1 };
  const pairs = values.flatMap((key, i) => (i % 2 === 0 ? [[String(key), values[i + 1] ?? ""] as const] : []));
  return { value: Object.fromEntries(pairs), end: next + 1 };
}

function decodeString(bytes: Buffer, at: number): { value: string; end: number } {
  const colon = bytes.indexOf(":", at);
  const length = colon === -1 ? Number.NaN : Number(bytes.toString("latin1", at, colon));
  const end = colon + 1 + length;
  if (!(length >= 0) || end > bytes.length) throw new Error("The answer is cut off.");
  return { value: bytes.toString("utf8", colon + 1, end), end };
}
