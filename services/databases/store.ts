// Only stores know the database; the routes beside it ask them which rule of its tables was broken.
export { brokenConstraint } from "../../kernel/db/database.ts";

import { createHash } from "node:crypto";
import type { Tx } from "../../kernel/db/database.ts";
import { emit } from "../../kernel/events.ts";
import type { Id } from "../../kernel/ids.ts";
import { closeUsageSpans, openUsageSpan } from "../../kernel/metering/journal.ts";
import type { DatabaseUser } from "./content/contract.ts";
import type { DatabaseBackupState, DatabaseState, DatabaseVersion } from "./contract.ts";

export interface DatabaseRow {
  id: Id<"database">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  name: string;
  engine: "postgres";
  version: DatabaseVersion;
  state: DatabaseState;
  stateReason: string | null;
  memoryBytes: number;
  cpus: number;
  diskBytes: number;
  usedBytes: number | null;
  readOnly: boolean;
  port: number | null;
  databaseName: string;
  ownerName: string;
  incarnation: number;
  bucketId: Id<"bucket"> | null;
  bucketName: string | null;
  backupHour: number;
  keepDays: number;
  nextBackupAt: Date | null;
  recoverableUntil: Date | null;
  certificateUntil: Date | null;
  protected: boolean;
  operationId: Id<"operation"> | null;
  createdAt: Date;
  revision: number;
  /** Of the oldest backup from which the log is whole. */
  recoverableFrom: Date | null;
}

const columns = `d.id, d.organisation_id as "organisationId", d.project_id as "projectId", d.name, d.engine, d.version, d.state,
  d.state_reason as "stateReason", d.memory_bytes as "memoryBytes", d.cpus, d.disk_bytes as "diskBytes", d.used_bytes as "usedBytes",
  d.read_only as "readOnly", d.port, d.database_name as "databaseName", d.owner_name as "ownerName", d.incarnation,
  d.bucket_id as "bucketId", d.bucket_name as "bucketName", d.backup_hour as "backupHour", d.keep_days as "keepDays",
  d.next_backup_at as "nextBackupAt", d.recoverable_until as "recoverableUntil", d.certificate_until as "certificateUntil", d.protected,
  d.operation_id as "operationId", d.created_at as "createdAt", d.revision,
  (select min(b.finished_at) from databases.backups b where b.database_id = d.id and b.state = 'available'
    and b.prefix = 'databases/' || d.id || '/' || d.incarnation || '/') as "recoverableFrom"`;

const changeable = {
  name: "name",
  version: "version",
  state: "state",
  stateReason: "state_reason",
  memoryBytes: "memory_bytes",
  cpus: "cpus",
  diskBytes: "disk_bytes",
  usedBytes: "used_bytes",
  readOnly: "read_only",
  port: "port",
  incarnation: "incarnation",
  bucketId: "bucket_id",
  bucketName: "bucket_name",
  backupHour: "backup_hour",
  keepDays: "keep_days",
  nextBackupAt: "next_backup_at",
  recoverableUntil: "recoverable_until",
  certificateUntil: "certificate_until",
  protected: "protected",
  operationId: "operation_id",
} as const satisfies Partial<Record<keyof DatabaseRow, string>>;
export type DatabaseChange = Partial<Pick<DatabaseRow, keyof typeof changeable>>;

const changedColumns = (names: Record<string, string>, change: object): never =>
  Object.fromEntries(Object.entries(change).map(([field, value]) => [names[field], value])) as never;

const announce = (tx: Tx, row: DatabaseRow, state: string = row.state): Promise<void> =>
  emit(tx, {
    type: "databases.database.changed",
    organisationId: row.organisationId,
    projectId: row.projectId,
    payload: { databaseId: row.id, name: row.name, state },
  });

