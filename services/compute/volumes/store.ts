// Only stores know the database; the routes beside it ask them which rule of its tables was broken.
export { brokenConstraint } from "../../../kernel/db/database.ts";

import { createHash } from "node:crypto";
import type { Tx } from "../../../kernel/db/database.ts";
import { emit } from "../../../kernel/events.ts";
import type { Id } from "../../../kernel/ids.ts";
import { closeUsageSpans, openUsageSpan } from "../../../kernel/metering/journal.ts";
import { type OperationRecord, operationColumns } from "../../../kernel/operations/store.ts";
import type { VolumeState } from "./contract.ts";

export interface VolumeRow {
  id: Id<"volume">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  name: string;
  engineName: string;
  description: string;
  sizeBytes: number;
  usedBytes: number | null;
  state: VolumeState;
  stateReason: string | null;
  labels: Record<string, string>;
  protected: boolean;
  /** Empty for sure: no instance had it yet. */
  pristine: boolean;
  instanceId: Id<"instance"> | null;
  instanceName: string | null;
  mountPath: string | null;
  operationId: Id<"operation"> | null;
  snapshots: number;
  createdAt: Date;
  revision: number;
}

const columns = `v.id, v.organisation_id as "organisationId", v.project_id as "projectId", v.name, v.engine_name as "engineName", v.description,
  v.size_bytes as "sizeBytes", v.used_bytes as "usedBytes", v.state, v.state_reason as "stateReason", v.labels, v.protected, v.pristine,
  v.instance_id as "instanceId", (select i.name from compute.instances i where i.id = v.instance_id) as "instanceName",
  v.mount_path as "mountPath", v.operation_id as "operationId",
  (select count(*) from compute.snapshots s where s.source_id = v.id) as snapshots,
  v.created_at as "createdAt", v.revision`;

/** Column of each field that changes after the row is made. */
const changeable = {
  name: "name",
  description: "description",
  sizeBytes: "size_bytes",
  state: "state",
  stateReason: "state_reason",
  labels: "labels",
  protected: "protected",
  pristine: "pristine",
  instanceId: "instance_id",
  mountPath: "mount_path",
  operationId: "operation_id",
} as const satisfies Partial<Record<keyof VolumeRow, string>>;
export type VolumeChange = Partial<Pick<VolumeRow, keyof typeof changeable>>;

const announce = (tx: Tx, row: VolumeRow, state: VolumeState | "deleted" = row.state): Promise<void> =>
  emit(tx, {
    type: "compute.volume.changed",
    organisationId: row.organisationId,
    projectId: row.projectId,
    payload: { volumeId: row.id, name: row.name, state },
  });

