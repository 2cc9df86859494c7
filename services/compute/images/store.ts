import { brokenConstraint, type Tx } from "../../../kernel/db/database.ts";
import { emit } from "../../../kernel/events.ts";
import type { Id } from "../../../kernel/ids.ts";
import type { InstanceKind } from "../driver.ts";
import type { Image, ImageState, ImageVisibility } from "./contract.ts";

export interface ImageRow {
  id: Id<"image">;
  /** Null with the project: an image of the whole cloud. */
  organisationId: Id<"organisation"> | null;
  projectId: Id<"project"> | null;
  name: string;
  description: string;
  engineName: string;
  kind: InstanceKind;
  state: ImageState;
  stateReason: string | null;
  operationId: Id<"operation"> | null;
  architecture: string | null;
  sizeBytes: number;
  minimumDiskBytes: number;
  defaultUser: string;
  fingerprint: string | null;
  visibility: ImageVisibility;
  sourceKind: Image["source"]["kind"];
  sourceName: string;
  createdAt: Date;
  revision: number;
}

const columns = `i.id, i.organisation_id as "organisationId", i.project_id as "projectId", i.name, i.description, i.engine_name as "engineName", i.kind,
  i.state, i.state_reason as "stateReason", i.operation_id as "operationId", i.architecture, i.size_bytes as "sizeBytes",
  i.minimum_disk_bytes as "minimumDiskBytes", i.default_user as "defaultUser", i.fingerprint, i.visibility, i.source_kind as "sourceKind",
  i.source_name as "sourceName", i.created_at as "createdAt", i.revision`;

/** What a project may use: its own, its organisation's, what is shared with it, what is everybody's. */
const usableBy = (tx: Tx, place: { organisationId: string; projectId: string }) => tx.sql`
  (i.project_id = ${place.projectId} or i.visibility = 'public'
    or (i.visibility = 'organisation' and i.organisation_id = ${place.organisationId})
    or (i.visibility = 'shared' and exists (select from compute.image_shares s where s.image_id = i.id and s.project_id = ${place.projectId})))`;

const announce = (tx: Tx, row: Pick<ImageRow, "id" | "name" | "organisationId" | "projectId">, state: ImageState | "deleted") =>
  emit(tx, {
    type: "compute.image.changed",
    organisationId: row.organisationId ?? undefined,
    projectId: row.projectId ?? undefined,
    payload: { imageId: row.id, name: row.name, state },
  });

/** `like` without its wildcards. */
const literally = (text: string): string => `%${text.toLowerCase().replace(/[\\%_]/g, "\\$&")}%`;

