/** Several statements in one session, as an editor of SQL sends them. */
import { CloudError, invalid } from "../../../../kernel/errors.ts";
import type { ContainerHost, QueryOptions, ScriptResult } from "../../driver.ts";
import { mostAnswerBytes, refuseCopy, runStatement } from "./queries.ts";
import { type ServerError, type Sql, withSession } from "./session.ts";
import { splitStatements } from "./statements.ts";
import { typeNames } from "./types.ts";

const mostNotices = 20;
/** Of one notice, in UTF-16 units. */
const longestNotice = 1000;

export async function script(
  host: ContainerHost,
  name: string,
  text: string,
  options: QueryOptions & { maxStatements: number },
): Promise<ScriptResult> {
  const { database, user, readOnly, maxRows, timeoutSeconds, signal } = options;
  const places = splitStatements(text);
  if (places.length === 0) throw invalid("body.sql", "Write a statement: there are only spaces and comments.");
  if (places.length > options.maxStatements)
    throw invalid(
      "body.sql",
      `These are ${places.length} statements; at most ${options.maxStatements} at once. Use psql for more.`,
    );
  for (const { start, end } of places) refuseCopy(text.slice(start, end));

  const notices: string[] = [];
  const raw: (Omit<ScriptResult["results"][number], "columns"> & { columns: { name: string; typeOid: number }[] })[] = [];
  let problem: ScriptResult["problem"];
  const onNotice = (severity: string, message: string): void => {
    if (notices.length < mostNotices) notices.push(`${severity}: ${message}`.slice(0, longestNotice));
  };
  const session = { database, user, timeoutSeconds, maxBytes: mostAnswerBytes, signal, onNotice };
  const undone = await withSession(host, name, session, async (sql) => {
    const [self] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
    const cancel = () => void cancelBackend(host, name, self?.pid ?? 0);
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      for (const { start, end } of places) {
        const statement = text.slice(start, end);
        const began = performance.now();
        try {
          // Each in a transaction of its own: whatever one of them ends, the next is read-only again.
          if (readOnly) await sql.unsafe("begin read only");
          const { columns, ...result } = await runStatement(sql, statement, maxRows);
          if (readOnly) await sql.unsafe("rollback");
          const milliseconds = Math.round(performance.now() - began);
          raw.push({ start, end, ...result, columns, notices: notices.splice(0), milliseconds });
        } catch (error) {
          if (signal?.aborted || !isServerError(error)) throw error;
          problem = { start, end, ...told(error, statement, start, timeoutSeconds) };
          break;
        }
      }
      return !readOnly && (await isOpen(sql));
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  });
  const types = await typeNames(
    host,
    name,
    database,
    new Set(raw.flatMap(({ columns }) => columns.map(({ typeOid }) => typeOid))),
  );
  const results = raw.map((one) => ({
    ...one,
    columns: one.columns.map(({ name: column, typeOid }) => ({ name: column, type: types.get(typeOid) ?? String(typeOid) })),
  }));
  return { results, problem, undone };
}

const isServerError = (error: unknown): error is ServerError =>
  (error as ServerError).name === "PostgresError" && !/^(57P0|08)/.test((error as ServerError).code ?? "");

function told(
  { code, message, position, hint, detail }: ServerError,
  statement: string,
  start: number,
  timeoutSeconds: number,
): Omit<NonNullable<ScriptResult["problem"]>, "start" | "end"> {
  if (code === "57014")
    return {
      message: `It took more than ${timeoutSeconds} seconds and was ended. Ask for less, or give it more time.`,
      sqlState: code,
    };
  return {
    message: [message, detail].filter(Boolean).join(" "),
    sqlState: code,
    hint,
    // The server counts letters, from 1.
    ...(position === undefined
      ? {}
      : {
          position:
            start +
            Array.from(statement)
              .slice(0, Number(position) - 1)
              .join("").length,
        }),
  };
}

/** A statement outside of a transaction begins its own: at the very moment at which it begins itself. One that failed takes no statement. */
async function isOpen(sql: Sql): Promise<boolean> {
  try {
    // In one message: each of the extended protocol's has a moment of its own.
    const [row] = await sql.unsafe<{ open: boolean }[]>("select now() <> statement_timestamp() as open").simple();
    return row?.open === true;
  } catch (error) {
    // in_failed_sql_transaction
    if ((error as ServerError).code === "25P02") return true;
    throw error;
  }
}

/** The connection is closed as well; but the server looks at that only every ten seconds. */
async function cancelBackend(host: ContainerHost, name: string, pid: number): Promise<void> {
  try {
    await withSession(host, name, { database: "postgres", timeoutSeconds: 10 }, (sql) => sql`select pg_cancel_backend(${pid})`);
  } catch (error) {
    if (!CloudError.is(error) && !(error instanceof Error)) throw error;
  }
}
