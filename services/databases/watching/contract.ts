import { z } from "zod";
import { page, pageQuery, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";

const byDatabase = z.object({ database: id("database") });
const errors = ["not_found", "failed_precondition"] as const;

export const databaseSession = z.object({
  pid: z.number().int().describe("Of the server's process: names it for `databaseSessionTerminate`."),
  user: z.string().optional(),
  application: z.string().optional().describe("As the client calls itself."),
  address: z.string().optional().describe("Of the client; absent: from inside."),
  state: z.enum(["active", "idle", "idle_in_transaction", "idle_in_failed_transaction", "other"]),
  waitsFor: z.string().optional().describe("What it waits for, in PostgreSQL's words: Lock: relation."),
  blockedBy: z.array(z.number().int()).describe("The sessions whose locks it waits for."),
  query: z.string().optional().describe("What it does, or did last; at most 4,000 letters."),
  startedAt: timestamp.describe("When it connected."),
  queryStartedAt: timestamp.optional(),
  transactionStartedAt: timestamp.optional(),
});
export type DatabaseSession = z.output<typeof databaseSession>;

/** At most; the busiest first. */
export const mostSessions = 200;

const point = z.object({
  at: timestamp,
  cpuPercent: z.number().optional().describe("Of the processors that it may use."),
  memoryBytes: z.number(),
  diskBytes: z.number().optional(),
  connections: z.number(),
  transactionsPerSecond: z.number().optional(),
});
export type DatabasePoint = z.output<typeof point>;

export const watchingRoutes = {
  databaseSessionList: route({
    method: "GET",
    path: "/v1/databases/{database}/sessions",
    summary: "List who is connected to a database, and what they do",
    description: `At most ${mostSessions}, the busiest first.`,
    permission: "databases.database.read",
    roles: ["editor"],
    params: byDatabase,
    query: pageQuery,
    response: page(databaseSession),
    errors,
    stream: {},
  }),
  databaseSessionTerminate: route({
    method: "DELETE",
    path: "/v1/databases/{database}/sessions/{pid}",
    summary: "End a connection to a database",
    description: "What its transaction has not committed is undone.",
    permission: "databases.session.terminate",
    roles: ["editor"],
    params: byDatabase.extend({
      pid: z.coerce
        .number()
        .int()
        .min(1)
        .max(2 ** 31 - 1),
    }),
    status: 204,
    errors,
    stream: {},
  }),
  databaseHistoryGet: route({
    method: "GET",
    path: "/v1/databases/{database}/metrics/history",
    summary: "Show how a database did",
    description: "Measured every 30 seconds; after a day averages of five minutes are kept for 30 days.",
    permission: "databases.database.get",
    roles: ["viewer"],
    params: byDatabase,
    query: z.object({
      from: timestamp.optional().describe("Absent: an hour ago."),
      to: timestamp.optional().describe("Absent: now."),
      points: z.coerce.number().int().min(10).max(1000).default(120).describe("How many there should be at the most."),
    }),
    response: z.object({ stepSeconds: z.number().int(), points: z.array(point) }),
    errors: ["not_found", "invalid_argument"],
  }),
};
