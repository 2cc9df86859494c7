import { createHash } from "node:crypto";
import type { Tx } from "../../kernel/db/database.ts";
import { emit } from "../../kernel/events.ts";
import type { Id } from "../../kernel/ids.ts";
import type { BucketConfiguration, ConfigurationChange } from "./configuration.ts";
import type { WebsiteConfiguration } from "./websites/contract.ts";

export interface BucketRow {
  id: Id<"bucket">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  name: string;
  trashBucketId: Id<"bucket">;
  state: "active" | "emptying" | "deleting";
  createdAt: Date;
  revision: number;
  /** Absent or null: it is none. */
  website?: WebsiteConfiguration | null;
  /** Absent or null: it has none. */
  configuration?: BucketConfiguration | null;
  /** The organisation lets none of its buckets be public. */
  publicForbidden?: boolean;
}

export interface TrashRow {
  id: string;
  bucketId: Id<"bucket">;
  names: string[];
  objects: number;
  sizeBytes: number;
  state: "filling" | "kept" | "restoring" | "deleting";
  deletedBy: string;
  deletedAt: Date;
  expiresAt: Date;
}

export interface ShareRow {
  id: Id<"share">;
  bucketId: Id<"bucket">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  key: string;
  downloads: number;
  createdBy: string;
  createdAt: Date;
  expiresAt: Date;
  revokedAt: Date | null;
}

export interface StoreBucketRow {
  id: Id<"bucket">;
  bucketId: Id<"bucket">;
  bucketName: string;
  organisationId: string;
  projectId: string;
}

const bucketColumns = `id, organisation_id as "organisationId", project_id as "projectId", name, trash_bucket_id as "trashBucketId", state,
  created_at as "createdAt", revision, (select configuration from objects.websites w where w.bucket_id = buckets.id) as website,
  (select jsonb_object_agg(kind, document) from objects.configurations c where c.bucket_id = buckets.id) as configuration,
  coalesce((select public_blocked from objects.organisation_access a where a.organisation_id = buckets.organisation_id), false) as "publicForbidden"`;
const trashColumns = `id, bucket_id as "bucketId", names, objects, size_bytes as "sizeBytes", state, deleted_by as "deletedBy",
  deleted_at as "deletedAt", expires_at as "expiresAt"`;
const shareColumns = `id, bucket_id as "bucketId", organisation_id as "organisationId", project_id as "projectId", key, downloads,
  created_by as "createdBy", created_at as "createdAt", expires_at as "expiresAt", revoked_at as "revokedAt"`;
const storeBucketColumns = `id, bucket_id as "bucketId", bucket_name as "bucketName", organisation_id as "organisationId", project_id as "projectId"`;

/** Tells every process that what it remembers of a bucket is old; the payload is the bucket's name. */
export const bucketsChannel = "khmara_objects_buckets";

/** To whoever looks at it, and to the other processes. */
export const announceBucket = async (tx: Tx, bucket: BucketRow): Promise<void> => {
  await emit(tx, {
    type: "objects.bucket.changed",
    organisationId: bucket.organisationId,
    projectId: bucket.projectId,
    payload: { id: bucket.id, name: bucket.name },
  });
  await tx.sql`select pg_notify(${bucketsChannel}, ${bucket.name})`;
};

export const configurationStore = {
  /** null takes one away. */
  async change(tx: Tx, bucket: BucketRow, change: ConfigurationChange): Promise<void> {
    for (const [kind, document] of Object.entries(change)) {
      if (document === null) await tx.sql`delete from objects.configurations where bucket_id = ${bucket.id} and kind = ${kind}`;
      else
        await tx.sql`insert into objects.configurations (bucket_id, kind, organisation_id, document)
          values (${bucket.id}, ${kind}, ${bucket.organisationId}, ${tx.sql.json(document as never)})
          on conflict (bucket_id, kind) do update set document = excluded.document`;
    }
    await announceBucket(tx, bucket);
  },

  /** Buckets with rules, in pages of ids. */
  withLifecycle: (tx: Tx, { after, limit }: { after: string; limit: number }): Promise<BucketRow[]> => tx.sql<BucketRow[]>`
    select ${tx.sql.unsafe(bucketColumns)} from objects.buckets where state = 'active' and id > ${after}
      and exists (select 1 from objects.configurations c where c.bucket_id = buckets.id and c.kind = 'lifecycle')
    order by id limit ${limit}`,
};

export const publicAccessStore = {
  async isForbidden(tx: Tx, organisationId: string): Promise<boolean> {
    const [row] = await tx.sql<
      { forbidden: boolean }[]
    >`select public_blocked as forbidden from objects.organisation_access where organisation_id = ${organisationId}`;
    return row?.forbidden ?? false;
  },

  async forbid(tx: Tx, organisationId: string, isForbidden: boolean): Promise<void> {
    await tx.sql`insert into objects.organisation_access (organisation_id, public_blocked) values (${organisationId}, ${isForbidden})
      on conflict (organisation_id) do update set public_blocked = excluded.public_blocked`;
  },
};

