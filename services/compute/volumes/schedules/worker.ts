import { audit } from "../../../../kernel/audit.ts";
import { systemActor } from "../../../../kernel/auth/principal.ts";
import type { Tx } from "../../../../kernel/db/database.ts";
import { CloudError } from "../../../../kernel/errors.ts";
import type { Id } from "../../../../kernel/ids.ts";
import type { Worker } from "../../../../kernel/service.ts";
import type { ComputeParts } from "../../parts.ts";
import { beginDrill } from "../backups/drill.ts";
import { type BackupOperations, beginBackupDelete, makeBackup } from "../backups/operations.ts";
import { checkNoneIsMade } from "../backups/routes.ts";
import { backupStore } from "../backups/store.ts";
import { findDisk, subjectOf } from "../disks.ts";
import { beginSnapshotDelete, type SnapshotOperations, takeSnapshot } from "../snapshots/operations.ts";
import { snapshotStore } from "../snapshots/store.ts";
import { checkVolume } from "../states.ts";
import { scheduleEnded } from "./outcome.ts";
import { type ScheduleRow, scheduleStore } from "./store.ts";
import { nextRun } from "./times.ts";

/** What is busy just now is asked again each round, for so long; then the run counts as failed. */
const patienceMs = 3_600_000;
const weekMs = 7 * 24 * 3_600_000;
const prunedAtOnce = 100;

/** Makes what schedules ask for when its time has come, deletes what they keep no longer, and begins weekly restore drills. */
export function scheduleWorkers(
  parts: ComputeParts,
  operations: { snapshots: SnapshotOperations; backups: BackupOperations },
  now: () => Date = () => new Date(),
): Worker[] {
  const { database } = parts;

  /**
   * One transaction: the row is locked, what it asks for is begun, and its next time written down. So it happens once, however many
   * processes look, and however often the cloud was down meanwhile.
   */
  async function runNext(tried: string[]): Promise<boolean> {
    let taken: ScheduleRow | undefined;
    try {
      return await database.transaction("system", async (tx) => {
        taken = await scheduleStore.takeDue(tx, now(), tried);
        if (!taken) return false;
        tried.push(taken.id);
        const operationId = await begin(tx, taken);
        await scheduleStore.update(tx, taken.id, {
          nextRunAt: nextRun(taken, now()),
          lastState: "running",
          lastStartedAt: now(),
          lastFinishedAt: null,
          lastMessage: null,
          lastOperationId: operationId,
        });
        return true;
      });
    } catch (error) {
      if (!taken || !CloudError.is(error) || error.code === "unavailable") throw error;
      await cannot(taken, error);
      return true;
    }
  }

  async function begin(tx: Tx, row: ScheduleRow): Promise<Id<"operation">> {
    const disk = await findDisk(parts, tx, row);
    if (!disk) throw new CloudError("not_found", `The ${row.instanceId ? "instance" : "volume"} does not exist any more.`);
    parts.engine();
    if (disk.kind === "instance") parts.instances.checkAction(disk.instance, "snapshot");
    else checkVolume(disk.volume, row.kind);
    const wanted = { disk, actor: systemActor, description: "", scheduleId: row.id };
    const moment = `${now().toISOString().slice(0, 19).replace("T", " ")} UTC`;
    if (row.kind === "snapshot") {
      const made = await takeSnapshot(tx, operations.snapshots, { ...wanted, name: `${row.name} ${moment}` });
      tell(tx, "compute.snapshot.create", subjectOf("snapshot", made.row), { after: { source: disk.id, schedule: row.id } });
      return made.operation.id;
    }
    await checkNoneIsMade(tx, disk);
    const bucket = row.bucketId ? await parts.objects.findBucket(tx, row.projectId, row.bucketId) : undefined;
    if (!bucket) {
      throw new CloudError("not_found", "The bucket for these backups does not exist any more. Give the schedule another one.");
    }
    const name = `${disk.name} ${moment}`;
    const made = await makeBackup(tx, operations.backups, { ...wanted, bucket, name, prefix: "backups/" });
    const after = { source: disk.id, schedule: row.id, bucket: bucket.name, key: made.row.key };
    tell(tx, "compute.backup.create", subjectOf("backup", made.row), { after });
    return made.operation.id;
  }

  /** What nobody asked for by hand is in the audit log like what somebody did. */
  function tell(
    tx: Tx,
    action: string,
    subject: ReturnType<typeof subjectOf>,
    facts: { before?: Record<string, unknown>; after?: Record<string, unknown> },
  ): void {
    audit(tx, { action, actor: systemActor, ...subject, ...facts });
  }

  /** It could not even be begun. Nothing of that is left, so this is written down in a transaction of its own. */
  async function cannot(taken: ScheduleRow, error: CloudError): Promise<void> {
    await database.transaction("system", async (tx) => {
      const row = await scheduleStore.find(tx, taken.id, { lock: true });
      const due = taken.nextRunAt?.getTime() ?? 0;
      // Somebody has changed it meanwhile.
      if (!row || row.nextRunAt?.getTime() !== due) return;
      const busy = error.details.retryAfterSeconds !== undefined;
      if (busy && now().getTime() - due < patienceMs) return;
      await scheduleStore.update(tx, row.id, {
        nextRunAt: nextRun(row, now()),
        lastStartedAt: now(),
        lastOperationId: null,
      });
      await scheduleEnded(tx, row.id, error);
    });
  }

  async function drillNext(tried: string[]): Promise<boolean> {
    return database.transaction("system", async (tx) => {
      const row = await scheduleStore.takeDrillDue(tx, new Date(now().getTime() - weekMs), tried);
      if (!row) return false;
      tried.push(row.id);
      const backup = await backupStore.newestOfSchedule(tx, row.id);
      if (!backup || backup.operationId !== null) return true;
      await beginDrill(tx, operations.backups.verify, backup, { command: row.verifyCommand ?? undefined, actor: systemActor });
      await scheduleStore.update(tx, row.id, { verifiedAt: now() });
      return true;
    });
  }

  async function prune(): Promise<void> {
    const { snapshots, backups } = await database.transaction("system", async (tx) => ({
      snapshots: await snapshotStore.surplus(tx, prunedAtOnce),
      backups: await backupStore.surplus(tx, prunedAtOnce),
    }));
    for (const { id } of snapshots) {
      await database.transaction("system", async (tx) => {
        const row = await snapshotStore.find(tx, id, { lock: true });
        if (row?.state !== "available") return;
        await beginSnapshotDelete(tx, operations.snapshots, row, systemActor);
        const before = { name: row.name, source: row.sourceId, schedule: row.scheduleId };
        tell(tx, "compute.snapshot.delete", subjectOf("snapshot", row), { before });
      });
    }
    for (const { id } of backups) {
      await database.transaction("system", async (tx) => {
        const row = await backupStore.find(tx, id, { lock: true });
        if (row?.state !== "available" || row.operationId !== null) return;
        await beginBackupDelete(tx, operations.backups, row, systemActor);
        const before = { name: row.name, key: row.key, bucket: row.bucketName, schedule: row.scheduleId };
        tell(tx, "compute.backup.delete", subjectOf("backup", row), { before });
      });
    }
  }

  return [
    {
      name: "compute.schedules",
      everySeconds: 15,
      async run(signal) {
        const tried: string[] = [];
        while (!signal.aborted && (await runNext(tried)));
        await prune();
      },
    },
    {
      name: "compute.restore_drills",
      everySeconds: 600,
      async run(signal) {
        const tried: string[] = [];
        while (!signal.aborted && (await drillNext(tried)));
      },
    },
  ];
}
