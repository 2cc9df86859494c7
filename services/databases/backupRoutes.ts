import { there } from "../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../kernel/http/cursor.ts";
import { viewOperation } from "../../kernel/operations/view.ts";
import { type BackupOperations, beginBackupDelete, beginVerify, makeBackup } from "./backupOperations.ts";
import type contract from "./contract.ts";
import { openBackup, openDatabase, openProject } from "./databaseRoutes.ts";
import { actorIn, type DatabasesParts, placeOf, type RouteHandlers, subjectOf } from "./parts.ts";
import { checkBackup, checkDatabase } from "./states.ts";
import { backupStore } from "./store.ts";
import { viewBackup } from "./views.ts";

type Routes = Pick<
  (typeof contract)["routes"],
  "databaseBackupList" | "databaseBackupCreate" | "databaseBackupGet" | "databaseBackupVerify" | "databaseBackupDelete"
>;

export function backupHandlers(parts: DatabasesParts, operations: BackupOperations): RouteHandlers<Routes> {
  return {
    async databaseBackupList(context, { query }) {
      const place = await openProject(parts, context, query.project);
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await backupStore.page(context.tx, {
        projectId: place.projectId,
        databaseId: query.database,
        after: after === undefined ? undefined : String(after),
        limit: query.limit + 1,
      });
      return toPage(rows, query.limit, viewBackup, ({ id }) => [id]);
    },

    async databaseBackupCreate(context, { params }) {
      const database = await openDatabase(context, params.database);
      parts.driver();
      checkDatabase(database, "backup");
      const { row, operation } = await makeBackup(context.tx, operations, database, actorIn(context), false);
      context.audit({
        ...subjectOf("databaseBackup", row, database.name),
        after: { database: database.id, bucket: row.bucketId },
      });
      return viewOperation(operation);
    },

    async databaseBackupGet(context, { params }) {
      const row = there(await backupStore.find(context.tx, params.databaseBackup), "backup");
      context.authorize(placeOf(row), "backup");
      return viewBackup(row);
    },

    async databaseBackupVerify(context, { params }) {
      const row = await openBackup(context, params.databaseBackup);
      parts.driver();
      checkBackup(row, "verify");
      const operation = await beginVerify(context.tx, operations.verify, row, actorIn(context));
      context.audit(subjectOf("databaseBackup", row, row.databaseName));
      return viewOperation(operation);
    },

    async databaseBackupDelete(context, { params }) {
      const row = await openBackup(context, params.databaseBackup);
      parts.driver();
      checkBackup(row, "delete");
      const operation = await beginBackupDelete(context.tx, operations, row, actorIn(context));
      context.audit({
        ...subjectOf("databaseBackup", row, row.databaseName),
        before: { database: row.databaseId, bucket: row.bucketId },
      });
      return viewOperation(operation);
    },
  };
}
