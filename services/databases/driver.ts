/**
 * The ports of this service. `DatabaseDriver` is what a kind of database has to be able to do (PostgreSQL; others later); it knows no tenants,
 * records or prices. `ContainerHost` is what its servers run in: the part of the applications' engine (`services/apps/driver.ts`) that is
 * needed here, so that the engine itself can be handed over.
 *
 * Every call is idempotent: repeated after a crash it comes out the same. Errors are CloudErrors.
 */
import type { Readable, Writable } from "node:stream";

export interface CallOptions {
  signal?: AbortSignal | undefined;
}

export interface HostSession {
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
  exited: Promise<number>;
  close(): void;
}

export interface HostContainerSpec {
  name: string;
  image: string;
  labels: Readonly<Record<string, string>>;
  hostName?: string | undefined;
  command?: readonly string[] | undefined;
  environment?: Readonly<Record<string, string>> | undefined;
  workingDirectory?: string | undefined;
  user?: string | undefined;
  networks: readonly { name: string; aliases: readonly string[] }[];
  /** Of the host, to ports of the container. */
  ports?: readonly { address: string; port: number; containerPort: number }[] | undefined;
  mounts: readonly { volume: string; path: string; readOnly: boolean }[];
  temporaryFolders: readonly { path: string; sizeBytes: number }[];
  readOnlyRoot: boolean;
  limits: { memoryBytes: number; cpus: number; processes: number; sharedMemoryBytes?: number | undefined };
  capabilities: readonly string[];
  restart: { policy: "never" | "always" };
  stop: { signal: string; timeoutSeconds: number };
  log: { fileBytes: number; files: number };
  init: boolean;
}

export interface HostExec {
  command: readonly string[];
  user?: string | undefined;
  signal?: AbortSignal | undefined;
}

export interface ContainerHost {
  imageGet(image: string, options?: CallOptions): Promise<{ id: string; labels: Readonly<Record<string, string>> } | undefined>;
  imageImport(
    spec: {
      name: string;
      labels: Readonly<Record<string, string>>;
      defaults?: { environment?: Readonly<Record<string, string>>; user?: string };
    },
    content: Readable,
    options?: CallOptions,
  ): Promise<{ id: string }>;
  networkCreate(
    spec: { name: string; labels: Readonly<Record<string, string>>; internal: boolean },
    options?: CallOptions,
  ): Promise<void>;
  volumeCreate(spec: { name: string; labels: Readonly<Record<string, string>> }, options?: CallOptions): Promise<void>;
  volumeRemove(name: string, options?: CallOptions): Promise<void>;
  containerCreate(spec: HostContainerSpec, options?: CallOptions): Promise<unknown>;
  containerStart(name: string, options?: CallOptions): Promise<void>;
  containerStop(name: string, options?: CallOptions & { timeoutSeconds?: number | undefined }): Promise<void>;
  containerRemove(name: string, options?: CallOptions): Promise<void>;
  containerGet(
    name: string,
    options?: CallOptions,
  ): Promise<
    | { state: string; image: string; exitCode?: number | undefined; outOfMemory: boolean; problem?: string | undefined }
    | undefined
  >;
  containerMetrics(
    name: string,
    options?: CallOptions,
  ): Promise<{ cpuSeconds: number; memoryBytes: number; memoryLimitBytes: number } | undefined>;
  containerLogs(name: string, options?: CallOptions & { tail?: number | undefined }): AsyncIterable<{ text: string }>;
  containerExec(
    name: string,
    options: HostExec & { input?: Uint8Array | undefined; maxOutputBytes: number },
  ): Promise<{ exitCode: number; stdout: Uint8Array; stderr: Uint8Array; truncated: boolean }>;
  containerOpen(name: string, options: HostExec): Promise<HostSession>;
  containerRun(spec: HostContainerSpec, options?: CallOptions): Promise<HostSession>;
}

export type Progress = (fraction: number, message?: string) => void;

