export interface Change {
  /** The way to the value: `["headers", "contentType"]`. */
  path: string[];
  before: unknown;
  after: unknown;
  kind: "added" | "removed" | "changed" | "same";
}

type Values = Record<string, unknown>;
const isValues = (value: unknown): value is Values => typeof value === "object" && value !== null && !Array.isArray(value);

/** Leaf by leaf what was before and what is after: changed lines first, in the order of the record. */
export function difference(before: Values | undefined, after: Values | undefined): Change[] {
  const changes: Change[] = [];
  collect(before ?? {}, after ?? {}, [], changes);
  const rank = { changed: 0, added: 1, removed: 1, same: 2 };
  return changes.sort((a, b) => rank[a.kind] - rank[b.kind]);
}

function collect(before: Values, after: Values, path: string[], changes: Change[]): void {
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const old = before[name];
    const now = after[name];
    const here = [...path, name];
    if ((isValues(old) || isValues(now)) && (isValues(old) || absent(old)) && (isValues(now) || absent(now))) {
      collect(isValues(old) ? old : {}, isValues(now) ? now : {}, here, changes);
      continue;
    }
    if (absent(old) && absent(now)) continue;
    const kind =
      JSON.stringify(old) === JSON.stringify(now) ? "same" : absent(old) ? "added" : absent(now) ? "removed" : "changed";
    changes.push({ path: here, before: old, after: now, kind });
  }
}

const absent = (value: unknown) => value === undefined || value === null;
