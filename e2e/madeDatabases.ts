import { newId } from "../kernel/ids.ts";
import type { MadeCloud } from "./madeCloud.ts";
import { ago, operation, place } from "./madePlace.ts";

/** Databases with all that can stand in their pages: much of everything, one that is full, one that fails, one that is stopped, one at work. */
export const ledgerId = newId("database");
export const fullId = newId("database");
export const stoppedId = newId("database");
export const workingId = newId("database");
const failingId = newId("database");
const bucket = { id: newId("bucket"), name: "backups-of-the-lyceum" };
const GiB = 1024 ** 3;

const every = ["query", "change_users", "change_extensions", "stop", "restart", "rename", "resize", "delete"];
const database = (given: { id: string; name: string } & Record<string, unknown>): Record<string, unknown> => ({
  ...place,
  engine: "postgres",
  version: "15",
  state: "running",
  allowedActions: [...every, "backup", "clone", "recover", "upgrade"],
  memoryBytes: 2 * GiB,
  cpus: 2,
  diskBytes: 50 * GiB,
  usedBytes: Math.round(12.4 * GiB),
  host: "lyceum.example",
  port: 5500,
  internalHost: given.name,
  databaseName: given.name.replaceAll("-", "_"),
  owner: given.name.replaceAll("-", "_"),
  bucket,
  backupHour: 2,
  keepDays: 14,
  recoverableFrom: ago(60 * 24 * 9),
  recoverableUntil: ago(1),
  protected: false,
  createdAt: ago(60 * 24 * 90),
  revision: 4,
  ...given,
});
const databases = [
  database({ id: ledgerId, name: "marks-and-homework-of-the-lyceum", protected: true }),
  database({
    id: fullId,
    name: "photos",
    usedBytes: Math.round(50.2 * GiB),
    stateReason: "Its disk is full: it takes no writes. Give it a larger one, or delete what is not needed.",
  }),
  database({
    id: newId("database"),
    name: "library",
    version: "18",
    usedBytes: 45 * GiB,
    bucket: undefined,
    recoverableFrom: undefined,
    recoverableUntil: undefined,
    allowedActions: every,
  }),
  database({
    id: failingId,
    name: "chat",
    state: "failing",
    stateReason: "It used more memory than it has. Give it more.",
    allowedActions: ["recover", "stop", "restart", "resize", "delete"],
  }),
  database({
    id: stoppedId,
    name: "old-timetable",
    state: "stopped",
    allowedActions: ["start", "recover", "delete"],
    usedBytes: Math.round(0.3 * GiB),
  }),
  database({
    id: workingId,
    name: "canteen",
    state: "creating",
    port: undefined,
    usedBytes: undefined,
    operationId: operation.id,
    allowedActions: [],
  }),
];

const column = (name: string, type: string, more: object = {}) => ({ name, type, nullable: true, primaryKey: false, ...more });
const index = (name: string, definition: string, more: object = {}) => ({
  name,
  definition,
  unique: false,
  primary: false,
  valid: true,
  sizeBytes: 81_920,
  ...more,
});
const table = (schema: string, name: string, more: object = {}) => ({
  schema,
  name,
  kind: "table",
  rows: 128_400,
  sizeBytes: 94 * 1024 ** 2,
  columns: [column("id", "integer", { nullable: false, primaryKey: true }), column("name", "text", { nullable: false })],
  indexes: [],
  foreignKeys: [],
  ...more,
});
const tables = [
  table("public", "homework", {
    columns: [
      column("id", "bigint", { nullable: false, primaryKey: true, default: "nextval('homework_id_seq'::regclass)" }),
      column("pupil", "integer", { nullable: false }),
      column("subject", "character varying(120)", { nullable: false }),
      column("what", "text"),
      column("until", "timestamp with time zone"),
      column("attachments", "jsonb", { nullable: false, default: "'[]'::jsonb" }),
    ],
    indexes: [
      index("homework_pkey", "CREATE UNIQUE INDEX homework_pkey ON public.homework USING btree (id)", {
        unique: true,
        primary: true,
      }),
      index("homework_pupil_until", "CREATE INDEX homework_pupil_until ON public.homework USING btree (pupil, until DESC)", {
        valid: false,
      }),
    ],
    foreignKeys: [{ name: "homework_pupil_fkey", columns: ["pupil"], schema: "public", table: "pupils", foreignColumns: ["id"] }],
  }),
  table("public", "marks"),
  table("public", "pupils"),
  table("reports", "marks_by_month", { kind: "materialized_view", rows: 96 }),
  table("reports", "the_longest_name_that_anybody_has_given_to_a_table_so_far", { rows: undefined, kind: "view" }),
];

