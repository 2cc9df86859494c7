import { z } from "zod";
import { displayName, event, page, pageQuery, revision, route, timestamp } from "../../../../kernel/contract.ts";
import { id } from "../../../../kernel/ids.ts";
import { inBucket, verifyCommand } from "../backups/contract.ts";
import { diskSource, ofDisk } from "../snapshots/contract.ts";

export const weekday = z.enum(["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]);
export const scheduleKind = z.enum(["snapshot", "backup"]);
export const scheduleFrequency = z.enum(["hours", "day", "week"]);
export const scheduleVerify = z
  .enum(["never", "each", "weekly"])
  .describe("Restore drills of backups: never, after each backup, or of the newest one once a week.");

export const snapshotSchedule = z.object({
  id: id("snapshotSchedule"),
  projectId: id("project"),
  organisationId: id("organisation"),
  name: z.string(),
  source: diskSource,
  kind: scheduleKind,
  frequency: scheduleFrequency,
  everyHours: z.number().int().optional(),
  at: z.string().optional(),
  weekday: weekday.optional(),
  timeZone: z.string(),
  keepLast: z.number().int(),
  keepDays: z.number().int().optional(),
  bucketId: id("bucket").optional(),
  bucketName: z.string().optional().describe("Absent when the bucket was deleted."),
  verify: scheduleVerify,
  verifyCommand: z.string().optional(),
  enabled: z.boolean(),
  nextRunAt: timestamp.optional().describe("Absent while it is not enabled."),
  lastRun: z
    .object({
      state: z.enum(["running", "succeeded", "failed"]),
      startedAt: timestamp,
      finishedAt: timestamp.optional(),
      message: z.string().optional().describe("Why it failed."),
      operationId: id("operation").optional(),
    })
    .optional(),
  createdAt: timestamp,
  revision,
});
export type SnapshotSchedule = z.output<typeof snapshotSchedule>;

const bySchedule = z.object({ snapshotSchedule: id("snapshotSchedule") });
const scheduleTimes = {
  everyHours: z
    .union([1, 2, 3, 4, 6, 8, 12].map((hours) => z.literal(hours)))
    .optional()
    .describe("With frequency hours: 1, 2, 3, 4, 6, 8 or 12, counted from midnight of the time zone."),
  at: z
    .string()
    .regex(/^([01]\d|2[0-3]):[0-5]\d$/, "A time of day such as 03:30.")
    .optional()
    .describe("With frequency day or week: HH:MM in the time zone."),
  weekday: weekday.optional().describe("With frequency week."),
};
const timeZone = z
  .string()
  .max(64)
  .refine(isTimeZone, "A time zone of the IANA database, such as Europe/Kyiv or UTC.")
  .describe("A time zone of the IANA database.");
const keepLast = z.number().int().min(1).max(1000).describe("The newest so many are kept, whatever their age.");
const keepDays = z
  .number()
  .int()
  .min(1)
  .max(3650)
  .describe("And those younger than this, however many. Absent: no more than `keepLast`.");
function isTimeZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return /^[A-Za-z]/.test(zone);
  } catch {
    return false;
  }
}

export const scheduleRoutes = {
  snapshotScheduleList: route({
    method: "GET",
    path: "/v1/snapshot-schedules",
    summary: "List schedules of snapshots and backups",
    permission: "compute.snapshot_schedule.list",
    roles: ["viewer"],
    query: pageQuery.extend({ project: id("project"), ...ofDisk }),
    response: page(snapshotSchedule),
    errors: ["not_found"],
  }),
  snapshotScheduleCreate: route({
    method: "POST",
    path: "/v1/snapshot-schedules",
    summary: "Create a schedule of snapshots or backups",
    description:
      "Every so many hours, daily or weekly, in a time zone, with what is to be kept. What was missed while the cloud was down is made up for once.",
    permission: "compute.snapshot_schedule.create",
    roles: ["editor"],
    body: z.object({
      ...ofDisk,
      name: displayName,
      kind: scheduleKind,
      frequency: scheduleFrequency,
      ...scheduleTimes,
      timeZone: timeZone.default("UTC"),
      keepLast: keepLast.default(7),
      keepDays: keepDays.optional(),
      bucket: inBucket.optional().describe("Of backups: the id or name of a bucket of the project."),
      verify: scheduleVerify.default("never"),
      verifyCommand: verifyCommand.optional(),
      enabled: z.boolean().default(true),
    }),
    response: snapshotSchedule,
    status: 201,
    errors: ["not_found", "failed_precondition", "already_exists"],
  }),
  snapshotScheduleGet: route({
    method: "GET",
    path: "/v1/snapshot-schedules/{snapshotSchedule}",
    summary: "Show a schedule",
    permission: "compute.snapshot_schedule.read",
    roles: ["viewer"],
    params: bySchedule,
    response: snapshotSchedule,
    errors: ["not_found"],
  }),
  snapshotScheduleUpdate: route({
    method: "PATCH",
    path: "/v1/snapshot-schedules/{snapshotSchedule}",
    summary: "Change a schedule",
    permission: "compute.snapshot_schedule.update",
    roles: ["editor"],
    params: bySchedule,
    body: z.object({
      name: displayName.optional(),
      frequency: scheduleFrequency.optional(),
      ...scheduleTimes,
      timeZone: timeZone.optional(),
      keepLast: keepLast.optional(),
      keepDays: keepDays.nullable().optional().describe("null: none."),
      bucket: inBucket.optional(),
      verify: scheduleVerify.optional(),
      verifyCommand: verifyCommand.nullable().optional().describe("null: none."),
      enabled: z.boolean().optional(),
    }),
    response: snapshotSchedule,
    errors: ["not_found", "failed_precondition", "already_exists", "precondition_failed"],
  }),
  snapshotScheduleDelete: route({
    method: "DELETE",
    path: "/v1/snapshot-schedules/{snapshotSchedule}",
    summary: "Delete a schedule",
    description: "What it made stays, and is not deleted by age any more.",
    permission: "compute.snapshot_schedule.delete",
    roles: ["editor"],
    params: bySchedule,
    errors: ["not_found"],
  }),
};

export const scheduleEvents = {
  snapshotScheduleChanged: event({
    type: "compute.snapshot_schedule.changed",
    payload: z.object({ snapshotScheduleId: id("snapshotSchedule"), sourceId: z.string(), name: z.string() }),
  }),
};
