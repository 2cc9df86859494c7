import { CloudError, checkRevision, notFound } from "../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../kernel/http/cursor.ts";
import { newId } from "../../kernel/ids.ts";
import type { RequestContext } from "../../kernel/service.ts";
import { removeAccessKeys } from "./members.ts";
import { authorizedOrganisation } from "./organisations.ts";
import { at, type Parts, type Some, tell } from "./parts.ts";
import { assertHolds, placeOf } from "./roles.ts";
import { accessKeyStore } from "./store/accessKeys.ts";
import { bindingStore } from "./store/bindings.ts";
import { type ServiceAccountRow, serviceAccountStore } from "./store/people.ts";
import { serviceAccountView } from "./views.ts";

const nameTaken = () =>
  new CloudError("already_exists", "Another service account of this organisation has this name.", {
    details: { reason: "name_taken", fields: [{ path: "body.name", message: "This one is taken." }] },
  });

async function authorized(context: RequestContext, id: string): Promise<ServiceAccountRow> {
  const row = await serviceAccountStore.find(context.tx, id, true);
  if (!row) throw notFound("service account");
  context.authorize({ organisationId: row.organisationId }, "service account");
  return row;
}

/** Whoever acts for a service account has its roles: they must hold them already. */
export async function assertHoldsRolesOf(context: RequestContext, row: ServiceAccountRow, what: string): Promise<void> {
  const bindings = await bindingStore.ofPrincipals(context.tx, row.organisationId, [row.id]);
  assertHolds(
    context.principal,
    bindings.map((each) => ({ role: each.role, place: placeOf(each) })),
    what,
  );
}

export function serviceAccountHandlers(
  parts: Parts,
): Some<"serviceAccountList" | "serviceAccountCreate" | "serviceAccountUpdate" | "serviceAccountDelete"> {
  return {
    async serviceAccountList(context, { query }) {
      await authorizedOrganisation(context, query.organisation);
      const after = decodeCursor(query.cursor, 2);
      const rows = await serviceAccountStore.list(context.tx, query.organisation, { after, limit: query.limit + 1 });
      return toPage(
        rows,
        query.limit,
        ({ sortName: _, ...row }) => serviceAccountView(row),
        (row) => [row.sortName, row.id],
      );
    },

    async serviceAccountCreate(context, { body }) {
      await authorizedOrganisation(context, body.organisation);
      const { tx } = context;
      const row = {
        id: newId("serviceAccount", parts.clock.nowMs()),
        organisationId: body.organisation,
        name: body.name,
        description: body.description,
        createdAt: at(parts),
      };
      if (!(await serviceAccountStore.insert(tx, row))) throw nameTaken();
      await tell(tx, "memberChanged", row.id, { organisationId: row.organisationId });
      context.audit({
        organisationId: row.organisationId,
        resource: { kind: "service_account", id: row.id, name: row.name },
        after: { name: row.name, description: row.description },
      });
      return serviceAccountView({ ...row, state: "active", revision: 1 });
    },

    async serviceAccountUpdate(context, { params, body }) {
      const before = await authorized(context, params.serviceAccount);
      const { tx } = context;
      checkRevision(context.ifMatch, before, "service account");
      const change = {
        name: body.name ?? before.name,
        description: body.description ?? before.description,
        state: body.state ?? before.state,
      };
      if (change.state !== before.state) {
        await assertHoldsRolesOf(context, before, "Suspending or resuming this service account");
        await accessKeyStore.tellChanged(tx);
      }
      if (!(await serviceAccountStore.update(tx, before.id, change))) throw nameTaken();
      await tell(tx, "memberChanged", before.id, { organisationId: before.organisationId });
      context.audit({
        organisationId: before.organisationId,
        resource: { kind: "service_account", id: before.id, name: change.name },
        before: { name: before.name, description: before.description, state: before.state },
        after: change,
      });
      return serviceAccountView({ ...before, ...change, revision: before.revision + 1 });
    },

    async serviceAccountDelete(context, { params }) {
      const row = await authorized(context, params.serviceAccount);
      const { tx } = context;
      const { organisationId } = row;
      await assertHoldsRolesOf(context, row, "Deleting this service account");
      const accessKeys = await removeAccessKeys(tx, organisationId, row.id);
      await serviceAccountStore.remove(tx, row.id);
      await accessKeyStore.tellChanged(tx);
      await tell(tx, "memberChanged", row.id, { organisationId });
      context.audit({
        organisationId,
        resource: { kind: "service_account", id: row.id, name: row.name },
        before: { name: row.name, description: row.description, accessKeys },
      });
      return undefined;
    },
  };
}
