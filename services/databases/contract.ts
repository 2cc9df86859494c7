import { z } from "zod";
import { contract, event, page, pageQuery, revision, route, timestamp } from "../../kernel/contract.ts";
import type { Tx } from "../../kernel/db/database.ts";
import { id } from "../../kernel/ids.ts";
import { operation } from "../operations/contract.ts";
import { contentRoutes } from "./content/contract.ts";
import { scriptRoutes } from "./scripts/contract.ts";
import { watchingRoutes } from "./watching/contract.ts";

const mebibyte = 1024 ** 2;
const gibibyte = 1024 ** 3;

/** Majors that can be had. */
export const databaseVersions = ["15", "18"] as const;
export type DatabaseVersion = (typeof databaseVersions)[number];

/** Part of names on the network: a DNS label. */
const databaseName = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{1,38}[a-z0-9]$/,
    "Use 3 to 40 small letters, digits and hyphens, starting with a letter and not ending with a hyphen.",
  )
  .refine(
    (name) => !name.startsWith("pg-") && !["postgres", "public", "none", "template0", "template1"].includes(name),
    "This name is PostgreSQL's own.",
  );
export const databaseStates = [
  "creating",
  "running",
  "failing",
  "restarting",
  "stopping",
  "stopped",
  "starting",
  "renaming",
  "resizing",
  "upgrading",
  "deleting",
  "error",
] as const;
export type DatabaseState = (typeof databaseStates)[number];

/** In which states each may be asked for. */
export const databaseActions = {
  query: ["running"],
  change_users: ["running"],
  change_extensions: ["running"],
  backup: ["running"],
  clone: ["running"],
  recover: ["running", "failing", "stopped", "error"],
  start: ["stopped"],
  stop: ["running", "failing"],
  restart: ["running", "failing"],
  rename: ["running"],
  resize: ["running", "failing"],
  upgrade: ["running"],
  delete: ["running", "failing", "stopped", "error"],
} as const satisfies Record<string, readonly DatabaseState[]>;
export type DatabaseAction = keyof typeof databaseActions;
const actionNames = Object.keys(databaseActions) as [DatabaseAction, ...DatabaseAction[]];

export const backupStates = ["creating", "available", "deleting", "error"] as const;
export type DatabaseBackupState = (typeof backupStates)[number];
export const databaseBackupActions = {
  restore: ["available"],
  verify: ["available"],
  delete: ["available", "error"],
} as const satisfies Record<string, readonly DatabaseBackupState[]>;
export type DatabaseBackupAction = keyof typeof databaseBackupActions;
const backupActionNames = Object.keys(databaseBackupActions) as [DatabaseBackupAction, ...DatabaseBackupAction[]];

export const database = z.object({
  id: id("database"),
  projectId: id("project"),
  organisationId: id("organisation"),
  name: z.string(),
  engine: z.literal("postgres"),
  version: z.enum(databaseVersions),
  state: z.enum(databaseStates),
  stateReason: z.string().optional().describe("Why it is in this state, for people."),
  allowedActions: z.array(z.enum(actionNames)),
  operationId: id("operation").optional().describe("What is being done with it."),
  memoryBytes: z.number().int(),
  cpus: z.number(),
  diskBytes: z.number().int(),
  usedBytes: z.number().int().optional().describe("Of its disk, measured every minute. Above the size it takes no writes."),
  host: z.string().describe("Where it is reached from outside, with TLS."),
  port: z.number().int().optional().describe("Absent until it is made."),
  internalHost: z.string().describe("Its name for the apps of its project."),
  databaseName: z.string().describe("As the server calls it."),
  owner: z.string().describe("The user that owns the database."),
  bucket: z
    .object({ id: id("bucket"), name: z.string() })
    .optional()
    .describe("Where its backups and its log go."),
  backupHour: z.number().int().describe("The hour of the day (UTC) at which it is backed up."),
  keepDays: z.number().int().describe("How long backups are kept that were made by the clock."),
  recoverableFrom: timestamp.optional().describe("From here to `recoverableUntil` it can be recovered to any moment."),
  recoverableUntil: timestamp.optional(),
  protected: z.boolean(),
  createdAt: timestamp,
  revision,
});
export type DatabaseView = z.output<typeof database>;

export const databaseConnection = z.object({
  host: z.string(),
  port: z.number().int(),
  internalHost: z.string(),
  internalPort: z.number().int(),
  databaseName: z.string(),
  user: z.string(),
  url: z.string().describe("Without a password: have one with `databaseUserRotate`."),
  internalUrl: z.string(),
  certificate: z.string().describe("Of the authority that signs for the server (PEM): `sslrootcert` of libpq."),
  usedBy: z.array(z.string()).describe("What is linked to it, for people: app shop."),
});

