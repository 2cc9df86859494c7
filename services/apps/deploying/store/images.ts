import type { Tx } from "../../../../kernel/db/database.ts";
import { closeUsageSpansOf, openUsageSpan } from "../../../../kernel/metering/journal.ts";
import { reserveQuota } from "../../../../kernel/quota.ts";

/** An image that is kept for releases of an app. */
export interface ImageRow {
  appId: string;
  imageId: string;
  organisationId: string;
  projectId: string;
  sizeBytes: number;
}

const columns = `i.app_id as "appId", i.image_id as "imageId", i.organisation_id as "organisationId", i.project_id as "projectId", i.size_bytes as "sizeBytes"`;
const spanOf = ({ appId, imageId }: Pick<ImageRow, "appId" | "imageId">, from: Date) =>
  `apps.images:${appId}:${imageId}:${from.getTime()}`;

export const imageStore = {
  async has(tx: Tx, appId: string, imageId: string): Promise<boolean> {
    return (await tx.sql`select 1 from apps.images where app_id = ${appId} and image_id = ${imageId}`).length > 0;
  },

  /** With its quota and its usage; nothing when it is there already. quota_exceeded. */
  async add(tx: Tx, row: ImageRow, appName: string, at: Date): Promise<void> {
    const rows = await tx.sql`
      insert into apps.images (app_id, image_id, organisation_id, project_id, size_bytes, created_at)
      values (${row.appId}, ${row.imageId}, ${row.organisationId}, ${row.projectId}, ${row.sizeBytes}, ${at}) on conflict do nothing returning app_id`;
    if (rows.length === 0) return;
    await reserveQuota(tx, row, "apps.images", row.sizeBytes);
    await openUsageSpan(tx, {
      id: spanOf(row, at),
      organisationId: row.organisationId,
      projectId: row.projectId,
      service: "apps",
      resource: { kind: "app", id: row.appId, name: appName },
      meter: "apps.images",
      unit: "byte_seconds",
      from: at,
      rate: row.sizeBytes,
    });
  },

  /** Gives quota and usage back; false when it was not there. */
  async remove(tx: Tx, appId: string, imageId: string, at: Date): Promise<boolean> {
    const [row] = await tx.sql<(ImageRow & { createdAt: Date })[]>`
      delete from apps.images i where i.app_id = ${appId} and i.image_id = ${imageId} returning ${tx.sql.unsafe(columns)}, i.created_at as "createdAt"`;
    if (!row) return false;
    await reserveQuota(tx, row, "apps.images", -row.sizeBytes);
    await closeUsageSpansOf(tx, [spanOf(row, row.createdAt)], at);
    return true;
  },

  ofApp: (tx: Tx, appId: string): Promise<ImageRow[]> =>
    tx.sql<ImageRow[]>`select ${tx.sql.unsafe(columns)} from apps.images i where i.app_id = ${appId}`,

  /** No release that is kept (the live one, the last so many, one that is being deployed) needs these any more. */
  unneeded: (tx: Tx, keptReleases: number, appId?: string): Promise<ImageRow[]> => tx.sql<ImageRow[]>`
    select ${tx.sql.unsafe(columns)} from apps.images i join apps.apps a on a.id = i.app_id
    where true ${appId === undefined ? tx.sql`` : tx.sql`and a.id = ${appId}`}
      and not exists (
        select from apps.releases r where r.app_id = i.app_id and r.image_id = i.image_id
          and (r.id = a.live_release_id or r.number > a.release_number - ${keptReleases}
            or exists (select from apps.deployments d where d.app_id = r.app_id and d.finished_at is null
              and (d.release_id = r.id or d.request ->> 'releaseId' = r.id))))
    order by i.app_id, i.image_id limit 500`,

  /** By app and id, of all that are kept. */
  async kept(tx: Tx, imageIds: readonly string[]): Promise<Set<string>> {
    const rows = await tx.sql<
      { imageId: string }[]
    >`select distinct image_id as "imageId" from apps.images where image_id = any (${imageIds as string[]}::text[])`;
    return new Set(rows.map(({ imageId }) => imageId));
  },
};
