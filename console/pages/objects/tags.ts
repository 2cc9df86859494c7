import type { useT } from "../../i18n/i18n.ts";

/** Tags while they are being written: a name may be empty, or stand there twice. */
export interface TagRow {
  id: number;
  name: string;
  value: string;
}

export const tagRowsOf = (tags: Record<string, string> = {}): TagRow[] =>
  Object.entries(tags).map(([name, value], id) => ({ id, name, value }));

export const newTagRow = (rows: readonly TagRow[]): TagRow => ({
  id: Math.max(0, ...rows.map(({ id }) => id)) + 1,
  name: "",
  value: "",
});

export const tagsOf = (rows: readonly TagRow[]): Record<string, string> =>
  Object.fromEntries(rows.map(({ name, value }) => [name.trim(), value.trim()]));

/** What is wrong with them, in words that say what to do. */
export function tagProblem(rows: readonly TagRow[], t: ReturnType<typeof useT>): string | undefined {
  const names = rows.map(({ name }) => name.trim());
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (names.includes("")) return t("versions.tags.unnamed");
  return twice === undefined ? undefined : t("versions.tags.twice", { name: twice });
}