/** A server and where it is. */
export interface ServerSpec {
  /** Of its container. */
  name: string;
  volume: string;
  version: string;
  labels: Readonly<Record<string, string>>;
  memoryBytes: number;
  cpus: number;
  diskBytes: number;
  /** Absent: nobody reaches it. */
  network?: { name: string; labels: Readonly<Record<string, string>>; internal: boolean; alias: string } | undefined;
  port?: { address: string; port: number } | undefined;
  /** Its log is kept file by file until somebody takes it away (`archived`, `archivedRemove`). */
  archive: boolean;
  /** Takes no writes: its disk is full. */
  readOnly: boolean;
  /** PEM; absent: one is there already, or nobody connects. */
  certificate?: { certificate: string; key: string } | undefined;
}

export interface ServerUser {
  name: string;
  access: "owner" | "read_write" | "read_only";
}

export type ServerState =
  | { state: "missing" }
  | { state: "stopped" | "starting"; reason?: string | undefined }
  | { state: "ready" };

/** How a server is reached by us: by its container, as its superuser or as one of its users. */
export interface QueryOptions extends CallOptions {
  database: string;
  user: string;
  readOnly: boolean;
  maxRows: number;
  timeoutSeconds: number;
}

export interface QueryResult {
  command: string;
  columns: { name: string; typeOid: number }[];
  rows: (string | null)[][];
  affected?: number | undefined;
  truncated: boolean;
}

export interface TableReport {
  schema: string;
  name: string;
  kind: "table" | "view" | "materialized_view" | "foreign_table";
  rows?: number | undefined;
  sizeBytes: number;
  columns: { name: string; type: string; nullable: boolean; primaryKey: boolean; default?: string | undefined }[];
  indexes: { name: string; definition: string; unique: boolean; primary: boolean; valid: boolean; sizeBytes: number }[];
  foreignKeys: { name: string; columns: string[]; schema: string; table: string; foreignColumns: string[] }[];
}

/** Of several statements. Places are offsets in the text, in UTF-16 units. */
export interface ScriptResult {
  results: {
    start: number;
    end: number;
    command: string;
    columns: { name: string; type: string }[];
    rows: (string | null)[][];
    affected?: number | undefined;
    truncated: boolean;
    notices: string[];
    milliseconds: number;
  }[];
  /** Of the first that failed. */
  problem?:
    | {
        start: number;
        end: number;
        message: string;
        sqlState?: string | undefined;
        hint?: string | undefined;
        position?: number | undefined;
      }
    | undefined;
  /** A transaction was left open. */
  undone: boolean;
}

export interface SessionReport {
  pid: number;
  user?: string | undefined;
  application?: string | undefined;
  address?: string | undefined;
  state: "active" | "idle" | "idle_in_transaction" | "idle_in_failed_transaction" | "other";
  waitsFor?: string | undefined;
  blockedBy: number[];
  query?: string | undefined;
  startedAt: Date;
  queryStartedAt?: Date | undefined;
  transactionStartedAt?: Date | undefined;
}

export interface ExtensionReport {
  name: string;
  description: string;
  availableVersion: string;
  version?: string | undefined;
}

export interface StatementReport {
  query: string;
  user?: string | undefined;
  calls: number;
  totalMilliseconds: number;
  meanMilliseconds: number;
  maxMilliseconds: number;
  rows: number;
}

export interface ServerMetrics {
  connections: number;
  maxConnections: number;
  sizeBytes: number;
  transactions: number;
  cacheHitPercent?: number | undefined;
  deadlocks: number;
  cpuSeconds: number;
  memoryBytes: number;
  memoryLimitBytes: number;
}

/** What a base backup needs besides its own bytes. */
export interface BaseBackup {
  /** To be given back with its bytes at a restore. */
  label: string;
  /** Names of the first and last file of the log without which it is worth nothing. */
  firstLog: string;
  lastLog: string;
}

/** Bytes of a base backup, and of files of the log, in their order, as they were taken. */
export interface RestoreSource {
  base: () => Promise<Readable>;
  label: string;
  log: AsyncIterable<{ name: string; sizeBytes: number; content: Readable }>;
  /** `end`: all of the log; `earliest`: as soon as the backup is consistent; a moment: what was committed until then. */
  until: "end" | "earliest" | Date;
}

export interface DatabaseDriver {
  readonly kind: "postgres";
  readonly versions: readonly string[];
  /** The port that servers listen on in their network. */
  readonly port: number;