export const databaseStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<DatabaseRow | undefined> {
    const [row] = await tx.sql<DatabaseRow[]>`select ${tx.sql.unsafe(columns)} from databases.databases d where d.id = ${id}
      ${options.lock ? tx.sql`for update of d` : tx.sql``}`;
    return row;
  },

  /** False when the project has one of that name. */
  async insert(tx: Tx, row: Omit<DatabaseRow, "recoverableFrom">): Promise<boolean> {
    const rows = await tx.sql`
      insert into databases.databases (id, organisation_id, project_id, name, engine, version, state, memory_bytes, cpus, disk_bytes,
        database_name, owner_name, bucket_id, bucket_name, backup_hour, keep_days, protected, operation_id, created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.name}, ${row.engine}, ${row.version}, ${row.state}, ${row.memoryBytes},
        ${row.cpus}, ${row.diskBytes}, ${row.databaseName}, ${row.ownerName}, ${row.bucketId}, ${row.bucketName}, ${row.backupHour},
        ${row.keepDays}, ${row.protected}, ${row.operationId}, ${row.createdAt})
      on conflict (project_id, name) do nothing returning id`;
    if (rows.length > 0) await announce(tx, { ...row, recoverableFrom: null });
    return rows.length > 0;
  },

  async update(tx: Tx, id: string, change: DatabaseChange): Promise<DatabaseRow> {
    await tx.sql`update databases.databases set ${tx.sql(changedColumns(changeable, change))}, revision = revision + 1 where id = ${id}`;
    const row = (await databaseStore.find(tx, id)) as DatabaseRow;
    await announce(tx, row);
    return row;
  },

  /** What is measured: no change that anybody is told of. */
  async note(
    tx: Tx,
    id: string,
    change: Pick<DatabaseChange, "usedBytes" | "recoverableUntil" | "certificateUntil">,
  ): Promise<void> {
    await tx.sql`update databases.databases set ${tx.sql(changedColumns(changeable, change))} where id = ${id}`;
  },

  /** Whether another one of the project has this name. */
  async nameIsTaken(tx: Tx, row: Pick<DatabaseRow, "id" | "projectId">, name: string): Promise<boolean> {
    const rows =
      await tx.sql`select 1 from databases.databases where project_id = ${row.projectId} and name = ${name} and id <> ${row.id}`;
    return rows.length > 0;
  },

  async delete(tx: Tx, row: DatabaseRow): Promise<void> {
    await tx.sql`delete from databases.databases where id = ${row.id}`;
    await announce(tx, row, "deleted");
  },

  /** By name. */
  page: (tx: Tx, filter: { projectId: string; after?: string | undefined; limit: number }): Promise<DatabaseRow[]> => tx.sql<
    DatabaseRow[]
  >`select ${tx.sql.unsafe(columns)} from databases.databases d where d.project_id = ${filter.projectId}
      ${filter.after === undefined ? tx.sql`` : tx.sql`and d.name > ${filter.after}`} order by d.name limit ${filter.limit}`,

  /** Of the whole cloud, that nothing is done with: for workers. */
  idle: (tx: Tx, states: readonly DatabaseState[]): Promise<DatabaseRow[]> => tx.sql<DatabaseRow[]>`
    select ${tx.sql.unsafe(columns)} from databases.databases d
    where d.state = any (${states as string[]}::text[]) and d.operation_id is null order by d.id`,

  due: (tx: Tx, now: Date): Promise<DatabaseRow[]> => tx.sql<DatabaseRow[]>`
    select ${tx.sql.unsafe(columns)} from databases.databases d
    where d.next_backup_at <= ${now} and d.state = 'running' and d.bucket_id is not null order by d.next_backup_at limit 100`,

  /** The first port of these that no database of the cloud has, also none of `besides`; undefined when all are taken. */
  async takePort(
    tx: Tx,
    id: string,
    range: { first: number; last: number },
    besides: readonly number[],
  ): Promise<number | undefined> {
    await tx.sql`select pg_advisory_xact_lock(hashtext('databases.port'))`;
    const [row] = await tx.sql<{ port: number }[]>`
      update databases.databases set port = (
        select p from generate_series(${range.first}::int, ${range.last}::int) p
        where p <> all (${besides as number[]}::int[]) and not exists (select 1 from databases.databases d where d.port = p)
        order by p limit 1)
      where id = ${id} returning port`;
    return row?.port ?? undefined;
  },

  async counts(tx: Tx): Promise<{ state: string; count: number }[]> {
    return tx.sql`select state, count(*) as count from databases.databases group by state`;
  },
};

export interface UserRow {
  id: Id<"databaseUser">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  databaseId: Id<"database">;
  name: string;
  access: DatabaseUser["access"];
  state: DatabaseUser["state"];
  createdAt: Date;
  changedAt: Date;
}
const userColumns = `id, organisation_id as "organisationId", project_id as "projectId", database_id as "databaseId", name, access, state,
  created_at as "createdAt", changed_at as "changedAt"`;

const announceUser = (tx: Tx, row: UserRow): Promise<void> =>
  emit(tx, {
    type: "databases.user.changed",
    organisationId: row.organisationId,
    projectId: row.projectId,
    payload: { databaseUserId: row.id, databaseId: row.databaseId },
  });