export const databaseMetrics = z.object({
  connections: z.number().int(),
  maxConnections: z.number().int(),
  sizeBytes: z.number().int().describe("Of the database itself."),
  transactions: z.number().describe("Since the statistics began."),
  cacheHitPercent: z.number().optional(),
  deadlocks: z.number(),
  cpuSeconds: z.number().describe("Since the server's start."),
  memoryBytes: z.number().int(),
  memoryLimitBytes: z.number().int(),
});

export const databaseBackup = z.object({
  id: id("databaseBackup"),
  projectId: id("project"),
  organisationId: id("organisation"),
  databaseId: id("database").describe("It may be deleted: backups outlive it."),
  databaseName: z.string(),
  version: z.enum(databaseVersions),
  state: z.enum(backupStates),
  stateReason: z.string().optional(),
  allowedActions: z.array(z.enum(backupActionNames)),
  operationId: id("operation").optional(),
  bucket: z.object({ id: id("bucket"), name: z.string() }),
  sizeBytes: z.number().int().optional(),
  automatic: z.boolean().describe("Made by the clock, and deleted by it."),
  verification: z.enum(["running", "passed", "failed"]).optional().describe("Absent: it was never restored for a test."),
  verificationMessage: z.string().optional(),
  verifiedAt: timestamp.optional(),
  createdAt: timestamp,
  finishedAt: timestamp.optional(),
});
export type DatabaseBackupView = z.output<typeof databaseBackup>;

const byDatabase = z.object({ database: id("database") });
const byBackup = z.object({ databaseBackup: id("databaseBackup") });
const memoryBytes = z
  .int()
  .min(256 * mebibyte, "At least 256 MiB.")
  .max(1024 * gibibyte);
const cpus = z.number().min(0.1).max(256);
const diskBytes = z
  .int()
  .min(gibibyte, "At least 1 GiB.")
  .max(64 * 1024 * gibibyte);
const onEngine = ["not_found", "failed_precondition"] as const;
const copySize = {
  memoryBytes: memoryBytes.optional().describe("Absent: as the source had."),
  cpus: cpus.optional(),
  diskBytes: diskBytes.optional(),
};

