import type { Tx } from "../../../../kernel/db/database.ts";
import { checkRevision, invalid, nameTaken, there } from "../../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../../kernel/http/cursor.ts";
import { type Id, newId } from "../../../../kernel/ids.ts";
import type { Handler } from "../../../../kernel/service.ts";
import { type ComputeParts, openProject, placeOf } from "../../parts.ts";
import { findBucket } from "../backups/routes.ts";
import { openDisk, subjectOf } from "../disks.ts";
import { checkRight } from "../rights.ts";
import { brokenConstraint } from "../store.ts";
import type { SnapshotSchedule, scheduleRoutes } from "./contract.ts";
import { type ScheduleChange, type ScheduleRow, scheduleStore } from "./store.ts";
import { nextRun, type ScheduleTimes } from "./times.ts";
import { viewSchedule } from "./view.ts";

type Routes = typeof scheduleRoutes;

export function scheduleHandlers(parts: ComputeParts): { [K in keyof Routes]: Handler<Routes[K]> } {
  const view = async (tx: Tx, row: ScheduleRow): Promise<SnapshotSchedule> => {
    const bucket = row.bucketId ? await parts.objects.findBucket(tx, row.projectId, row.bucketId) : undefined;
    return viewSchedule(row, bucket?.name);
  };

  return {
    async snapshotScheduleList(context, { query }) {
      const place = await openProject(parts, context, query.project);
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await scheduleStore.page(context.tx, {
        projectId: place.projectId,
        sourceId: query.instance ?? query.volume,
        after: after === undefined ? undefined : String(after),
        limit: query.limit + 1,
      });
      const names = new Map<string, string | undefined>();
      for (const { bucketId } of rows) {
        if (bucketId && !names.has(bucketId)) {
          names.set(bucketId, (await parts.objects.findBucket(context.tx, place.projectId, bucketId))?.name);
        }
      }
      return toPage(
        rows,
        query.limit,
        (row) => viewSchedule(row, row.bucketId ? names.get(row.bucketId) : undefined),
        ({ id }) => [id],
      );
    },

    async snapshotScheduleCreate(context, { body }) {
      const disk = await openDisk(parts, context, body);
      const times = timesOf(body, { everyHours: null, at: null, weekday: null });
      if (body.kind === "backup" && body.bucket === undefined) {
        throw invalid("body.bucket", "Say in which bucket of the project the backups are to be kept.");
      }
      if (body.kind === "snapshot") refuseForSnapshots(body);
      else checkRight(context, "writeObjects", disk);
      if (body.verify !== "never") checkRight(context, "drill", disk);
      const bucket =
        body.kind === "backup" && body.bucket !== undefined
          ? await findBucket(parts, context.tx, disk.projectId, body.bucket)
          : undefined;
      const now = new Date();
      const row: ScheduleRow = {
        ...times,
        id: newId("snapshotSchedule"),
        organisationId: disk.organisationId as Id<"organisation">,
        projectId: disk.projectId as Id<"project">,
        instanceId: disk.kind === "instance" ? disk.instance.id : null,
        volumeId: disk.kind === "volume" ? disk.volume.id : null,
        sourceId: disk.id,
        sourceName: disk.name,
        name: body.name,
        kind: body.kind,
        keepLast: body.keepLast,
        keepDays: body.keepDays ?? null,
        bucketId: (bucket?.id as Id<"bucket"> | undefined) ?? null,
        verify: body.verify,
        verifyCommand: body.verifyCommand ?? null,
        enabled: body.enabled,
        nextRunAt: body.enabled ? nextRun(times, now) : null,
        lastState: null,
        lastStartedAt: null,
        lastFinishedAt: null,
        lastMessage: null,
        lastOperationId: null,
        failures: 0,
        verifiedAt: null,
        createdAt: now,
        revision: 1,
      };
      if (!(await scheduleStore.insert(context.tx, row))) {
        throw nameTaken("schedule", `The ${disk.kind} ${disk.name}`, body.name);
      }
      context.audit({ ...subjectOf("snapshotSchedule", row), after: settingsOf(row) });
      return viewSchedule(row, bucket?.name);
    },

    async snapshotScheduleGet(context, { params }) {
      const row = there(await scheduleStore.find(context.tx, params.snapshotSchedule), "schedule");
      context.authorize(placeOf(row), "schedule");
      return view(context.tx, row);
    },

    async snapshotScheduleUpdate(context, { params, body }) {
      const row = there(await scheduleStore.find(context.tx, params.snapshotSchedule, { lock: true }), "schedule");
      context.authorize(placeOf(row), "schedule");
      checkRevision(context.ifMatch, row, "schedule");
      if (row.kind === "snapshot") refuseForSnapshots(body);
      if (body.bucket !== undefined) checkRight(context, "writeObjects", row);
      if (body.verify !== undefined || body.verifyCommand !== undefined) checkRight(context, "drill", row);
      const times = timesOf(
        { ...body, frequency: body.frequency ?? row.frequency, timeZone: body.timeZone ?? row.timeZone },
        row,
      );
      const bucket = body.bucket === undefined ? undefined : await findBucket(parts, context.tx, row.projectId, body.bucket);
      const enabled = body.enabled ?? row.enabled;
      const change: ScheduleChange = {
        ...times,
        enabled,
        ...(body.name === undefined ? {} : { name: body.name }),
        ...(body.keepLast === undefined ? {} : { keepLast: body.keepLast }),
        ...(body.keepDays === undefined ? {} : { keepDays: body.keepDays }),
        ...(bucket === undefined ? {} : { bucketId: bucket.id as Id<"bucket"> }),
        ...(body.verify === undefined ? {} : { verify: body.verify }),
        ...(body.verifyCommand === undefined ? {} : { verifyCommand: body.verifyCommand }),
        nextRunAt: enabled ? nextRun(times, new Date()) : null,
        failures: 0,
      };
      const next = await updated(context.tx, row, change);
      context.audit({ ...subjectOf("snapshotSchedule", next), before: settingsOf(row), after: settingsOf(next) });
      return view(context.tx, next);
    },

    async snapshotScheduleDelete(context, { params }) {
      const row = there(await scheduleStore.find(context.tx, params.snapshotSchedule, { lock: true }), "schedule");
      context.authorize(placeOf(row), "schedule");
      await scheduleStore.delete(context.tx, row);
      context.audit({ ...subjectOf("snapshotSchedule", row), before: settingsOf(row) });
      return undefined;
    },
  };
}

