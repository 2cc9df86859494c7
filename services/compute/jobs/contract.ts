import { z } from "zod";
import { actor, displayName, event, page, pageQuery, revision, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";
import { labels } from "../instances/contract.ts";

/** Queued ones wait for room or for their turn; cancelling ones still have tasks that are being stopped. */
export const jobState = z.enum(["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]);
export type JobState = z.output<typeof jobState>;
export const finishedJobStates = ["succeeded", "failed", "cancelled"] as const satisfies readonly JobState[];

/**
 * queued: waits for its turn (or for its next attempt); starting: its instance is being made and the input brought in; running: the
 * command is at work; uploading: what lies below /output goes to the bucket. The others are final.
 */
export const taskState = z.enum(["queued", "starting", "running", "uploading", "succeeded", "failed", "cancelled", "timed_out"]);
export type TaskState = z.output<typeof taskState>;
export const finishedTaskStates = ["succeeded", "failed", "cancelled", "timed_out"] as const satisfies readonly TaskState[];

/** Which state may follow which. A failed attempt goes back to queued while there are retries left. */
export const taskTransitions: Record<TaskState, readonly TaskState[]> = {
  queued: ["starting", "cancelled"],
  starting: ["running", "queued", "failed", "cancelled"],
  running: ["uploading", "succeeded", "queued", "failed", "timed_out", "cancelled"],
  uploading: ["succeeded", "queued", "failed", "cancelled"],
  succeeded: [],
  failed: [],
  cancelled: [],
  timed_out: [],
};

export const jobAction = z.enum(["cancel", "delete"]);
export type JobAction = z.output<typeof jobAction>;
/** The rules of states as data: the API's 409, `allowedActions`, the console's buttons. */
export const jobActions: Record<JobAction, readonly JobState[]> = {
  cancel: ["queued", "running"],
  delete: finishedJobStates,
};

/** What a task's log holds at the most; a job of many tasks shares 1 GiB between them. */
export const maximumLogBytes = 10 * 1024 ** 2;
export const maximumJobLogBytes = 1024 ** 3;
/** Finished jobs go after so many days, with their logs; what they put into buckets stays. */
export const keptDays = 30;

const counts = z.object({
  queued: z.number().int(),
  starting: z.number().int(),
  running: z.number().int(),
  uploading: z.number().int(),
  succeeded: z.number().int(),
  failed: z.number().int(),
  cancelled: z.number().int(),
  timed_out: z.number().int(),
});

const location = z.object({
  bucketId: id("bucket"),
  bucketName: z.string(),
  prefix: z.string(),
});

export const job = z.object({
  id: id("job"),
  projectId: id("project"),
  organisationId: id("organisation"),
  name: z.string(),
  state: jobState,
  /** Why it waits, or why it failed, for people. */
  stateReason: z.string().optional(),
  /** What may be done now; the rest answers 409. */
  allowedActions: z.array(jobAction),
  imageId: id("image"),
  imageName: z.string(),
  sizeId: id("size").optional(),
  sizeName: z.string(),
  vcpus: z.number().int(),
  memoryBytes: z.number().int(),
  diskBytes: z.number().int(),
  /** One of the two. */
  command: z.array(z.string()).optional(),
  script: z.string().optional(),
  environment: z.array(z.string()).describe("The names; the values are kept sealed and never answered."),
  input: location.optional(),
  output: location.optional(),
  array: z.number().int(),
  parallel: z.number().int().optional(),
  priority: z.number().int(),
  maximumRetries: z.number().int(),
  timeoutSeconds: z.number().int(),
  labels,
  tasks: counts.describe("How many tasks are in which state."),
  createdBy: actor,
  createdAt: timestamp,
  startedAt: timestamp.optional(),
  finishedAt: timestamp.optional(),
  revision,
});
export type Job = z.output<typeof job>;

export const taskAttempt = z.object({
  attempt: z.number().int().describe("1 for the first; those that the cloud itself broke off count too, but use up no retry."),
  outcome: z.enum(["succeeded", "failed", "timed_out", "cancelled", "interrupted"]),
  /** What the command answered; above 128 it was ended by the signal of that number less 128. */
  exitCode: z.number().int().optional(),
  reason: z.string().optional(),
  startedAt: timestamp,
  /** When the command began. */
  runningAt: timestamp.optional(),
  finishedAt: timestamp,
});

export const task = z.object({
  id: id("task"),
  jobId: id("job"),
  projectId: id("project"),
  /** KHMARA_TASK_INDEX inside: 0 to array − 1. */
  index: z.number().int(),
  state: taskState,
  stateReason: z.string().optional(),
  /** Which attempt is at work or was the last; 0 before the first. */
  attempt: z.number().int(),
  retriesUsed: z.number().int(),
  exitCode: z.number().int().optional(),
  /** Of the latest attempt. */
  logBytes: z.number().int(),
  logTruncated: z.boolean(),
  outputObjects: z.number().int(),
  outputBytes: z.number().int(),
  /** Those that are over, oldest first; at most the last 20. */
  attempts: z.array(taskAttempt),
  /** Of a queued one: not before this time. */
  waitsUntil: timestamp.optional(),
  createdAt: timestamp,
  startedAt: timestamp.optional(),
  runningAt: timestamp.optional(),
  finishedAt: timestamp.optional(),
});
export type Task = z.output<typeof task>;

const taskLog = z.object({
  attempt: z.number().int(),
  /** Where `text` begins, in bytes of the log. */
  offset: z.number().int(),
  /** Give it as `offset` for what follows. */
  nextOffset: z.number().int(),
  sizeBytes: z.number().int(),
  text: z.string().describe("UTF-8; what is none is shown as U+FFFD. Standard output and error, as they came."),
  /** Nothing more will come. */
  finished: z.boolean(),
  truncated: z.boolean().describe("The log got longer than is kept: the rest is lost."),
});

export const jobCapacity = z.object({
  vcpuPercent: z.number().int().describe("How much of the engine's processors jobs may use."),
  memoryPercent: z.number().int().describe("How much of the engine's memory jobs may use."),
  /** As the engine was seen last; absent before. */
  vcpus: z.number().optional(),
  memoryBytes: z.number().int().optional(),
  usedVcpus: z.number().int(),
  usedMemoryBytes: z.number().int(),
  runningTasks: z.number().int(),
  queuedTasks: z.number().int(),
  revision,
});

const byJob = z.object({ job: id("job") });
const byTask = z.object({ task: id("task") });
const inBucket = z.object({
  bucket: z.string().min(1).max(100).describe("The id or the name of a bucket of the project."),
  prefix: z
    .string()
    .max(900, "At most 900 characters.")
    .refine((prefix) => prefix === "" || prefix.endsWith("/"), "A folder is named with its slash: results/")
    .default(""),
});
const noNull = (text: string): boolean => !text.includes("\0");
const nullMessage = "It cannot contain a null byte.";
const variableName = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

export const jobRoutes = {
  jobList: route({
    method: "GET",
    path: "/v1/jobs",
    summary: "List jobs",
    description: "Newest first.",
    permission: "compute.job.list",
    roles: ["viewer"],
    query: pageQuery.extend({
      project: id("project"),
      state: jobState.optional(),
      search: z.string().max(100).optional().describe("Part of the name."),
    }),
    response: page(job),
    errors: ["not_found"],
  }),
  jobCreate: route({
    method: "POST",
    path: "/v1/jobs",
    summary: "Create a job",
    description:
      "A command (or a shell script), run to its end in servers of its own, as many times as `array` says. Objects of `input` lie in /input " +
      "before it begins; files that it leaves in /output go to `output`, each task's into its own folder when there are several. " +
      "KHMARA_TASK_INDEX and KHMARA_TASK_COUNT tell the tasks apart. Billed per second while a task's server is there.",
    permission: "compute.job.create",
    roles: ["editor"],
    body: z
      .object({
        project: id("project"),
        name: displayName,
        image: z.union([id("image"), z.string().min(1).max(100)]).describe("The id or the name of an image."),
        size: z.union([id("size"), z.string().min(1).max(100)]).describe("The id or the name of a size; each task gets so much."),
        command: z
          .array(z.string().max(131_072).refine(noNull, nullMessage))
          .min(1)
          .max(1000)
          .optional()
          .describe("The program and its arguments, as they are: no shell. This or `script`."),
        script: z
          .string()
          .min(1)
          .max(262_144, "A script has at most 256 KiB; put more into the input bucket.")
          .refine(noNull, nullMessage)
          .optional()
          .describe("A shell script (or another one, with its #! line)."),
        environment: z
          .record(z.string(), z.string().max(32_768).refine(noNull, nullMessage))
          .refine(
            (all) => Object.keys(all).every((name) => variableName.test(name)),
            "A variable's name has letters, digits and underscores, and does not begin with a digit.",
          )
          .refine((all) => Object.keys(all).length <= 100, "At most 100 variables.")
          .refine(
            (all) => !Object.keys(all).some((name) => name.startsWith("KHMARA_")),
            "Names that begin with KHMARA_ are the cloud's own.",
          )
          .default({})
          .describe("Values are kept sealed and never shown again."),
        input: inBucket.optional().describe("What lies below the prefix is brought into /input."),
        output: inBucket.optional().describe("Where the files below /output go."),
        array: z.number().int().min(1).max(10_000).default(1).describe("How many tasks."),
        parallel: z
          .number()
          .int()
          .min(1)
          .max(10_000)
          .optional()
          .describe("How many tasks at once at the most. Absent: as many as fit."),
        priority: z.number().int().min(0).max(100).default(50).describe("Higher ones first, among the jobs of the project."),
        maximumRetries: z
          .number()
          .int()
          .min(0)
          .max(10)
          .default(0)
          .describe("How often a task is tried again that answered other than 0 or ran out of time."),
        timeoutSeconds: z
          .number()
          .int()
          .min(1)
          .max(30 * 86_400)
          .default(3600)
          .describe("How long the command of one task may run; then it is killed."),
        networks: z.array(id("network")).max(8).default([]).describe("None: the project's default network."),
        labels: labels.default({}),
      })
      .refine((body) => (body.command === undefined) !== (body.script === undefined), {
        message: "Give a command or a script: one of the two.",
        path: ["command"],
      }),
    response: job,
    status: 201,
    errors: ["not_found", "failed_precondition", "quota_exceeded"],
  }),
  jobGet: route({
    method: "GET",
    path: "/v1/jobs/{job}",
    summary: "Show a job",
    permission: "compute.job.read",
    roles: ["viewer"],
    params: byJob,
    response: job,
    errors: ["not_found"],
  }),
  jobCancel: route({
    method: "POST",
    path: "/v1/jobs/{job}/cancel",
    summary: "Cancel a job",
    description: "What waits is not begun any more, what runs is killed. Files of /output of killed tasks are lost.",
    permission: "compute.job.cancel",
    roles: ["editor"],
    params: byJob,
    response: job,
    errors: ["not_found", "failed_precondition"],
  }),
  jobDelete: route({
    method: "DELETE",
    path: "/v1/jobs/{job}",
    summary: "Delete a job",
    description: `The record, its tasks and their logs; only a finished one. What it put into buckets stays. By itself it goes after ${keptDays} days.`,
    permission: "compute.job.delete",
    roles: ["editor"],
    params: byJob,
    errors: ["not_found", "failed_precondition"],
  }),

  taskList: route({
    method: "GET",
    path: "/v1/jobs/{job}/tasks",
    summary: "List the tasks of a job",
    description: "By their index.",
    permission: "compute.task.list",
    roles: ["viewer"],
    params: byJob,
    query: pageQuery.extend({ state: taskState.optional() }),
    response: page(task),
    errors: ["not_found"],
  }),
  taskGet: route({
    method: "GET",
    path: "/v1/tasks/{task}",
    summary: "Show a task",
    permission: "compute.task.read",
    roles: ["viewer"],
    params: byTask,
    response: task,
    errors: ["not_found"],
  }),
  taskLogGet: route({
    method: "GET",
    path: "/v1/tasks/{task}/log",
    summary: "Read the log of a task",
    description:
      "Also while it runs: ask again with `nextOffset`. With `waitSeconds` the answer comes as soon as there is more, or when the time is over.",
    permission: "compute.task_log.read",
    roles: ["viewer"],
    params: byTask,
    query: z.object({
      attempt: z.coerce.number().int().min(1).optional().describe("Absent: the latest."),
      offset: z.coerce.number().int().min(0).optional().describe("Where to begin, in bytes. Absent: so that the end is seen."),
      limit: z.coerce
        .number()
        .int()
        .min(1024)
        .max(1024 ** 2)
        .default(65_536)
        .describe("How many bytes at the most."),
      waitSeconds: z.coerce.number().int().min(0).max(60).default(0),
    }),
    response: taskLog,
    // Waits, and so holds no transaction.
    stream: {},
    errors: ["not_found"],
  }),
  taskLogDownload: route({
    method: "GET",
    path: "/v1/tasks/{task}/log/content",
    summary: "Download the log of a task",
    permission: "compute.task_log.read",
    roles: ["viewer"],
    params: byTask,
    query: z.object({ attempt: z.coerce.number().int().min(1).optional().describe("Absent: the latest.") }),
    stream: { response: "bytes" },
    errors: ["not_found"],
  }),

  jobCapacityGet: route({
    method: "GET",
    path: "/v1/job-capacity",
    summary: "Show what jobs may use of the engine",
    permission: "compute.job_capacity.read",
    roles: ["admin"],
    response: jobCapacity,
  }),
  jobCapacityUpdate: route({
    method: "PATCH",
    path: "/v1/job-capacity",
    summary: "Change what jobs may use of the engine",
    description: "What runs goes on. Tasks wait while the engine has no memory free, whatever is allowed here.",
    permission: "compute.job_capacity.update",
    roles: ["admin"],
    body: z.object({
      vcpuPercent: z.number().int().min(0).max(1000).optional().describe("Above 100: processors are promised more than once."),
      memoryPercent: z.number().int().min(0).max(100).optional(),
    }),
    response: jobCapacity,
    errors: ["precondition_failed"],
  }),
};

export const jobEvents = {
  jobChanged: event({
    type: "compute.job.changed",
    payload: z.object({ jobId: id("job"), name: z.string(), state: z.union([jobState, z.literal("deleted")]) }),
  }),
  taskChanged: event({
    type: "compute.task.changed",
    payload: z.object({ taskId: id("task"), jobId: id("job"), index: z.number().int(), state: taskState }),
  }),
};

const gib = 1024 ** 3;
export const jobQuotas = {
  "compute.jobs": { unit: "count", summary: "Jobs that are not finished", default: 200 },
  "compute.tasks_running": { unit: "count", summary: "Tasks of jobs at work at once", default: 20 },
  "compute.task_vcpus": { unit: "count", summary: "Virtual processors of tasks at work at once", default: 64 },
  "compute.task_memory": { unit: "bytes", summary: "Bytes of memory of tasks at work at once", default: 256 * gib },
  "compute.task_logs": { unit: "bytes", summary: "Bytes of logs of tasks", default: 5 * gib },
} as const;

/** Tasks are metered by the meters of instances (compute.vcpus, compute.memory, compute.disk), as resources of the kind `job`. */
export const jobMeters = {} as const;