export default contract({
  name: "databases",
  title: "Databases",
  routes: {
    databaseList: route({
      method: "GET",
      path: "/v1/databases",
      summary: "List the databases of a project",
      permission: "databases.database.list",
      roles: ["viewer"],
      query: pageQuery.extend({ project: id("project") }),
      response: page(database),
      errors: ["not_found"],
    }),
    databaseCreate: route({
      method: "POST",
      path: "/v1/databases",
      summary: "Make a PostgreSQL database",
      description:
        "A server of its own. Its owner's password is made with `databaseUserRotate`. With a bucket it is backed up every day, and its log is kept there, so that it can be " +
        "recovered to any moment.",
      permission: "databases.database.create",
      roles: ["editor"],
      body: z.object({
        project: id("project"),
        name: databaseName,
        version: z.enum(databaseVersions).default("18"),
        memoryBytes: memoryBytes.default(512 * mebibyte),
        cpus: cpus.default(1),
        diskBytes: diskBytes.default(10 * gibibyte),
        bucket: z.string().max(100).optional().describe("Id or name of a bucket of the project."),
        backupHour: z.int().min(0).max(23).default(2),
        keepDays: z.int().min(1).max(365).default(7),
        protected: z.boolean().default(false),
      }),
      response: operation,
      status: 202,
      errors: ["not_found", "already_exists", "failed_precondition", "quota_exceeded"],
    }),
    databaseGet: route({
      method: "GET",
      path: "/v1/databases/{database}",
      summary: "Show a database",
      permission: "databases.database.get",
      roles: ["viewer"],
      params: byDatabase,
      response: database,
      errors: ["not_found"],
    }),
    databaseUpdate: route({
      method: "PATCH",
      path: "/v1/databases/{database}",
      summary: "Change how a database is backed up and protected",
      permission: "databases.database.update",
      roles: ["editor"],
      params: byDatabase,
      body: z.object({
        bucket: z.string().max(100).optional().describe("Can be given once, to one that has none."),
        backupHour: z.int().min(0).max(23).optional(),
        keepDays: z.int().min(1).max(365).optional(),
        protected: z.boolean().optional(),
      }),
      response: database,
      errors: ["not_found", "failed_precondition", "precondition_failed"],
    }),
    databaseConnectionGet: route({
      method: "GET",
      path: "/v1/databases/{database}/connection",
      summary: "Show how to connect to a database",
      permission: "databases.database.get",
      roles: ["viewer"],
      params: byDatabase,
      response: databaseConnection,
      errors: ["not_found", "failed_precondition"],
    }),
    databaseRestart: route({
      method: "POST",
      path: "/v1/databases/{database}/restart",
      summary: "Restart a database",
      permission: "databases.database.restart",
      roles: ["editor"],
      params: byDatabase,
      response: operation,
      status: 202,
      errors: onEngine,
    }),
    databaseStop: route({
      method: "POST",
      path: "/v1/databases/{database}/stop",
      summary: "Stop a database",
      description:
        "Its content, its port and its backups stay; until it is started, nobody reaches it, and only its disk counts.",
      permission: "databases.database.stop",
      roles: ["editor"],
      params: byDatabase,
      response: operation,
      status: 202,
      errors: onEngine,
    }),
    databaseStart: route({
      method: "POST",
      path: "/v1/databases/{database}/start",
      summary: "Start a database",
      permission: "databases.database.start",
      roles: ["editor"],
      params: byDatabase,
      response: operation,
      status: 202,
      errors: onEngine,
    }),
    databaseRename: route({
      method: "POST",
      path: "/v1/databases/{database}/rename",
      summary: "Give a database another name",
      description:
        "By which the apps of its project reach it: they need the new one. It restarts, with a certificate for it; what the server calls the database and its owner stays.",
      permission: "databases.database.rename",
      roles: ["editor"],
      params: byDatabase,
      body: z.object({ name: databaseName }),
      response: operation,
      status: 202,
      errors: [...onEngine, "already_exists"],
    }),
    databaseResize: route({
      method: "POST",
      path: "/v1/databases/{database}/resize",
      summary: "Give a database another size",
      description: "It restarts, unless only its disk changes.",
      permission: "databases.database.resize",
      roles: ["editor"],
      params: byDatabase,
      body: z.object({ memoryBytes: memoryBytes.optional(), cpus: cpus.optional(), diskBytes: diskBytes.optional() }),
      response: operation,
      status: 202,
      errors: [...onEngine, "quota_exceeded"],
    }),
    databaseUpgrade: route({
      method: "POST",
      path: "/v1/databases/{database}/upgrade",
      summary: "Bring a database to a newer major version",
      description:
        "Its content is copied into a new server while nobody may write; the old one is kept until the new one is good, and comes back when it is not.",
      permission: "databases.database.upgrade",
      roles: ["editor"],
      params: byDatabase,
      body: z.object({ version: z.enum(databaseVersions) }),
      response: operation,
      status: 202,
      errors: onEngine,
    }),
    databaseClone: route({
      method: "POST",
      path: "/v1/databases/{database}/clone",
      summary: "Copy a database to a new one",
      description: "As it is now, with its users and their passwords; through its backups, so it needs a bucket and one backup.",
      permission: "databases.database.clone",
      roles: ["editor"],
      params: byDatabase,
      body: z.object({ name: databaseName, ...copySize }),
      response: operation,
      status: 202,
      errors: [...onEngine, "already_exists", "quota_exceeded"],
    }),
    databaseRecover: route({
      method: "POST",
      path: "/v1/databases/{database}/recover",
      summary: "Recover a database as it was at a moment, to a new one",
      permission: "databases.database.recover",
      roles: ["editor"],
      params: byDatabase,
      body: z.object({ name: databaseName, at: timestamp.describe("Within `recoverableFrom` and now."), ...copySize }),
      response: operation,
      status: 202,
      errors: [...onEngine, "already_exists", "quota_exceeded", "invalid_argument"],
    }),
    databaseDelete: route({
      method: "DELETE",
      path: "/v1/databases/{database}",
      summary: "Delete a database",
      description: "With everything in it. Its backups stay in their bucket.",
      permission: "databases.database.delete",
      roles: ["editor"],
      params: byDatabase,
      query: z.object({ confirm: z.string().max(100).describe("The name of the database, as a word that it is meant.") }),
      response: operation,
      status: 202,
      errors: [...onEngine, "invalid_argument"],
    }),

    ...contentRoutes,
    databaseMetricsGet: route({
      method: "GET",
      path: "/v1/databases/{database}/metrics",
      summary: "Show how a database does at the moment",
      permission: "databases.database.get",
      roles: ["viewer"],
      params: byDatabase,
      response: databaseMetrics,
      errors: onEngine,
      stream: {},
    }),
    ...scriptRoutes,
    ...watchingRoutes,

    databaseBackupList: route({
      method: "GET",
      path: "/v1/database-backups",
      summary: "List the backups of databases of a project",
      permission: "databases.backup.list",
      roles: ["viewer"],
      query: pageQuery.extend({ project: id("project"), database: id("database").optional() }),
      response: page(databaseBackup),
      errors: ["not_found"],
    }),
    databaseBackupCreate: route({
      method: "POST",
      path: "/v1/databases/{database}/backups",
      summary: "Back up a database",
      permission: "databases.backup.create",
      roles: ["editor"],
      params: byDatabase,
      response: operation,
      status: 202,
      errors: onEngine,
    }),
    databaseBackupGet: route({
      method: "GET",
      path: "/v1/database-backups/{databaseBackup}",
      summary: "Show a backup of a database",
      permission: "databases.backup.get",
      roles: ["viewer"],
      params: byBackup,
      response: databaseBackup,
      errors: ["not_found"],
    }),
    databaseBackupVerify: route({
      method: "POST",
      path: "/v1/database-backups/{databaseBackup}/verify",
      summary: "Prove a backup of a database by restoring it",
      description: "Into a server that nobody reaches; every table is read and every index checked, then it is taken away.",
      permission: "databases.backup.verify",
      roles: ["editor"],
      params: byBackup,
      response: operation,
      status: 202,
      errors: onEngine,
    }),
    databaseBackupRestore: route({
      method: "POST",
      path: "/v1/database-backups/{databaseBackup}/restore",
      summary: "Restore a backup to a new database",
      permission: "databases.backup.restore",
      roles: ["editor"],
      params: byBackup,
      body: z.object({ name: databaseName, ...copySize }),
      response: operation,
      status: 202,
      errors: [...onEngine, "already_exists", "quota_exceeded"],
    }),
    databaseBackupDelete: route({
      method: "DELETE",
      path: "/v1/database-backups/{databaseBackup}",
      summary: "Delete a backup of a database",
      description: "With the log that only it needs.",
      permission: "databases.backup.delete",
      roles: ["editor"],
      params: byBackup,
      response: operation,
      status: 202,
      errors: onEngine,
    }),
  },
  events: {
    databaseChanged: event({
      type: "databases.database.changed",
      payload: z.object({ databaseId: id("database"), name: z.string(), state: z.string() }),
    }),
    databaseUserChanged: event({
      type: "databases.user.changed",
      payload: z.object({ databaseUserId: id("databaseUser"), databaseId: id("database") }),
    }),
    databaseBackupChanged: event({
      type: "databases.backup.changed",
      payload: z.object({ databaseBackupId: id("databaseBackup"), databaseId: id("database"), state: z.string() }),
    }),
  },
  quotas: {
    "databases.databases": { unit: "count", summary: "Databases", default: 20 },
    "databases.memory": { unit: "bytes", summary: "Bytes of memory of databases", default: 32 * gibibyte },
    "databases.disk": { unit: "bytes", summary: "Bytes of disk of databases", default: 1024 * gibibyte },
  },
  meters: {
    "databases.memory": { unit: "byte_seconds", summary: "Memory of databases" },
    "databases.cpus": { unit: "vcpu_seconds", summary: "Processors of databases" },
    "databases.disk": { unit: "byte_seconds", summary: "Disk of databases" },
  },
});

/** Databases as apps use them, inside the process: each app has a user of its own. */
export interface DatabaseLinks {
  /** One of this project, when the transaction may see it. Whoever asks checks the person's permission first. */
  find(tx: Tx, projectId: string, databaseId: string): Promise<{ id: string; name: string } | undefined>;
  /**
   * Outside of transactions: it asks the server. `holder` is for people, "app shop": its user cannot be deleted by hand, nor the database
   * while it has any. failed_precondition when the database takes no users now.
   */
  makeUser(request: {
    databaseId: string;
    name: string;
    access: "read_write" | "read_only";
    holder: string;
    signal?: AbortSignal;
  }): Promise<{ password: string }>;
  /** Where apps of the project find it, as it is called now. */
  reach(tx: Tx, databaseId: string): Promise<{ host: string; port: number; databaseName: string } | undefined>;
  /** Of the authority that signs for all servers (PEM). */
  certificate(tx: Tx): Promise<string | undefined>;
  /** Gone soon after the commit, with its connections. One that is not there is gone already. */
  dropUser(tx: Tx, user: { databaseId: string; name: string }): Promise<void>;
}
