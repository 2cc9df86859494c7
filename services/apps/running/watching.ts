import { setTimeout as sleep } from "node:timers/promises";
import { systemActor } from "../../../kernel/auth/principal.ts";
import { CloudError } from "../../../kernel/errors.ts";
import type { Worker } from "../../../kernel/service.ts";
import { wantedCount } from "./autoscale.ts";
import type { Collector } from "./logs/collector.ts";
import type { OneOffs } from "./oneOffs.ts";
import { createReconciler } from "./reconciling.ts";
import type { Runtime } from "./runtime.ts";
import { createSampler, fineStep } from "./sampling.ts";
import type { Scaling } from "./scaling.ts";
import type { Starting } from "./starting.ts";
import type { Stopping } from "./stopping.ts";
import { processStore } from "./store/processes.ts";
import { sampleStore } from "./store/samples.ts";
import { createWritingLimit } from "./writing.ts";

/** Events come in bunches. */
const calmMs = 200;

/**
 * What one process of the cloud does all the time: looks at what runs, puts right what is not as the records say, asks for health, reads
 * along with logs, measures, scales. It lasts until the signal; the lock of the worker makes it the only one.
 */
export function createWatching(
  runtime: Runtime,
  collector: Collector,
  starting: Starting,
  stopping: Stopping,
  scaling: Scaling,
  oneOffs: OneOffs,
): Worker {
  const { parts, times } = runtime;
  const { database, log } = parts;

  async function autoscale(signal: AbortSignal): Promise<void> {
    const rows = await database.transaction("system", processStore.autoscaled);
    for (const { appId, name } of rows) {
      if (signal.aborted) return;
      try {
        await database.transaction("system", async (tx) => {
          const app = await parts.deploying.find(tx, appId, { lock: true });
          const row = (await processStore.ofApp(tx, appId, { lock: true })).find((each) => each.name === name);
          if (!row || row.autoscaleMinimum === null || (app?.state !== "running" && app?.state !== "failing")) return;
          const now = Date.now();
          const { cpuPercent, slots } = await sampleStore.load(tx, appId, name, fineStep, new Date(now - 60_000));
          const count = wantedCount(
            {
              count: row.count,
              minimum: row.autoscaleMinimum,
              maximum: row.autoscaleMaximum ?? row.autoscaleMinimum,
              targetPercent: row.autoscaleCpuPercent ?? 70,
              cpuPercent: slots >= 2 ? (cpuPercent ?? undefined) : undefined,
              sinceChangeMs: row.scaledAt === null ? undefined : now - row.scaledAt.getTime(),
            },
            { upMs: times.autoscaleUpMs, downMs: times.autoscaleDownMs },
          );
          if (count !== row.count) await scaling.begin(tx, app, row, { count, scaledAt: new Date(now) }, systemActor);
        });
      } catch (error) {
        // Full quotas and apps that are being worked on: the next round looks again.
        if (!CloudError.is(error, "quota_exceeded") && !CloudError.is(error, "conflict")) throw error;
      }
    }
  }

  return {
    name: "apps.running",
    everySeconds: 2,
    async run(outer) {
      try {
        runtime.engine();
      } catch (error) {
        if (CloudError.is(error, "failed_precondition")) return;
        throw error;
      }
      const ending = new AbortController();
      const signal = AbortSignal.any([outer, ending.signal]);
      const reconciler = createReconciler(runtime, collector, starting, stopping, scaling, oneOffs);
      const sampler = createSampler(runtime);
      const limitWriting = createWritingLimit(runtime, reconciler.removed);
      let wake = Promise.withResolvers<void>();
      collector.lead(signal);
      runtime.engine().watch(
        {
          onChange(change) {
            if (change.object !== "container") return;
            reconciler.tell(change);
            wake.resolve();
          },
          onConnect: () => wake.resolve(),
        },
        signal,
      );
      /** Comes round by itself; a failure is told, and the next round is the cure. */
      const every = async (pauseMs: number, what: string, work: () => Promise<void>, hurry?: () => Promise<void>) => {
        while (!signal.aborted) {
          try {
            await work();
          } catch (error) {
            if (signal.aborted) break;
            if (CloudError.is(error, "unavailable")) log.debug({ err: error }, `${what}: not now`);
            else log.warn({ err: error }, `${what} failed; the next round looks again`);
          }
          const pause = sleep(pauseMs, undefined, { signal }).catch(() => {});
          await (hurry ? Promise.race([pause, hurry()]) : pause);
        }
      };
      const told = async () => {
        await wake.promise;
        wake = Promise.withResolvers<void>();
        await sleep(calmMs, undefined, { signal }).catch(() => {});
      };
      try {
        await Promise.all([
          every(times.roundMs, "looking at what runs of apps", () => reconciler.round(signal), told),
          every(250, "asking apps for their health", () => reconciler.check(signal)),
          every(times.sampleMs, "measuring apps", async () => {
            await sampler.round(signal);
            await autoscale(signal);
          }),
          every(times.sampleMs, "looking at what apps write", () => limitWriting(signal)),
          every(3_600_000, "forgetting old samples of apps", () => sampler.upkeep()),
        ]);
      } finally {
        ending.abort();
        await collector.stop();
      }
    },
  };
}
