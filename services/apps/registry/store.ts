import { brokenConstraint, type Tx } from "../../../kernel/db/database.ts";
import { closeUsageSpansOf, openUsageSpan } from "../../../kernel/metering/journal.ts";
import { quotaStates, reserveQuota } from "../../../kernel/quota.ts";
import type { AppView } from "../parts.ts";
import type { ParsedManifest } from "./manifest.ts";

type App = Pick<AppView, "id" | "name" | "organisationId" | "projectId">;

export interface ManifestRow {
  digest: string;
  mediaType: string;
  content: Buffer;
  sizeBytes: number;
}

export interface ReferrerRow {
  digest: string;
  mediaType: string;
  sizeBytes: number;
  artifactType: string | null;
  annotations: Record<string, string> | null;
}

export interface TaggedRow {
  name: string;
  digest: string;
  updatedAt: Date;
  isIndex: boolean;
  sizeBytes: number;
}

interface Held {
  appId: string;
  organisationId: string;
  projectId: string;
  digest: string;
  sizeBytes: number;
  createdAt: Date;
}

const quota = "apps.images";
const heldColumns = `app_id as "appId", organisation_id as "organisationId", project_id as "projectId", digest, size_bytes as "sizeBytes", created_at as "createdAt"`;
const spanOf = (kind: "blob" | "manifest", { appId, digest, createdAt }: Pick<Held, "appId" | "digest" | "createdAt">) =>
  `apps.images:${kind}:${appId}:${digest}:${createdAt.getTime()}`;

/** Quota and usage, in the transaction of the row. */
async function hold(tx: Tx, app: App, kind: "blob" | "manifest", row: Pick<Held, "digest" | "sizeBytes" | "createdAt">) {
  await reserveQuota(tx, app, quota, row.sizeBytes);
  await openUsageSpan(tx, {
    id: spanOf(kind, { appId: app.id, ...row }),
    organisationId: app.organisationId,
    projectId: app.projectId,
    service: "apps",
    resource: { kind: "app", id: app.id, name: app.name },
    meter: quota,
    unit: "byte_seconds",
    from: row.createdAt,
    rate: row.sizeBytes,
  });
}