const rows = Array.from({ length: 100 }, (_, place) => [
  String(place + 1),
  String(1000 + place),
  ["Mathematics", "Ukrainian language and literature", "Physics"][place % 3] as string,
  place % 4 === 0
    ? null
    : place % 7 === 0
      ? ""
      : `Exercises ${place} to ${place + 4}${place === 2 ? ", with all of the proof written out. ".repeat(20) : ""}`,
  "2026-11-24 08:00:00+00",
  '[{"name": "sheet.pdf", "bytes": 48211}]',
]);

const backup = (given: Record<string, unknown>) => ({
  id: newId("databaseBackup"),
  ...place,
  databaseId: ledgerId,
  databaseName: "marks-and-homework-of-the-lyceum",
  version: "15",
  state: "available",
  allowedActions: ["restore", "verify", "delete"],
  bucket,
  sizeBytes: Math.round(3.1 * GiB),
  automatic: true,
  createdAt: ago(60 * 9),
  finishedAt: ago(60 * 9 - 3),
  ...given,
});
const backups = [
  backup({
    state: "creating",
    allowedActions: [],
    sizeBytes: undefined,
    automatic: false,
    createdAt: ago(1),
    finishedAt: undefined,
    operationId: operation.id,
  }),
  backup({
    verification: "passed",
    verificationMessage: "Read: 2 databases, 14 tables with 902114 rows. Checked: 31 indexes.",
    verifiedAt: ago(60 * 8),
  }),
  backup({
    verification: "failed",
    verificationMessage: "The restored database is damaged.",
    verifiedAt: ago(60 * 32),
    createdAt: ago(60 * 33),
    finishedAt: ago(60 * 33),
  }),
  backup({ automatic: false, createdAt: ago(60 * 50), finishedAt: ago(60 * 50) }),
];

const session = (pid: number, more: Record<string, unknown>) => ({
  pid,
  user: "lyceum",
  application: "timetable",
  address: "198.18.4.3",
  state: "idle",
  blockedBy: [],
  query: "select * from homework where pupil = 1042 order by until desc limit 20",
  startedAt: ago(600),
  queryStartedAt: ago(2),
  ...more,
});
const statement = (query: string, calls: number, mean: number) => ({
  query,
  user: "lyceum",
  calls,
  totalMilliseconds: calls * mean,
  meanMilliseconds: mean,
  maxMilliseconds: mean * 14,
  rows: calls * 3,
});

