import { isoTime } from "../../../kernel/clock.ts";
import { CloudError, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { beginOperation } from "../../../kernel/operations/store.ts";
import { viewOperation } from "../../../kernel/operations/view.ts";
import { type Area, actorIn, type ComputeParts } from "../parts.ts";
import { type Difference, differenceActions, type engineRoutes } from "./contract.ts";
import type { DifferenceRepair } from "./repairs.ts";
import { type DifferenceRow, differenceStore } from "./store.ts";

type Routes = Pick<Area<typeof engineRoutes>["handlers"], "differenceList" | "differenceRepair" | "differenceUpdate">;

export function routesOfDifferences(parts: ComputeParts, repair: DifferenceRepair): Routes {
  return {
    async differenceList(context, { query }) {
      context.authorize({}, "difference");
      const cursor = decodeCursor(query.cursor, 2);
      const rows = await differenceStore.page(context.tx, {
        kind: query.kind,
        ignored: query.ignored,
        before: cursor && { at: String(cursor[0]), id: String(cursor[1]) },
        limit: query.limit + 1,
      });
      return toPage(rows, query.limit, view, (row) => [isoTime(row.firstSeenAt), row.id]);
    },

    async differenceRepair(context, { params, body }) {
      context.authorize({}, "difference");
      const row = await differenceStore.find(context.tx, params.difference, { lock: true });
      if (!row) throw notFound("difference");
      parts.engine();
      if (row.operationId !== null) {
        throw new CloudError("failed_precondition", "Its repair is under way. Wait until that is finished.", {
          details: { reason: "operation_active", operationId: row.operationId },
        });
      }
      const actions = differenceActions[row.kind];
      if (!actions.includes(body.action)) {
        throw new CloudError(
          "failed_precondition",
          actions.length === 0
            ? "This ends by itself when its cause does: nothing can be done about it here."
            : `About this, one can: ${actions.join(", ")}.`,
          { details: { reason: "no_such_action" } },
        );
      }
      const record = await beginOperation(context.tx, repair, {
        input: { differenceId: row.id, kind: row.kind, action: body.action, resourceId: row.resourceId },
        actor: actorIn(context),
        resource: { kind: "difference", id: row.id, name: row.resourceName },
      });
      await differenceStore.setOperation(context.tx, row, record.id);
      context.audit({
        ...subjectOf(row),
        before: { kind: row.kind, resource: `${row.resourceKind} ${row.resourceId}`, detail: row.detail },
        after: { action: body.action },
      });
      return viewOperation(record);
    },

    async differenceUpdate(context, { params, body }) {
      context.authorize({}, "difference");
      const row = await differenceStore.find(context.tx, params.difference, { lock: true });
      if (!row) throw notFound("difference");
      await differenceStore.setIgnored(context.tx, row, body.ignored);
      context.audit({ ...subjectOf(row), before: { ignored: row.ignored }, after: { ignored: body.ignored } });
      return view({ ...row, ignored: body.ignored });
    },
  };
}

const subjectOf = (row: DifferenceRow) => ({
  organisationId: row.organisationId ?? undefined,
  projectId: row.projectId ?? undefined,
  resource: { kind: "difference", id: row.id, name: row.resourceName },
});

const view = (row: DifferenceRow): Difference => ({
  id: row.id,
  kind: row.kind,
  resource: { kind: row.resourceKind, id: row.resourceId, name: row.resourceName },
  organisationId: row.organisationId ?? undefined,
  projectId: row.projectId ?? undefined,
  member: row.member ?? undefined,
  detail: row.detail,
  ignored: row.ignored,
  allowedActions: row.operationId === null ? [...differenceActions[row.kind]] : [],
  operationId: row.operationId ?? undefined,
  firstSeenAt: isoTime(row.firstSeenAt),
  lastSeenAt: isoTime(row.lastSeenAt),
});
