import type { Tx } from "../../../../kernel/db/database.ts";
import { emit } from "../../../../kernel/events.ts";
import type { Id } from "../../../../kernel/ids.ts";
import { closeUsageSpans, openUsageSpan } from "../../../../kernel/metering/journal.ts";
import { spanId } from "../store.ts";
import type { SnapshotState } from "./contract.ts";

export interface SnapshotRow {
  id: Id<"snapshot">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  /** One of the two. */
  instanceId: Id<"instance"> | null;
  volumeId: Id<"volume"> | null;
  sourceId: string;
  sourceName: string;
  /** Of the source. */
  sourceEngineName: string;
  name: string;
  engineName: string;
  description: string;
  state: SnapshotState;
  stateReason: string | null;
  diskBytes: number;
  usedBytes: number | null;
  scheduleId: Id<"snapshotSchedule"> | null;
  operationId: Id<"operation"> | null;
  createdAt: Date;
  revision: number;
}

const columns = `s.id, s.organisation_id as "organisationId", s.project_id as "projectId", s.instance_id as "instanceId",
  s.volume_id as "volumeId", s.source_id as "sourceId", coalesce(i.name, v.name, '') as "sourceName",
  coalesce(i.engine_name, v.engine_name, '') as "sourceEngineName", s.name, s.engine_name as "engineName", s.description, s.state,
  s.state_reason as "stateReason", s.disk_bytes as "diskBytes", s.used_bytes as "usedBytes", s.schedule_id as "scheduleId",
  s.operation_id as "operationId", s.created_at as "createdAt", s.revision`;
const tables = `compute.snapshots s left join compute.instances i on i.id = s.instance_id left join compute.volumes v on v.id = s.volume_id`;

const changeable = {
  name: "name",
  description: "description",
  state: "state",
  stateReason: "state_reason",
  operationId: "operation_id",
} as const satisfies Partial<Record<keyof SnapshotRow, string>>;
export type SnapshotChange = Partial<Pick<SnapshotRow, keyof typeof changeable>>;

const announce = (tx: Tx, row: SnapshotRow, state: SnapshotState | "deleted" = row.state): Promise<void> =>
  emit(tx, {
    type: "compute.snapshot.changed",
    organisationId: row.organisationId,
    projectId: row.projectId,
    payload: { snapshotId: row.id, sourceId: row.sourceId, name: row.name, state },
  });

const meter = "compute.snapshots";