export const userStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<UserRow | undefined> {
    const [row] = await tx.sql<UserRow[]>`select ${tx.sql.unsafe(userColumns)} from databases.users where id = ${id}
      ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },
  /** False when the database has one of that name. */
  async insert(tx: Tx, row: UserRow): Promise<boolean> {
    const rows = await tx.sql`
      insert into databases.users (id, organisation_id, project_id, database_id, name, access, state, created_at, changed_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.databaseId}, ${row.name}, ${row.access}, ${row.state}, ${row.createdAt},
        ${row.changedAt})
      on conflict (database_id, name) do nothing returning id`;
    if (rows.length > 0) await announceUser(tx, row);
    return rows.length > 0;
  },
  async setState(tx: Tx, row: UserRow, state: UserRow["state"]): Promise<void> {
    await tx.sql`update databases.users set state = ${state}, changed_at = now() where id = ${row.id}`;
    await announceUser(tx, row);
  },
  async delete(tx: Tx, row: UserRow): Promise<void> {
    await tx.sql`delete from databases.users where id = ${row.id}`;
    await announceUser(tx, row);
  },
  /** By name. */
  page: (tx: Tx, filter: { databaseId: string; after?: string | undefined; limit: number }): Promise<UserRow[]> => tx.sql<
    UserRow[]
  >`
    select ${tx.sql.unsafe(userColumns)} from databases.users where database_id = ${filter.databaseId}
      ${filter.after === undefined ? tx.sql`` : tx.sql`and name > ${filter.after}`} order by name limit ${filter.limit}`,
  /** Whose making or deleting was left in the middle. */
  left: (tx: Tx, before: Date): Promise<UserRow[]> => tx.sql<UserRow[]>`
    select ${tx.sql.unsafe(userColumns)} from databases.users where state <> 'active' and changed_at < ${before} limit 100`,
};

export interface BackupRow {
  id: Id<"databaseBackup">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  databaseId: Id<"database">;
  databaseName: string;
  innerName: string;
  ownerName: string;
  version: DatabaseVersion;
  memoryBytes: number;
  cpus: number;
  diskBytes: number;
  state: DatabaseBackupState;
  stateReason: string | null;
  bucketId: Id<"bucket">;
  bucketName: string;
  prefix: string;
  sizeBytes: number | null;
  sha256: string | null;
  firstLog: string | null;
  lastLog: string | null;
  automatic: boolean;
  verification: "running" | "passed" | "failed" | null;
  verificationMessage: string | null;
  verifiedAt: Date | null;
  operationId: Id<"operation"> | null;
  createdAt: Date;
  finishedAt: Date | null;
}
const backupColumns = `id, organisation_id as "organisationId", project_id as "projectId", database_id as "databaseId",
  database_name as "databaseName", inner_name as "innerName", owner_name as "ownerName", version, memory_bytes as "memoryBytes", cpus,
  disk_bytes as "diskBytes", state, state_reason as "stateReason", bucket_id as "bucketId", bucket_name as "bucketName", prefix,
  size_bytes as "sizeBytes", sha256, first_log as "firstLog", last_log as "lastLog", automatic, verification,
  verification_message as "verificationMessage", verified_at as "verifiedAt", operation_id as "operationId", created_at as "createdAt",
  finished_at as "finishedAt"`;
const changeableOfBackup = {
  state: "state",
  stateReason: "state_reason",
  sizeBytes: "size_bytes",
  sha256: "sha256",
  firstLog: "first_log",
  lastLog: "last_log",
  verification: "verification",
  verificationMessage: "verification_message",
  verifiedAt: "verified_at",
  operationId: "operation_id",
  finishedAt: "finished_at",
} as const satisfies Partial<Record<keyof BackupRow, string>>;
export type BackupChange = Partial<Pick<BackupRow, keyof typeof changeableOfBackup>>;

const announceBackup = (tx: Tx, row: BackupRow, state: string = row.state): Promise<void> =>
  emit(tx, {
    type: "databases.backup.changed",
    organisationId: row.organisationId,
    projectId: row.projectId,
    payload: { databaseBackupId: row.id, databaseId: row.databaseId, state },
  });

export const backupStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<BackupRow | undefined> {
    const [row] = await tx.sql<BackupRow[]>`select ${tx.sql.unsafe(backupColumns)} from databases.backups where id = ${id}
      ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },
  async insert(tx: Tx, row: BackupRow): Promise<void> {
    await tx.sql`
      insert into databases.backups (id, organisation_id, project_id, database_id, database_name, inner_name, owner_name, version, memory_bytes,
        cpus, disk_bytes, state, bucket_id, bucket_name, prefix, automatic, operation_id, created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.databaseId}, ${row.databaseName}, ${row.innerName}, ${row.ownerName},
        ${row.version}, ${row.memoryBytes}, ${row.cpus}, ${row.diskBytes}, ${row.state}, ${row.bucketId}, ${row.bucketName}, ${row.prefix},
        ${row.automatic}, ${row.operationId}, ${row.createdAt})`;
    await announceBackup(tx, row);
  },
  async update(tx: Tx, id: string, change: BackupChange): Promise<BackupRow> {
    await tx.sql`update databases.backups set ${tx.sql(changedColumns(changeableOfBackup, change))} where id = ${id}`;
    const row = (await backupStore.find(tx, id)) as BackupRow;
    await announceBackup(tx, row);
    return row;
  },
  async delete(tx: Tx, row: BackupRow): Promise<void> {
    await tx.sql`delete from databases.backups where id = ${row.id}`;
    await announceBackup(tx, row, "deleted");
  },
  /** The newest first. */
  page: (
    tx: Tx,
    filter: { projectId: string; databaseId?: string | undefined; after?: string | undefined; limit: number },
  ): Promise<BackupRow[]> => tx.sql<BackupRow[]>`
    select ${tx.sql.unsafe(backupColumns)} from databases.backups where project_id = ${filter.projectId}
      ${filter.databaseId === undefined ? tx.sql`` : tx.sql`and database_id = ${filter.databaseId}`}
      ${filter.after === undefined ? tx.sql`` : tx.sql`and id < ${filter.after}`} order by id desc limit ${filter.limit}`,
  /** From which the database can be brought to a moment: the newest that was finished before. */
  async before(tx: Tx, prefix: string, moment: Date): Promise<BackupRow | undefined> {
    const [row] = await tx.sql<BackupRow[]>`select ${tx.sql.unsafe(backupColumns)} from databases.backups
      where prefix = ${prefix} and state = 'available' and finished_at <= ${moment} order by finished_at desc limit 1`;
    return row;
  },
  /** All of one incarnation, the oldest log first. */
  ofPrefix: (tx: Tx, prefix: string): Promise<BackupRow[]> => tx.sql<BackupRow[]>`
    select ${tx.sql.unsafe(backupColumns)} from databases.backups where prefix = ${prefix} order by substr(first_log, 9) nulls first`,
  async isBeingMade(tx: Tx, databaseId: string): Promise<boolean> {
    return (
      (await tx.sql`select 1 from databases.backups where database_id = ${databaseId} and state = 'creating' limit 1`).length > 0
    );
  },
  /** Made by the clock, older than their database keeps them, and not the newest of it: that one is kept. */
  expired: (tx: Tx, now: Date): Promise<BackupRow[]> => tx.sql<BackupRow[]>`
    select ${tx.sql.unsafe(backupColumns)} from databases.backups b where automatic and state = 'available' and operation_id is null
      and finished_at < ${now}::timestamptz - make_interval(days => (select d.keep_days from databases.databases d where d.id = b.database_id))
      and exists (select 1 from databases.backups n where n.prefix = b.prefix and n.state = 'available' and n.id > b.id) limit 20`,
};