export const websiteStore = {
  async put(tx: Tx, bucket: BucketRow, configuration: WebsiteConfiguration): Promise<void> {
    await tx.sql`insert into objects.websites (bucket_id, organisation_id, project_id, configuration, created_at)
      values (${bucket.id}, ${bucket.organisationId}, ${bucket.projectId}, ${tx.sql.json(configuration as never)}, now())
      on conflict (bucket_id) do update set configuration = excluded.configuration`;
    await announceBucket(tx, bucket);
  },

  async remove(tx: Tx, bucket: BucketRow): Promise<void> {
    await tx.sql`delete from objects.websites where bucket_id = ${bucket.id}`;
    await announceBucket(tx, bucket);
  },

  all: (tx: Tx, { after, limit }: { after?: string | undefined; limit: number }) => tx.sql<
    { bucketId: string; name: string; organisationId: string; projectId: string }[]
  >`
    select w.bucket_id as "bucketId", b.name, w.organisation_id as "organisationId", w.project_id as "projectId"
    from objects.websites w join objects.buckets b on b.id = w.bucket_id where b.state <> 'deleting' and w.bucket_id > ${after ?? ""}
    order by w.bucket_id limit ${limit}`,
};

export const bucketStore = {
  /** By id or name: an id has an underscore, a name cannot. */
  async find(tx: Tx, idOrName: string): Promise<BucketRow | undefined> {
    const [row] = await tx.sql<BucketRow[]>`select ${tx.sql.unsafe(bucketColumns)} from objects.buckets
      where ${idOrName.includes("_") ? tx.sql`id = ${idOrName}` : tx.sql`name = ${idOrName}`}`;
    return row;
  },

  /** No other change of this bucket happens until the commit. */
  async lock(tx: Tx, id: string): Promise<BucketRow | undefined> {
    const [row] = await tx.sql<
      BucketRow[]
    >`select ${tx.sql.unsafe(bucketColumns)} from objects.buckets where id = ${id} for update`;
    return row;
  },

  /** False when the name is taken, by whomever. */
  async insert(tx: Tx, bucket: BucketRow): Promise<boolean> {
    const rows = await tx.sql`
      insert into objects.buckets (id, organisation_id, project_id, name, trash_bucket_id, state, created_at, revision)
      values (${bucket.id}, ${bucket.organisationId}, ${bucket.projectId}, ${bucket.name}, ${bucket.trashBucketId}, ${bucket.state},
        ${bucket.createdAt}, ${bucket.revision}) on conflict (name) do nothing returning id`;
    if (rows.length === 0) return false;
    for (const id of [bucket.id, bucket.trashBucketId]) {
      await tx.sql`insert into objects.store_buckets (id, bucket_id, bucket_name, organisation_id, project_id)
        values (${id}, ${bucket.id}, ${bucket.name}, ${bucket.organisationId}, ${bucket.projectId})`;
    }
    await announceBucket(tx, bucket);
    return true;
  },

  async setState(tx: Tx, bucket: BucketRow, state: BucketRow["state"]): Promise<void> {
    await tx.sql`update objects.buckets set state = ${state}, revision = revision + 1 where id = ${bucket.id}`;
    await announceBucket(tx, bucket);
  },

  async delete(tx: Tx, bucket: BucketRow): Promise<void> {
    await tx.sql`delete from objects.buckets where id = ${bucket.id}`;
    await tx.sql`update objects.store_buckets set dropped_at = now() where bucket_id = ${bucket.id}`;
    await announceBucket(tx, bucket);
  },

  /** By name, in byte order. */
  page: (
    tx: Tx,
    filter: {
      projectId: string;
      search?: string | undefined;
      prefix?: string | undefined;
      after?: string | undefined;
      limit: number;
    },
  ): Promise<BucketRow[]> => tx.sql<BucketRow[]>`
    select ${tx.sql.unsafe(bucketColumns)} from objects.buckets where project_id = ${filter.projectId}
      ${filter.search ? tx.sql`and strpos(name, ${filter.search.toLowerCase()}) > 0` : tx.sql``}
      ${filter.prefix ? tx.sql`and starts_with(name, ${filter.prefix})` : tx.sql``}
      ${filter.after ? tx.sql`and name > ${filter.after} collate "C"` : tx.sql``}
    order by name collate "C" limit ${filter.limit}`,

  all: (tx: Tx): Promise<BucketRow[]> => tx.sql<BucketRow[]>`select ${tx.sql.unsafe(bucketColumns)} from objects.buckets`,

  ofOrganisation: (tx: Tx, organisationId: string): Promise<BucketRow[]> => tx.sql<BucketRow[]>`
    select ${tx.sql.unsafe(bucketColumns)} from objects.buckets where organisation_id = ${organisationId}`,

  /** Whose the given buckets of the store are or were. */
  owners: (tx: Tx, storeIds: string[]): Promise<StoreBucketRow[]> => tx.sql<StoreBucketRow[]>`
    select ${tx.sql.unsafe(storeBucketColumns)} from objects.store_buckets where id in ${tx.sql(storeIds)}`,

  /** Dropped so lately that a put which was under way then may still come to its end. */
  droppedLately: (tx: Tx): Promise<StoreBucketRow[]> => tx.sql<StoreBucketRow[]>`
    select ${tx.sql.unsafe(storeBucketColumns)} from objects.store_buckets where dropped_at > now() - interval '8 days'`,
};

