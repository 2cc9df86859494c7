import type { Tx } from "../../../kernel/db/database.ts";
import type { ScrubReport } from "../driver.ts";

export interface VerificationRow {
  askedAt: Date | null;
  startedAt: Date | null;
  position: string | null;
  objects: number;
  totalObjects: number;
  sizeBytes: number;
  finishedAt: Date | null;
}

export interface DamagedRow {
  storeBucketId: string;
  bucketId: string;
  organisationId: string;
  key: string;
  versionId: string;
  problem: string;
  foundAt: Date;
}

const none: VerificationRow = {
  askedAt: null,
  startedAt: null,
  position: null,
  objects: 0,
  totalObjects: 0,
  sizeBytes: 0,
  finishedAt: null,
};
const damagedColumns = `store_bucket_id as "storeBucketId", bucket_id as "bucketId", organisation_id as "organisationId", key,
  version_id as "versionId", problem, found_at as "foundAt"`;

/** For system transactions, but for what is read of one bucket. */
export const verificationStore = {
  async get(tx: Tx): Promise<VerificationRow> {
    const [row] = await tx.sql<VerificationRow[]>`
      select asked_at as "askedAt", started_at as "startedAt", position, objects::float8 as objects, total_objects::float8 as "totalObjects",
        size_bytes::float8 as "sizeBytes", finished_at as "finishedAt" from objects.verification`;
    return row ?? none;
  },

  /** Once under way, asking changes nothing. */
  async ask(tx: Tx): Promise<void> {
    await tx.sql`insert into objects.verification (asked_at) values (now()) on conflict (only_one) do update
      set asked_at = coalesce(objects.verification.asked_at, now()) where objects.verification.started_at is null`;
  },

  async start(tx: Tx): Promise<void> {
    await tx.sql`insert into objects.verification (started_at) values (now()) on conflict (only_one) do update
      set asked_at = null, started_at = now(), position = null, objects = 0, total_objects = 0, size_bytes = 0, orphan_files_removed = 0`;
  },

  async advance(tx: Tx, report: ScrubReport): Promise<void> {
    await tx.sql`update objects.verification set position = ${report.next ?? null}, objects = objects + ${report.objects},
      total_objects = ${report.totalObjects}, size_bytes = size_bytes + ${report.sizeBytes},
      orphan_files_removed = orphan_files_removed + ${report.orphanFilesRemoved}`;
  },

  /** What was not found damaged again is whole, or gone. */
  async finish(tx: Tx): Promise<void> {
    await tx.sql`delete from objects.damaged_objects where seen_at < (select started_at from objects.verification)`;
    await tx.sql`update objects.verification set finished_at = now(), started_at = null, position = null`;
  },

  /** The row, and whether it is news; undefined for what belongs to no bucket any more. A zero byte, which PostgreSQL has no place for, is shown as \\0. */
  async damaged(tx: Tx, found: ScrubReport["damaged"][number]): Promise<(DamagedRow & { isNew: boolean }) | undefined> {
    const [row] = await tx.sql<(DamagedRow & { isNew: boolean })[]>`
      insert into objects.damaged_objects (store_bucket_id, key, version_id, bucket_id, organisation_id, problem, found_at, seen_at)
      select id, ${found.key.replaceAll("\0", "\\0")}, ${found.versionId ?? ""}, bucket_id, organisation_id, ${found.problem}, now(), now()
        from objects.store_buckets where id = ${found.bucketId} and dropped_at is null
      on conflict (store_bucket_id, key, version_id) do update set problem = excluded.problem, seen_at = excluded.seen_at
      returning ${tx.sql.unsafe(damagedColumns)}, found_at = seen_at as "isNew"`;
    return row;
  },

  async count(tx: Tx, bucketId?: string): Promise<number> {
    const [row] = await tx.sql<{ count: number }[]>`
      select count(*)::float8 as count from objects.damaged_objects ${bucketId === undefined ? tx.sql`` : tx.sql`where bucket_id = ${bucketId}`}`;
    return row?.count ?? 0;
  },

  async page(tx: Tx, asked: { bucketId: string; after?: { key: string; versionId: string } | undefined; limit: number }) {
    const { bucketId, after, limit } = asked;
    return await tx.sql<
      DamagedRow[]
    >`select ${tx.sql.unsafe(damagedColumns)} from objects.damaged_objects where bucket_id = ${bucketId}
      ${after === undefined ? tx.sql`` : tx.sql`and (key collate "C", version_id) > (${after.key}, ${after.versionId})`}
      order by key collate "C", version_id limit ${limit}`;
  },
};
