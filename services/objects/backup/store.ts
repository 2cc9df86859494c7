import type { Tx } from "../../../kernel/db/database.ts";
import { emit } from "../../../kernel/events.ts";
import type { Id } from "../../../kernel/ids.ts";

export interface TargetRow {
  bucketId: Id<"bucket">;
  organisationId: string;
  endpoint: string;
  region: string;
  targetBucket: string;
  prefix: string;
  accessKeyId: string;
  /** Sealed: `targetSecretPurpose`. */
  secret: Buffer;
  pathStyle: boolean;
  schedule: string | null;
  keepDays: number;
  keepLast: number;
  nextAt: Date | null;
  revision: number;
}

export interface BackupRow {
  id: Id<"bucketBackup">;
  bucketId: Id<"bucket">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  state: "creating" | "available" | "failed" | "deleting";
  stateReason: string | null;
  manifest: string;
  automatic: boolean;
  objects: number | null;
  sizeBytes: number | null;
  sentObjects: number | null;
  sentBytes: number | null;
  leftOut: number | null;
  verification: "running" | "passed" | "failed" | null;
  verificationMessage: string | null;
  verifiedAt: Date | null;
  operationId: Id<"operation"> | null;
  createdAt: Date;
  finishedAt: Date | null;
}

export const targetSecretPurpose = (bucketId: string): string => `objects.backup_target:${bucketId}`;

const targetColumns = `bucket_id as "bucketId", organisation_id as "organisationId", endpoint, region, target_bucket as "targetBucket", prefix,
  access_key_id as "accessKeyId", secret, path_style as "pathStyle", schedule, keep_days as "keepDays", keep_last as "keepLast",
  next_at as "nextAt", revision`;

export const targetStore = {
  async find(tx: Tx, bucketId: string): Promise<TargetRow | undefined> {
    const [row] = await tx.sql<
      TargetRow[]
    >`select ${tx.sql.unsafe(targetColumns)} from objects.backup_targets where bucket_id = ${bucketId}`;
    return row;
  },

  async put(tx: Tx, row: Omit<TargetRow, "revision">): Promise<TargetRow> {
    const [put] = await tx.sql<TargetRow[]>`
      insert into objects.backup_targets (bucket_id, organisation_id, endpoint, region, target_bucket, prefix, access_key_id, secret, path_style,
        schedule, keep_days, keep_last, next_at)
      values (${row.bucketId}, ${row.organisationId}, ${row.endpoint}, ${row.region}, ${row.targetBucket}, ${row.prefix}, ${row.accessKeyId},
        ${row.secret}, ${row.pathStyle}, ${row.schedule}, ${row.keepDays}, ${row.keepLast}, ${row.nextAt})
      on conflict (bucket_id) do update set endpoint = excluded.endpoint, region = excluded.region, target_bucket = excluded.target_bucket,
        prefix = excluded.prefix, access_key_id = excluded.access_key_id, secret = excluded.secret, path_style = excluded.path_style,
        schedule = excluded.schedule, keep_days = excluded.keep_days, keep_last = excluded.keep_last, next_at = excluded.next_at,
        revision = backup_targets.revision + 1
      returning ${tx.sql.unsafe(targetColumns)}`;
    return put as TargetRow;
  },

  async setNext(tx: Tx, bucketId: string, nextAt: Date | null): Promise<void> {
    await tx.sql`update objects.backup_targets set next_at = ${nextAt} where bucket_id = ${bucketId}`;
  },

  async remove(tx: Tx, bucketId: string): Promise<void> {
    await tx.sql`delete from objects.backup_targets where bucket_id = ${bucketId}`;
  },

  due: (tx: Tx, limit: number): Promise<Pick<TargetRow, "bucketId" | "organisationId">[]> => tx.sql<TargetRow[]>`
    select bucket_id as "bucketId", organisation_id as "organisationId" from objects.backup_targets
    where next_at <= now() order by next_at, bucket_id limit ${limit}`,
};

const backupColumns = `id, bucket_id as "bucketId", organisation_id as "organisationId", project_id as "projectId", state, state_reason as "stateReason",
  manifest, automatic, objects, size_bytes as "sizeBytes", sent_objects as "sentObjects", sent_bytes as "sentBytes", left_out as "leftOut",
  verification, verification_message as "verificationMessage", verified_at as "verifiedAt", operation_id as "operationId",
  created_at as "createdAt", finished_at as "finishedAt"`;

/** To whoever looks at the backups of this bucket. */
const announce = (
  tx: Tx,
  { bucketId, organisationId, projectId }: Pick<BackupRow, "bucketId" | "organisationId" | "projectId">,
) => emit(tx, { type: "objects.backup.changed", organisationId, projectId, payload: { bucketId } });

