import { CloudError, there } from "../../../kernel/errors.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import type { Area, ComputeParts, VolumesPart } from "../parts.ts";
import { openBackupContents } from "./backups/content.ts";
import { defineDrill } from "./backups/drill.ts";
import { defineBackupOperations } from "./backups/operations.ts";
import { backupHandlers } from "./backups/routes.ts";
import { verificationStore } from "./backups/store.ts";
import type { volumeRoutes } from "./contract.ts";
import { defineVolumeOperations, forgetVolume } from "./operations.ts";
import { reconcileVolumes } from "./reconcile.ts";
import { volumeHandlers } from "./routes.ts";
import { scheduleHandlers } from "./schedules/routes.ts";
import { scheduleStore } from "./schedules/store.ts";
import { scheduleWorkers } from "./schedules/worker.ts";
import { measureWorker, volumeUseWorker } from "./snapshots/measure.ts";
import { defineSnapshotOperations } from "./snapshots/operations.ts";
import { snapshotHandlers } from "./snapshots/routes.ts";
import { snapshotStore } from "./snapshots/store.ts";
import { volumeStore } from "./store.ts";

export function createVolumes(parts: ComputeParts): Area<typeof volumeRoutes> & { part: VolumesPart } {
  const contents = openBackupContents(parts);
  const volumes = defineVolumeOperations(parts, contents);
  const snapshots = defineSnapshotOperations(parts);
  const backups = defineBackupOperations(parts, defineDrill(parts, contents));
  const operations = { volumes, snapshots, backups };
  return {
    handlers: {
      ...volumeHandlers(parts, volumes),
      ...snapshotHandlers(parts, operations),
      ...scheduleHandlers(parts),
      ...backupHandlers(parts, operations),
    },
    operations: Object.values(operations).flatMap((each) => Object.values(each)),
    workers: [...scheduleWorkers(parts, operations), measureWorker(parts), volumeUseWorker(parts)],
    async metrics() {
      const counts = await parts.database.transaction("system", (tx) => volumeStore.counts(tx));
      return counts.flatMap(({ state, count, sizeBytes }) => [
        { name: "khmara_compute_volumes", help: "Volumes by state.", value: count, labels: { state } },
        { name: "khmara_compute_volume_bytes", help: "Bytes of volumes by state.", value: sizeBytes, labels: { state } },
      ]);
    },
    part: volumesPart(parts, contents),
  };
}

function volumesPart(parts: ComputeParts, contents: ReturnType<typeof openBackupContents>): VolumesPart {
  return {
    async attachments(tx, instanceId) {
      const rows = await volumeStore.ofInstance(tx, instanceId);
      return rows
        .filter(({ state }) => state !== "detaching" && state !== "missing")
        .map(({ id, engineName, mountPath }) => ({ volumeId: id, engineName, path: mountPath as string }));
    },

    async instanceDeleted(tx, instanceId) {
      for (const row of await volumeStore.ofInstance(tx, instanceId, { lock: true })) {
        // What else is done with the volume goes on, and ends with it being free.
        const free = row.operationId === null && row.state === "attached";
        await volumeStore.update(tx, row.id, { instanceId: null, mountPath: null, ...(free ? { state: "available" } : {}) });
      }
      const rows = await snapshotStore.ofSource(tx, instanceId, { lock: true });
      for (const row of rows) await snapshotStore.delete(tx, row);
      if (rows[0]) await reserveQuota(tx, rows[0], "compute.snapshots", -rows.length);
      await scheduleStore.deleteOfSource(tx, instanceId);
    },

    readBackup: (backupId, options, use) => contents.read(backupId, options, use),

    drillCopies: (tx) => verificationStore.running(tx),

    reconcile: (signal) => reconcileVolumes(parts, signal),

    async forget(tx, volumeId) {
      const row = there(await volumeStore.find(tx, volumeId, { lock: true }), "volume");
      if (row.state !== "missing") {
        throw new CloudError("failed_precondition", `The volume ${row.name} is there: delete it instead.`, {
          details: { resource: "volume", reason: `state_${row.state}` },
        });
      }
      await forgetVolume(tx, row);
    },
  };
}