export const imageStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<ImageRow | undefined> {
    const [row] = await tx.sql<ImageRow[]>`select ${tx.sql.unsafe(columns)} from compute.images i where i.id = ${id}
      ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },

  /** Of one name or id among what a project may use; its own first, then the nearer ones. */
  usable: (
    tx: Tx,
    place: { organisationId: string; projectId: string },
    wanted: { name: string } | { id: string },
  ): Promise<ImageRow[]> => tx.sql<ImageRow[]>`
    select ${tx.sql.unsafe(columns)} from compute.images i
    where ${"id" in wanted ? tx.sql`i.id = ${wanted.id}` : tx.sql`i.name = ${wanted.name}`} and ${usableBy(tx, place)}
    order by case when i.project_id = ${place.projectId} then 0 when i.visibility = 'organisation' then 1 when i.visibility = 'shared' then 2
      when i.project_id is null then 3 else 4 end, i.id`,

  /** One of the cloud's own. */
  async ofCloud(tx: Tx, name: string): Promise<ImageRow | undefined> {
    const [row] = await tx.sql<ImageRow[]>`select ${tx.sql.unsafe(columns)} from compute.images i
      where i.project_id is null and i.name = ${name}`;
    return row;
  },

  /** By name. Without a place those of the cloud. */
  page: (
    tx: Tx,
    filter: {
      place?: { organisationId: string; projectId: string } | undefined;
      search?: string | undefined;
      kind?: string | undefined;
      state?: string | undefined;
      after?: { name: string; id: string } | undefined;
      limit: number;
    },
  ): Promise<ImageRow[]> => tx.sql<ImageRow[]>`
    select ${tx.sql.unsafe(columns)} from compute.images i
    where ${filter.place ? usableBy(tx, filter.place) : tx.sql`i.project_id is null`}
      ${filter.search ? tx.sql`and i.name like ${literally(filter.search)}` : tx.sql``}
      ${filter.kind ? tx.sql`and i.kind = ${filter.kind}` : tx.sql``}
      ${filter.state ? tx.sql`and i.state = ${filter.state}` : tx.sql``}
      ${filter.after ? tx.sql`and (i.name, i.id) > (${filter.after.name}, ${filter.after.id})` : tx.sql``}
    order by i.name, i.id limit ${filter.limit}`,

  /** False when the project (or the cloud) has one of this name. */
  async insert(tx: Tx, row: ImageRow, options: { upload?: boolean } = {}): Promise<boolean> {
    const rows = await tx.sql`
      insert into compute.images (id, organisation_id, project_id, name, description, engine_name, kind, state, operation_id, upload_seen_at,
        minimum_disk_bytes, default_user, visibility, source_kind, source_name, created_at, revision)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.name}, ${row.description}, ${row.engineName}, ${row.kind}, ${row.state},
        ${row.operationId}, ${options.upload ? tx.sql`now()` : null}, ${row.minimumDiskBytes}, ${row.defaultUser}, ${row.visibility},
        ${row.sourceKind}, ${row.sourceName}, ${row.createdAt}, ${row.revision})
      on conflict do nothing returning id`;
    if (rows.length > 0) await announce(tx, row, row.state);
    return rows.length > 0;
  },

  async setOperation(tx: Tx, id: string, operationId: string): Promise<void> {
    await tx.sql`update compute.images set operation_id = ${operationId} where id = ${id}`;
  },

  /** The new state; with it what is known by then. The operation that was at work is over unless one is given. */
  async setState(
    tx: Tx,
    row: ImageRow,
    change: {
      state: ImageState;
      reason?: string | undefined;
      operationId?: string | undefined;
      found?: { kind: InstanceKind; architecture: string; sizeBytes: number; fingerprint: string } | undefined;
      minimumDiskBytes?: number | undefined;
    },
  ): Promise<void> {
    const { found } = change;
    await tx.sql`update compute.images set state = ${change.state}, state_reason = ${change.reason ?? null},
        operation_id = ${change.operationId ?? null}, upload_seen_at = null, revision = revision + 1
        ${found ? tx.sql`, kind = ${found.kind}, architecture = ${found.architecture}, size_bytes = ${found.sizeBytes}, fingerprint = ${found.fingerprint}` : tx.sql``}
        ${change.minimumDiskBytes === undefined ? tx.sql`` : tx.sql`, minimum_disk_bytes = ${change.minimumDiskBytes}`}
      where id = ${row.id}`;
    await announce(tx, row, change.state);
  },

  /** False when the new name is taken. */
  async update(
    tx: Tx,
    row: ImageRow,
    change: Pick<ImageRow, "name" | "description" | "defaultUser" | "minimumDiskBytes">,
  ): Promise<boolean> {
    try {
      await tx.sql.savepoint(
        (sql) => sql`update compute.images set name = ${change.name}, description = ${change.description},
          default_user = ${change.defaultUser}, minimum_disk_bytes = ${change.minimumDiskBytes}, revision = revision + 1 where id = ${row.id}`,
      );
    } catch (error) {
      if (brokenConstraint(error) === "images_name") return false;
      throw error;
    }
    await announce(tx, { ...row, name: change.name }, row.state);
    return true;
  },

  async share(
    tx: Tx,
    row: ImageRow,
    visibility: ImageVisibility,
    projects: readonly { organisationId: string; projectId: string }[],
  ): Promise<void> {
    await tx.sql`update compute.images set visibility = ${visibility}, revision = revision + 1 where id = ${row.id}`;
    await tx.sql`delete from compute.image_shares where image_id = ${row.id}`;
    for (const { organisationId, projectId } of projects) {
      await tx.sql`insert into compute.image_shares (image_id, owner_organisation_id, organisation_id, project_id)
        values (${row.id}, ${row.organisationId}, ${organisationId}, ${projectId})`;
    }
    await announce(tx, row, row.state);
  },

  shares: (tx: Tx, imageId: string): Promise<{ organisationId: string; projectId: Id<"project"> }[]> =>
    tx.sql<
      { organisationId: string; projectId: Id<"project"> }[]
    >`select organisation_id as "organisationId", project_id as "projectId" from compute.image_shares where image_id = ${imageId} order by project_id`,

  async delete(tx: Tx, row: ImageRow): Promise<void> {
    await tx.sql`delete from compute.images where id = ${row.id}`;
    await announce(tx, row, "deleted");
  },

  /** A sign of life; false when the record is gone, and with it the reason to go on. */
  async uploadSeen(tx: Tx, id: string): Promise<boolean> {
    const rows =
      await tx.sql`update compute.images set upload_seen_at = now() where id = ${id} and state = 'importing' returning id`;
    return rows.length > 0;
  },

  /** Uploads whose process is dead. */
  deadUploads: (tx: Tx, silentSeconds: number): Promise<ImageRow[]> => tx.sql<ImageRow[]>`
    select ${tx.sql.unsafe(columns)} from compute.images i
    where i.state = 'importing' and i.operation_id is null and i.upload_seen_at < now() - make_interval(secs => ${silentSeconds}) for update skip locked`,

  /** All records, as far as the reconciler needs them. */
  all: (tx: Tx): Promise<ImageRow[]> => tx.sql<ImageRow[]>`select ${tx.sql.unsafe(columns)} from compute.images i`,

  /** Whether one was ever begun to be built, whatever became of it. */
  async everBuilt(tx: Tx): Promise<boolean> {
    return (await tx.sql`select 1 from kernel.operations where kind = 'compute.image.build' limit 1`).length > 0;
  },

  /** How many are ready for everybody. */
  async countPublic(tx: Tx): Promise<number> {
    const [row] = await tx.sql<
      { count: number }[]
    >`select count(*)::int as count from compute.images where visibility = 'public' and state = 'ready'`;
    return row?.count ?? 0;
  },
};