  /** Makes what servers of this version run from; minutes the first time. */
  prepare(version: string, options?: CallOptions & { progress?: Progress }): Promise<void>;
  /** An empty server's data in its volume; one that has data is left as it is. */
  initialise(spec: ServerSpec, options?: CallOptions): Promise<void>;
  /** Data from a backup, into a volume in which nothing is kept. */
  restore(spec: ServerSpec, source: RestoreSource, options?: CallOptions): Promise<void>;
  /** Starts it as the specification says, anew when it runs otherwise; resolves when it takes connections. */
  start(spec: ServerSpec, options?: CallOptions & { progress?: Progress }): Promise<void>;
  /** Settings and certificate, while it runs: no restart. */
  configure(spec: ServerSpec, options?: CallOptions): Promise<void>;
  stop(name: string, options?: CallOptions): Promise<void>;
  /** The container; its data stay. */
  remove(name: string, options?: CallOptions): Promise<void>;
  /** With everything in it: only on a person's word, or what never came to be. */
  discard(volume: string, options?: CallOptions): Promise<void>;
  state(name: string, options?: CallOptions): Promise<ServerState>;

  /** The database and its owner; what is there stays. */
  setUp(name: string, wanted: { database: string; owner: string }, options?: CallOptions): Promise<void>;
  users(name: string, options?: CallOptions): Promise<ServerUser[]>;
  /** Makes it, or gives it another password; the password itself does not go to the server, but what it is checked with. */
  userPut(
    name: string,
    user: ServerUser & { database: string; owner: string; password: string },
    options?: CallOptions,
  ): Promise<void>;
  userRemove(name: string, user: { name: string; database: string; owner: string }, options?: CallOptions): Promise<void>;

  query(name: string, sql: string, options: QueryOptions): Promise<QueryResult>;
  /** Several statements in one session, to the first that fails. Aborted, what runs is cancelled. */
  script(name: string, sql: string, options: QueryOptions & { maxStatements: number }): Promise<ScriptResult>;
  tables(name: string, database: string, page: { after?: [string, string] | undefined; limit: number }): Promise<TableReport[]>;
  extensions(name: string, database: string): Promise<ExtensionReport[]>;
  /** failed_precondition of one that is not offered. */
  extensionEnable(name: string, database: string, extension: string): Promise<void>;
  /** failed_precondition while something needs it. */
  extensionDisable(name: string, database: string, extension: string): Promise<void>;
  statements(name: string, database: string, limit: number): Promise<StatementReport[]>;
  /** Of people and programs: not our own. The busiest first. */
  sessions(name: string, database: string, limit: number): Promise<SessionReport[]>;
  /** not_found when there is none (any more). */
  sessionEnd(name: string, database: string, pid: number): Promise<void>;
  metrics(name: string, database: string): Promise<ServerMetrics>;
  /** Bytes of its volume. */
  usedBytes(name: string, options?: CallOptions): Promise<number>;

  /** A base backup, while it works. `take` has read all of the content when it resolves. */
  backup(name: string, take: (content: Readable) => Promise<void>, options?: CallOptions): Promise<BaseBackup>;
  /** Files of the log that are finished, in their order, with when. */
  archived(name: string, options?: CallOptions): Promise<{ name: string; sizeBytes: number; at: Date }[]>;
  archivedRead(name: string, file: string, options?: CallOptions): Promise<Readable>;
  archivedRemove(name: string, files: readonly string[], options?: CallOptions): Promise<void>;
  /** Ends the current file of the log, so that everything until now comes into the archive; resolves when it has. */
  archiveNow(name: string, options?: CallOptions): Promise<void>;
  /** Which files of the log a restore needs, of these. */
  logNeeded(files: readonly string[], backup: { firstLog: string; lastLog: string }, until: RestoreSource["until"]): string[];
  /** Which of these no backup needs any more, when the oldest one begins with `firstLog`. */
  logObsolete(files: readonly string[], firstLog: string): string[];
  /** Reads every table and checks every index; throws failed_precondition with what is wrong. Answers words for people. */
  check(name: string, options?: CallOptions): Promise<string>;
  /** The whole content of one server into another, empty one; both run. */
  copy(from: string, to: string, options?: CallOptions): Promise<void>;
}
