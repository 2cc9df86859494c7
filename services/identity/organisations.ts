import { CloudError, checkRevision, notFound } from "../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../kernel/http/cursor.ts";
import type { RequestContext } from "../../kernel/service.ts";
import { createOrganisation, slugTaken } from "./accounts.ts";
import { type Parts, type Some, tell } from "./parts.ts";
import { authorizeAtCloud } from "./roles.ts";
import { accessKeyStore } from "./store/accessKeys.ts";
import { type OrganisationRow, organisationStore } from "./store/tenancy.ts";
import { organisationView } from "./views.ts";

/** The organisation of a request, if the caller may do to it what they ask. */
export async function authorizedOrganisation(context: RequestContext, id: string, lock = false): Promise<OrganisationRow> {
  const row = await organisationStore.find(context.tx, id, lock);
  context.authorize({ organisationId: id }, "organisation");
  if (!row) throw notFound("organisation");
  return row;
}

async function atCloud(context: RequestContext, id: string): Promise<OrganisationRow> {
  const row = await organisationStore.find(context.tx, id, true);
  authorizeAtCloud(context, id);
  if (!row) throw notFound("organisation");
  return row;
}

const resourceOf = (row: OrganisationRow) => ({ kind: "organisation", id: row.id, name: row.name });

export function organisationHandlers(
  parts: Parts,
): Some<
  | "organisationList"
  | "organisationCreate"
  | "organisationGet"
  | "organisationUpdate"
  | "organisationSuspend"
  | "organisationResume"
  | "organisationDelete"
> {
  async function changed(context: RequestContext, id: string): Promise<OrganisationRow> {
    await tell(context.tx, "organisationChanged", id, { organisationId: id });
    return (await organisationStore.find(context.tx, id)) as OrganisationRow;
  }

  return {
    async organisationList(context, { query }) {
      const ids = context.principal.bindings.map((binding) => binding.organisationId);
      const rows = await organisationStore.list(context.tx, ids.includes(undefined) ? undefined : (ids as string[]), {
        search: query.search,
        after: decodeCursor(query.cursor, 2),
        limit: query.limit + 1,
      });
      return toPage(rows, query.limit, organisationView, (row) => [row.sortName, row.id]);
    },

    async organisationCreate(context, { body }) {
      context.authorize({}, "organisation");
      const { principal, tx } = context;
      const ownerId = principal.kind === "user" ? principal.id : undefined;
      const id = await createOrganisation(tx, parts, { ...body, ownerId });
      const row = await changed(context, id);
      context.audit({ organisationId: id, resource: resourceOf(row), after: { name: row.name, slug: row.slug, owner: ownerId } });
      return organisationView(row);
    },

    async organisationGet(context, { params }) {
      return organisationView(await authorizedOrganisation(context, params.organisation));
    },

    async organisationUpdate(context, { params, body }) {
      const before = await authorizedOrganisation(context, params.organisation, true);
      checkRevision(context.ifMatch, before, "organisation");
      const change = { name: body.name ?? before.name, slug: body.slug ?? before.slug };
      if (!(await organisationStore.update(context.tx, before.id, change))) throw slugTaken("organisation");
      const after = await changed(context, before.id);
      context.audit({
        organisationId: before.id,
        resource: resourceOf(after),
        before: { name: before.name, slug: before.slug },
        after: change,
      });
      return organisationView(after);
    },

    async organisationSuspend(context, { params, body }) {
      const before = await atCloud(context, params.organisation);
      if (before.state === "suspended") {
        throw new CloudError("failed_precondition", "This organisation is suspended already.", {
          details: { reason: "already_suspended" },
        });
      }
      await organisationStore.setSuspended(context.tx, before.id, body.reason);
      await accessKeyStore.tellChanged(context.tx);
      const after = await changed(context, before.id);
      context.audit({
        organisationId: before.id,
        resource: resourceOf(after),
        before: { state: "active" },
        after: { state: "suspended", reason: body.reason },
      });
      return organisationView(after);
    },

    async organisationResume(context, { params }) {
      const before = await atCloud(context, params.organisation);
      if (before.state === "active") {
        throw new CloudError("failed_precondition", "This organisation is not suspended.", {
          details: { reason: "not_suspended" },
        });
      }
      await organisationStore.setSuspended(context.tx, before.id, null);
      await accessKeyStore.tellChanged(context.tx);
      const after = await changed(context, before.id);
      context.audit({
        organisationId: before.id,
        resource: resourceOf(after),
        before: { state: "suspended", reason: before.suspendedReason },
        after: { state: "active" },
      });
      return organisationView(after);
    },

    async organisationDelete(context, { params }) {
      const row = await authorizedOrganisation(context, params.organisation, true);
      const { tx } = context;
      if ((await organisationStore.hasProjects(tx, row.id)) || !(await organisationStore.remove(tx, row.id))) {
        throw new CloudError("failed_precondition", "This organisation is not empty. Delete its projects first.", {
          details: { reason: "organisation_not_empty" },
        });
      }
      await accessKeyStore.tellChanged(tx);
      await tell(tx, "organisationChanged", row.id, { organisationId: row.id });
      context.audit({ organisationId: row.id, resource: resourceOf(row), before: { name: row.name, slug: row.slug } });
      return undefined;
    },
  };
}
