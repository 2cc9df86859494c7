import { audit } from "../../kernel/audit.ts";
import type { Actor } from "../../kernel/contract.ts";
import { CloudError } from "../../kernel/errors.ts";
import type { Worker } from "../../kernel/service.ts";
import { type BackupOperations, beginBackupDelete, makeBackup } from "./backupOperations.ts";
import { issueFor, renewAfterDays } from "./certificates.ts";
import { dayMs } from "./creation.ts";
import { shipLog } from "./log.ts";
import { containerOf, type DatabasesParts, specOf, subjectOf } from "./parts.ts";
import { backupStore, type DatabaseRow, databaseStore, userStore } from "./store.ts";
import { fineStep, type Sampler } from "./watching/sampling.ts";

const clockwork: Actor = { kind: "system", name: "Backups by the clock" };
const atOnce = 4;
const measureEveryMs = 60_000;
const leftAfterMs = 5 * 60_000;

export function databaseWorkers(parts: DatabasesParts, operations: BackupOperations, sampler: Sampler): Worker[] {
  const measured = new Map<string, number>();

  /** Each of these, a few at a time; one that fails does not keep the others from their turn. */
  async function each<T>(what: string, rows: readonly T[], signal: AbortSignal, work: (row: T) => Promise<void>): Promise<void> {
    const queue = [...rows];
    await Promise.all(
      Array.from({ length: Math.min(atOnce, queue.length) }, async () => {
        for (let row = queue.shift(); row !== undefined && !signal.aborted; row = queue.shift())
          await work(row).catch((error) => {
            if (!signal.aborted) parts.log.warn({ err: error, database: (row as { id?: string }).id }, what);
          });
      }),
    );
  }
  const idle = (states: Parameters<typeof databaseStore.idle>[1]): Promise<DatabaseRow[]> =>
    parts.database.transaction("system", (tx) => databaseStore.idle(tx, states));
  const hasEngine = (): boolean => {
    try {
      parts.driver();
      return true;
    } catch (error) {
      if (CloudError.is(error, "failed_precondition")) return false;
      throw error;
    }
  };

  /** Only while nothing else is done with it. */
  async function setState(row: DatabaseRow, change: { state: "running" | "failing"; stateReason: string | null }): Promise<void> {
    await parts.database.transaction("system", async (tx) => {
      const now = await databaseStore.find(tx, row.id, { lock: true });
      if (now === undefined || now.operationId !== null || (now.state !== "running" && now.state !== "failing")) return;
      if (now.state === change.state && now.stateReason === change.stateReason) return;
      await databaseStore.update(tx, row.id, change);
    });
  }

  async function lookAfter(row: DatabaseRow, outer: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([outer, AbortSignal.timeout(120_000)]);
    const driver = parts.driver();
    const { state, ...found } = await driver.state(containerOf(row), { signal });
    if (state === "ready") {
      if (row.state !== "running") await setState(row, { state: "running", stateReason: null });
      // One that is full is looked at each time: it works again as soon as there is room.
      if (!row.readOnly && Date.now() - (measured.get(row.id) ?? 0) < measureEveryMs) return;
      measured.set(row.id, Date.now());
      return measure(row, signal);
    }
    const reason = "reason" in found && found.reason !== undefined ? found.reason : "It is being started.";
    await setState(row, { state: "failing", stateReason: reason });
    if (state === "starting") return;
    // Somebody may have begun something with it a moment ago.
    const now = await parts.database.transaction("system", (tx) => databaseStore.find(tx, row.id));
    if (now === undefined || now.operationId !== null) return;
    try {
      if (state === "missing") await driver.prepare(row.version, { signal });
      await driver.start(specOf(parts, now), { signal });
      await setState(row, { state: "running", stateReason: null });
    } catch (error) {
      if (!CloudError.is(error) || outer.aborted) throw error;
      await setState(row, { state: "failing", stateReason: error.message });
    }
  }

  /** A full disk takes no writes, before the host's own is full; its certificate is made anew in time. */
  async function measure(row: DatabaseRow, signal: AbortSignal): Promise<void> {
    const usedBytes = await parts.driver().usedBytes(containerOf(row), { signal });
    await parts.database.transaction("system", (tx) => databaseStore.note(tx, row.id, { usedBytes }));
    const readOnly = row.readOnly ? usedBytes > row.diskBytes * 0.95 : usedBytes > row.diskBytes;
    const renew = row.certificateUntil === null || row.certificateUntil.getTime() < Date.now();
    if (readOnly === row.readOnly && !renew) return;
    const certificate = await issueFor(parts, row);
    await parts.driver().configure({ ...specOf(parts, row), readOnly, certificate }, { signal });
    await parts.database.transaction("system", async (tx) => {
      await databaseStore.note(tx, row.id, { certificateUntil: new Date(Date.now() + renewAfterDays * dayMs) });
      if (readOnly === row.readOnly) return;
      const stateReason = readOnly
        ? "Its disk is full: it takes no writes. Give it a larger one, or delete what is not needed."
        : null;
      await databaseStore.update(tx, row.id, { readOnly, stateReason });
    });
  }

  async function backUp({ id }: DatabaseRow): Promise<void> {
    await parts.database.transaction("system", async (tx) => {
      const row = await databaseStore.find(tx, id, { lock: true });
      if (row?.state !== "running" || row.operationId !== null || row.nextBackupAt === null || row.nextBackupAt > new Date())
        return;
      await databaseStore.update(tx, id, { nextBackupAt: nextBackup(row.backupHour, new Date()) });
      if (row.certificateUntil !== null && row.certificateUntil.getTime() === 0) {
        // It does not keep its log yet: the health worker tells it to first.
        await databaseStore.update(tx, id, { nextBackupAt: new Date(Date.now() + 60_000) });
        return;
      }
      if (await backupStore.isBeingMade(tx, id)) return;
      const { row: backup } = await makeBackup(tx, operations, row, clockwork, true);
      audit(tx, {
        action: "databases.backup.create",
        actor: clockwork,
        ...subjectOf("databaseBackup", backup, row.name),
        after: { database: id, bucket: backup.bucketId },
      });
    });
  }

  return [
    {
      name: "databases.log",
      everySeconds: 10,
      async run(signal) {
        if (!hasEngine()) return;
        const rows = (await idle(["running"])).filter(({ bucketId }) => bucketId !== null);
        await each("the log of a database cannot be kept", rows, signal, (row) => shipLog(parts, row, signal));
      },
    },
    {
      name: "databases.health",
      everySeconds: 10,
      async run(signal) {
        if (!hasEngine()) return;
        await each("a database cannot be looked after", await idle(["running", "failing"]), signal, (row) =>
          lookAfter(row, signal),
        );
        const left = await parts.database.transaction("system", (tx) => userStore.left(tx, new Date(Date.now() - leftAfterMs)));
        await each("a user of a database cannot be cleared away", left, signal, async (user) => {
          const row = await parts.database.transaction("system", (tx) => databaseStore.find(tx, user.databaseId));
          if (row?.state !== "running") return;
          const { databaseName: database, ownerName: owner } = row;
          await parts.driver().userRemove(containerOf(row), { name: user.name, database, owner }, { signal });
          await parts.database.transaction("system", (tx) => userStore.delete(tx, user));
        });
      },
    },
    {
      name: "databases.samples",
      everySeconds: fineStep,
      async run(signal) {
        if (!hasEngine()) return;
        const rows = await idle(["running"]);
        sampler.keep(new Set(rows.map(({ id }) => id)));
        await each("a database cannot be measured", rows, signal, (row) => sampler.take(row));
      },
    },
    {
      name: "databases.upkeep",
      everySeconds: 3600,
      run: () => sampler.upkeep(),
    },
    {
      name: "databases.backups",
      everySeconds: 30,
      async run(signal) {
        if (!hasEngine()) return;
        const now = new Date();
        const due = await parts.database.transaction("system", (tx) => databaseStore.due(tx, now));
        await each("a database cannot be backed up", due, signal, backUp);
        const expired = await parts.database.transaction("system", (tx) => backupStore.expired(tx, now));
        await each("an old backup cannot be deleted", expired, signal, ({ id }) =>
          parts.database.transaction("system", async (tx) => {
            const row = await backupStore.find(tx, id, { lock: true });
            if (row?.state !== "available" || row.operationId !== null) return;
            await beginBackupDelete(tx, operations, row, clockwork);
            audit(tx, {
              action: "databases.backup.delete",
              actor: clockwork,
              ...subjectOf("databaseBackup", row, row.databaseName),
              before: { database: row.databaseId },
            });
          }),
        );
      },
    },
  ];
}

/** The next time that this hour begins (UTC). */
export function nextBackup(hour: number, now: Date): Date {
  const next = new Date(now);
  next.setUTCHours(hour, 0, 0, 0);
  if (next <= now) next.setUTCDate(next.getUTCDate() + 1);
  return next;
}
