import type { Tx } from "../../kernel/db/database.ts";
import { CloudError, checkRevision, invalid, nameTaken, notFound, there } from "../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../kernel/http/cursor.ts";
import { viewOperation } from "../../kernel/operations/view.ts";
import { reserveQuota } from "../../kernel/quota.ts";
import type { RequestContext } from "../../kernel/service.ts";
import objects from "../objects/contract.ts";
import { authorityCertificate } from "./certificates.ts";
import type contract from "./contract.ts";
import { beginOnDatabase, insertDatabase, type NewDatabase } from "./creation.ts";
import { checkNoHolders } from "./links/links.ts";
import { holderStore } from "./links/store.ts";
import type { DatabaseOperations } from "./operations.ts";
import { actorIn, type DatabasesParts, internalHostOf, placeOf, prefixOf, type RouteHandlers, subjectOf } from "./parts.ts";
import { checkBackup, checkDatabase } from "./states.ts";
import { type BackupRow, backupStore, type DatabaseChange, type DatabaseRow, databaseStore } from "./store.ts";
import { urls, viewDatabase } from "./views.ts";

type Routes = Pick<
  (typeof contract)["routes"],
  | "databaseList"
  | "databaseCreate"
  | "databaseGet"
  | "databaseUpdate"
  | "databaseConnectionGet"
  | "databaseRestart"
  | "databaseStop"
  | "databaseStart"
  | "databaseRename"
  | "databaseResize"
  | "databaseUpgrade"
  | "databaseClone"
  | "databaseRecover"
  | "databaseDelete"
  | "databaseBackupRestore"
>;
type Context = Pick<RequestContext, "authorize" | "tx">;

export async function openProject(parts: Pick<DatabasesParts, "identity">, context: Context, projectId: string) {
  const place = await parts.identity.projectPlace(context.tx, projectId);
  if (!place) throw notFound("project");
  context.authorize(place, "project");
  return place;
}

/** Locked, once it is sure that the caller may do with it what the route does. */
export async function openDatabase(context: Context, id: string): Promise<DatabaseRow> {
  const row = there(await databaseStore.find(context.tx, id, { lock: true }), "database");
  context.authorize(placeOf(row), "database");
  return row;
}

export async function openBackup(context: Context, id: string): Promise<BackupRow> {
  const row = there(await backupStore.find(context.tx, id, { lock: true }), "backup");
  context.authorize(placeOf(row), "backup");
  return row;
}

