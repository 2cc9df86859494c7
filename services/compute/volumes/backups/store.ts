import type { Tx } from "../../../../kernel/db/database.ts";
import { emit } from "../../../../kernel/events.ts";
import type { Id } from "../../../../kernel/ids.ts";
import type { InstanceKind } from "../../driver.ts";
import type { BackupState } from "./contract.ts";

/** What an instance was when it was backed up: a new one is made like it. */
export interface BackedUpInstance {
  kind: InstanceKind;
  vcpus: number;
  memoryBytes: number;
  diskBytes: number;
  sizeId: Id<"size"> | null;
  imageId: Id<"image"> | null;
  imageName: string;
}

export interface BackupRow {
  id: Id<"backup">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  sourceKind: "instance" | "volume";
  sourceId: string;
  sourceName: string;
  name: string;
  description: string;
  state: BackupState;
  stateReason: string | null;
  bucketId: Id<"bucket">;
  bucketName: string;
  key: string;
  sizeBytes: number | null;
  sha256: string | null;
  diskBytes: number;
  instance: BackedUpInstance | null;
  scheduleId: Id<"snapshotSchedule"> | null;
  verification: "running" | "passed" | "failed" | null;
  verifiedAt: Date | null;
  verificationMessage: string | null;
  operationId: Id<"operation"> | null;
  createdAt: Date;
  revision: number;
}

const columns = `b.id, b.organisation_id as "organisationId", b.project_id as "projectId", b.source_kind as "sourceKind", b.source_id as "sourceId",
  coalesce((select i.name from compute.instances i where i.id = b.source_id), (select v.name from compute.volumes v where v.id = b.source_id),
    b.source_name) as "sourceName", b.name, b.description, b.state, b.state_reason as "stateReason", b.bucket_id as "bucketId",
  b.bucket_name as "bucketName", b.key, b.size_bytes as "sizeBytes", b.sha256, b.disk_bytes as "diskBytes", b.instance,
  b.schedule_id as "scheduleId", b.verification, b.verified_at as "verifiedAt", b.verification_message as "verificationMessage",
  b.operation_id as "operationId", b.created_at as "createdAt", b.revision`;

const changeable = {
  state: "state",
  stateReason: "state_reason",
  sizeBytes: "size_bytes",
  sha256: "sha256",
  verification: "verification",
  verifiedAt: "verified_at",
  verificationMessage: "verification_message",
  operationId: "operation_id",
} as const satisfies Partial<Record<keyof BackupRow, string>>;
export type BackupChange = Partial<Pick<BackupRow, keyof typeof changeable>>;

const announce = (tx: Tx, row: BackupRow, state: BackupState | "deleted" = row.state): Promise<void> =>
  emit(tx, {
    type: "compute.backup.changed",
    organisationId: row.organisationId,
    projectId: row.projectId,
    payload: { backupId: row.id, sourceId: row.sourceId, name: row.name, state },
  });

