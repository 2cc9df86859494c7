import { isoTime } from "../../../kernel/clock.ts";
import { CloudError, checkRevision, nameTaken, there } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { newId } from "../../../kernel/ids.ts";
import type { Area, RequestContext } from "../../../kernel/service.ts";
import { checkReferences } from "../elements/references.ts";
import { given } from "../given.ts";
import { placeOf, subjectOf } from "../parts.ts";
import { openSystem } from "../systems/openSystem.ts";
import { brokenConstraint, systemStore } from "../systems/store.ts";
import { checkTrunks } from "./checks.ts";
import type { OutboundRoute, trunkRoutes } from "./contract.ts";
import { withRouteDefaults } from "./defaults.ts";
import { type RouteRow, routeStore } from "./store.ts";

const most = 200;

const view = (row: RouteRow): OutboundRoute => ({
  ...row.settings,
  id: row.id,
  phoneSystemId: row.systemId,
  name: row.name,
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});

/** The outbound route of a route of the API, its phone system locked. */
async function openRoute(context: Pick<RequestContext, "tx" | "authorize">, id: string): Promise<RouteRow> {
  const found = there(await routeStore.find(context.tx, id), "outboundRoute");
  context.authorize(placeOf(found), "outboundRoute");
  await systemStore.find(context.tx, found.systemId, { lock: true });
  return there(await routeStore.find(context.tx, id), "outboundRoute");
}

const auditOf = ({ name, settings }: RouteRow) => ({ name, ...settings });

type Handlers = Pick<
  Area<typeof trunkRoutes>["handlers"],
  "outboundRouteList" | "outboundRouteCreate" | "outboundRouteUpdate" | "outboundRouteDelete"
>;

export const outboundHandlers: Handlers = {
  async outboundRouteList(context, { params, query }) {
    const system = await openSystem(context, params.phoneSystem);
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    const rows = await routeStore.page(context.tx, system.id, {
      after: after === undefined ? undefined : String(after),
      limit: query.limit + 1,
    });
    return toPage(rows, query.limit, view, ({ name }) => [name]);
  },

  async outboundRouteCreate(context, { params, body }) {
    const system = await openSystem(context, params.phoneSystem, { lock: true });
    const { name, ...wanted } = body;
    const { trunks, ...references } = wanted;
    await checkReferences(context.tx, system.id, references);
    await checkTrunks(context.tx, system.id, trunks, "body.trunks");
    if ((await routeStore.page(context.tx, system.id, { limit: most })).length >= most)
      throw new CloudError(
        "failed_precondition",
        `A phone system has at most ${most} outbound routes. Give one of them more prefixes.`,
        {
          details: { resource: "outboundRoute", reason: "too_many_outbound_routes" },
        },
      );
    const row: RouteRow = {
      id: newId("outboundRoute"),
      systemId: system.id,
      organisationId: system.organisationId,
      projectId: system.projectId,
      name,
      settings: withRouteDefaults(wanted),
      createdAt: new Date(),
      revision: 1,
    };
    if (!(await routeStore.insert(context.tx, row))) throw nameTaken("outbound route", "This phone system", name);
    context.audit({ ...subjectOf("outboundRoute", row, name), after: auditOf(row) });
    return view(row);
  },

  async outboundRouteUpdate(context, { params, body }) {
    const row = await openRoute(context, params.outboundRoute);
    checkRevision(context.ifMatch, row, "outboundRoute");
    const { name = row.name, ...change } = body;
    const { trunks = [], ...references } = change;
    await checkReferences(context.tx, row.systemId, references);
    await checkTrunks(context.tx, row.systemId, trunks, "body.trunks");
    const after = await routeStore
      .update(context.tx, { ...row, name, settings: { ...row.settings, ...given(change) } })
      .catch((error) => {
        throw brokenConstraint(error) === "outbound_routes_name" ? nameTaken("outbound route", "This phone system", name) : error;
      });
    context.audit({ ...subjectOf("outboundRoute", row, row.name), before: auditOf(row), after: auditOf(after) });
    return view(after);
  },

  async outboundRouteDelete(context, { params }) {
    const row = await openRoute(context, params.outboundRoute);
    await routeStore.delete(context.tx, row);
    context.audit({ ...subjectOf("outboundRoute", row, row.name), before: auditOf(row) });
    return undefined;
  },
};
