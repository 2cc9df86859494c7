import { setTimeout as sleep } from "node:timers/promises";
import { CloudError, type ErrorDetails, notFound } from "../../../kernel/errors.ts";
import type { AppEngine, ContainerReport } from "../driver.ts";
import type { AppView, CallOptions, ReleaseView, RunningPart } from "../parts.ts";
import { checkHealth } from "./checks.ts";
import { rightsHint } from "./rights.ts";
import { addRows, scaleOf, standingOf } from "./rows.ts";
import { eachOf, type Runtime } from "./runtime.ts";
import { addressOf, ensureContainer, ensurePlace } from "./spec.ts";
import { type ContainerRow, containerName, containerStore } from "./store/containers.ts";
import { processStore } from "./store/processes.ts";
import { usageStore } from "./store/usage.ts";
import { holdUsage } from "./usage.ts";

/** The engine does one thing at a time in many places. */
export const engineAtOnce = 4;
const healthAtOnce = 16;
const keptLines = 20;
const keptLetters = 4000;

export interface Starting extends Pick<RunningPart, "start" | "awaitHealthy"> {
  /** Makes and starts these, where they are not. */
  ensure(rows: readonly ContainerRow[], release: ReleaseView, app: AppView, options?: CallOptions): Promise<void>;
  /** Until these are healthy, or none of ours any more. */
  settle(rows: readonly ContainerRow[], release: ReleaseView, options?: CallOptions): Promise<void>;
}

export function createStarting(runtime: Runtime): Starting {
  const { parts, times } = runtime;
  const { database } = parts;

  async function openRelease(releaseId: string): Promise<{ release: ReleaseView; app: AppView; rows: ContainerRow[] }> {
    return database.transaction("system", async (tx) => {
      const release = await parts.deploying.release(tx, releaseId);
      const app = release && (await parts.deploying.find(tx, release.appId));
      if (!app) throw notFound("release");
      const rows = await containerStore.list(tx, { releaseId });
      return { release, app, rows: rows.filter(({ state }) => state !== "draining") };
    });
  }

  async function ensure(
    rows: readonly ContainerRow[],
    release: ReleaseView,
    app: AppView,
    { signal, onLine }: CallOptions = {},
  ): Promise<void> {
    if (rows.length === 0) return;
    const engine = runtime.engine();
    await ensurePlace(engine, { projectId: release.projectId, appId: app.id, mounts: rows[0]?.mounts ?? [] }, { signal });
    await eachOf(rows, engineAtOnce, async (row) => {
      signal?.throwIfAborted();
      const report = await ensureContainer(engine, row, release, app, { signal });
      const address = addressOf(report, row.projectId);
      // The row was read a while ago: whoever has found it healthy since is right.
      if (address !== undefined && row.state === "starting")
        await database.transaction("system", (tx) =>
          containerStore.see(tx, row.engineName, { state: "starting", from: "starting", address }),
        );
      onLine?.(`Started ${containerName(row)}.`);
    });
    runtime.logs.follow(rows);
  }

  async function settle(
    rows: readonly ContainerRow[],
    release: ReleaseView,
    { signal, onLine }: CallOptions = {},
  ): Promise<void> {
    const engine = runtime.engine();
    await eachOf(rows, healthAtOnce, async (row) => {
      if (await untilHealthy(engine, row, release, signal)) onLine?.(`${containerName(row)} is healthy.`);
    });
  }

  return {
    ensure,
    settle,

    async start(releaseId, options = {}) {
      runtime.engine();
      const { release, app, rows } = await database.transaction("system", async (tx) => {
        const release = await parts.deploying.release(tx, releaseId);
        const app = release && (await parts.deploying.find(tx, release.appId));
        if (!app) throw notFound("release");
        await usageStore.lock(tx, app.id);
        await containerStore.startRelease(tx, release, new Date());
        const processes = await processStore.ofApp(tx, app.id);
        const there = await containerStore.list(tx, { releaseId });
        const rows = there.filter(({ state }) => state !== "draining");
        for (const process of Object.keys(release.processes)) {
          const scale = scaleOf(processes, process);
          rows.push(...(await addRows(tx, release, process, scale, standingOf(there, releaseId, process, scale).missing)));
        }
        await holdUsage(tx, app);
        return { release, app, rows };
      });
      await ensure(rows, release, app, options);
    },

    async awaitHealthy(releaseId, options = {}) {
      const { release, rows } = await openRelease(releaseId);
      await settle(rows, release, options);
      // What does not answer requests has become so in no other way; the gateway is told by whoever switches.
      options.signal?.throwIfAborted();
    },
  };

  /** False when it is not ours to wait for any more: somebody scaled down. */
  async function untilHealthy(
    engine: AppEngine,
    row: ContainerRow,
    release: ReleaseView,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const { healthCheck } = release;
    const name = containerName(row);
    let problem = "it did not start";
    let deadline = Date.now() + Math.max(healthCheck.startSeconds, 5) * 1000;
    let known: string | undefined;
    for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 1.5, healthCheck.intervalSeconds * 1000, 1000)) {
      signal?.throwIfAborted();
      try {
        const report = await engine.containerGet(row.engineName, { signal });
        const still = await database.transaction("system", (tx) => containerStore.find(tx, row.engineName));
        if (!still || still.state === "draining") return false;
        if (report) {
          const ended =
            report.state === "restarting" || report.state === "exited" || report.state === "dead" || report.restarts > 0;
          if (ended) throw await unhealthy(engine, row, release, howItEnded(await atItsEnd(engine, report, signal), row));
          if (report.id !== known) {
            // Made anew: somebody had taken it away.
            known = report.id;
            deadline = Date.now() + Math.max(healthCheck.startSeconds, 5) * 1000;
          }
          const address = addressOf(report, row.projectId);
          const sinceMs = Date.now() - (report.startedAt?.getTime() ?? Date.now());
          const now =
            row.process === "web"
              ? address === undefined
                ? "it has no address"
                : await checkHealth(runtime.connect, { address, port: row.port }, healthCheck, signal)
              : sinceMs >= times.settledMs
                ? undefined
                : "it is starting";
          if (now === undefined && report.state === "running") {
            await database.transaction("system", (tx) => containerStore.see(tx, row.engineName, { state: "healthy", address }));
            return true;
          }
          problem = now ?? problem;
        }
      } catch (error) {
        // An engine that restarts is back in a moment.
        if (!CloudError.is(error, "unavailable") || Date.now() > deadline) throw error;
      }
      if (Date.now() > deadline)
        throw await unhealthy(engine, row, release, {
          words: `${name} was not healthy within ${healthCheck.startSeconds} seconds: ${problem}.`,
          details: { reason: "unhealthy", container: name, seconds: healthCheck.startSeconds },
        });
      await sleep(pauseMs, undefined, { signal });
    }
  }
}

