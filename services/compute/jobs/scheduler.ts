import { CloudError } from "../../../kernel/errors.ts";
import type { ComputeParts } from "../parts.ts";
import { changeJob, emitJob, enter, reserveForTask, settle } from "./lifecycle.ts";
import type { JobTimes } from "./settings.ts";
import { jobStore } from "./store/jobs.ts";
import { queueStore, type WaitingJob } from "./store/queue.ts";
import { taskStore } from "./store/tasks.ts";

/** So many servers are begun in one round, lest their making keeps all else waiting. */
const startedAtOnce = 20;
const capacityFreshMs = 3000;
const engineMs = 8000;
/** What the quota has refused is not asked for again in every round. */
const refusedMs = 3000;

interface Room {
  vcpus: number;
  memoryBytes: number;
  /** The most that one task can ever get. */
  largest: { vcpus: number; memoryBytes: number };
}

export interface Scheduler {
  /** Begins what fits; answers how many tasks that were. */
  round(signal: AbortSignal): Promise<number>;
}

/**
 * Which task begins next. Between projects: the one that holds the fewest processors, so that nobody's thousand tasks keep another
 * waiting. Within a project: by priority, then age. What finds no room lets smaller ones pass for a while, then holds them up.
 */
export function createScheduler(parts: ComputeParts, times: JobTimes): Scheduler {
  const { database } = parts;
  const refusedUntil = new Map<string, number>();
  let engine: { at: number; cpus: number; memoryBytes: number; freeBytes: number; largest: Room["largest"] } | undefined;

  async function seeEngine(signal: AbortSignal): Promise<NonNullable<typeof engine>> {
    if (engine && Date.now() - engine.at < capacityFreshMs) return engine;
    const members = (await parts.engine().members({ signal: AbortSignal.any([signal, AbortSignal.timeout(engineMs)]) })).filter(
      ({ state }) => state === "online",
    );
    const sum = (of: (member: (typeof members)[number]) => number) => members.reduce((total, member) => total + of(member), 0);
    engine = {
      at: Date.now(),
      cpus: sum(({ cpus }) => cpus),
      memoryBytes: sum(({ memoryBytes }) => memoryBytes),
      freeBytes: sum(({ memoryBytes, memoryUsedBytes }) => Math.max(0, memoryBytes - memoryUsedBytes)),
      largest: {
        vcpus: Math.max(0, ...members.map(({ cpus }) => cpus)),
        memoryBytes: Math.max(0, ...members.map(({ memoryBytes }) => memoryBytes)),
      },
    };
    return engine;
  }

  /** Says why a job waits, once. */
  async function say(job: WaitingJob, stateReason: string): Promise<void> {
    if (job.stateReason === stateReason) return;
    job.stateReason = stateReason;
    await database.transaction("system", async (tx) => {
      const row = await jobStore.find(tx, job.id, { lock: true });
      if (row && (row.state === "queued" || row.state === "running")) await changeJob(tx, row, { stateReason });
    });
  }

  async function crowdedOut(job: WaitingJob): Promise<void> {
    job.crowdedOutSince ??= new Date();
    const since = job.crowdedOutSince;
    await database.transaction("system", (tx) => jobStore.update(tx, job.id, { crowdedOutSince: since }));
  }

  /** Why a task of this size could never begin here, whatever else ran. */
  function neverFits(job: WaitingJob, { largest }: Room): string | undefined {
    if (job.vcpus > largest.vcpus)
      return `Waits: each task needs ${job.vcpus} processors, and jobs get at most ${largest.vcpus} of one member of the engine. Choose a smaller size, or ask an administrator for more capacity for jobs.`;
    if (job.memoryBytes > largest.memoryBytes)
      return `Waits: each task needs ${gibibytes(job.memoryBytes)} of memory, and jobs get at most ${gibibytes(largest.memoryBytes)} of one member of the engine. Choose a smaller size, or ask an administrator for more capacity for jobs.`;
    return undefined;
  }

  async function round(signal: AbortSignal): Promise<number> {
    const { waiting, held, settings } = await database.transaction("system", async (tx) => {
      const jobs = await queueStore.waiting(tx);
      if (jobs.length === 0) return { waiting: jobs, held: [], settings: undefined };
      return { waiting: jobs, held: await queueStore.held(tx), settings: await queueStore.settings(tx) };
    });
    if (!settings) return 0;
    let seen: NonNullable<typeof engine>;
    try {
      seen = await seeEngine(signal);
    } catch (error) {
      if (!CloudError.is(error)) throw error;
      for (const job of waiting) await say(job, `Waits: ${error.message}`);
      return 0;
    }
    await database.transaction("system", (tx) => queueStore.noteEngine(tx, seen.cpus, seen.memoryBytes));

    const total = (of: (row: (typeof held)[number]) => number) => held.reduce((sum, row) => sum + of(row), 0);
    const vcpuShare = settings.vcpuPercent / 100;
    const memoryShare = settings.memoryPercent / 100;
    const room: Room = {
      vcpus: Math.floor(seen.cpus * vcpuShare) - total(({ vcpus }) => vcpus),
      memoryBytes: Math.min(
        seen.memoryBytes * memoryShare - total(({ memoryBytes }) => memoryBytes),
        seen.freeBytes - total(({ freshMemoryBytes }) => freshMemoryBytes),
      ),
      largest: {
        // Of one member, and never more than all jobs together may have.
        vcpus: Math.min(seen.largest.vcpus * Math.max(1, vcpuShare), Math.floor(seen.cpus * vcpuShare)),
        memoryBytes: Math.min(seen.largest.memoryBytes, seen.memoryBytes * memoryShare),
      },
    };
    const holds = new Map(held.map(({ projectId, vcpus }) => [projectId, vcpus]));
    const queues = new Map<string, WaitingJob[]>();
    for (const job of waiting) queues.set(job.projectId, [...(queues.get(job.projectId) ?? []), job]);

    let started = 0;
    while (started < startedAtOnce && queues.size > 0 && !signal.aborted) {
      const [projectId] = [...queues.keys()].toSorted((a, b) => (holds.get(a) ?? 0) - (holds.get(b) ?? 0)) as [string];
      const queue = queues.get(projectId) as WaitingJob[];
      const job = queue[0];
      if (!job) {
        queues.delete(projectId);
        continue;
      }
      if ((job.parallel !== null && job.atWork >= job.parallel) || (refusedUntil.get(job.id) ?? 0) > Date.now()) {
        queue.shift();
        continue;
      }
      const never = neverFits(job, room);
      if (never) {
        await say(job, never);
        queue.shift();
        continue;
      }
      if (job.vcpus > room.vcpus || job.memoryBytes > room.memoryBytes) {
        await say(job, "Waits for room: other tasks and servers use what the engine has.");
        const tired = job.crowdedOutSince && Date.now() - job.crowdedOutSince.getTime() > times.crowdedOutSeconds * 1000;
        if (!job.crowdedOutSince) await crowdedOut(job);
        // It has let the others pass for long enough: what becomes free is kept for it.
        if (tired) return started;
        queue.shift();
        continue;
      }
      const begun = await begin(job);
      if (begun === "none") queue.shift();
      else if (begun === "refused") {
        refusedUntil.set(job.id, Date.now() + refusedMs);
        queue.shift();
      } else {
        started++;
        job.atWork++;
        room.vcpus -= job.vcpus;
        room.memoryBytes -= job.memoryBytes;
        holds.set(projectId, (holds.get(projectId) ?? 0) + job.vcpus);
      }
    }
    if (refusedUntil.size > 10_000) refusedUntil.clear();
    return started;
  }

  /** Task, quota and server in one transaction: there is no moment at which one of them is there without the others. */
  async function begin(waiting: WaitingJob): Promise<"started" | "none" | "refused"> {
    try {
      return await database.transaction("system", async (tx) => {
        const job = await jobStore.find(tx, waiting.id, { lock: true });
        if (!job || (job.state !== "queued" && job.state !== "running")) return "none";
        if (job.parallel !== null && job.counts.starting + job.counts.running + job.counts.uploading >= job.parallel)
          return "none";
        const task = await taskStore.takeQueued(tx, job.id);
        if (!task) return "none";
        if (!(await parts.identity.organisationActive(tx, job.organisationId)))
          throw new CloudError("quota_exceeded", "The organisation is suspended.");
        await reserveForTask(tx, job, 1);
        const attempt = task.attempt + 1;
        const { instance, operationId } = await parts.instances.create(tx, {
          place: job,
          actor: job.createdBy,
          name: `task-${task.id.slice(-12)}`,
          imageId: job.imageId,
          capacity: { vcpus: job.vcpus, memoryBytes: job.memoryBytes, diskBytes: job.diskBytes },
          ...(job.networkIds.length > 0 ? { networkIds: job.networkIds } : {}),
          labels: { "khmara/job": job.id, "khmara/task": task.id },
          hidden: true,
          usageOf: { kind: "job", id: job.id, name: job.name },
          start: true,
        });
        const now = new Date();
        const entered = await enter(tx, task, "starting", {
          attempt,
          instanceId: instance.id,
          operationId: operationId as never,
          startedAt: now,
          runningAt: null,
          waitsUntil: null,
          stateReason: null,
          exitCode: null,
          logBytes: 0,
          logTruncated: false,
        });
        if (job.state === "queued" || job.stateReason || job.crowdedOutSince)
          await changeJob(tx, entered.job, {
            state: "running",
            stateReason: null,
            crowdedOutSince: null,
            ...(job.startedAt ? {} : { startedAt: now }),
          });
        return "started";
      });
    } catch (error) {
      if (!CloudError.is(error)) throw error;
      if (isPassing(error)) {
        await say(waiting, `Waits: ${error.message}`);
        return "refused";
      }
      if (error.code === "internal") throw error;
      // The image is gone, the network is gone: no later round changes that.
      await giveUp(waiting, error.message);
      return "none";
    }
  }

  /** None of its tasks can begin any more. */
  async function giveUp(waiting: WaitingJob, reason: string): Promise<void> {
    await database.transaction("system", async (tx) => {
      const job = await jobStore.find(tx, waiting.id, { lock: true });
      if (!job || (job.state !== "queued" && job.state !== "running")) return;
      const failed = await taskStore.failQueued(tx, job.id, reason);
      if (failed === 0) return;
      await jobStore.count(tx, job.id, "queued", "failed", failed);
      const changed = await jobStore.update(tx, job.id, { stateReason: reason });
      await emitJob(tx, changed, changed.state);
      await settle(tx, changed);
    });
  }

  return { round };
}

/** What a later round may find changed. */
const isPassing = ({ code, details }: CloudError): boolean =>
  ["quota_exceeded", "storage_full", "unavailable", "deadline_exceeded", "conflict", "rate_limited"].includes(code) ||
  details.retryAfterSeconds !== undefined ||
  details.reason === "network_full" ||
  details.reason === "engine_missing";

const gibibytes = (bytes: number): string => `${Number((bytes / 1024 ** 3).toFixed(1))} GiB`;
