import type { Tx } from "../../kernel/db/database.ts";
import { CloudError, checkRevision, notFound } from "../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../kernel/http/cursor.ts";
import { newId } from "../../kernel/ids.ts";
import { reserveQuota } from "../../kernel/quota.ts";
import type { RequestContext } from "../../kernel/service.ts";
import { slugTaken } from "./accounts.ts";
import { authorizedOrganisation } from "./organisations.ts";
import { at, type Parts, type Some, tell } from "./parts.ts";
import { visibleProjects } from "./roles.ts";
import { slugChoices, slugOf } from "./slug.ts";
import { accessKeyStore } from "./store/accessKeys.ts";
import { organisationStore, type ProjectRow, projectStore } from "./store/tenancy.ts";
import { projectView } from "./views.ts";

/** Without a slug one is made out of the name. */
export async function createProject(
  tx: Tx,
  parts: Parts,
  wanted: { organisationId: string; name: string; slug?: string | undefined },
): Promise<ProjectRow> {
  const { organisationId, name } = wanted;
  await reserveQuota(tx, { organisationId }, "identity.projects", 1);
  const row = { id: newId("project", parts.clock.nowMs()), organisationId, name, createdAt: at(parts) };
  for (const slug of wanted.slug ? [wanted.slug] : slugChoices(slugOf(name, "project"))) {
    if (await projectStore.insert(tx, { ...row, slug })) return { ...row, slug, revision: 1 };
  }
  throw slugTaken("project of this organisation");
}

/** The project of a request, if the caller may do to it what they ask. Of another tenant it is not even seen. */
export async function authorizedProject(context: RequestContext, id: string, lock = false): Promise<ProjectRow> {
  const row = await projectStore.find(context.tx, id, lock);
  if (!row) throw notFound("project");
  context.authorize({ organisationId: row.organisationId, projectId: row.id }, "project");
  return row;
}

const resourceOf = (row: ProjectRow) => ({ kind: "project", id: row.id, name: row.name });
const placeIn = (row: ProjectRow) => ({ organisationId: row.organisationId, projectId: row.id });

export function projectHandlers(
  parts: Parts,
): Some<"projectList" | "projectCreate" | "projectGet" | "projectUpdate" | "projectDelete"> {
  return {
    async projectList(context, { query }) {
      const { organisation } = query;
      // Whoever is in some projects only sees those.
      const ids = visibleProjects(context.principal, organisation);
      const [first] = ids ?? [];
      context.authorize({ organisationId: organisation, projectId: first }, "organisation");
      if (!(await organisationStore.find(context.tx, organisation))) throw notFound("organisation");
      const rows = await projectStore.list(context.tx, organisation, ids, {
        search: query.search,
        after: decodeCursor(query.cursor, 2),
        limit: query.limit + 1,
      });
      return toPage(rows, query.limit, projectView, (row) => [row.sortName, row.id]);
    },

    async projectCreate(context, { body }) {
      await authorizedOrganisation(context, body.organisation);
      const row = await createProject(context.tx, parts, { organisationId: body.organisation, name: body.name, slug: body.slug });
      await tell(context.tx, "projectChanged", row.id, placeIn(row));
      context.audit({ ...placeIn(row), resource: resourceOf(row), after: { name: row.name, slug: row.slug } });
      return projectView(row);
    },

    async projectGet(context, { params }) {
      return projectView(await authorizedProject(context, params.project));
    },

    async projectUpdate(context, { params, body }) {
      const before = await authorizedProject(context, params.project, true);
      checkRevision(context.ifMatch, before, "project");
      const change = { name: body.name ?? before.name, slug: body.slug ?? before.slug };
      if (!(await projectStore.update(context.tx, before.id, change))) throw slugTaken("project of this organisation");
      await tell(context.tx, "projectChanged", before.id, placeIn(before));
      const after = { ...before, ...change, revision: before.revision + 1 };
      context.audit({
        ...placeIn(before),
        resource: resourceOf(after),
        before: { name: before.name, slug: before.slug },
        after: change,
      });
      return projectView(after);
    },

    async projectDelete(context, { params }) {
      const row = await authorizedProject(context, params.project, true);
      const { tx } = context;
      const keys = await accessKeyStore.countInProject(tx, row.id);
      if (!(await projectStore.remove(tx, row.id))) {
        throw new CloudError("failed_precondition", "This project is not empty. Delete what is in it first.", {
          details: { reason: "project_not_empty" },
        });
      }
      const { organisationId } = row;
      if (keys > 0) await reserveQuota(tx, { organisationId }, "identity.access_keys", -keys);
      await reserveQuota(tx, { organisationId }, "identity.projects", -1);
      await accessKeyStore.tellChanged(tx);
      await tell(tx, "projectChanged", row.id, placeIn(row));
      context.audit({ ...placeIn(row), resource: resourceOf(row), before: { name: row.name, slug: row.slug, accessKeys: keys } });
      return undefined;
    },
  };
}