/** What goes with the frequency, and nothing else; what a change does not name stays. */
function timesOf(
  body: {
    frequency: ScheduleTimes["frequency"];
    timeZone: string;
    everyHours?: number | undefined;
    at?: string | undefined;
    weekday?: ScheduleTimes["weekday"] | undefined;
  },
  before: Pick<ScheduleTimes, "everyHours" | "at" | "weekday">,
): ScheduleTimes {
  const { frequency, timeZone } = body;
  const hours = frequency === "hours";
  if (hours && (body.at !== undefined || body.weekday !== undefined)) {
    throw invalid(body.at === undefined ? "body.weekday" : "body.at", "With the frequency hours there is only everyHours.");
  }
  if (!hours && body.everyHours !== undefined) throw invalid("body.everyHours", "This goes with the frequency hours only.");
  if (frequency !== "week" && body.weekday !== undefined)
    throw invalid("body.weekday", "This goes with the frequency week only.");
  const everyHours = hours ? (body.everyHours ?? before.everyHours) : null;
  const at = hours ? null : (body.at ?? before.at);
  const weekday = frequency === "week" ? (body.weekday ?? before.weekday) : null;
  if (hours && everyHours === null) throw invalid("body.everyHours", "Say every how many hours: 1, 2, 3, 4, 6, 8 or 12.");
  if (!hours && at === null) throw invalid("body.at", "Say at what time of day, such as 03:30.");
  if (frequency === "week" && weekday === null) throw invalid("body.weekday", "Say on which day of the week.");
  return { frequency, timeZone, everyHours, at, weekday };
}

function refuseForSnapshots(body: {
  bucket?: string | undefined;
  verify?: string | undefined;
  verifyCommand?: string | null | undefined;
}): void {
  if (body.bucket !== undefined) throw invalid("body.bucket", "Snapshots lie beside their disk; only backups need a bucket.");
  if ((body.verify !== undefined && body.verify !== "never") || body.verifyCommand) {
    throw invalid("body.verify", "Restore drills are for backups.");
  }
}

const settingsOf = (row: ScheduleRow): Record<string, unknown> => {
  const {
    name,
    kind,
    frequency,
    everyHours,
    at,
    weekday,
    timeZone,
    keepLast,
    keepDays,
    bucketId,
    verify,
    verifyCommand,
    enabled,
  } = row;
  const all = {
    name,
    kind,
    frequency,
    everyHours,
    at,
    weekday,
    timeZone,
    keepLast,
    keepDays,
    bucketId,
    verify,
    verifyCommand,
    enabled,
  };
  return Object.fromEntries(Object.entries({ ...all, source: row.sourceId }).filter(([, value]) => value !== null));
};

async function updated(tx: Tx, row: ScheduleRow, change: ScheduleChange): Promise<ScheduleRow> {
  try {
    return await scheduleStore.update(tx, row.id, change);
  } catch (error) {
    if (brokenConstraint(error) === "snapshot_schedules_name") {
      throw nameTaken("schedule", `The ${row.instanceId ? "instance" : "volume"} ${row.sourceName}`, change.name ?? row.name);
    }
    throw error;
  }
}
