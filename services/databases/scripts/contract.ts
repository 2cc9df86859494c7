import { z } from "zod";
import { route } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";

/** Statements of one script, at most. */
export const mostStatements = 100;

const place = {
  start: z.number().int().describe("Where the statement begins in the text (UTF-16 units, from 0)."),
  end: z.number().int().describe("Where it ends, without its semicolon."),
};

export const databaseStatementResult = z.object({
  ...place,
  command: z.string().describe("SELECT, INSERT, …"),
  columns: z.array(z.object({ name: z.string(), type: z.string().describe("In PostgreSQL's words: integer, text[].") })),
  rows: z.array(z.array(z.string().nullable())).describe("Values as text; null is NULL."),
  affected: z.number().int().optional(),
  truncated: z.boolean().describe("There are more rows than these."),
  notices: z.array(z.string()).describe("What the server said besides: RAISE NOTICE, warnings. At most 20."),
  milliseconds: z.number().int(),
});

export const databaseStatementProblem = z.object({
  ...place,
  message: z.string(),
  sqlState: z.string().optional().describe("PostgreSQL's manual, appendix A."),
  hint: z.string().optional(),
  position: z.number().int().optional().describe("Where in the text it went wrong (UTF-16 units, from 0)."),
});

export const scriptRoutes = {
  databaseScriptRun: route({
    method: "POST",
    path: "/v1/databases/{database}/script",
    summary: "Run statements of SQL in a database, one after another",
    description:
      `As the owner of the database, in one session, at most ${mostStatements} statements. Each takes effect by itself, unless BEGIN and COMMIT say otherwise; a transaction that is left open is undone. ` +
      "It ends at the first statement that fails, which `problem` tells, with 200: those before it have taken effect. Read-only, each statement is a transaction of its own, in which " +
      "nothing can be changed. Who hangs up cancels what runs.",
    permission: "databases.database.query",
    roles: ["editor"],
    params: z.object({ database: id("database") }),
    body: z.object({
      sql: z.string().min(1, "Write a statement.").max(500_000),
      readOnly: z.boolean().default(true).describe("Then nothing can be changed by it."),
      maxRows: z.int().min(1).max(5000).default(500).describe("Of each statement."),
      timeoutSeconds: z.int().min(1).max(300).default(60).describe("Of each statement, and of all together half a minute more."),
    }),
    response: z.object({
      results: z.array(databaseStatementResult).describe("Of those that succeeded, in their order."),
      problem: databaseStatementProblem.optional().describe("Of the one that failed; those after it were not run."),
      undone: z.boolean().describe("A transaction was left open, and is undone."),
      milliseconds: z.number().int(),
    }),
    errors: ["not_found", "failed_precondition", "invalid_argument", "deadline_exceeded", "payload_too_large"],
    stream: {},
  }),
};
