/** The statement by which rows of a table are looked at: one page, sorted and filtered. */
export interface Browse {
  schema: string;
  table: string;
  sort?: { column: string; descending: boolean } | undefined;
  filter?: { column: string; operator: Operator; value: string } | undefined;
  /** Columns of the primary key: the order of rows that nobody sorts. */
  keys: readonly string[];
  offset: number;
  limit: number;
}

export const operators = ["contains", "equals", "differs", "greater", "less", "null", "notNull"] as const;
export type Operator = (typeof operators)[number];
/** Those that ask for nothing more. */
export const isUnary = (operator: Operator): boolean => operator === "null" || operator === "notNull";

const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const literal = (text: string): string =>
  // With a backslash in it a text is written so that settings of the session do not matter.
  text.includes("\\") ? `E'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'` : `'${text.replaceAll("'", "''")}'`;

function condition({ column, operator, value }: NonNullable<Browse["filter"]>): string {
  const name = identifier(column);
  switch (operator) {
    case "contains":
      return `strpos(lower(${name}::text), lower(${literal(value)})) > 0`;
    case "equals":
      return `${name} = ${literal(value)}`;
    case "differs":
      return `${name} is distinct from ${literal(value)}`;
    case "greater":
      return `${name} > ${literal(value)}`;
    case "less":
      return `${name} < ${literal(value)}`;
    case "null":
      return `${name} is null`;
    case "notNull":
      return `${name} is not null`;
  }
}

export const tableName = ({ schema, table }: Pick<Browse, "schema" | "table">): string =>
  `${schema === "public" ? "" : `${identifier(schema)}.`}${identifier(table)}`;

export function browseSql(browse: Browse): string {
  const { sort, filter, keys } = browse;
  // The key last, so that rows that are the same by the rest have their place too.
  const order = [
    ...(sort ? [`${identifier(sort.column)}${sort.descending ? " desc" : ""}`] : []),
    ...keys.filter((key) => key !== sort?.column).map(identifier),
  ];
  return [
    `select * from ${tableName(browse)}`,
    ...(filter ? [`where ${condition(filter)}`] : []),
    ...(order.length > 0 ? [`order by ${order.join(", ")}`] : []),
    `limit ${browse.limit}${browse.offset > 0 ? ` offset ${browse.offset}` : ""}`,
  ].join("\n");
}
