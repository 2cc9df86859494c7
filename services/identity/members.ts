import type { Place, Principal } from "../../kernel/auth/principal.ts";
import { isoTime } from "../../kernel/clock.ts";
import type { Tx } from "../../kernel/db/database.ts";
import { CloudError, notFound } from "../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../kernel/http/cursor.ts";
import { newId } from "../../kernel/ids.ts";
import { reserveQuota } from "../../kernel/quota.ts";
import type { RequestContext } from "../../kernel/service.ts";
import { authorizedOrganisation } from "./organisations.ts";
import { at, type Parts, type Some, tell } from "./parts.ts";
import { authorizedProject } from "./projects.ts";
import { assertHolds, placeOf } from "./roles.ts";
import { accessKeyStore } from "./store/accessKeys.ts";
import { type BindingRow, bindingStore, type MemberRow } from "./store/bindings.ts";
import { invitationStore } from "./store/links.ts";
import { serviceAccountStore, userStore } from "./store/people.ts";
import { bindingView } from "./views.ts";

/** The place that a body names, authorized: a project of an organisation, an organisation, or the cloud. */
export async function authorizedPlace(
  context: RequestContext,
  named: { organisation?: string | undefined; project?: string | undefined },
): Promise<Place> {
  if (named.project !== undefined) {
    const project = await authorizedProject(context, named.project);
    if (named.organisation !== undefined && named.organisation !== project.organisationId) throw notFound("project");
    return { organisationId: project.organisationId, projectId: project.id };
  }
  if (named.organisation !== undefined) {
    await authorizedOrganisation(context, named.organisation);
    return { organisationId: named.organisation };
  }
  context.authorize({}, "cloud");
  return {};
}

/** The keys of somebody who is no longer a member, with the quota that they held. */
export async function removeAccessKeys(tx: Tx, organisationId: string, ownerId: string): Promise<number> {
  let removed = 0;
  for (const { projectId, keys } of await accessKeyStore.removeOfOwner(tx, organisationId, ownerId)) {
    await reserveQuota(tx, { organisationId, projectId }, "identity.access_keys", -keys);
    removed += keys;
  }
  return removed;
}

/** Somebody must be left who can do everything: an owner who is a person and not suspended. */
async function assertAnotherOwner(tx: Tx, organisationId: string | undefined, principalId: string): Promise<void> {
  const owners = await bindingStore.lockOwners(tx, organisationId);
  if (owners.some((id) => id !== principalId)) return;
  throw new CloudError(
    "failed_precondition",
    `The last owner of ${organisationId ? "an organisation" : "the cloud"} cannot be removed. Make somebody else an owner first.`,
    { details: { reason: "last_owner" } },
  );
}

const ownsWhole = (row: BindingRow): boolean => row.role === "owner" && row.projectId === null && row.principalKind === "user";

/** The name of whoever is given a role; not_found for those whom the caller may not know of. */
async function nameOfPrincipal(tx: Tx, caller: Principal, id: string, place: Place): Promise<string> {
  if (id.startsWith("usr_")) {
    const user = await userStore.find(tx, id);
    const seesAll = caller.bindings.some((binding) => binding.organisationId === undefined);
    if (!user || !(seesAll || (await bindingStore.sharesOrganisation(tx, id, [place.organisationId as string]))))
      throw notFound("user");
    return user.name;
  }
  const account = await serviceAccountStore.find(tx, id);
  if (!account || (place.organisationId !== undefined && account.organisationId !== place.organisationId))
    throw notFound("service account");
  if (place.organisationId === undefined) {
    throw new CloudError("invalid_argument", "A service account has roles in its own organisation only.", {
      details: { reason: "service_account_at_cloud", fields: [{ path: "body.principal", message: "Choose a person." }] },
    });
  }
  return account.name;
}

