import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { CloudError, checkRevision, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { type Id, newId } from "../../../kernel/ids.ts";
import { quotaStates, reserveQuota } from "../../../kernel/quota.ts";
import type { RequestContext, StreamContext } from "../../../kernel/service.ts";
import { type Area, actorIn, type ComputeParts, openProject, type ProjectPlace, placeOf } from "../parts.ts";
import { finishedTaskStates, jobActions, type jobRoutes } from "./contract.ts";
import { changeJob, emitJob, settle } from "./lifecycle.ts";
import { type JobRow, jobStore } from "./store/jobs.ts";
import { logStore } from "./store/logs.ts";
import { queueStore } from "./store/queue.ts";
import { type TaskRow, taskStore } from "./store/tasks.ts";
import { environmentPurpose } from "./taskRun.ts";
import { viewJob, viewTask } from "./views.ts";

type JobRoutes = Area<typeof jobRoutes>["handlers"];
type CreateBody = Parameters<JobRoutes["jobCreate"]>[1]["body"];

const lookAgainMs = 400;
const downloadPieceBytes = 1024 ** 2;
const finished: ReadonlySet<string> = new Set(finishedTaskStates);

export function jobRouteHandlers(parts: ComputeParts, hurry: () => void): JobRoutes {
  async function openJob(context: RequestContext, id: string, options: { lock?: boolean } = {}): Promise<JobRow> {
    const job = await jobStore.find(context.tx, id, options);
    if (!job) throw notFound("job");
    context.authorize(placeOf(job), "job");
    return job;
  }
  async function openTask(context: Pick<RequestContext, "tx" | "authorize">, id: string): Promise<TaskRow> {
    const task = await taskStore.find(context.tx, id);
    if (!task) throw notFound("task");
    context.authorize(placeOf(task), "task");
    return task;
  }
  const openTaskShortly = (context: StreamContext, id: string) =>
    context.transaction((tx) => openTask({ tx, authorize: context.authorize }, id));

  function checkAction(job: JobRow, action: keyof typeof jobActions): void {
    if (jobActions[action].includes(job.state)) return;
    throw new CloudError(
      "failed_precondition",
      action === "cancel"
        ? `A job can be cancelled while it is ${jobActions.cancel.join(" or ")}; this one is ${job.state}.`
        : `Only a finished job can be deleted; this one is ${job.state}. Cancel it first.`,
      { details: { reason: "state", state: job.state } },
    );
  }

  /** A bucket of the project that the caller may use so. */
  async function openLocation(
    context: RequestContext,
    place: ProjectPlace,
    field: "input" | "output",
    location: CreateBody["input"],
  ) {
    if (!location) return undefined;
    const bucket = await parts.objects.findBucket(context.tx, place.projectId, location.bucket);
    const allowed =
      field === "input"
        ? context.allows("objects.object.read", ["viewer"], placeOf(place))
        : context.allows("objects.object.write", ["editor"], placeOf(place));
    if (!bucket || !allowed)
      throw new CloudError(
        "not_found",
        `There is no bucket ${location.bucket} in this project, or you may not ${field === "input" ? "read" : "write"} it.`,
        { details: { resource: "bucket", fields: [{ path: `body.${field}.bucket`, message: "No such bucket." }] } },
      );
    return { id: bucket.id as Id<"bucket">, name: bucket.name, prefix: location.prefix };
  }

  async function openSize(context: RequestContext, idOrName: string) {
    const size = await jobStore.size(context.tx, idOrName);
    const field = (message: string) => ({ fields: [{ path: "body.size", message }] });
    if (!size) {
      const offered = await jobStore.offeredSizes(context.tx);
      throw new CloudError(
        "not_found",
        `There is no size ${idOrName}. There are: ${offered.join(", ") || "none yet; an administrator makes them"}.`,
        { details: { resource: "size", ...field("No such size.") } },
      );
    }
    if (size.retired)
      throw new CloudError("failed_precondition", `The size ${size.name} is not offered any more. Choose another one.`, {
        details: { reason: "size_retired", ...field("Not offered any more.") },
      });
    return size;
  }

  /** One that no quota would ever let begin is refused now instead of waiting for ever. */
  async function checkQuotas(context: RequestContext, place: ProjectPlace, needs: Record<string, number>): Promise<void> {
    for (const scope of [{ organisationId: place.organisationId }, placeOf(place) as ProjectPlace]) {
      for (const { name, limit, definition, custom } of await quotaStates(context.tx, scope)) {
        const needed = needs[name];
        const isProject = "projectId" in scope;
        if (needed === undefined || needed <= limit || (isProject && !custom)) continue;
        const where = isProject ? "project" : "organisation";
        throw new CloudError(
          "quota_exceeded",
          `One task needs ${needed}, and the ${where} may have ${limit} ${definition.summary.toLowerCase()}. Choose a smaller size, or ask an administrator for a higher quota.`,
          { details: { quota: name, limit, scope: where } },
        );
      }
    }
  }

  return {
    async jobList(context, { query }) {
      await openProject(parts, context, query.project);
      const [before] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await jobStore.page(context.tx, {
        projectId: query.project,
        state: query.state,
        search: query.search,
        before: before === undefined ? undefined : String(before),
        limit: query.limit + 1,
      });
      return toPage(rows, query.limit, viewJob, (row) => [row.id]);
    },

    async jobCreate(context, { body }) {
      const place = await openProject(parts, context, body.project);
      parts.engine();
      const image = await parts.images.resolve(context.tx, place, body.image);
      const size = await openSize(context, body.size);
      if (image.minimumDiskBytes > size.diskBytes)
        throw new CloudError(
          "failed_precondition",
          `The image ${image.name} needs a larger disk than the size ${size.name} has.`,
          {
            details: {
              reason: "disk_too_small",
              fields: [{ path: "body.size", message: "Its disk is too small for the image." }],
            },
          },
        );
      const networks = await jobStore.networksOf(context.tx, place.projectId, body.networks);
      if (networks.size < new Set(body.networks).size)
        throw new CloudError("not_found", "There is no such network in this project.", {
          details: { resource: "network", fields: [{ path: "body.networks", message: "No such network in this project." }] },
        });
      const [input, output] = [
        await openLocation(context, place, "input", body.input),
        await openLocation(context, place, "output", body.output),
      ];
      await checkQuotas(context, place, {
        "compute.tasks_running": 1,
        "compute.task_vcpus": size.vcpus,
        "compute.task_memory": size.memoryBytes,
      });
      await reserveQuota(context.tx, place, "compute.jobs", 1);
      const names = Object.keys(body.environment);
      const job: JobRow = {
        id: newId("job"),
        organisationId: place.organisationId as Id<"organisation">,
        projectId: place.projectId as Id<"project">,
        name: body.name,
        state: "queued",
        stateReason: null,
        imageId: image.id,
        imageName: image.name,
        sizeId: size.id,
        sizeName: size.name,
        vcpus: size.vcpus,
        memoryBytes: size.memoryBytes,
        diskBytes: size.diskBytes,
        command: body.command ?? null,
        script: body.script ?? null,
        environmentNames: names,
        inputBucketId: input?.id ?? null,
        inputBucketName: input?.name ?? null,
        inputPrefix: input?.prefix ?? null,
        outputBucketId: output?.id ?? null,
        outputBucketName: output?.name ?? null,
        outputPrefix: output?.prefix ?? null,
        arraySize: body.array,
        parallel: body.parallel ?? null,
        priority: body.priority,
        maximumRetries: body.maximumRetries,
        timeoutSeconds: body.timeoutSeconds,
        networkIds: body.networks,
        labels: body.labels,
        createdBy: actorIn(context),
        counts: {
          queued: body.array,
          starting: 0,
          running: 0,
          uploading: 0,
          succeeded: 0,
          failed: 0,
          cancelled: 0,
          timed_out: 0,
        },
        crowdedOutSince: null,
        createdAt: new Date(),
        startedAt: null,
        finishedAt: null,
        revision: 1,
      };
      const sealed =
        names.length > 0 ? parts.secrets.encrypt(environmentPurpose(job.id), JSON.stringify(body.environment)) : undefined;
      await jobStore.insert(
        context.tx,
        job,
        sealed,
        Array.from({ length: body.array }, () => newId("task")),
      );
      context.audit({
        ...subjectOf(job),
        after: {
          name: job.name,
          image: image.name,
          size: size.name,
          array: body.array,
          priority: body.priority,
          environment: names,
          input: input && `${input.name}/${input.prefix}`,
          output: output && `${output.name}/${output.prefix}`,
        },
      });
      await emitJob(context.tx, job, job.state);
      return viewJob(job);
    },

    jobGet: async (context, { params }) => viewJob(await openJob(context, params.job)),

    async jobCancel(context, { params }) {
      const job = await openJob(context, params.job, { lock: true });
      checkAction(job, "cancel");
      const waiting = await taskStore.cancelQueued(context.tx, job.id);
      const told = await taskStore.requestCancel(context.tx, job.id);
      let changed = waiting > 0 ? await jobStore.count(context.tx, job.id, "queued", "cancelled", waiting) : job;
      changed = await changeJob(context.tx, changed, { state: "cancelling", stateReason: null });
      changed = await settle(context.tx, changed);
      context.audit({ ...subjectOf(job), before: { state: job.state }, after: { state: changed.state } });
      if (told.length > 0) context.tx.afterCommit(hurry);
      return viewJob(changed);
    },

    async jobDelete(context, { params }) {
      const job = await openJob(context, params.job, { lock: true });
      checkAction(job, "delete");
      await deleteJob(context.tx, job);
      context.audit({ ...subjectOf(job), before: { name: job.name, state: job.state } });
      return undefined;
    },

    async taskList(context, { params, query }) {
      const job = await openJob(context, params.job);
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await taskStore.page(context.tx, {
        jobId: job.id,
        state: query.state,
        after: after === undefined ? undefined : Number(after),
        limit: query.limit + 1,
      });
      return toPage(rows, query.limit, viewTask, (row) => [row.index]);
    },

    taskGet: async (context, { params }) => viewTask(await openTask(context, params.task)),

    async taskLogGet(context, { params, query }) {
      const first = await openTaskShortly(context, params.task);
      const attempt = attemptOf(first, query.attempt);
      const until = Date.now() + query.waitSeconds * 1000;
      let offset = query.offset;
      for (;;) {
        const log = await context.transaction(async (tx) => {
          const task = (await taskStore.find(tx, params.task)) ?? first;
          const sizeBytes = await logStore.sizeBytes(tx, task.id, attempt);
          // The end of it first; a cut character at its beginning is passed over below.
          offset ??= Math.max(0, sizeBytes - query.limit);
          const bytes = sizeBytes > offset ? await logStore.read(tx, task.id, attempt, offset, query.limit) : Buffer.alloc(0);
          return { task, sizeBytes, bytes };
        });
        const isOver = log.task.attempt > attempt || finished.has(log.task.state) || log.task.state === "uploading";
        const from = offset as number;
        if (log.bytes.length > 0 || isOver || Date.now() >= until || context.signal.aborted) {
          const isEnd = isOver && from + log.bytes.length >= log.sizeBytes;
          const { text, skipped, taken } = textOf(log.bytes, query.offset === undefined && from > 0, isEnd);
          return {
            attempt,
            offset: from + skipped,
            nextOffset: from + taken,
            sizeBytes: log.sizeBytes,
            text,
            finished: isEnd,
            truncated: log.task.attempt === attempt && log.task.logTruncated,
          };
        }
        await sleep(Math.min(lookAgainMs, Math.max(1, until - Date.now())), undefined, { signal: context.signal }).catch(
          () => {},
        );
      }
    },

    async taskLogDownload(context, { params, query }) {
      const task = await openTaskShortly(context, params.task);
      const attempt = attemptOf(task, query.attempt);
      const read = (offset: number) =>
        context.transaction((tx) => logStore.read(tx, task.id, attempt, offset, downloadPieceBytes));
      async function* pieces(): AsyncGenerator<Buffer> {
        for (let offset = 0; ; ) {
          const piece = await read(offset);
          if (piece.length === 0) return;
          yield piece;
          offset += piece.length;
        }
      }
      return {
        status: 200,
        headers: {
          "content-type": "text/plain; charset=utf-8",
          "content-disposition": `attachment; filename="task-${task.index}-attempt-${attempt}.log"`,
          "x-content-type-options": "nosniff",
        },
        body: Readable.from(pieces()),
      };
    },

    async jobCapacityGet(context) {
      context.authorize({}, "job capacity");
      return viewCapacity(context.tx);
    },

    async jobCapacityUpdate(context, { body }) {
      context.authorize({}, "job capacity");
      const before = await queueStore.settings(context.tx, { lock: true });
      checkRevision(context.ifMatch, before, "job capacity");
      const after = await queueStore.updateSettings(context.tx, body);
      const shown = ({ vcpuPercent, memoryPercent }: typeof before) => ({ vcpuPercent, memoryPercent });
      context.audit({ resource: { kind: "jobCapacity", id: "jobCapacity" }, before: shown(before), after: shown(after) });
      return viewCapacity(context.tx);
    },
  };
}

async function viewCapacity(tx: RequestContext["tx"]) {
  const settings = await queueStore.settings(tx);
  const totals = await queueStore.totals(tx);
  return {
    vcpuPercent: settings.vcpuPercent,
    memoryPercent: settings.memoryPercent,
    vcpus: settings.vcpus ?? undefined,
    memoryBytes: settings.memoryBytes ?? undefined,
    usedVcpus: totals.vcpus,
    usedMemoryBytes: totals.memoryBytes,
    runningTasks: totals.atWork,
    queuedTasks: totals.queued,
    revision: settings.revision,
  };
}

/** With its tasks and logs; the quota gets back what the logs took. */
export async function deleteJob(tx: RequestContext["tx"], job: JobRow): Promise<void> {
  await reserveQuota(tx, job, "compute.task_logs", -(await jobStore.logBytes(tx, job.id)));
  await jobStore.delete(tx, job.id);
  await emitJob(tx, job, "deleted");
}

export const subjectOf = (job: Pick<JobRow, "id" | "name" | "organisationId" | "projectId">) => ({
  organisationId: job.organisationId,
  projectId: job.projectId,
  resource: { kind: "job", id: job.id, name: job.name },
});

function attemptOf(task: TaskRow, asked: number | undefined): number {
  if (asked !== undefined && asked > task.attempt)
    throw new CloudError("not_found", `This task has had ${task.attempt} attempts so far.`, { details: { resource: "attempt" } });
  return asked ?? Math.max(1, task.attempt);
}

/** UTF-8 that may begin and end in the middle of a character: what is cut at the end waits for the rest of it. */
function textOf(bytes: Buffer, mayBeginInside: boolean, isEnd: boolean): { text: string; skipped: number; taken: number } {
  let skipped = 0;
  while (mayBeginInside && skipped < 3 && skipped < bytes.length && ((bytes[skipped] as number) & 0xc0) === 0x80) skipped++;
  let end = bytes.length;
  if (!isEnd) {
    for (let back = 1; back <= 3 && back <= bytes.length - skipped; back++) {
      const byte = bytes[bytes.length - back] as number;
      if ((byte & 0xc0) === 0x80) continue;
      const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
      // Not if nothing were left: then it is no character at all.
      if (needed > back && bytes.length - back > skipped) end = bytes.length - back;
      break;
    }
  }
  return { text: bytes.subarray(skipped, end).toString("utf8"), skipped, taken: end };
}
