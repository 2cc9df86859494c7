import { CloudError } from "../errors.ts";

/** A cursor is opaque: the sort values of the last item. */
export const encodeCursor = (values: readonly (string | number)[]): string =>
  Buffer.from(JSON.stringify(values)).toString("base64url");

/** invalid_argument when it is not one that encodeCursor made with as many values. */
export function decodeCursor(cursor: string | undefined, length: number): (string | number)[] | undefined {
  if (cursor === undefined) return undefined;
  try {
    const values = JSON.parse(Buffer.from(cursor, "base64url").toString()) as unknown;
    if (
      Array.isArray(values) &&
      values.length === length &&
      values.every((value) => typeof value === "string" || typeof value === "number")
    )
      return values;
  } catch {}
  throw new CloudError("invalid_argument", "This cursor is not one that a list gave. Begin again without a cursor.", {
    details: { fields: [{ path: "query.cursor", message: "Not a cursor of this list." }] },
  });
}

/** Cuts a page out of limit + 1 rows. */
export function toPage<T, V>(
  rows: readonly T[],
  limit: number,
  view: (row: T) => V,
  key: (row: T) => (string | number)[],
): { items: V[]; nextCursor?: string } {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return {
    items: items.map(view),
    ...(rows.length > limit && last !== undefined ? { nextCursor: encodeCursor(key(last)) } : {}),
  };
}