export const trashStore = {
  async insert(tx: Tx, item: TrashRow & { organisationId: string }): Promise<void> {
    await tx.sql`insert into objects.trash_items (id, bucket_id, organisation_id, names, objects, size_bytes, state, deleted_by, deleted_at, expires_at)
      values (${item.id}, ${item.bucketId}, ${item.organisationId}, ${item.names}, ${item.objects}, ${item.sizeBytes}, ${item.state},
        ${item.deletedBy}, ${item.deletedAt}, ${item.expiresAt})`;
  },

  async lock(tx: Tx, bucketId: string, id: string): Promise<TrashRow | undefined> {
    const [row] = await tx.sql<TrashRow[]>`select ${tx.sql.unsafe(trashColumns)} from objects.trash_items
      where bucket_id = ${bucketId} and id = ${id} for update`;
    return row;
  },

  /** What can be restored, the latest first. */
  page: (
    tx: Tx,
    filter: { bucketId: string; before?: { at: string; id: string } | undefined; limit: number },
  ): Promise<TrashRow[]> =>
    tx.sql<
      TrashRow[]
    >`select ${tx.sql.unsafe(trashColumns)} from objects.trash_items where bucket_id = ${filter.bucketId} and state = 'kept'
      ${filter.before ? tx.sql`and (deleted_at, id) < (${filter.before.at}::timestamptz, ${filter.before.id})` : tx.sql``}
      order by deleted_at desc, id desc limit ${filter.limit}`,

  async setState(tx: Tx, id: string, state: TrashRow["state"]): Promise<void> {
    await tx.sql`update objects.trash_items set state = ${state} where id = ${id}`;
  },

  async keep(tx: Tx, id: string, held: { objects: number; sizeBytes: number }): Promise<void> {
    await tx.sql`update objects.trash_items set state = 'kept', objects = ${held.objects}, size_bytes = ${held.sizeBytes} where id = ${id}`;
  },

  async delete(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from objects.trash_items where id = ${id}`;
  },

  async deleteAll(tx: Tx, bucketId: string): Promise<void> {
    await tx.sql`delete from objects.trash_items where bucket_id = ${bucketId}`;
  },

  /** Takes what has expired, so that nobody restores it any more; with it what an earlier round did not finish. */
  takeExpired: (tx: Tx, limit: number): Promise<{ id: string; trashBucketId: Id<"bucket"> }[]> => tx.sql<
    { id: string; trashBucketId: Id<"bucket"> }[]
  >`
    with expired as (
      select id from objects.trash_items where expires_at <= now() and state in ('kept', 'deleting') order by expires_at limit ${limit} for update skip locked
    )
    update objects.trash_items t set state = 'deleting' from expired, objects.buckets b
    where t.id = expired.id and b.id = t.bucket_id returning t.id, b.trash_bucket_id as "trashBucketId"`,
};

export const uploadStore = {
  async insert(
    tx: Tx,
    upload: { id: string; bucketId: string; organisationId: string; sizeBytes: number; partSizeBytes: number; createdAt: Date },
  ): Promise<void> {
    await tx.sql`insert into objects.uploads (id, bucket_id, organisation_id, size_bytes, part_size_bytes, created_at) values
      (${upload.id}, ${upload.bucketId}, ${upload.organisationId}, ${upload.sizeBytes}, ${upload.partSizeBytes}, ${upload.createdAt})`;
  },

  async partSizes(tx: Tx, ids: string[]): Promise<Map<string, number>> {
    if (ids.length === 0) return new Map();
    const rows = await tx.sql<
      { id: string; partSizeBytes: number }[]
    >`select id, part_size_bytes as "partSizeBytes" from objects.uploads where id in ${tx.sql(ids)}`;
    return new Map(rows.map((row) => [row.id, row.partSizeBytes]));
  },

  async delete(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from objects.uploads where id = ${id}`;
  },

  async forgetOld(tx: Tx): Promise<void> {
    await tx.sql`delete from objects.uploads where created_at < now() - interval '8 days'`;
  },
};

