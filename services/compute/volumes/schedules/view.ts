import { isoTime } from "../../../../kernel/clock.ts";
import type { SnapshotSchedule } from "./contract.ts";
import type { ScheduleRow } from "./store.ts";

export const viewSchedule = (row: ScheduleRow, bucketName: string | undefined): SnapshotSchedule => ({
  id: row.id,
  projectId: row.projectId,
  organisationId: row.organisationId,
  name: row.name,
  source: { kind: row.instanceId ? "instance" : "volume", id: row.sourceId, name: row.sourceName },
  kind: row.kind,
  frequency: row.frequency,
  everyHours: row.everyHours ?? undefined,
  at: row.at ?? undefined,
  weekday: row.weekday ?? undefined,
  timeZone: row.timeZone,
  keepLast: row.keepLast,
  keepDays: row.keepDays ?? undefined,
  bucketId: row.bucketId ?? undefined,
  bucketName,
  verify: row.verify,
  verifyCommand: row.verifyCommand ?? undefined,
  enabled: row.enabled,
  nextRunAt: row.nextRunAt ? isoTime(row.nextRunAt) : undefined,
  lastRun:
    row.lastState && row.lastStartedAt
      ? {
          state: row.lastState,
          startedAt: isoTime(row.lastStartedAt),
          finishedAt: row.lastFinishedAt ? isoTime(row.lastFinishedAt) : undefined,
          message: row.lastMessage ?? undefined,
          operationId: row.lastOperationId ?? undefined,
        }
      : undefined,
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});