export const snapshotStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<SnapshotRow | undefined> {
    const [row] = await tx.sql<SnapshotRow[]>`select ${tx.sql.unsafe(columns)} from ${tx.sql.unsafe(tables)} where s.id = ${id}
      ${options.lock ? tx.sql`for update of s` : tx.sql``}`;
    return row;
  },

  /** False when the source has one of that name. */
  async insert(tx: Tx, row: SnapshotRow): Promise<boolean> {
    const rows = await tx.sql`
      insert into compute.snapshots (id, organisation_id, project_id, instance_id, volume_id, name, engine_name, description, state, disk_bytes,
        schedule_id, operation_id, created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.instanceId}, ${row.volumeId}, ${row.name}, ${row.engineName},
        ${row.description}, ${row.state}, ${row.diskBytes}, ${row.scheduleId}, ${row.operationId}, ${row.createdAt})
      on conflict (source_id, name) do nothing returning id`;
    if (rows.length > 0) await announce(tx, row);
    return rows.length > 0;
  },

  /** Answers the row as it is then. A taken name fails with the constraint snapshots_name. */
  async update(tx: Tx, id: string, change: SnapshotChange): Promise<SnapshotRow> {
    const values = Object.fromEntries(
      Object.entries(change).map(([field, value]) => [changeable[field as keyof typeof changeable], value]),
    );
    await tx.sql`update compute.snapshots set ${tx.sql(values as never)}, revision = revision + 1 where id = ${id}`;
    const row = (await snapshotStore.find(tx, id)) as SnapshotRow;
    await announce(tx, row);
    return row;
  },

  /** With the end of what it held. */
  async delete(tx: Tx, row: SnapshotRow): Promise<void> {
    await tx.sql`delete from compute.snapshots where id = ${row.id}`;
    await closeUsageSpans(tx, row.id, new Date(), meter);
    await announce(tx, row, "deleted");
  },

  ofSource: (tx: Tx, sourceId: string, options: { lock?: boolean } = {}): Promise<SnapshotRow[]> => tx.sql<SnapshotRow[]>`
    select ${tx.sql.unsafe(columns)} from ${tx.sql.unsafe(tables)} where s.source_id = ${sourceId} order by s.id
    ${options.lock ? tx.sql`for update of s` : tx.sql``}`,

  /** The newest first. */
  page: (
    tx: Tx,
    filter: { projectId: string; sourceId?: string | undefined; before?: string | undefined; limit: number },
  ): Promise<SnapshotRow[]> => tx.sql<SnapshotRow[]>`
    select ${tx.sql.unsafe(columns)} from ${tx.sql.unsafe(tables)} where s.project_id = ${filter.projectId}
      ${filter.sourceId === undefined ? tx.sql`` : tx.sql`and s.source_id = ${filter.sourceId}`}
      ${filter.before === undefined ? tx.sql`` : tx.sql`and s.id < ${filter.before}`}
    order by s.id desc limit ${filter.limit}`,

  /**
   * The sources whose snapshots were not measured for that long, those never measured first: a disk changes, and with it what its
   * snapshots hold alone.
   */
  unmeasured: (
    tx: Tx,
    filter: { olderThanSeconds: number; limit: number },
  ): Promise<{ sourceId: string; kind: "instance" | "volume"; engineName: string }[]> => tx.sql<
    { sourceId: string; kind: "instance" | "volume"; engineName: string }[]
  >`
    select s.source_id as "sourceId", case when s.instance_id is null then 'volume' else 'instance' end as kind,
      coalesce(i.engine_name, v.engine_name) as "engineName"
    from ${tx.sql.unsafe(tables)} where s.state in ('available', 'missing')
      and (s.measured_at is null or s.measured_at < now() - make_interval(secs => ${filter.olderThanSeconds}))
    group by 1, 2, 3 order by min(coalesce(s.measured_at, '-infinity')) limit ${filter.limit}`,

  /** From `at` on it takes so many bytes; a change ends the span of usage and begins another. */
  async measure(tx: Tx, row: SnapshotRow, usedBytes: number | undefined, at: Date): Promise<void> {
    await tx.sql`update compute.snapshots set used_bytes = ${usedBytes ?? null}, measured_at = ${at} where id = ${row.id}`;
    if (usedBytes === (row.usedBytes ?? undefined)) return;
    await closeUsageSpans(tx, row.id, at, meter);
    if (!usedBytes) return;
    await openUsageSpan(tx, {
      id: spanId(row.id, meter, at),
      organisationId: row.organisationId,
      projectId: row.projectId,
      service: "compute",
      meter,
      unit: "byte",
      resource: { kind: "snapshot", id: row.id, name: `${row.sourceName} ${row.name}` },
      from: at,
      rate: usedBytes,
    });
  },

  /** Of schedules: what is more than is to be kept, the oldest first. */
  surplus: (tx: Tx, limit: number): Promise<{ id: Id<"snapshot"> }[]> => tx.sql<{ id: Id<"snapshot"> }[]>`
    select id from (
      select s.id, s.created_at, c.keep_last, c.keep_days, row_number() over (partition by s.schedule_id order by s.id desc) as number
      from compute.snapshots s join compute.snapshot_schedules c on c.id = s.schedule_id where s.state = 'available'
    ) as all_of_them
    where number > keep_last and (keep_days is null or created_at < now() - make_interval(days => keep_days))
    order by id limit ${limit}`,
};