/** One that the engine has started again already tells how it ended when it ends the next time; soon, or never mind. */
async function atItsEnd(engine: AppEngine, report: ContainerReport, signal: AbortSignal | undefined): Promise<ContainerReport> {
  let latest = report;
  for (const until = Date.now() + 5000; latest.state === "running" && Date.now() < until; ) {
    await sleep(100, undefined, { signal });
    latest = (await engine.containerGet(report.name, { signal })) ?? latest;
  }
  return latest;
}

/** What is wrong with a container: for people, and as the `details` of an error. */
interface Wrong {
  words: string;
  details: ErrorDetails & { reason: string };
}

function howItEnded(
  report: { exitCode?: number | undefined; outOfMemory: boolean; problem?: string | undefined },
  row: Pick<ContainerRow, "process" | "number" | "memoryBytes">,
): Wrong {
  const container = containerName(row);
  const { exitCode, problem } = report;
  if (report.outOfMemory) {
    const memoryMiB = Math.round(row.memoryBytes / 1024 ** 2);
    const words = `${container} was ended: it used more than its ${memoryMiB} MiB of memory. Scale the process to more memory.`;
    return { words, details: { reason: "container_out_of_memory", container, memoryMiB } };
  }
  if (problem !== undefined) {
    const said = `${problem.slice(0, 300)}.`;
    return { words: `${container} could not be started: ${said}`, details: { reason: "container_not_started", container, said } };
  }
  return exitCode === undefined
    ? { words: `${container} ended.`, details: { reason: "container_ended", container } }
    : { words: `${container} ended with exit code ${exitCode}.`, details: { reason: "container_exited", container, exitCode } };
}

/** How a container ended, for people. */
export const endOf = (...container: Parameters<typeof howItEnded>): string => howItEnded(...container).words;

/** The last lines that a container wrote; none when they cannot be had. */
export async function lastWords(engine: AppEngine, engineName: string, lines = keptLines): Promise<string> {
  const kept: string[] = [];
  try {
    const signal = AbortSignal.timeout(10_000);
    for await (const { text } of engine.containerLogs(engineName, { tail: lines, signal })) kept.push(text);
  } catch {
    // What there is has to do.
  }
  return kept.slice(-lines).join("\n").slice(-keptLetters);
}

async function unhealthy(engine: AppEngine, row: ContainerRow, release: ReleaseView, wrong: Wrong): Promise<CloudError> {
  const output = await lastWords(engine, row.engineName);
  const hint = rightsHint(output, release);
  const what = hint === undefined ? wrong.words : `${wrong.words} ${hint}`;
  return new CloudError(
    "failed_precondition",
    output === "" ? `${what} It wrote nothing.` : `${what} Its last lines:\n${output}`,
    {
      details: { ...wrong.details, output, ...(hint === undefined ? {} : { hint: "capabilities" }) },
    },
  );
}
