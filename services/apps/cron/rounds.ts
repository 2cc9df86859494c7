/**
 * Runs of cron jobs. Each is a row first, then a container of its own that nobody is attached to: it goes on while Khmara is away, and whoever
 * looks next finds how it ended. One process of the cloud does this (the lock of the worker).
 */

import { nextAfter } from "../../../kernel/cron.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError } from "../../../kernel/errors.ts";
import { newId } from "../../../kernel/ids.ts";
import type { AppEngine, ContainerReport } from "../driver.ts";
import type { AppsParts } from "../parts.ts";
import { giveDisks } from "../running/diskOwner.ts";
import { firstScale } from "../running/rows.ts";
import { eachOf } from "../running/runtime.ts";
import { diskHelper, ensurePlace, mountsOf, newEngineName, oneOffSpec } from "../running/spec.ts";
import { diskStore } from "../running/store/disks.ts";
import { oneOffStore } from "../running/store/oneOffs.ts";
import { processStore } from "../running/store/processes.ts";
import { reserveMemory } from "../running/usage.ts";
import { keptRuns } from "./contract.ts";
import { type JobRow, jobStore, type RunRow, runStore } from "./store.ts";

const atOnce = 4;
const mostDue = 200;
const keptOutput = 64 * 1024;
const stopSeconds = 10;

type Begin = Pick<RunRow, "startedBy" | "dueAt">;

/** In the transaction that holds the job: a run of what is live now. */
export async function insertRun(tx: Tx, parts: AppsParts, job: JobRow, begin: Begin): Promise<RunRow | undefined> {
  const app = await parts.deploying.find(tx, job.appId);
  if (!app?.liveReleaseId || (app.state !== "running" && app.state !== "failing")) return undefined;
  const isSkipped = begin.startedBy === null && job.concurrency === "skip" && (await runStore.isRunning(tx, job.id));
  const row: RunRow = {
    id: newId("cronRun"),
    jobId: job.id,
    appId: job.appId,
    organisationId: job.organisationId,
    projectId: job.projectId,
    state: isSkipped ? "skipped" : "starting",
    ...begin,
    releaseId: app.liveReleaseId,
    releaseNumber: null,
    engineName: isSkipped ? null : newEngineName(job.appId, "cron"),
    startedAt: null,
    finishedAt: isSkipped ? new Date() : null,
    exitCode: null,
    reason: isSkipped ? "The run before still went on." : null,
    cancelAsked: false,
  };
  const release = await parts.deploying.release(tx, app.liveReleaseId);
  if (release === undefined) return undefined;
  row.releaseNumber = release.number;
  return (await runStore.insert(tx, row)) ? row : undefined;
}