export function memberHandlers(
  parts: Parts,
): Some<"memberList" | "memberDelete" | "roleBindingList" | "roleBindingCreate" | "roleBindingDelete"> {
  return {
    async memberList(context, { params, query }) {
      const { id } = await authorizedOrganisation(context, params.organisation);
      const after = decodeCursor(query.cursor, 2);
      const rows = await bindingStore.members(context.tx, id, { search: query.search, after, limit: query.limit + 1 });
      const bindings = await bindingStore.ofPrincipals(
        context.tx,
        id,
        rows.map((row) => row.id),
      );
      const view = (row: MemberRow) => ({
        principal: { kind: row.kind, id: row.id, name: row.name, ...(row.email === null ? {} : { email: row.email }) },
        state: row.state,
        secondFactor: row.secondFactor,
        ...(row.lastSignInAt === null ? {} : { lastSignInAt: isoTime(row.lastSignInAt) }),
        bindings: bindings.filter((binding) => binding.principalId === row.id).map(bindingView),
      });
      return toPage(rows, query.limit, view, (row) => [row.sortName, row.id]);
    },

    async memberDelete(context, { params }) {
      const { id: organisationId } = await authorizedOrganisation(context, params.organisation);
      const { tx, principal } = context;
      const rows = await bindingStore.ofPrincipals(tx, organisationId, [params.principal]);
      const [first] = rows;
      if (!first) throw notFound("member");
      assertHolds(
        principal,
        rows.map((row) => ({ role: row.role, place: placeOf(row) })),
        "Removing this member",
      );
      if (rows.some(ownsWhole)) await assertAnotherOwner(tx, organisationId, first.principalId);
      await bindingStore.remove(
        tx,
        rows.map((row) => row.id),
      );
      const accessKeys = await removeAccessKeys(tx, organisationId, first.principalId);
      await invitationStore.revokeOf(tx, first.principalId, organisationId);
      await accessKeyStore.tellChanged(tx);
      await tell(tx, "memberChanged", first.principalId, { organisationId });
      context.audit({
        organisationId,
        resource: { kind: first.principalKind, id: first.principalId, name: first.principalName },
        before: { roles: rows.map((row) => ({ role: row.role, projectId: row.projectId })), accessKeys },
      });
      return undefined;
    },

    async roleBindingList(context, { query }) {
      await authorizedPlace(context, query);
      const cursor = decodeCursor(query.cursor, 1);
      const rows = await bindingStore.list(context.tx, query.organisation, cursor && String(cursor[0]), query.limit + 1);
      return toPage(rows, query.limit, bindingView, (row) => [row.id]);
    },

    async roleBindingCreate(context, { body }) {
      const place = await authorizedPlace(context, body);
      const { tx } = context;
      assertHolds(context.principal, [{ role: body.role, place }], "Giving this role");
      const name = await nameOfPrincipal(tx, context.principal, body.principal, place);
      const id = newId("roleBinding", parts.clock.nowMs());
      const { organisationId, projectId } = place;
      const row = { id, principalId: body.principal, role: body.role, organisationId, projectId, createdAt: at(parts) };
      if (!(await bindingStore.insert(tx, row))) {
        throw new CloudError("already_exists", `${name} has this role here already.`, { details: { reason: "role_held" } });
      }
      await accessKeyStore.tellChanged(tx);
      await tell(tx, "memberChanged", body.principal, { organisationId });
      context.audit({
        ...place,
        resource: { kind: "role_binding", id, name },
        after: { principal: body.principal, role: body.role },
      });
      return bindingView((await bindingStore.find(tx, id)) as BindingRow);
    },

    async roleBindingDelete(context, { params }) {
      const { tx } = context;
      const row = await bindingStore.find(tx, params.roleBinding);
      if (!row) throw notFound("role binding");
      const place = placeOf(row);
      context.authorize(place, "role binding");
      assertHolds(context.principal, [{ role: row.role, place }], "Taking this role away");
      if (ownsWhole(row)) await assertAnotherOwner(tx, place.organisationId, row.principalId);
      await bindingStore.remove(tx, [row.id]);
      await accessKeyStore.tellChanged(tx);
      await tell(tx, "memberChanged", row.principalId, { organisationId: place.organisationId });
      context.audit({
        ...place,
        resource: { kind: "role_binding", id: row.id, name: row.principalName },
        before: { principal: row.principalId, role: row.role },
      });
      return undefined;
    },
  };
}
