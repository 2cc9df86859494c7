import type { Tx } from "../../../../kernel/db/database.ts";
import { emit } from "../../../../kernel/events.ts";
import type { Id } from "../../../../kernel/ids.ts";
import type { SnapshotSchedule } from "./contract.ts";
import type { ScheduleTimes } from "./times.ts";

export interface ScheduleRow extends ScheduleTimes {
  id: Id<"snapshotSchedule">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  instanceId: Id<"instance"> | null;
  volumeId: Id<"volume"> | null;
  sourceId: string;
  sourceName: string;
  name: string;
  kind: SnapshotSchedule["kind"];
  keepLast: number;
  keepDays: number | null;
  bucketId: Id<"bucket"> | null;
  verify: SnapshotSchedule["verify"];
  verifyCommand: string | null;
  enabled: boolean;
  nextRunAt: Date | null;
  lastState: "running" | "succeeded" | "failed" | null;
  lastStartedAt: Date | null;
  lastFinishedAt: Date | null;
  lastMessage: string | null;
  lastOperationId: Id<"operation"> | null;
  failures: number;
  verifiedAt: Date | null;
  createdAt: Date;
  revision: number;
}

const columns = `c.id, c.organisation_id as "organisationId", c.project_id as "projectId", c.instance_id as "instanceId", c.volume_id as "volumeId",
  c.source_id as "sourceId", coalesce(i.name, v.name, '') as "sourceName", c.name, c.kind, c.frequency, c.every_hours as "everyHours", c.at,
  c.weekday, c.time_zone as "timeZone", c.keep_last as "keepLast", c.keep_days as "keepDays", c.bucket_id as "bucketId", c.verify,
  c.verify_command as "verifyCommand", c.enabled, c.next_run_at as "nextRunAt", c.last_state as "lastState", c.last_started_at as "lastStartedAt",
  c.last_finished_at as "lastFinishedAt", c.last_message as "lastMessage", c.last_operation_id as "lastOperationId", c.failures,
  c.verified_at as "verifiedAt", c.created_at as "createdAt", c.revision`;
const tables = `compute.snapshot_schedules c left join compute.instances i on i.id = c.instance_id left join compute.volumes v on v.id = c.volume_id`;

const changeable = {
  name: "name",
  frequency: "frequency",
  everyHours: "every_hours",
  at: "at",
  weekday: "weekday",
  timeZone: "time_zone",
  keepLast: "keep_last",
  keepDays: "keep_days",
  bucketId: "bucket_id",
  verify: "verify",
  verifyCommand: "verify_command",
  enabled: "enabled",
  nextRunAt: "next_run_at",
  lastState: "last_state",
  lastStartedAt: "last_started_at",
  lastFinishedAt: "last_finished_at",
  lastMessage: "last_message",
  lastOperationId: "last_operation_id",
  failures: "failures",
  verifiedAt: "verified_at",
} as const satisfies Partial<Record<keyof ScheduleRow, string>>;
export type ScheduleChange = Partial<Pick<ScheduleRow, keyof typeof changeable>>;

const announce = (tx: Tx, row: ScheduleRow): Promise<void> =>
  emit(tx, {
    type: "compute.snapshot_schedule.changed",
    organisationId: row.organisationId,
    projectId: row.projectId,
    payload: { snapshotScheduleId: row.id, sourceId: row.sourceId, name: row.name },
  });

export const scheduleStore = {
  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<ScheduleRow | undefined> {
    const [row] = await tx.sql<ScheduleRow[]>`select ${tx.sql.unsafe(columns)} from ${tx.sql.unsafe(tables)} where c.id = ${id}
      ${options.lock ? tx.sql`for update of c` : tx.sql``}`;
    return row;
  },

  /** False when the source has one of that name. */
  async insert(tx: Tx, row: ScheduleRow): Promise<boolean> {
    const rows = await tx.sql`
      insert into compute.snapshot_schedules (id, organisation_id, project_id, instance_id, volume_id, name, kind, frequency, every_hours, at,
        weekday, time_zone, keep_last, keep_days, bucket_id, verify, verify_command, enabled, next_run_at, created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.instanceId}, ${row.volumeId}, ${row.name}, ${row.kind}, ${row.frequency},
        ${row.everyHours}, ${row.at}, ${row.weekday}, ${row.timeZone}, ${row.keepLast}, ${row.keepDays}, ${row.bucketId}, ${row.verify},
        ${row.verifyCommand}, ${row.enabled}, ${row.nextRunAt}, ${row.createdAt})
      on conflict (source_id, name) do nothing returning id`;
    if (rows.length > 0) await announce(tx, row);
    return rows.length > 0;
  },

  /** Answers the row as it is then. A taken name fails with the constraint snapshot_schedules_name. */
  async update(tx: Tx, id: string, change: ScheduleChange): Promise<ScheduleRow> {
    const values = Object.fromEntries(
      Object.entries(change).map(([field, value]) => [changeable[field as keyof typeof changeable], value]),
    );
    await tx.sql`update compute.snapshot_schedules set ${tx.sql(values as never)}, revision = revision + 1 where id = ${id}`;
    const row = (await scheduleStore.find(tx, id)) as ScheduleRow;
    await announce(tx, row);
    return row;
  },

  async delete(tx: Tx, row: ScheduleRow): Promise<void> {
    await tx.sql`delete from compute.snapshot_schedules where id = ${row.id}`;
    await announce(tx, row);
  },

  async deleteOfSource(tx: Tx, sourceId: string): Promise<void> {
    const rows = await tx.sql<
      ScheduleRow[]
    >`select ${tx.sql.unsafe(columns)} from ${tx.sql.unsafe(tables)} where c.source_id = ${sourceId}`;
    for (const row of rows) await scheduleStore.delete(tx, row);
  },

  /** By id, the oldest first. */
  page: (
    tx: Tx,
    filter: { projectId: string; sourceId?: string | undefined; after?: string | undefined; limit: number },
  ): Promise<ScheduleRow[]> => tx.sql<ScheduleRow[]>`
    select ${tx.sql.unsafe(columns)} from ${tx.sql.unsafe(tables)} where c.project_id = ${filter.projectId}
      ${filter.sourceId === undefined ? tx.sql`` : tx.sql`and c.source_id = ${filter.sourceId}`}
      ${filter.after === undefined ? tx.sql`` : tx.sql`and c.id > ${filter.after}`}
    order by c.id limit ${filter.limit}`,

  /** One that is due, locked until the commit: nobody else makes it meanwhile. */
  async takeDue(tx: Tx, now: Date, except: readonly string[]): Promise<ScheduleRow | undefined> {
    const [row] = await tx.sql<ScheduleRow[]>`
      select ${tx.sql.unsafe(columns)} from ${tx.sql.unsafe(tables)} where c.next_run_at <= ${now} and not c.id = any (${except as string[]}::text[])
      order by c.next_run_at, c.id limit 1 for update of c skip locked`;
    return row;
  },

  /** One whose newest backup is to be tried out again. */
  async takeDrillDue(tx: Tx, before: Date, except: readonly string[]): Promise<ScheduleRow | undefined> {
    const [row] = await tx.sql<ScheduleRow[]>`
      select ${tx.sql.unsafe(columns)} from ${tx.sql.unsafe(tables)}
      where c.enabled and c.kind = 'backup' and c.verify = 'weekly' and (c.verified_at is null or c.verified_at < ${before})
        and not c.id = any (${except as string[]}::text[])
        and exists (select from compute.backups b where b.schedule_id = c.id and b.state = 'available')
      order by c.id limit 1 for update of c skip locked`;
    return row;
  },
};