export const volumeStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<VolumeRow | undefined> {
    const [row] = await tx.sql<VolumeRow[]>`select ${tx.sql.unsafe(columns)} from compute.volumes v where v.id = ${id}
      ${options.lock ? tx.sql`for update of v` : tx.sql``}`;
    return row;
  },

  /** False when the project has one of that name. */
  async insert(tx: Tx, row: VolumeRow): Promise<boolean> {
    const rows = await tx.sql`
      insert into compute.volumes (id, organisation_id, project_id, name, engine_name, description, size_bytes, state, labels, protected, pristine,
        operation_id,
        created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.name}, ${row.engineName}, ${row.description}, ${row.sizeBytes}, ${row.state},
        ${tx.sql.json(row.labels)}, ${row.protected}, ${row.pristine}, ${row.operationId}, ${row.createdAt})
      on conflict (project_id, name) do nothing returning id`;
    if (rows.length > 0) await announce(tx, row);
    return rows.length > 0;
  },

  /** Answers the row as it is then. A taken name fails with the constraint volumes_name, a taken path with volumes_path. */
  async update(tx: Tx, id: string, change: VolumeChange): Promise<VolumeRow> {
    const values = Object.fromEntries(
      Object.entries(change).map(([field, value]) => [
        changeable[field as keyof typeof changeable],
        field === "labels" ? tx.sql.json(value as never) : value,
      ]),
    );
    await tx.sql`update compute.volumes set ${tx.sql(values as never)}, revision = revision + 1 where id = ${id}`;
    const row = (await volumeStore.find(tx, id)) as VolumeRow;
    await announce(tx, row);
    return row;
  },

  async delete(tx: Tx, row: VolumeRow): Promise<void> {
    await tx.sql`delete from compute.volumes where id = ${row.id}`;
    await announce(tx, row, "deleted");
  },

  /** By name. */
  page: (
    tx: Tx,
    filter: {
      projectId: string;
      search?: string | undefined;
      state?: string | undefined;
      instanceId?: string | undefined;
      after?: string | undefined;
      limit: number;
    },
  ): Promise<VolumeRow[]> => tx.sql<VolumeRow[]>`
    select ${tx.sql.unsafe(columns)} from compute.volumes v where v.project_id = ${filter.projectId}
      ${filter.search ? tx.sql`and strpos(v.name, ${filter.search.toLowerCase()}) > 0` : tx.sql``}
      ${filter.state ? tx.sql`and v.state = ${filter.state}` : tx.sql``}
      ${filter.instanceId ? tx.sql`and v.instance_id = ${filter.instanceId}` : tx.sql``}
      ${filter.after === undefined ? tx.sql`` : tx.sql`and v.name > ${filter.after}`}
    order by v.name limit ${filter.limit}`,

  /** By id, of the whole cloud. */
  each: (tx: Tx, filter: { after?: string | undefined; limit: number }): Promise<VolumeRow[]> => tx.sql<VolumeRow[]>`
    select ${tx.sql.unsafe(columns)} from compute.volumes v
    where ${filter.after === undefined ? tx.sql`true` : tx.sql`v.id > ${filter.after}`} order by v.id limit ${filter.limit}`,

  ofInstance: (tx: Tx, instanceId: string, options: { lock?: boolean } = {}): Promise<VolumeRow[]> => tx.sql<VolumeRow[]>`
    select ${tx.sql.unsafe(columns)} from compute.volumes v where v.instance_id = ${instanceId} order by v.mount_path
    ${options.lock ? tx.sql`for update of v` : tx.sql``}`,

  /** What they really take, as the engine says: no change that anybody is told of. */
  async setUsed(tx: Tx, used: readonly { engineName: string; usedBytes: number }[]): Promise<void> {
    if (used.length === 0) return;
    await tx.sql`update compute.volumes v set used_bytes = u.used from unnest(${used.map(({ engineName }) => engineName)}::text[],
        ${used.map(({ usedBytes }) => usedBytes)}::bigint[]) as u (name, used)
      where v.engine_name = u.name and v.used_bytes is distinct from u.used`;
  },

  async counts(tx: Tx): Promise<{ state: string; count: number; sizeBytes: number }[]> {
    return tx.sql`select state, count(*) as count, sum(size_bytes)::bigint as "sizeBytes" from compute.volumes group by state`;
  },
};

/** One that another part of the service began in this transaction. */
export async function findOperation(tx: Tx, id: string): Promise<OperationRecord> {
  const [record] = await tx.sql<
    OperationRecord[]
  >`select ${tx.sql.unsafe(operationColumns)} from kernel.operations where id = ${id}`;
  return record as OperationRecord;
}

/** The span of a resource and meter that began at that moment; derived, so that opening it twice opens one. */
export const spanId = (resourceId: string, meter: string, from: Date): string =>
  `use_${createHash("sha256").update(`${resourceId} ${meter} ${from.getTime()}`).digest("hex").slice(0, 32)}`;

const meter = "compute.volumes";

/** From `at` on it holds its size. */
export const holdVolume = (tx: Tx, row: VolumeRow, at: Date): Promise<void> =>
  openUsageSpan(tx, {
    id: spanId(row.id, meter, at),
    organisationId: row.organisationId,
    projectId: row.projectId,
    service: "compute",
    meter,
    unit: "byte",
    resource: { kind: "volume", id: row.id, name: row.name },
    from: at,
    rate: row.sizeBytes,
  });

/** It holds nothing any more. */
export const releaseVolume = (tx: Tx, id: string, at: Date): Promise<void> => closeUsageSpans(tx, id, at, meter);
