import { type Info, parse } from "csv-parse/sync";
import type { z } from "zod";
import { invalid } from "../../kernel/errors.ts";

/** Of the line of names: where commas are in numbers, semicolons are between them. */
const delimiterOf = (csv: string): string => [";", "\t"].find((sign) => csv.split(/\r?\n/, 1)[0]?.includes(sign)) ?? ",";

/** Rows of a table whose first line names the columns; an unknown column is a misspelt one. `line` is as an editor counts. */
export function readTable<S extends z.ZodObject>(csv: string, row: S): { line: number; values: z.output<S> }[] {
  const known = Object.keys(row.shape);
  let parsed: { record: Record<string, string>; info: Info }[];
  try {
    parsed = parse(csv, {
      bom: true,
      columns: (names: string[]) => names.map((name) => name.trim().toLowerCase()),
      delimiter: delimiterOf(csv),
      info: true,
      skip_empty_lines: true,
      trim: true,
    }) as unknown as typeof parsed;
  } catch (error) {
    throw invalid("body.csv", `This is no CSV table: ${(error as Error).message}`);
  }
  const unknown = Object.keys(parsed[0]?.record ?? {}).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw invalid("body.csv", `There is no column ${unknown}. The first line names the columns: ${known.join(", ")}.`);
  if (parsed.length === 0) throw invalid("body.csv", "The table has no line below the names of its columns.");
  return parsed.map(({ record, info }) => {
    const filled = Object.fromEntries(Object.entries(record).filter(([, value]) => value !== ""));
    const result = row.safeParse(filled);
    if (result.success) return { line: info.lines, values: result.data };
    const [issue] = result.error.issues;
    const column = String(issue?.path[0]);
    throw invalid(
      "body.csv",
      `Line ${info.lines}, ${column}: ${filled[column] === undefined ? "This column is needed." : issue?.message}`,
    );
  });
}
