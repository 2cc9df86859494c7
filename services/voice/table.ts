import { type Info, parse } from "csv-parse/sync";
import type { z } from "zod";
import { CloudError, type FieldProblem, invalid } from "../../kernel/errors.ts";

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
  const problems: FieldProblem[] = [];
  const rows = parsed.flatMap(({ record, info }) => {
    const filled = Object.fromEntries(Object.entries(record).filter(([, value]) => value !== ""));
    const result = row.safeParse(filled);
    if (result.success) return [{ line: info.lines, values: result.data }];
    const [issue] = result.error.issues;
    const column = String(issue?.path[0]);
    const message = filled[column] === undefined ? "This column is needed." : (issue?.message ?? "");
    problems.push(atLine(info.lines, message, column));
    return [];
  });
  refuseTable(problems);
  return rows;
}

const mostProblems = 100;

/** What is wrong with a line, or with one of its columns. */
export const atLine = (line: number, message: string, column?: string): FieldProblem => ({
  path: `body.csv.${line}${column === undefined ? "" : `.${column}`}`,
  message,
});

/** All of a table, or nothing: whoever mends it is told of all lines at once. @throws CloudError invalid_argument */
export function refuseTable(problems: readonly FieldProblem[]): void {
  const [first] = problems;
  if (first === undefined) return;
  const [, , line, column] = first.path.split(".");
  const others = problems.length > 1 ? ` Lines that cannot be taken: ${problems.length}.` : "";
  throw new CloudError("invalid_argument", `Line ${line}${column ? `, ${column}` : ""}: ${first.message}${others}`, {
    details: { fields: problems.slice(0, mostProblems) },
  });
}
