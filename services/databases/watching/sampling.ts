/** What databases use, measured and kept: fine for a day, coarse for a month. */
import type { DatabasesParts } from "../parts.ts";
import { containerOf } from "../parts.ts";
import type { DatabaseRow } from "../store.ts";
import { sampleStore } from "./store.ts";

export const fineStep = 30;
export const coarseStep = 300;
const fineDays = 1;
export const keptDays = 30;
const dayMs = 86_400_000;
const longestGapMs = 180_000;

interface Counters {
  cpuSeconds: number;
  transactions: number;
  atMs: number;
}

export interface Sampler {
  /** One sample of a database that runs. */
  take(row: DatabaseRow): Promise<void>;
  /** Forgets the counters of all but these. */
  keep(ids: ReadonlySet<string>): void;
  /** Older samples become coarser, and go. */
  upkeep(now?: Date): Promise<void>;
}

export function createSampler(parts: Pick<DatabasesParts, "database" | "driver">): Sampler {
  const before = new Map<string, Counters>();
  return {
    async take(row) {
      const metrics = await parts.driver().metrics(containerOf(row), row.databaseName);
      const now = { cpuSeconds: metrics.cpuSeconds, transactions: metrics.transactions, atMs: Date.now() };
      const then = before.get(row.id);
      before.set(row.id, now);
      const cpus = rateOf(then, now, "cpuSeconds");
      const sample = {
        databaseId: row.id,
        organisationId: row.organisationId,
        cpuPercent: cpus === null ? null : Math.min(100, (cpus / row.cpus) * 100),
        memoryBytes: metrics.memoryBytes,
        diskBytes: row.usedBytes,
        connections: metrics.connections,
        transactionsPerSecond: rateOf(then, now, "transactions"),
      };
      const slot = Math.floor(now.atMs / 1000 / fineStep);
      await parts.database.transaction("system", (tx) => sampleStore.insert(tx, fineStep, slot, sample));
    },

    keep(ids) {
      for (const id of before.keys()) if (!ids.has(id)) before.delete(id);
    },

    async upkeep(now = new Date()) {
      await parts.database.transaction("system", async (tx) => {
        await sampleStore.rollUp(tx, fineStep, coarseStep, new Date(now.getTime() - fineDays * dayMs));
        await sampleStore.prune(tx, coarseStep, new Date(now.getTime() - keptDays * dayMs));
      });
    },
  };
}

/** Per second; null where that is not known: counters begin anew with a server. */
export function rateOf(then: Counters | undefined, now: Counters, counter: "cpuSeconds" | "transactions"): number | null {
  if (!then || now[counter] < then[counter]) return null;
  const ms = now.atMs - then.atMs;
  return ms < 500 || ms > longestGapMs ? null : (now[counter] - then[counter]) / (ms / 1000);
}
