import type { Tx } from "../../../../kernel/db/database.ts";
import { CloudError, there } from "../../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../../kernel/http/cursor.ts";
import { viewOperation } from "../../../../kernel/operations/view.ts";
import type { Handler, RequestContext } from "../../../../kernel/service.ts";
import { actorIn, type ComputeParts, openProject, placeOf } from "../../parts.ts";
import { openDisk, subjectOf } from "../disks.ts";
import { likeInstance } from "../likeInstance.ts";
import { createVolume, type VolumeOperations } from "../operations.ts";
import { checkRight } from "../rights.ts";
import { checkBackup, checkVolume } from "../states.ts";
import { findOperation } from "../store.ts";
import type { backupRoutes } from "./contract.ts";
import { beginDrill } from "./drill.ts";
import { type BackupOperations, beginBackupDelete, makeBackup } from "./operations.ts";
import { type BackupRow, backupStore, verificationStore } from "./store.ts";
import { viewBackup, viewVerification } from "./view.ts";

type Routes = typeof backupRoutes;

export function backupHandlers(
  parts: ComputeParts,
  operations: { volumes: VolumeOperations; backups: BackupOperations },
): { [K in keyof Routes]: Handler<Routes[K]> } {
  return {
    async backupList(context, { query }) {
      const place = await openProject(parts, context, query.project);
      const [before] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await backupStore.page(context.tx, {
        projectId: place.projectId,
        sourceId: query.instance ?? query.volume,
        before: before === undefined ? undefined : String(before),
        limit: query.limit + 1,
      });
      return toPage(rows, query.limit, viewBackup, ({ id }) => [id]);
    },

    async backupCreate(context, { body }) {
      const disk = await openDisk(parts, context, body);
      parts.engine();
      if (disk.kind === "instance") parts.instances.checkAction(disk.instance, "snapshot");
      else checkVolume(disk.volume, "backup");
      checkRight(context, "writeObjects", disk);
      await checkNoneIsMade(context.tx, disk);
      const bucket = await findBucket(parts, context.tx, disk.projectId, body.bucket);
      const { row, operation } = await makeBackup(context.tx, operations.backups, {
        disk,
        actor: actorIn(context),
        bucket,
        name: body.name ?? `${disk.name} ${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`,
        description: body.description,
        prefix: body.prefix,
      });
      context.audit({ ...subjectOf("backup", row), after: { source: row.sourceId, bucket: bucket.name, key: row.key } });
      return viewOperation(operation);
    },

    async backupGet(context, { params }) {
      const row = there(await backupStore.find(context.tx, params.backup), "backup");
      context.authorize(placeOf(row), "backup");
      return viewBackup(row);
    },

    async backupRestore(context, { params, body }) {
      const row = await openBackup(context, params.backup);
      parts.engine();
      checkRight(context, "readObjects", row);
      checkBackup(row, "restore");
      const actor = actorIn(context);
      if (row.sourceKind === "volume") {
        const made = await createVolume(context.tx, operations.volumes, {
          place: row,
          actor,
          name: body.name,
          description: "",
          sizeBytes: row.diskBytes,
          labels: {},
          protected: false,
          source: { kind: "backup", backupId: row.id },
        });
        context.audit({ ...subjectOf("volume", made.row), after: { name: body.name, source: row.id } });
        return viewOperation(made.operation);
      }
      const was = there(row.instance ?? undefined, "backup");
      const made = await parts.instances.create(context.tx, {
        ...(await likeInstance(context.tx, { ...was, diskBytes: row.diskBytes }, body)),
        place: { organisationId: row.organisationId, projectId: row.projectId },
        actor,
        source: { kind: "backup", backupId: row.id },
      });
      context.audit({ ...subjectOf("instance", made.instance), after: { name: body.name, source: row.id } });
      return viewOperation(await findOperation(context.tx, made.operationId));
    },

    async backupVerify(context, { params, body }) {
      const row = await openBackup(context, params.backup);
      parts.engine();
      checkRight(context, "readObjects", row);
      checkBackup(row, "verify");
      checkIdle(row);
      const operation = await beginDrill(context.tx, operations.backups.verify, row, {
        command: body.command,
        actor: actorIn(context),
      });
      context.audit({ ...subjectOf("backup", row), after: { verification: "running", command: body.command } });
      return viewOperation(operation);
    },

    async backupVerificationList(context, { params, query }) {
      const row = there(await backupStore.find(context.tx, params.backup), "backup");
      context.authorize(placeOf(row), "backup");
      const [before] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await verificationStore.page(context.tx, {
        backupId: row.id,
        before: before === undefined ? undefined : String(before),
        limit: query.limit + 1,
      });
      return toPage(rows, query.limit, viewVerification, ({ id }) => [id]);
    },

    async backupDelete(context, { params }) {
      const row = await openBackup(context, params.backup);
      checkRight(context, "deleteObjects", row);
      checkBackup(row, "delete");
      checkIdle(row);
      const operation = await beginBackupDelete(context.tx, operations.backups, row, actorIn(context));
      context.audit({ ...subjectOf("backup", row), before: { name: row.name, key: row.key, bucket: row.bucketName } });
      return viewOperation(operation);
    },
  };
}

async function openBackup(context: Pick<RequestContext, "authorize" | "tx">, id: string): Promise<BackupRow> {
  const row = there(await backupStore.find(context.tx, id, { lock: true }), "backup");
  context.authorize(placeOf(row), "backup");
  return row;
}

function checkIdle(row: BackupRow): void {
  if (row.operationId === null) return;
  throw new CloudError(
    "failed_precondition",
    `The backup ${row.name} is being tried out. Wait until that is finished, or cancel it.`,
    { details: { resource: "backup", reason: "operation_active", retryAfterSeconds: 30 } },
  );
}

/** One export at a time: the second would only wait for the first. */
export async function checkNoneIsMade(tx: Tx, disk: { id: string; kind: string; name: string }): Promise<void> {
  if (!(await backupStore.isBeingMade(tx, disk.id))) return;
  throw new CloudError(
    "failed_precondition",
    `A backup of the ${disk.kind} ${disk.name} is being made already. Wait until that is finished.`,
    { details: { resource: "backup", reason: "operation_active", retryAfterSeconds: 30 } },
  );
}

export async function findBucket(
  parts: Pick<ComputeParts, "objects">,
  tx: Tx,
  projectId: string,
  idOrName: string,
): Promise<{ id: string; name: string }> {
  const bucket = await parts.objects.findBucket(tx, projectId, idOrName);
  if (bucket) return bucket;
  throw new CloudError(
    "not_found",
    `This project has no bucket ${idOrName}. Make it first, or give another one: backups are kept in a bucket of the project.`,
    { details: { resource: "bucket", fields: [{ path: "body.bucket", message: "There is no such bucket in this project." }] } },
  );
}
