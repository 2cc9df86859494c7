import { actorOf } from "../../../kernel/auth/principal.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, encodeCursor } from "../../../kernel/http/cursor.ts";
import { newId } from "../../../kernel/ids.ts";
import type { OperationDefinition } from "../../../kernel/operations/definition.ts";
import { viewOperation } from "../../../kernel/operations/view.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import { type AppsParts, type Area, placeOf } from "../parts.ts";
import { subjectOf } from "../subjects.ts";
import type { deployingRoutes } from "./contract.ts";
import type { AppInput, PowerOperations } from "./operations/power.ts";
import { beginRemoval, checkDeletable } from "./operations/removal.ts";
import { beginOnApp, checkIdle, type DeploymentOperations, deployAgain } from "./queue.ts";
import { checkAction } from "./states.ts";
import { type AppRow, appStore } from "./store/apps.ts";
import { viewApps } from "./views.ts";

type Handlers = Area<typeof deployingRoutes>["handlers"];

/** The app of a route, once it is sure that the caller may do there what the route does. */
export async function openApp(
  context: Pick<RequestContext, "authorize">,
  tx: Tx,
  id: string,
  options: { lock?: boolean } = {},
): Promise<AppRow> {
  const row = await appStore.find(tx, id, options);
  if (!row) throw notFound("app");
  context.authorize(placeOf(row), "app");
  return row;
}

export function appRoutes(
  parts: AppsParts,
  operations: PowerOperations & { remove: OperationDefinition<AppInput> },
  deployments: DeploymentOperations,
): Pick<Handlers, "appList" | "appCreate" | "appGet" | "appUpdate" | "appDelete" | "appStart" | "appStop"> {
  const view = async (tx: Tx, id: string) => {
    const row = await appStore.find(tx, id);
    if (!row) throw notFound("app");
    const [app] = await viewApps(tx, parts, [row]);
    return app as NonNullable<typeof app>;
  };

  async function power(context: RequestContext, id: string, action: "start" | "stop") {
    const row = await openApp(context, context.tx, id, { lock: true });
    parts.engine();
    checkAction(row, action);
    await checkIdle(context.tx, row);
    const operation = await beginOnApp(context.tx, operations[action], row, actorOf(context.principal), { appId: row.id });
    context.audit({ ...subjectOf(row), before: { state: row.state } });
    return viewOperation(operation);
  }

  return {
    async appList(context, { query }) {
      const place = await parts.identity.projectPlace(context.tx, query.project);
      if (!place) throw notFound("project");
      context.authorize(place, "project");
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const rows = await appStore.page(context.tx, {
        projectId: query.project,
        search: query.search,
        previews: query.previews,
        ...(after === undefined ? {} : { after: String(after) }),
        limit: query.limit + 1,
      });
      const shown = rows.slice(0, query.limit);
      const last = shown.at(-1);
      return {
        items: await viewApps(context.tx, parts, shown),
        ...(rows.length > query.limit && last ? { nextCursor: encodeCursor([last.name]) } : {}),
      };
    },

    async appCreate(context, { body }) {
      const place = await parts.identity.projectPlace(context.tx, body.project);
      if (!place) throw notFound("project");
      context.authorize(place, "project");
      const row = {
        id: newId("app"),
        organisationId: place.organisationId as AppRow["organisationId"],
        projectId: body.project,
        name: body.name,
        description: body.description,
        createdAt: new Date(),
      };
      if (!(await appStore.insert(context.tx, row)))
        throw new CloudError("already_exists", `The project has an app ${body.name} already. Choose another name.`, {
          details: { resource: "app", fields: [{ path: "body.name", message: "There is one of this name." }] },
        });
      await reserveQuota(context.tx, row, "apps.apps", 1);
      context.audit({ ...subjectOf(row), after: { name: row.name } });
      return view(context.tx, row.id);
    },

    async appGet(context, { params }) {
      const row = await openApp(context, context.tx, params.app);
      return view(context.tx, row.id);
    },

    async appUpdate(context, { params, body }) {
      const row = await openApp(context, context.tx, params.app, { lock: true });
      if (context.ifMatch !== undefined && context.ifMatch !== row.revision)
        throw new CloudError("precondition_failed", "The app was changed meanwhile. Look at it again, then repeat your change.", {
          details: { resource: "app", revision: row.revision },
        });
      const { description, protected: isProtected, capabilities, runUser } = row;
      const before = { description, protected: isProtected, capabilities, runUser };
      const after = {
        description: body.description ?? description,
        protected: body.protected ?? isProtected,
        capabilities:
          body.capabilities === undefined ? capabilities : body.capabilities && [...new Set(body.capabilities)].sort(),
        runUser: body.user === undefined ? runUser : body.user,
      };
      if (JSON.stringify(before) === JSON.stringify(after)) return view(context.tx, row.id);
      await appStore.update(context.tx, row, after);
      context.audit({ ...subjectOf(row), before, after });
      const rights = (of: typeof before) => JSON.stringify([of.capabilities, of.runUser]);
      if (rights(before) !== rights(after)) {
        checkAction(row, "configure");
        await deployAgain(context.tx, deployments, { ...row, ...after }, "Capabilities and user", actorOf(context.principal));
      }
      return view(context.tx, row.id);
    },

    async appDelete(context, { params, query }) {
      const row = await openApp(context, context.tx, params.app, { lock: true });
      checkAction(row, "delete");
      checkDeletable(row, query.confirm);
      // What was deployed to an engine can only be taken away with it.
      if (row.liveReleaseId !== null) parts.engine();
      if (row.operationId !== null) await checkIdle(context.tx, row);
      const operation = await beginRemoval(context.tx, operations.remove, row, actorOf(context.principal));
      context.audit({ ...subjectOf(row), before: { name: row.name, state: row.state } });
      return viewOperation(operation);
    },

    appStart: (context, { params }) => power(context, params.app, "start"),
    appStop: (context, { params }) => power(context, params.app, "stop"),
  };
}
