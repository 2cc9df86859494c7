import { CloudError } from "../../../kernel/errors.ts";
import type { ContainerMetrics } from "../driver.ts";
import { eachOf, type Runtime } from "./runtime.ts";
import { engineAtOnce } from "./starting.ts";
import { containerStore } from "./store/containers.ts";
import { type Sample, sampleStore } from "./store/samples.ts";

export const fineStep = 15;
export const coarseStep = 300;
const fineDays = 1;
export const keptDays = 30;
const dayMs = 86_400_000;
const longestGapMs = 120_000;

export interface Sampler {
  round(signal: AbortSignal): Promise<void>;
  /** Older samples become coarser, and go. */
  upkeep(now?: Date): Promise<void>;
}

export function createSampler(runtime: Runtime): Sampler {
  const { database } = runtime.parts;
  /** What each container had used of its processors, and when that was so. */
  let before = new Map<string, { cpuSeconds: number; atMs: number }>();

  return {
    async round(signal) {
      const rows = await database.transaction("system", (tx) => containerStore.list(tx));
      const seen = new Map<string, { cpuSeconds: number; atMs: number }>();
      const samples: Sample[] = [];
      const engine = runtime.engine();
      await eachOf(rows, engineAtOnce, async (row) => {
        let metrics: ContainerMetrics | undefined;
        try {
          metrics = await engine.containerMetrics(row.engineName, {
            signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
          });
        } catch (error) {
          if (CloudError.is(error, "unavailable")) throw error;
        }
        if (!metrics) return;
        const now = { cpuSeconds: metrics.cpuSeconds, atMs: Date.now() };
        seen.set(row.engineName, now);
        samples.push({
          appId: row.appId,
          process: row.process,
          container: row.number,
          organisationId: row.organisationId,
          cpuPercent: percentOf(before.get(row.engineName), now, row.cpus),
          memoryBytes: metrics.memoryBytes,
        });
      });
      before = seen;
      const slot = Math.floor(Date.now() / 1000 / fineStep);
      await database.transaction("system", (tx) => sampleStore.insert(tx, fineStep, slot, samples));
    },

    async upkeep(now = new Date()) {
      await database.transaction("system", (tx) =>
        sampleStore.rollUp(tx, fineStep, coarseStep, new Date(now.getTime() - fineDays * dayMs)),
      );
      await database.transaction("system", (tx) => sampleStore.prune(tx, coarseStep, new Date(now.getTime() - keptDays * dayMs)));
    },
  };
}

/** Of what it may use; null where that is not known: counters begin anew with a container. */
export function percentOf(
  then: { cpuSeconds: number; atMs: number } | undefined,
  now: { cpuSeconds: number; atMs: number },
  cpus: number,
): number | null {
  if (!then || now.cpuSeconds < then.cpuSeconds) return null;
  const ms = now.atMs - then.atMs;
  if (ms < 500 || ms > longestGapMs) return null;
  return Math.min(100, ((now.cpuSeconds - then.cpuSeconds) / (ms / 1000) / cpus) * 100);
}