async function release(tx: Tx, kind: "blob" | "manifest", rows: readonly Held[]): Promise<void> {
  if (rows.length === 0) return;
  // Those of a call are of one app.
  const [first] = rows as [Held];
  await reserveQuota(tx, first, quota, -rows.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  await closeUsageSpansOf(
    tx,
    rows.map((row) => spanOf(kind, row)),
    new Date(),
  );
}

export const registryStore = {
  /** Whoever gives a content to a repository and whoever takes its file away, one after the other. */
  async lockContent(tx: Tx, digest: string): Promise<void> {
    await tx.sql`select pg_advisory_xact_lock(hashtextextended(${`apps.registry.content:${digest}`}, 0))`;
  },

  /** Whoever names blobs of a repository and whoever takes them out of it, one after the other. */
  async lockRepository(tx: Tx, appId: string): Promise<void> {
    await tx.sql`select pg_advisory_xact_lock(hashtextextended(${`apps.registry.repository:${appId}`}, 0))`;
  },

  /** Bytes that organisation and project may still push, uploads under way taken off. */
  async room(tx: Tx, app: App): Promise<{ bytes: number; limit: number; scope: string }> {
    const scopes = [
      { scope: "organisation", organisationId: app.organisationId },
      { scope: "project", organisationId: app.organisationId, projectId: app.projectId },
    ];
    const rooms: { bytes: number; limit: number; scope: string }[] = [];
    for (const { scope, ...at } of scopes) {
      const state = (await quotaStates(tx, at)).find(({ name }) => name === quota);
      const [row] = await tx.sql<{ bytes: number }[]>`
        select coalesce(sum(size_bytes), 0)::bigint as bytes from apps.registry_uploads where organisation_id = ${app.organisationId}
          ${at.projectId === undefined ? tx.sql`` : tx.sql`and project_id = ${at.projectId}`}`;
      const limit = state?.limit ?? 0;
      rooms.push({ scope, limit, bytes: Math.max(0, limit - (state?.used ?? 0) - (row?.bytes ?? 0)) });
    }
    return rooms.reduce((least, each) => (each.bytes < least.bytes ? each : least));
  },

  async insertUpload(tx: Tx, app: App, id: string, at: Date): Promise<void> {
    await tx.sql`insert into apps.registry_uploads (id, app_id, organisation_id, project_id, updated_at)
      values (${id}, ${app.id}, ${app.organisationId}, ${app.projectId}, ${at})`;
  },

  async countUploads(tx: Tx, appId: string): Promise<number> {
    const [row] = await tx.sql<
      { count: number }[]
    >`select count(*)::int as count from apps.registry_uploads where app_id = ${appId}`;
    return row?.count ?? 0;
  },

  hasUpload: async (tx: Tx, appId: string, id: string): Promise<boolean> =>
    (await tx.sql`select from apps.registry_uploads where app_id = ${appId} and id = ${id}`).length > 0,

  async setUpload(tx: Tx, id: string, sizeBytes: number, at: Date): Promise<void> {
    await tx.sql`update apps.registry_uploads set size_bytes = ${sizeBytes}, updated_at = ${at} where id = ${id}`;
  },

  async deleteUpload(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from apps.registry_uploads where id = ${id}`;
  },

  async deleteOldUploads(tx: Tx, before: Date): Promise<string[]> {
    const rows = await tx.sql<{ id: string }[]>`delete from apps.registry_uploads where updated_at < ${before} returning id`;
    return rows.map(({ id }) => id);
  },

  async uploadsOf(tx: Tx, ids: readonly string[]): Promise<Set<string>> {
    const rows = await tx.sql<{ id: string }[]>`select id from apps.registry_uploads where id = any (${ids as string[]}::text[])`;
    return new Set(rows.map(({ id }) => id));
  },

  /** The size of a blob that the repository has. */
  async blob(tx: Tx, appId: string, digest: string): Promise<{ sizeBytes: number } | undefined> {
    const [row] = await tx.sql<
      { sizeBytes: number }[]
    >`select size_bytes as "sizeBytes" from apps.registry_blobs where app_id = ${appId} and digest = ${digest}`;
    return row;
  },

  /** It is not swept for a while. */
  async touchBlobs(tx: Tx, appId: string, digests: readonly string[], at: Date): Promise<void> {
    // In one order: two clients with layers in common do not wait for each other.
    await tx.sql`update apps.registry_blobs b set seen_at = ${at} from
      (select digest from apps.registry_blobs where app_id = ${appId} and digest = any (${digests as string[]}::text[])
        and seen_at < ${at}::timestamptz - interval '1 hour' order by digest for update) old
      where b.app_id = ${appId} and b.digest = old.digest`;
  },

  /** With quota and usage; a blob that the repository has stays as it is. quota_exceeded. */
  async addBlob(tx: Tx, app: App, digest: string, sizeBytes: number, at: Date): Promise<void> {
    const [row] = await tx.sql<{ isNew: boolean }[]>`
      insert into apps.registry_blobs (app_id, digest, organisation_id, project_id, size_bytes, created_at, seen_at)
      values (${app.id}, ${digest}, ${app.organisationId}, ${app.projectId}, ${sizeBytes}, ${at}, ${at})
      on conflict (app_id, digest) do update set seen_at = excluded.seen_at returning (xmax = 0) as "isNew"`;
    if (row?.isNew) await hold(tx, app, "blob", { digest, sizeBytes, createdAt: at });
  },

  /** False when the repository has not got it. */
  async removeBlob(tx: Tx, appId: string, digest: string): Promise<boolean> {
    const rows = await tx.sql<
      Held[]
    >`delete from apps.registry_blobs where app_id = ${appId} and digest = ${digest} returning ${tx.sql.unsafe(heldColumns)}`;
    await release(tx, "blob", rows);
    return rows.length > 0;
  },

  isNamed: async (tx: Tx, appId: string, digest: string): Promise<boolean> =>
    (await tx.sql`select from apps.registry_manifests where app_id = ${appId} and ${digest} = any (blobs) limit 1`).length > 0,

  /** Repositories with blobs that no manifest names, and that nobody was told of since then. */
  async withUnnamed(tx: Tx, before: Date): Promise<string[]> {
    const rows = await tx.sql<{ appId: string }[]>`select distinct b.app_id as "appId" from apps.registry_blobs b
      where b.seen_at < ${before} and not exists (select from apps.registry_manifests m where m.app_id = b.app_id and b.digest = any (m.blobs))
      limit 1000`;
    return rows.map(({ appId }) => appId);
  },

  async removeUnnamed(tx: Tx, appId: string, before: Date): Promise<void> {
    const rows = await tx.sql<Held[]>`delete from apps.registry_blobs b where b.app_id = ${appId} and b.seen_at < ${before}
      and not exists (select from apps.registry_manifests m where m.app_id = b.app_id and b.digest = any (m.blobs))
      returning ${tx.sql.unsafe(heldColumns)}`;
    await release(tx, "blob", rows);
  },

  /** Whether any repository has it. */
  isHeld: async (tx: Tx, digest: string): Promise<boolean> =>
    (await tx.sql`select from apps.registry_blobs where digest = ${digest} limit 1`).length > 0,

  async held(tx: Tx, digests: readonly string[]): Promise<Set<string>> {
    const rows = await tx.sql<
      { digest: string }[]
    >`select distinct digest from apps.registry_blobs where digest = any (${digests as string[]}::text[])`;
    return new Set(rows.map(({ digest }) => digest));
  },

  /** Sizes by digest, of blobs and manifests that the repository has of those. */
  async sizes(tx: Tx, appId: string, what: "blobs" | "manifests", digests: readonly string[]): Promise<Map<string, number>> {
    const table = tx.sql.unsafe(what === "blobs" ? "apps.registry_blobs" : "apps.registry_manifests");
    const rows = await tx.sql<{ digest: string; sizeBytes: number }[]>`
      select digest, size_bytes as "sizeBytes" from ${table} where app_id = ${appId} and digest = any (${digests as string[]}::text[])`;
    return new Map(rows.map(({ digest, sizeBytes }) => [digest, sizeBytes]));
  },

  async manifest(tx: Tx, appId: string, reference: { digest: string } | { tag: string }): Promise<ManifestRow | undefined> {
    const [row] = await tx.sql<ManifestRow[]>`
      select m.digest, m.media_type as "mediaType", m.content, m.size_bytes as "sizeBytes" from apps.registry_manifests m
      where m.app_id = ${appId} and m.digest = ${
        "digest" in reference
          ? tx.sql`${reference.digest}`
          : tx.sql`(select digest from apps.registry_tags where app_id = ${appId} and name = ${reference.tag})`
      }`;
    return row;
  },

  /** With quota and usage; false when it is there. */
  async addManifest(tx: Tx, app: App, digest: string, content: Buffer, parsed: ParsedManifest, at: Date): Promise<boolean> {
    const rows = await tx.sql`
      insert into apps.registry_manifests (app_id, digest, organisation_id, project_id, media_type, content, size_bytes, blobs, manifests, subject, artifact_type, annotations, created_at)
      values (${app.id}, ${digest}, ${app.organisationId}, ${app.projectId}, ${parsed.mediaType}, ${content}, ${content.length},
        ${[...new Set(parsed.blobs.map((each) => each.digest))]}::text[], ${[...new Set(parsed.manifests.map((each) => each.digest))]}::text[],
        ${parsed.subject ?? null}, ${parsed.artifactType ?? null}, ${parsed.annotations === undefined ? null : tx.sql.json(parsed.annotations)}, ${at})
      on conflict do nothing returning digest`;
    if (rows.length === 0) return false;
    await hold(tx, app, "manifest", { digest, sizeBytes: content.length, createdAt: at });
    return true;
  },

  /** With its tags; false when there is none. */
  async removeManifest(tx: Tx, appId: string, digest: string): Promise<boolean> {
    const rows = await tx.sql<
      Held[]
    >`delete from apps.registry_manifests where app_id = ${appId} and digest = ${digest} returning ${tx.sql.unsafe(heldColumns)}`;
    await release(tx, "manifest", rows);
    return rows.length > 0;
  },

  async setTag(tx: Tx, app: App, name: string, digest: string, at: Date): Promise<void> {
    await tx.sql`insert into apps.registry_tags (app_id, name, organisation_id, digest, updated_at)
      values (${app.id}, ${name}, ${app.organisationId}, ${digest}, ${at})
      on conflict (app_id, name) do update set digest = excluded.digest, updated_at = excluded.updated_at`;
  },

  removeTag: async (tx: Tx, appId: string, name: string): Promise<boolean> =>
    (await tx.sql`delete from apps.registry_tags where app_id = ${appId} and name = ${name} returning name`).length > 0,

  /** By name, with what each stands for: the sizes of all blobs that the image, or each of an index, has. */
  taggedImages: (tx: Tx, appId: string, { after, limit }: { after?: string | undefined; limit: number }): Promise<TaggedRow[]> =>
    tx.sql<TaggedRow[]>`
      select t.name, t.digest, t.updated_at as "updatedAt", cardinality(m.manifests) > 0 as "isIndex",
        (select coalesce(sum(b.size_bytes), 0)::bigint from apps.registry_blobs b where b.app_id = t.app_id and b.digest in (
          select unnest(m.blobs) union
          select unnest(c.blobs) from apps.registry_manifests c where c.app_id = t.app_id and c.digest = any (m.manifests))) as "sizeBytes"
      from apps.registry_tags t join apps.registry_manifests m on m.app_id = t.app_id and m.digest = t.digest
      where t.app_id = ${appId} ${after === undefined ? tx.sql`` : tx.sql`and t.name > ${after}`} order by t.name limit ${limit}`,

  /** A manifest that has no tag and that no other one names, and those of an index that are so then. */
  async removeUnused(tx: Tx, appId: string, digest: string): Promise<void> {
    const [row] = await tx.sql<{ manifests: string[] }[]>`
      select m.manifests from apps.registry_manifests m where m.app_id = ${appId} and m.digest = ${digest}
        and not exists (select from apps.registry_tags t where t.app_id = m.app_id and t.digest = m.digest)
        and not exists (select from apps.registry_manifests o where o.app_id = m.app_id and m.digest = any (o.manifests))`;
    if (row === undefined) return;
    await this.removeManifest(tx, appId, digest);
    for (const each of row.manifests) await this.removeUnused(tx, appId, each);
  },

  /** In byte order. */
  async tags(tx: Tx, appId: string, { after, limit }: { after?: string | undefined; limit: number }): Promise<string[]> {
    const rows = await tx.sql<{ name: string }[]>`select name from apps.registry_tags where app_id = ${appId}
      ${after === undefined ? tx.sql`` : tx.sql`and name > ${after}`} order by name limit ${limit}`;
    return rows.map(({ name }) => name);
  },

  /** By digest, those behind `after`. */
  referrers: (
    tx: Tx,
    appId: string,
    filter: { subject: string; artifactType?: string | undefined; after?: string | undefined; limit: number },
  ): Promise<ReferrerRow[]> => tx.sql<ReferrerRow[]>`
    select digest, media_type as "mediaType", size_bytes as "sizeBytes", artifact_type as "artifactType", annotations
    from apps.registry_manifests where app_id = ${appId} and subject = ${filter.subject}
      ${filter.artifactType === undefined ? tx.sql`` : tx.sql`and artifact_type = ${filter.artifactType}`}
      ${filter.after === undefined ? tx.sql`` : tx.sql`and digest > ${filter.after}`}
    order by digest limit ${filter.limit}`,

  /** Apps with something in their repositories, by id. */
  async repositories(tx: Tx, { after, limit }: { after?: string | undefined; limit: number }): Promise<App[]> {
    return tx.sql<App[]>`
      select a.id, a.name, a.organisation_id as "organisationId", a.project_id as "projectId" from apps.apps a
      where exists (select from apps.registry_manifests m where m.app_id = a.id) ${after === undefined ? tx.sql`` : tx.sql`and a.id > ${after}`}
      order by a.id limit ${limit}`;
  },

  /** Everything of an app that is deleted in this transaction; the files of what nobody has then are swept. */
  async removeAll(tx: Tx, appId: string): Promise<void> {
    const manifests = await tx.sql<
      Held[]
    >`delete from apps.registry_manifests where app_id = ${appId} returning ${tx.sql.unsafe(heldColumns)}`;
    await release(tx, "manifest", manifests);
    const blobs = await tx.sql<
      Held[]
    >`delete from apps.registry_blobs where app_id = ${appId} returning ${tx.sql.unsafe(heldColumns)}`;
    await release(tx, "blob", blobs);
    await tx.sql`delete from apps.registry_uploads where app_id = ${appId}`;
  },
};

/** A record was to be written for an app that was deleted meanwhile. */
export const isOfDeletedApp = (error: unknown): boolean => brokenConstraint(error)?.endsWith("app_id_fkey") === true;
