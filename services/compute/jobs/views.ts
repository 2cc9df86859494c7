import { isoTime } from "../../../kernel/clock.ts";
import type { Id } from "../../../kernel/ids.ts";
import { type Job, type JobAction, jobActions, type Task } from "./contract.ts";
import type { JobRow } from "./store/jobs.ts";
import type { TaskRow } from "./store/tasks.ts";

const location = (id: Id<"bucket"> | null, name: string | null, prefix: string | null) =>
  id === null ? undefined : { bucketId: id, bucketName: name ?? "", prefix: prefix ?? "" };
const optional = (at: Date | null): string | undefined => (at === null ? undefined : isoTime(at));

export const viewJob = (row: JobRow): Job => ({
  id: row.id,
  projectId: row.projectId,
  organisationId: row.organisationId,
  name: row.name,
  state: row.state,
  stateReason: row.stateReason ?? undefined,
  allowedActions: (Object.keys(jobActions) as JobAction[]).filter((action) => jobActions[action].includes(row.state)),
  imageId: row.imageId,
  imageName: row.imageName,
  sizeId: row.sizeId ?? undefined,
  sizeName: row.sizeName,
  vcpus: row.vcpus,
  memoryBytes: row.memoryBytes,
  diskBytes: row.diskBytes,
  command: row.command ?? undefined,
  script: row.script ?? undefined,
  environment: row.environmentNames,
  input: location(row.inputBucketId, row.inputBucketName, row.inputPrefix),
  output: location(row.outputBucketId, row.outputBucketName, row.outputPrefix),
  array: row.arraySize,
  parallel: row.parallel ?? undefined,
  priority: row.priority,
  maximumRetries: row.maximumRetries,
  timeoutSeconds: row.timeoutSeconds,
  labels: row.labels,
  tasks: row.counts,
  createdBy: row.createdBy,
  createdAt: isoTime(row.createdAt),
  startedAt: optional(row.startedAt),
  finishedAt: optional(row.finishedAt),
  revision: row.revision,
});

export const viewTask = (row: TaskRow): Task => ({
  id: row.id,
  jobId: row.jobId,
  projectId: row.projectId,
  index: row.index,
  state: row.state,
  stateReason: row.stateReason ?? undefined,
  attempt: row.attempt,
  retriesUsed: row.retriesUsed,
  exitCode: row.exitCode ?? undefined,
  logBytes: row.logBytes,
  logTruncated: row.logTruncated,
  outputObjects: row.outputObjects,
  outputBytes: row.outputBytes,
  attempts: row.attempts,
  waitsUntil: optional(row.waitsUntil),
  createdAt: isoTime(row.createdAt),
  startedAt: optional(row.startedAt),
  runningAt: optional(row.runningAt),
  finishedAt: optional(row.finishedAt),
});