export const madeDatabases: NonNullable<ConstructorParameters<typeof MadeCloud>[0]> = {
  databaseList: () => ({ items: databases }),
  databaseGet: ({ params }) => databases.find(({ id }) => id === params["database"]),
  databaseConnectionGet: ({ params }) => {
    const found = databases.find(({ id }) => id === params["database"]) as { internalHost: string; owner: string };
    return {
      host: "lyceum.example",
      port: 5500,
      internalHost: found.internalHost,
      internalPort: 5432,
      databaseName: found.owner,
      user: found.owner,
      url: `postgresql://${found.owner}@lyceum.example:5500/${found.owner}?sslmode=require`,
      internalUrl: `postgresql://${found.owner}@${found.internalHost}:5432/${found.owner}?sslmode=require`,
      certificate: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
      usedBy: params["database"] === ledgerId ? ["app timetable", "app reports"] : [],
    };
  },
  databaseMetricsGet: () => ({
    connections: 42,
    maxConnections: 205,
    sizeBytes: Math.round(11.8 * GiB),
    transactions: 8_120_400,
    cacheHitPercent: 99.2,
    deadlocks: 0,
    cpuSeconds: 91_000,
    memoryBytes: Math.round(1.3 * GiB),
    memoryLimitBytes: 2 * GiB,
  }),
  databaseHistoryGet: ({ params }) => ({
    stepSeconds: 30,
    points:
      params["database"] === ledgerId
        ? Array.from({ length: 120 }, (_, index) => ({
            at: ago((120 - index) / 2),
            ...(index === 0
              ? {}
              : { cpuPercent: 20 + 15 * Math.sin(index / 9), transactionsPerSecond: 140 + 60 * Math.cos(index / 14) }),
            memoryBytes: Math.round(1.2 * GiB) + index * 1_000_000,
            diskBytes: Math.round(12.4 * GiB),
            connections: 38 + (index % 7),
          }))
        : [],
  }),
  databaseCreate: () => ({ ...operation, kind: "databases.database.create", resource: { kind: "database", id: workingId } }),
  databaseRecover: () => ({ ...operation, kind: "databases.database.restore", resource: { kind: "database", id: workingId } }),
  operationGet: () => ({ ...operation, kind: "databases.database.create", state: "running", progress: 0.4 }),
  bucketList: () => ({
    items: [
      {
        ...bucket,
        ...place,
        objects: 3,
        sizeBytes: 1000,
        uploadBytes: 0,
        versions: 0,
        versionBytes: 0,
        trashObjects: 0,
        trashBytes: 0,
        publicReach: "objects",
        createdAt: ago(9999),
        revision: 1,
      },
    ],
  }),
  databaseUserList: () => ({
    items: [
      { name: "marks_and_homework_of_the_lyceum", access: "owner", state: "active" },
      { name: "reports_for_the_ministry", access: "read_only", state: "active" },
      { name: "timetable", access: "read_write", state: "creating" },
    ].map((user) => ({ id: newId("databaseUser"), databaseId: ledgerId, createdAt: ago(9999), ...user })),
  }),
  databaseUserCreate: () => ({
    user: {
      id: newId("databaseUser"),
      databaseId: ledgerId,
      name: "reports",
      access: "read_only",
      state: "active",
      createdAt: ago(0),
    },
    password: "shown-this-once",
    url: "postgresql://reports:shown-this-once@lyceum.example:5500/marks?sslmode=require",
    internalUrl: "postgresql://reports:shown-this-once@marks:5432/marks?sslmode=require",
  }),
  databaseBackupList: ({ query }) => ({ items: query.get("database") === ledgerId ? backups : [] }),
  databaseExtensionList: () => ({
    items: [
      { name: "citext", description: "data type for case-insensitive character strings", availableVersion: "1.6" },
      {
        name: "hstore",
        description: "data type for storing sets of (key, value) pairs",
        availableVersion: "1.8",
        version: "1.8",
      },
      {
        name: "pg_stat_statements",
        description: "track planning and execution statistics of all SQL statements executed",
        availableVersion: "1.10",
        version: "1.10",
      },
      {
        name: "pg_trgm",
        description: "text similarity measurement and index searching based on trigrams",
        availableVersion: "1.6",
      },
    ],
  }),
  databaseTableList: ({ params }) => ({ items: params["database"] === ledgerId ? tables : [] }),
  databaseQuery: () => ({
    command: "SELECT",
    columns: tables[0]?.columns.map(({ name }) => ({ name, typeOid: 25 })),
    rows,
    truncated: false,
    milliseconds: 4,
  }),
  databaseScriptRun: ({ body }) => ({
    results: [
      {
        start: 0,
        end: 8,
        command: "UPDATE",
        columns: [],
        rows: [],
        affected: 3,
        truncated: false,
        notices: ["NOTICE: careful"],
        milliseconds: 2,
      },
      {
        start: 9,
        end: 20,
        command: "SELECT",
        columns: (tables[0]?.columns ?? []).map(({ name, type }) => ({ name, type })),
        rows: rows.slice(0, 12),
        truncated: true,
        notices: [],
        milliseconds: 1834,
      },
    ],
    problem: {
      start: 21,
      end: 46,
      message: 'column "subjct" does not exist',
      sqlState: "42703",
      hint: 'Perhaps you meant to reference the column "homework.subject".',
      ...(body.includes("subjct") ? { position: String(JSON.parse(body.toString()).sql).indexOf("subjct") } : {}),
    },
    undone: true,
    milliseconds: 1840,
  }),
  databaseSessionList: () => ({
    items: [
      session(4711, {
        state: "active",
        waitsFor: "Lock: transactionid",
        blockedBy: [4712],
        query: "update pupils set name = 'Іван' where id = 7",
      }),
      session(4712, { state: "idle_in_transaction", application: "psql", address: "203.0.113.7", transactionStartedAt: ago(34) }),
      session(4713, {}),
    ],
  }),
  databaseStatementList: () => ({
    items: [
      statement(
        "select p.name, avg(m.value)\nfrom pupils p join marks m on m.pupil = p.id\ngroup by p.name having count(*) > $1",
        1204,
        412,
      ),
      statement("insert into homework (pupil, subject, what, until) values ($1, $2, $3, $4)", 90_412, 0.8),
      statement("select $1", 4_000_123, 0.004),
    ],
  }),
};