export const backupStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<BackupRow | undefined> {
    const [row] = await tx.sql<BackupRow[]>`select ${tx.sql.unsafe(columns)} from compute.backups b where b.id = ${id}
      ${options.lock ? tx.sql`for update of b` : tx.sql``}`;
    return row;
  },

  async insert(tx: Tx, row: BackupRow): Promise<void> {
    await tx.sql`
      insert into compute.backups (id, organisation_id, project_id, source_kind, source_id, source_name, name, description, state, bucket_id,
        bucket_name, key, disk_bytes, instance, schedule_id, operation_id, created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.sourceKind}, ${row.sourceId}, ${row.sourceName}, ${row.name},
        ${row.description}, ${row.state}, ${row.bucketId}, ${row.bucketName}, ${row.key}, ${row.diskBytes},
        ${row.instance ? tx.sql.json(row.instance as never) : null}, ${row.scheduleId}, ${row.operationId}, ${row.createdAt})`;
    await announce(tx, row);
  },

  async update(tx: Tx, id: string, change: BackupChange): Promise<BackupRow> {
    const values = Object.fromEntries(
      Object.entries(change).map(([field, value]) => [changeable[field as keyof typeof changeable], value]),
    );
    await tx.sql`update compute.backups set ${tx.sql(values as never)}, revision = revision + 1 where id = ${id}`;
    const row = (await backupStore.find(tx, id)) as BackupRow;
    await announce(tx, row);
    return row;
  },

  /** With the records of its restore drills. */
  async delete(tx: Tx, row: BackupRow): Promise<void> {
    await tx.sql`delete from compute.backups where id = ${row.id}`;
    await announce(tx, row, "deleted");
  },

  /** The newest first. */
  page: (
    tx: Tx,
    filter: { projectId: string; sourceId?: string | undefined; before?: string | undefined; limit: number },
  ): Promise<BackupRow[]> => tx.sql<BackupRow[]>`
    select ${tx.sql.unsafe(columns)} from compute.backups b where b.project_id = ${filter.projectId}
      ${filter.sourceId === undefined ? tx.sql`` : tx.sql`and b.source_id = ${filter.sourceId}`}
      ${filter.before === undefined ? tx.sql`` : tx.sql`and b.id < ${filter.before}`}
    order by b.id desc limit ${filter.limit}`,

  /** Whether something is being written of a source. */
  async isBeingMade(tx: Tx, sourceId: string): Promise<boolean> {
    const rows = await tx.sql`select 1 from compute.backups where source_id = ${sourceId} and state = 'creating' limit 1`;
    return rows.length > 0;
  },

  /** What is used of an instance now, for a backup of it. */
  async instanceNow(tx: Tx, instanceId: string): Promise<BackedUpInstance | undefined> {
    const [row] = await tx.sql<BackedUpInstance[]>`select kind, vcpus, memory_bytes as "memoryBytes", disk_bytes as "diskBytes",
      size_id as "sizeId", image_id as "imageId", image_name as "imageName" from compute.instances where id = ${instanceId}`;
    return row;
  },

  /** How large the disk of a size is; undefined when there is no such size. */
  async diskOfSize(tx: Tx, idOrName: string): Promise<number | undefined> {
    const [row] = await tx.sql<{ diskBytes: number }[]>`select disk_bytes as "diskBytes" from compute.sizes
      where (id = ${idOrName} or name = ${idOrName}) and not retired`;
    return row?.diskBytes;
  },

  /** Of schedules: what is more than is to be kept, the oldest first. */
  surplus: (tx: Tx, limit: number): Promise<{ id: Id<"backup"> }[]> => tx.sql<{ id: Id<"backup"> }[]>`
    select id from (
      select b.id, b.created_at, b.verification, c.keep_last, c.keep_days,
        row_number() over (partition by b.schedule_id order by b.id desc) as number
      from compute.backups b join compute.snapshot_schedules c on c.id = b.schedule_id where b.state = 'available'
    ) as all_of_them
    where number > keep_last and (keep_days is null or created_at < now() - make_interval(days => keep_days))
      and verification is distinct from 'running'
    order by id limit ${limit}`,

  /** The newest that can be restored. */
  async newestOfSchedule(tx: Tx, scheduleId: string): Promise<BackupRow | undefined> {
    const [row] = await tx.sql<BackupRow[]>`select ${tx.sql.unsafe(columns)} from compute.backups b
      where b.schedule_id = ${scheduleId} and b.state = 'available' order by b.id desc limit 1 for update of b`;
    return row;
  },
};

export interface VerificationRow {
  id: Id<"backupVerification">;
  organisationId: Id<"organisation">;
  backupId: Id<"backup">;
  state: "running" | "passed" | "failed";
  message: string;
  log: string;
  command: string | null;
  engineName: string;
  startedAt: Date;
  finishedAt: Date | null;
}
const verificationColumns = `id, organisation_id as "organisationId", backup_id as "backupId", state, message, log, command,
  engine_name as "engineName", started_at as "startedAt", finished_at as "finishedAt"`;

export const verificationStore = {
  async insert(tx: Tx, row: VerificationRow): Promise<void> {
    await tx.sql`insert into compute.backup_verifications (id, organisation_id, backup_id, state, command, engine_name, started_at)
      values (${row.id}, ${row.organisationId}, ${row.backupId}, ${row.state}, ${row.command}, ${row.engineName}, ${row.startedAt})`;
  },

  async end(
    tx: Tx,
    id: string,
    result: Pick<VerificationRow, "message" | "log"> & { state: "passed" | "failed"; finishedAt: Date },
  ): Promise<void> {
    await tx.sql`update compute.backup_verifications set state = ${result.state}, message = ${result.message}, log = ${result.log},
      finished_at = ${result.finishedAt} where id = ${id}`;
  },

  async setLog(tx: Tx, id: string, log: string): Promise<void> {
    await tx.sql`update compute.backup_verifications set log = ${log} where id = ${id} and state = 'running'`;
  },

  /** The newest first. */
  page: (tx: Tx, filter: { backupId: string; before?: string | undefined; limit: number }): Promise<VerificationRow[]> => tx.sql<
    VerificationRow[]
  >`
    select ${tx.sql.unsafe(verificationColumns)} from compute.backup_verifications where backup_id = ${filter.backupId}
      ${filter.before === undefined ? tx.sql`` : tx.sql`and id < ${filter.before}`}
    order by id desc limit ${filter.limit}`,

  async running(tx: Tx): Promise<string[]> {
    const rows = await tx.sql<
      { engineName: string }[]
    >`select engine_name as "engineName" from compute.backup_verifications where state = 'running'`;
    return rows.map(({ engineName }) => engineName);
  },
};