export function createRounds(parts: AppsParts): { round(signal: AbortSignal): Promise<void> } {
  const { database, log } = parts;

  /** What is due becomes a run, and the job's next time is set, in one transaction: no time comes twice, whoever dies when. */
  async function begin(): Promise<void> {
    const now = new Date();
    const due = await database.transaction("system", (tx) => jobStore.due(tx, now, mostDue));
    for (const { id, appId } of due)
      await database.transaction("system", async (tx) => {
        await parts.deploying.find(tx, appId, { lock: true });
        const job = await jobStore.find(tx, id, { lock: true });
        if (job === undefined || job.nextAt === null || job.nextAt > now) return;
        // However many times went by meanwhile, they are one.
        await jobStore.setNext(tx, job.id, nextAfter(job.schedule, job.timeZone, now) ?? null);
        await insertRun(tx, parts, job, { startedBy: null, dueAt: job.nextAt });
        await runStore.forget(tx, job.id, keptRuns);
      });
  }

  async function start(engine: AppEngine, run: RunRow, job: JobRow, signal: AbortSignal): Promise<void> {
    const engineName = run.engineName as string;
    const plan = await database.transaction("system", async (tx) => {
      const app = await parts.deploying.find(tx, run.appId, { lock: true });
      const release = run.releaseId === null ? undefined : await parts.deploying.release(tx, run.releaseId);
      if (!app || !release || app.state === "deleting") return undefined;
      const processes = await processStore.ofApp(tx, app.id);
      const scale = processes.find(({ name }) => name === "web") ?? processes[0] ?? firstScale;
      const mounts = mountsOf(await diskStore.ofApp(tx, app.id));
      if (!(await oneOffStore.list(tx, { appId: app.id })).some((each) => each.engineName === engineName)) {
        await reserveMemory(tx, app, scale.memoryBytes);
        await oneOffStore.insert(tx, {
          engineName,
          appId: app.id,
          organisationId: app.organisationId,
          projectId: app.projectId,
          kind: "cron",
          releaseId: release.id,
          memoryBytes: scale.memoryBytes,
          mounts,
          seenAt: new Date(),
        });
      }
      return { app, release, mounts, scale };
    });
    if (plan === undefined) return end(engine, run, { state: "failed", reason: "The release is not there any more." });
    const { app, release, mounts, scale } = plan;
    const there = await engine.containerGet(engineName, { signal });
    if (there === undefined) {
      await ensurePlace(engine, { projectId: app.projectId, appId: app.id, mounts }, { signal });
      await giveDisks(engine, diskHelper(release), mounts, { signal });
    }
    if (there === undefined || there.state === "created") {
      const { memoryBytes, cpus } = scale;
      const command = ["/bin/sh", "-c", job.command];
      const spec = oneOffSpec({ engineName, name: job.name, command, memoryBytes, cpus, mounts, owner: "cron" }, release, app);
      if (there === undefined) await engine.containerCreate(spec, { signal });
      await engine.containerStart(engineName, { signal });
    }
    await database.transaction("system", (tx) => runStore.started(tx, run.id, new Date()));
  }

  /** Its last words, in order. */
  async function outputOf(engine: AppEngine, engineName: string): Promise<{ output: string; truncated: boolean }> {
    let output = "";
    let truncated = false;
    try {
      for await (const { text, partial } of engine.containerLogs(engineName, { signal: AbortSignal.timeout(30_000) })) {
        output += partial ? text : `${text}\n`;
        if (output.length > 2 * keptOutput) {
          output = output.slice(-keptOutput);
          truncated = true;
        }
      }
    } catch (error) {
      log.debug({ err: error, container: engineName }, "what a cron job wrote cannot be read to its end");
    }
    truncated ||= output.length > keptOutput;
    // A null byte is nothing that a text of PostgreSQL may have.
    return { output: output.slice(-keptOutput).replaceAll("\0", ""), truncated };
  }

  async function end(
    engine: AppEngine,
    run: RunRow,
    how: { state: RunRow["state"]; reason?: string; exitCode?: number | undefined },
  ): Promise<void> {
    const engineName = run.engineName as string;
    const written = await outputOf(engine, engineName);
    await database.transaction("system", (tx) => runStore.finish(tx, run.id, { ...how, at: new Date(), ...written }));
    // Afterwards: what dies in between finds the run ended, and the container as an orphan.
    await engine.containerRemove(engineName, { signal: AbortSignal.timeout(60_000) });
    await database.transaction("system", async (tx) => {
      const row = await oneOffStore.remove(tx, engineName);
      if (row) await reserveMemory(tx, row, -row.memoryBytes);
    });
  }

  async function advance(engine: AppEngine, run: RunRow, signal: AbortSignal): Promise<void> {
    const job = await database.transaction("system", (tx) => jobStore.find(tx, run.jobId));
    if (job === undefined) return;
    if (run.state === "starting" && !run.cancelAsked) {
      try {
        await start(engine, run, job, signal);
      } catch (error) {
        const lasts = error instanceof CloudError && error.code !== "unavailable" && !signal.aborted;
        if (!lasts) throw error;
        await end(engine, run, { state: "failed", reason: `It could not be started: ${error.message}` });
      }
      return;
    }
    const report = await engine.containerGet(run.engineName as string, { signal });
    if (run.cancelAsked) {
      if (report && isAlive(report)) await stop(engine, run);
      return end(engine, run, { state: "cancelled" });
    }
    if (report === undefined) return end(engine, run, { state: "failed", reason: "Its container was taken away." });
    if (isAlive(report)) {
      const since = Date.now() - (run.startedAt ?? report.createdAt).getTime();
      if (since < job.timeoutSeconds * 1000) return;
      await stop(engine, run);
      return end(engine, run, {
        state: "timed_out",
        reason: `It took longer than ${job.timeoutSeconds} seconds, and was ended.`,
      });
    }
    const { exitCode = 1, outOfMemory } = report;
    await end(
      engine,
      run,
      exitCode === 0 && !outOfMemory
        ? { state: "succeeded", exitCode }
        : {
            state: "failed",
            exitCode,
            reason: outOfMemory
              ? "It used more memory than the process web has. Scale that to more."
              : `It ended with exit code ${exitCode}.`,
          },
    );
  }

  const stop = (engine: AppEngine, run: RunRow) =>
    engine.containerStop(run.engineName as string, { timeoutSeconds: stopSeconds, signal: AbortSignal.timeout(60_000) });

  return {
    async round(signal) {
      await begin();
      const runs = await database.transaction("system", runStore.unfinished);
      if (runs.length === 0) return;
      let engine: AppEngine;
      try {
        engine = parts.engine();
      } catch (error) {
        if (CloudError.is(error, "failed_precondition")) return;
        throw error;
      }
      await database.transaction("system", (tx) =>
        oneOffStore.seen(
          tx,
          runs.flatMap(({ engineName }) => engineName ?? []),
          new Date(),
        ),
      );
      await eachOf(runs, atOnce, async (run) => {
        try {
          await advance(engine, run, signal);
        } catch (error) {
          if (signal.aborted || CloudError.is(error, "unavailable")) return;
          log.warn({ err: error, run: run.id }, "a run of a cron job could not be looked after; the next round tries again");
        }
      });
    },
  };
}

const isAlive = ({ state }: Pick<ContainerReport, "state">): boolean =>
  state === "running" || state === "paused" || state === "restarting";