export const authorityStore = {
  async find(tx: Tx): Promise<{ certificate: string; key: Uint8Array } | undefined> {
    const [row] = await tx.sql<
      { certificate: string; key: Uint8Array }[]
    >`select certificate, key from databases.authority where id = 1`;
    return row;
  },
  /** The first one stays. */
  async insert(tx: Tx, { certificate, key }: { certificate: string; key: Uint8Array }): Promise<void> {
    await tx.sql`insert into databases.authority (id, certificate, key) values (1, ${certificate}, ${key}) on conflict do nothing`;
  },
};

/** The span of a resource and meter that began at that moment; derived, so that opening it twice opens one. */
const spanId = (resourceId: string, meter: string, from: Date): string =>
  `use_${createHash("sha256").update(`${resourceId} ${meter} ${from.getTime()}`).digest("hex").slice(0, 32)}`;

/** From `at` on it holds its size; stopped, that of its disk alone. */
export async function holdDatabase(tx: Tx, row: DatabaseRow, at: Date): Promise<void> {
  const rates = [
    ["databases.memory", "byte", row.memoryBytes],
    ["databases.cpus", "vcpu", row.cpus],
    ["databases.disk", "byte", row.diskBytes],
  ] as const;
  for (const [meter, unit, rate] of row.state === "stopped" ? rates.slice(2) : rates)
    await openUsageSpan(tx, {
      id: spanId(row.id, meter, at),
      organisationId: row.organisationId,
      projectId: row.projectId,
      service: "databases",
      meter,
      unit,
      resource: { kind: "database", id: row.id, name: row.name },
      from: at,
      rate,
    });
}
export const releaseDatabase = (tx: Tx, id: string, at: Date): Promise<void> => closeUsageSpans(tx, id, at);
