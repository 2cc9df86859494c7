/** What is in a database: users, extensions, tables, and statements in it. */
import { z } from "zod";
import { page, pageQuery, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";

/** Reserved beginnings and names are PostgreSQL's own. */
const userName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,39}$/, "Use small letters, digits and _, beginning with a letter; at most 40.")
  .refine((name) => !name.startsWith("pg_") && !["postgres", "public", "none"].includes(name), "This name is PostgreSQL's own.");
const extensionName = z.string().regex(/^[a-z0-9_-]{1,63}$/, "As in the list.");
const byDatabase = z.object({ database: id("database") });
const byUser = z.object({ databaseUser: id("databaseUser") });
const onEngine = ["not_found", "failed_precondition"] as const;

export const databaseUser = z.object({
  id: id("databaseUser"),
  databaseId: id("database"),
  name: z.string(),
  access: z.enum(["owner", "read_write", "read_only"]),
  state: z.enum(["creating", "active", "deleting"]),
  createdAt: timestamp,
});
export type DatabaseUser = z.output<typeof databaseUser>;

/** The password is nowhere kept: it is shown this once. */
export const databaseCredential = z.object({
  user: databaseUser,
  password: z.string(),
  url: z.string().describe("For clients outside, with TLS."),
  internalUrl: z.string().describe("For apps of the project."),
});

export const databaseExtension = z.object({
  name: z.string(),
  description: z.string(),
  availableVersion: z.string(),
  version: z.string().optional().describe("Absent: it is not enabled."),
});

export const databaseTable = z.object({
  schema: z.string(),
  name: z.string(),
  kind: z.enum(["table", "view", "materialized_view", "foreign_table"]),
  rows: z.number().optional().describe("As the server estimates; absent before its first look."),
  sizeBytes: z.number().int().describe("With its indexes."),
  columns: z.array(
    z.object({
      name: z.string(),
      type: z.string(),
      nullable: z.boolean(),
      primaryKey: z.boolean(),
      default: z.string().optional(),
    }),
  ),
  indexes: z.array(
    z.object({
      name: z.string(),
      definition: z.string().describe("As a statement."),
      unique: z.boolean(),
      primary: z.boolean(),
      valid: z.boolean().describe("One whose making failed is not, and of no use."),
      sizeBytes: z.number().int(),
    }),
  ),
  foreignKeys: z.array(
    z.object({
      name: z.string(),
      columns: z.array(z.string()),
      schema: z.string(),
      table: z.string(),
      foreignColumns: z.array(z.string()),
    }),
  ),
});
export type DatabaseTable = z.output<typeof databaseTable>;

export const databaseStatement = z.object({
  query: z.string().describe("With $1 in the place of values."),
  user: z.string().optional(),
  calls: z.number(),
  totalMilliseconds: z.number(),
  meanMilliseconds: z.number(),
  maxMilliseconds: z.number(),
  rows: z.number(),
});

export const contentRoutes = {
  databaseUserList: route({
    method: "GET",
    path: "/v1/databases/{database}/users",
    summary: "List the users of a database",
    permission: "databases.user.list",
    roles: ["viewer"],
    params: byDatabase,
    query: pageQuery,
    response: page(databaseUser),
    errors: ["not_found"],
  }),
  databaseUserCreate: route({
    method: "POST",
    path: "/v1/databases/{database}/users",
    summary: "Make a user of a database",
    description: "Its password is in the answer, and nowhere else.",
    permission: "databases.user.create",
    roles: ["editor"],
    params: byDatabase,
    body: z.object({ name: userName, access: z.enum(["read_write", "read_only"]).default("read_write") }),
    response: databaseCredential,
    status: 201,
    errors: [...onEngine, "already_exists"],
    stream: {},
  }),
  databaseUserRotate: route({
    method: "POST",
    path: "/v1/database-users/{databaseUser}/rotate",
    summary: "Give a user of a database a new password",
    description: "The old one is no longer taken; connections that are open stay.",
    permission: "databases.user.rotate",
    roles: ["editor"],
    params: byUser,
    response: databaseCredential,
    errors: onEngine,
    stream: {},
  }),
  databaseUserDelete: route({
    method: "DELETE",
    path: "/v1/database-users/{databaseUser}",
    summary: "Delete a user of a database",
    description: "What it owns goes to the owner of the database; its connections end.",
    permission: "databases.user.delete",
    roles: ["editor"],
    params: byUser,
    status: 204,
    errors: onEngine,
    stream: {},
  }),

  databaseExtensionList: route({
    method: "GET",
    path: "/v1/databases/{database}/extensions",
    summary: "List the extensions of a database",
    permission: "databases.extension.list",
    roles: ["viewer"],
    params: byDatabase,
    query: pageQuery,
    response: page(databaseExtension),
    errors: onEngine,
    stream: {},
  }),
  databaseExtensionEnable: route({
    method: "POST",
    path: "/v1/databases/{database}/extensions",
    summary: "Enable an extension in a database",
    permission: "databases.extension.enable",
    roles: ["editor"],
    params: byDatabase,
    body: z.object({ extension: extensionName }),
    status: 204,
    errors: onEngine,
    stream: {},
  }),
  databaseExtensionDisable: route({
    method: "DELETE",
    path: "/v1/databases/{database}/extensions/{extension}",
    summary: "Disable an extension in a database",
    description: "Not while a table, a function or another extension uses it.",
    permission: "databases.extension.disable",
    roles: ["editor"],
    params: byDatabase.extend({ extension: extensionName }),
    status: 204,
    errors: onEngine,
    stream: {},
  }),
  databaseTableList: route({
    method: "GET",
    path: "/v1/databases/{database}/tables",
    summary: "List the tables of a database",
    permission: "databases.database.read",
    roles: ["editor"],
    params: byDatabase,
    query: pageQuery,
    response: page(databaseTable),
    errors: onEngine,
    stream: {},
  }),
  databaseQuery: route({
    method: "POST",
    path: "/v1/databases/{database}/query",
    summary: "Run a statement of SQL in a database",
    description: "One statement, as the owner of the database. Values come as text.",
    permission: "databases.database.query",
    roles: ["editor"],
    params: byDatabase,
    body: z.object({
      sql: z.string().min(1, "Write a statement.").max(100_000),
      readOnly: z.boolean().default(true).describe("Then nothing can be changed by it."),
      maxRows: z.int().min(1).max(5000).default(500),
      timeoutSeconds: z.int().min(1).max(300).default(30),
    }),
    response: z.object({
      command: z.string().describe("SELECT, INSERT, …"),
      columns: z.array(z.object({ name: z.string(), typeOid: z.number().int() })),
      rows: z.array(z.array(z.string().nullable())),
      affected: z.number().int().optional(),
      truncated: z.boolean().describe("There are more rows than these."),
      milliseconds: z.number().int(),
    }),
    errors: [...onEngine, "invalid_argument", "deadline_exceeded", "payload_too_large"],
    stream: {},
  }),
  databaseStatementList: route({
    method: "GET",
    path: "/v1/databases/{database}/statements",
    summary: "List the statements that take most of a database's time",
    permission: "databases.database.read",
    roles: ["editor"],
    params: byDatabase,
    query: pageQuery,
    response: page(databaseStatement),
    errors: onEngine,
    stream: {},
  }),
};