export const backupStore = {
  announce,

  async find(tx: Tx, id: string, { lock = false } = {}): Promise<BackupRow | undefined> {
    const [row] = await tx.sql<BackupRow[]>`
      select ${tx.sql.unsafe(backupColumns)} from objects.backups where id = ${id} ${lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },

  /** The latest first. */
  page: (
    tx: Tx,
    filter: { bucketId: string; before?: { at: string; id: string } | undefined; limit: number },
  ): Promise<BackupRow[]> => tx.sql<BackupRow[]>`
    select ${tx.sql.unsafe(backupColumns)} from objects.backups where bucket_id = ${filter.bucketId}
      ${filter.before ? tx.sql`and (created_at, id) < (${filter.before.at}::timestamptz, ${filter.before.id})` : tx.sql``}
    order by created_at desc, id desc limit ${filter.limit}`,

  /** What one can come back to and a new one builds on, the latest first. */
  available: (tx: Tx, bucketId: string): Promise<BackupRow[]> => tx.sql<BackupRow[]>`
    select ${tx.sql.unsafe(backupColumns)} from objects.backups where bucket_id = ${bucketId} and state = 'available'
    order by created_at desc, id desc`,

  /** Whether something is done with the place of this bucket's backups. Under the lock of the bucket. */
  async isBusy(tx: Tx, bucketId: string): Promise<boolean> {
    const rows = await tx.sql`select 1 from objects.backups where bucket_id = ${bucketId} and operation_id is not null limit 1`;
    return rows.length > 0;
  },

  /** Does nothing for one that is known by its list. */
  async insert(tx: Tx, row: BackupRow): Promise<void> {
    await tx.sql`insert into objects.backups (id, bucket_id, organisation_id, project_id, state, state_reason, manifest, automatic, objects, size_bytes,
        sent_objects, sent_bytes, left_out, verification, verification_message, verified_at, operation_id, created_at, finished_at)
      values (${row.id}, ${row.bucketId}, ${row.organisationId}, ${row.projectId}, ${row.state}, ${row.stateReason}, ${row.manifest}, ${row.automatic},
        ${row.objects}, ${row.sizeBytes}, ${row.sentObjects}, ${row.sentBytes}, ${row.leftOut}, ${row.verification}, ${row.verificationMessage},
        ${row.verifiedAt}, ${row.operationId}, ${row.createdAt}, ${row.finishedAt})
      on conflict (bucket_id, manifest) do nothing`;
    await announce(tx, row);
  },

  async update(tx: Tx, before: BackupRow, change: Partial<BackupRow>): Promise<BackupRow> {
    const row = { ...before, ...change };
    await tx.sql`update objects.backups set state = ${row.state}, state_reason = ${row.stateReason}, objects = ${row.objects}, size_bytes = ${row.sizeBytes},
      sent_objects = ${row.sentObjects}, sent_bytes = ${row.sentBytes}, left_out = ${row.leftOut}, verification = ${row.verification},
      verification_message = ${row.verificationMessage}, verified_at = ${row.verifiedAt}, operation_id = ${row.operationId},
      finished_at = ${row.finishedAt} where id = ${row.id}`;
    await announce(tx, row);
    return row;
  },

  async remove(tx: Tx, row: BackupRow): Promise<void> {
    await tx.sql`delete from objects.backups where id = ${row.id}`;
    await announce(tx, row);
  },

  async forgetFailed(tx: Tx, bucketId: string): Promise<void> {
    await tx.sql`delete from objects.backups where bucket_id = ${bucketId} and state = 'failed'`;
  },

  /** What is known of another place says nothing of this one. */
  async forgetAll(tx: Tx, bucketId: string): Promise<void> {
    await tx.sql`delete from objects.backups where bucket_id = ${bucketId}`;
  },

  /** Made by the clock and older than they are kept, but for the newest ones; of buckets with which nothing is done now. */
  expired: (tx: Tx, limit: number): Promise<BackupRow[]> => tx.sql<BackupRow[]>`
    select ${tx.sql.unsafe(backupColumns)} from (
      select b.*, t.keep_days, t.keep_last, row_number() over (partition by b.bucket_id order by b.created_at desc, b.id desc) as age
      from objects.backups b join objects.backup_targets t on t.bucket_id = b.bucket_id where b.state = 'available') as kept
    where automatic and age > keep_last and created_at < now() - make_interval(days => keep_days)
      and not exists (select 1 from objects.backups busy where busy.bucket_id = kept.bucket_id and busy.operation_id is not null)
    order by bucket_id, created_at limit ${limit}`,
};