export function databaseHandlers(parts: DatabasesParts, operations: DatabaseOperations): RouteHandlers<Routes> {
  const view = (row: DatabaseRow) => viewDatabase(row, parts.publicHost);

  async function findBucket(
    context: Pick<RequestContext, "allows" | "tx">,
    projectId: string,
    organisationId: string,
    wanted: string,
  ) {
    const bucket = await parts.objects.findBucket(context.tx, projectId, wanted);
    if (!bucket) throw notFound("bucket");
    const { permission, roles } = objects.routes.objectUpload;
    if (!context.allows(permission, roles, { organisationId, projectId }))
      throw new CloudError("permission_denied", "For this you have to be allowed to write objects: backups are some.", {
        details: { permission, roles: [...roles] },
      });
    return bucket;
  }

  /** A copy through a backup: by `until`, and with what the source has not handed over yet. */
  async function beginRestore(
    context: RequestContext,
    backup: BackupRow,
    wanted: { name: string; memoryBytes?: number | undefined; cpus?: number | undefined; diskBytes?: number | undefined },
    until: string,
    sourceId: string | null,
  ) {
    if (wanted.diskBytes !== undefined && wanted.diskBytes < backup.diskBytes)
      throw invalid("body.diskBytes", `The source has a disk of ${backup.diskBytes} bytes: the new one has to be as large.`);
    const { permission, roles } = objects.routes.objectDownload;
    if (!context.allows(permission, roles, placeOf(backup)))
      throw new CloudError("permission_denied", "For this you have to be allowed to read objects: a backup is one.", {
        details: { permission, roles: [...roles] },
      });
    const source = await databaseStore.find(context.tx, backup.databaseId);
    const { row, operation } = await insertDatabase(
      context.tx,
      operations.restore,
      {
        organisationId: backup.organisationId,
        projectId: backup.projectId,
        name: wanted.name,
        version: backup.version,
        memoryBytes: wanted.memoryBytes ?? backup.memoryBytes,
        cpus: wanted.cpus ?? backup.cpus,
        diskBytes: wanted.diskBytes ?? backup.diskBytes,
        databaseName: backup.innerName,
        ownerName: backup.ownerName,
        bucket: { id: backup.bucketId, name: backup.bucketName },
        backupHour: source?.backupHour ?? 2,
        keepDays: source?.keepDays ?? 7,
        protected: false,
      },
      actorIn(context),
      { backupId: backup.id, until, sourceId },
    );
    context.audit({ ...subjectOf("database", row, row.name), after: { name: row.name, backup: backup.id, until } });
    return viewOperation(operation);
  }

  return {
    async databaseList(context, { query }) {
      const place = await openProject(parts, context, query.project);
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await databaseStore.page(context.tx, {
        projectId: place.projectId,
        after: after === undefined ? undefined : String(after),
        limit: query.limit + 1,
      });
      return toPage(rows, query.limit, view, ({ name }) => [name]);
    },

    async databaseCreate(context, { body }) {
      const { organisationId, projectId } = await openProject(parts, context, body.project);
      parts.driver();
      const bucket = body.bucket === undefined ? undefined : await findBucket(context, projectId, organisationId, body.bucket);
      const inner = body.name.replaceAll("-", "_");
      const { name, version, memoryBytes, cpus, diskBytes, backupHour, keepDays } = body;
      const wanted: NewDatabase = {
        ...{ organisationId, projectId, name, version, memoryBytes, cpus, diskBytes, backupHour, keepDays },
        databaseName: inner,
        ownerName: inner,
        bucket,
        protected: body.protected,
      };
      const { row, operation } = await insertDatabase(context.tx, operations.create, wanted, actorIn(context), {});
      context.audit({
        ...subjectOf("database", row, name),
        after: {
          name,
          version,
          memoryBytes,
          cpus,
          diskBytes,
          bucket: bucket?.id,
          backupHour,
          keepDays,
          protected: body.protected,
        },
      });
      return viewOperation(operation);
    },

    async databaseGet(context, { params }) {
      const row = there(await databaseStore.find(context.tx, params.database), "database");
      context.authorize(placeOf(row), "database");
      return view(row);
    },

    async databaseUpdate(context, { params, body }) {
      const row = await openDatabase(context, params.database);
      checkRevision(context.ifMatch, row, "database");
      const change: DatabaseChange = {
        ...(body.backupHour === undefined ? {} : { backupHour: body.backupHour }),
        ...(body.keepDays === undefined ? {} : { keepDays: body.keepDays }),
        ...(body.protected === undefined ? {} : { protected: body.protected }),
      };
      if (body.bucket !== undefined) {
        const bucket = await findBucket(context, row.projectId, row.organisationId, body.bucket);
        if (row.bucketId !== null && row.bucketId !== bucket.id)
          throw new CloudError(
            "failed_precondition",
            "The log of a database stays in the bucket where it began. Clone it to move it to another one.",
            {
              details: { resource: "database", reason: "bucket_given" },
            },
          );
        // The server is told by the health worker, before the first backup.
        if (row.bucketId === null)
          Object.assign(change, {
            bucketId: bucket.id,
            bucketName: bucket.name,
            certificateUntil: new Date(0),
            nextBackupAt: new Date(),
          });
      }
      if (Object.keys(change).length === 0) return view(row);
      const next = await databaseStore.update(context.tx, row.id, change);
      const { certificateUntil: _until, nextBackupAt: _next, bucketName: _name, ...after } = change;
      const before = Object.fromEntries(Object.keys(after).map((field) => [field, row[field as keyof DatabaseRow]]));
      context.audit({ ...subjectOf("database", row, row.name), before, after });
      return view(next);
    },

    async databaseConnectionGet(context, { params }) {
      const row = there(await databaseStore.find(context.tx, params.database), "database");
      context.authorize(placeOf(row), "database");
      const internalPort = parts.driver().port;
      if (row.port === null)
        throw new CloudError("failed_precondition", `The database ${row.name} is not made yet. Wait until it runs.`, {
          details: { resource: "database", reason: `state_${row.state}` },
        });
      return {
        host: parts.publicHost,
        port: row.port,
        internalHost: internalHostOf(row),
        internalPort,
        databaseName: row.databaseName,
        user: row.ownerName,
        ...urls(row, parts.publicHost, internalPort, row.ownerName),
        certificate: await authorityCertificate(parts),
        usedBy: await holderStore.ofDatabase(context.tx, row.id),
      };
    },

    async databaseRestart(context, { params }) {
      const row = await openDatabase(context, params.database);
      parts.driver();
      checkDatabase(row, "restart");
      const operation = await beginOnDatabase(context.tx, operations.restart, row, {
        input: { databaseId: row.id },
        actor: actorIn(context),
        change: { state: "restarting" },
      });
      context.audit(subjectOf("database", row, row.name));
      return viewOperation(operation);
    },

    async databaseStop(context, { params }) {
      const row = await openDatabase(context, params.database);
      parts.driver();
      checkDatabase(row, "stop");
      await refuseDuringBackup(context, row);
      const operation = await beginOnDatabase(context.tx, operations.stop, row, {
        input: { databaseId: row.id },
        actor: actorIn(context),
        change: { state: "stopping" },
      });
      context.audit(subjectOf("database", row, row.name));
      return viewOperation(operation);
    },

    async databaseStart(context, { params }) {
      const row = await openDatabase(context, params.database);
      parts.driver();
      checkDatabase(row, "start");
      const operation = await beginOnDatabase(context.tx, operations.start, row, {
        input: { databaseId: row.id },
        actor: actorIn(context),
        change: { state: "starting" },
      });
      context.audit(subjectOf("database", row, row.name));
      return viewOperation(operation);
    },

    async databaseRename(context, { params, body }) {
      const row = await openDatabase(context, params.database);
      parts.driver();
      checkDatabase(row, "rename");
      await checkRename(context.tx, row);
      if (await databaseStore.nameIsTaken(context.tx, row, body.name)) throw nameTaken("database", "This project", body.name);
      // Named at once: whatever becomes of the restart, whoever starts it next does it by the new name.
      const operation = await beginOnDatabase(context.tx, operations.rename, row, {
        input: { databaseId: row.id },
        actor: actorIn(context),
        change: { name: body.name, state: "renaming", certificateUntil: null },
      });
      context.audit({ ...subjectOf("database", row, row.name), before: { name: row.name }, after: { name: body.name } });
      return viewOperation(operation);
    },

    async databaseResize(context, { params, body }) {
      const row = await openDatabase(context, params.database);
      parts.driver();
      checkDatabase(row, "resize");
      const from = { memoryBytes: row.memoryBytes, cpus: row.cpus, diskBytes: row.diskBytes };
      const to = {
        memoryBytes: body.memoryBytes ?? row.memoryBytes,
        cpus: body.cpus ?? row.cpus,
        diskBytes: body.diskBytes ?? row.diskBytes,
      };
      if (to.diskBytes < (row.usedBytes ?? 0))
        throw invalid("body.diskBytes", `The database uses ${row.usedBytes} bytes of its disk already.`);
      await reserveQuota(context.tx, row, "databases.memory", to.memoryBytes - from.memoryBytes);
      await reserveQuota(context.tx, row, "databases.disk", to.diskBytes - from.diskBytes);
      const operation = await beginOnDatabase(context.tx, operations.resize, row, {
        input: { databaseId: row.id, from, to },
        actor: actorIn(context),
        change: { state: "resizing" },
      });
      context.audit({ ...subjectOf("database", row, row.name), before: from, after: to });
      return viewOperation(operation);
    },

    async databaseUpgrade(context, { params, body }) {
      const row = await openDatabase(context, params.database);
      parts.driver();
      checkDatabase(row, "upgrade");
      if (Number(body.version) <= Number(row.version))
        throw new CloudError(
          "failed_precondition",
          `The database ${row.name} has version ${row.version}: only a newer one can follow.`,
          {
            details: { resource: "database", reason: "not_newer" },
          },
        );
      await refuseDuringBackup(context, row);
      const operation = await beginOnDatabase(context.tx, operations.upgrade, row, {
        input: { databaseId: row.id, from: row.version, to: body.version, incarnation: row.incarnation },
        actor: actorIn(context),
        change: { state: "upgrading" },
      });
      context.audit({
        ...subjectOf("database", row, row.name),
        before: { version: row.version },
        after: { version: body.version },
      });
      return viewOperation(operation);
    },

    async databaseClone(context, { params, body }) {
      const row = await openDatabase(context, params.database);
      parts.driver();
      checkDatabase(row, "clone");
      const backup = await backupStore.before(context.tx, prefixOf(row), new Date());
      if (!backup) throw noBackup(row);
      return beginRestore(context, backup, body, "end", row.id);
    },

    async databaseRecover(context, { params, body }) {
      const row = await openDatabase(context, params.database);
      parts.driver();
      checkDatabase(row, "recover");
      const at = new Date(body.at);
      if (at.getTime() > Date.now()) throw invalid("body.at", "This moment is still to come.");
      const backup = await backupStore.before(context.tx, prefixOf(row), at);
      if (!backup)
        throw row.recoverableFrom ? invalid("body.at", "This is before the first backup that is kept.") : noBackup(row);
      return beginRestore(context, backup, body, at.toISOString(), row.id);
    },

    async databaseDelete(context, { params, query }) {
      const row = await openDatabase(context, params.database);
      parts.driver();
      checkDatabase(row, "delete");
      if (query.confirm !== row.name)
        throw invalid(
          "query.confirm",
          `Type the name of the database, ${row.name}, to confirm that everything in it goes for good.`,
        );
      if (await backupStore.isBeingMade(context.tx, row.id))
        throw new CloudError(
          "failed_precondition",
          `A backup of ${row.name} is being made. Wait until that is finished, or cancel it.`,
          {
            details: { resource: "database", reason: "operation_active", retryAfterSeconds: 10 },
          },
        );
      await checkNoHolders(context.tx, row);
      const operation = await beginOnDatabase(context.tx, operations.delete, row, {
        input: { databaseId: row.id },
        actor: actorIn(context),
        change: { state: "deleting" },
      });
      context.audit({ ...subjectOf("database", row, row.name), before: { name: row.name, version: row.version } });
      return viewOperation(operation);
    },

    async databaseBackupRestore(context, { params, body }) {
      const backup = await openBackup(context, params.databaseBackup);
      parts.driver();
      checkBackup(backup, "restore");
      return beginRestore(context, backup, body, "earliest", null);
    },
  };
}