export const shareStore = {
  async insert(tx: Tx, share: ShareRow, tokenHash: string): Promise<void> {
    await tx.sql`insert into objects.shares (id, bucket_id, organisation_id, project_id, key, token_hash, created_by, created_at, expires_at)
      values (${share.id}, ${share.bucketId}, ${share.organisationId}, ${share.projectId}, ${share.key}, ${tokenHash}, ${share.createdBy},
        ${share.createdAt}, ${share.expiresAt})`;
  },

  async find(tx: Tx, id: string): Promise<ShareRow | undefined> {
    const [row] = await tx.sql<ShareRow[]>`select ${tx.sql.unsafe(shareColumns)} from objects.shares where id = ${id} for update`;
    return row;
  },

  /** With the bucket as it is now: nothing is shared out of one that is being deleted. */
  async ofToken(tx: Tx, tokenHash: string): Promise<ShareRow | undefined> {
    const [row] = await tx.sql<ShareRow[]>`select ${tx.sql.unsafe(shareColumns)} from objects.shares
      where token_hash = ${tokenHash} and revoked_at is null and expires_at > now()
        and exists (select 1 from objects.buckets b where b.id = bucket_id and b.state <> 'deleting')`;
    return row;
  },

  page: (
    tx: Tx,
    filter: { bucketId: string; key?: string | undefined; before?: { at: string; id: string } | undefined; limit: number },
  ): Promise<ShareRow[]> => tx.sql<ShareRow[]>`
    select ${tx.sql.unsafe(shareColumns)} from objects.shares where bucket_id = ${filter.bucketId}
      ${filter.key === undefined ? tx.sql`` : tx.sql`and key = ${filter.key}`}
      ${filter.before ? tx.sql`and (created_at, id) < (${filter.before.at}::timestamptz, ${filter.before.id})` : tx.sql``}
    order by created_at desc, id desc limit ${filter.limit}`,

  async revoke(tx: Tx, id: string): Promise<void> {
    await tx.sql`update objects.shares set revoked_at = coalesce(revoked_at, now()) where id = ${id}`;
  },

  async countDownload(tx: Tx, id: string): Promise<void> {
    await tx.sql`update objects.shares set downloads = downloads + 1 where id = ${id}`;
  },
};

// Any fixed number: one process at a time counts.
const countingLock = 7_240_114_202;

export const factStore = {
  /** Until the commit no other process counts facts or forgets that it did. */
  async lock(tx: Tx): Promise<void> {
    await tx.sql`select pg_advisory_xact_lock(${countingLock})`;
  },

  /** Marks facts as counted; answers those that were not before. */
  async markCounted(tx: Tx, ids: string[]): Promise<Set<string>> {
    if (ids.length === 0) return new Set();
    const rows = await tx.sql<
      { id: string }[]
    >`insert into objects.counted_facts (id) select unnest(${ids}::text[]) on conflict do nothing returning id`;
    return new Set(rows.map((row) => row.id));
  },

  /** Forgets the marks of facts that the store has forgotten itself: all but these. */
  async forgetMarks(tx: Tx, pendingIds: string[]): Promise<void> {
    await tx.sql`delete from objects.counted_facts where not id = any (${pendingIds}::text[])`;
  },
};

/** The id under which the usage of one bucket, meter and hour is written down. */
export const usageId = (bucketId: string, meter: string, hour: number): string =>
  `use_${createHash("sha256").update(`${bucketId} ${meter} ${hour}`).digest("hex").slice(0, 32)}`;

/** Who needs which bucket. */
export const holdStore = {
  async insert(tx: Tx, bucket: Pick<BucketRow, "id" | "organisationId">, holder: { id: string; name: string }): Promise<void> {
    await tx.sql`insert into objects.holds (bucket_id, holder_id, holder_name, organisation_id)
      values (${bucket.id}, ${holder.id}, ${holder.name}, ${bucket.organisationId})
      on conflict (bucket_id, holder_id) do update set holder_name = excluded.holder_name`;
  },

  async remove(tx: Tx, holderId: string): Promise<void> {
    await tx.sql`delete from objects.holds where holder_id = ${holderId}`;
  },

  async names(tx: Tx, bucketId: string): Promise<string[]> {
    const rows = await tx.sql<
      { name: string }[]
    >`select distinct holder_name as name from objects.holds where bucket_id = ${bucketId} order by 1 limit 100`;
    return rows.map(({ name }) => name);
  },
};