/** Whoever is linked has the name in its environment. */
async function checkRename(tx: Tx, row: DatabaseRow): Promise<void> {
  const holders = await holderStore.ofDatabase(tx, row.id);
  if (holders.length === 0) return;
  throw new CloudError(
    "failed_precondition",
    `The ${holders[0]} reaches ${row.name} by its name. Take its link to the database away first, and link it again afterwards.`,
    { details: { resource: "database", reason: "database_held", holders } },
  );
}

async function refuseDuringBackup(context: Pick<RequestContext, "tx">, row: DatabaseRow): Promise<void> {
  if (!(await backupStore.isBeingMade(context.tx, row.id))) return;
  throw new CloudError("failed_precondition", `A backup of ${row.name} is being made. Wait until that is finished.`, {
    details: { resource: "database", reason: "operation_active", retryAfterSeconds: 10 },
  });
}

const noBackup = (row: DatabaseRow): CloudError =>
  new CloudError("failed_precondition", `The database ${row.name} has no backup yet. Make one first.`, {
    details: { resource: "database", reason: "backup_missing" },
  });

/** For routes that ask the server itself: the record in a transaction of its own, the server afterwards. */
export async function readyDatabase(
  context: {
    transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
    authorize: RequestContext["authorize"];
  },
  id: string,
  action: "query" | "change_extensions",
): Promise<DatabaseRow> {
  const row = await context.transaction(async (tx) => {
    const found = there(await databaseStore.find(tx, id), "database");
    context.authorize(placeOf(found), "database");
    return found;
  });
  checkDatabase(row, action);
  return row;
}
