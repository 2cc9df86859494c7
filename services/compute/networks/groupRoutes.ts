import type { RouteInput } from "../../../kernel/contract.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { checkRevision, invalid, nameTaken, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { type Id, newId } from "../../../kernel/ids.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import { type Area, type ComputeParts, openProject, type ProjectPlace, placeOf } from "../parts.ts";
import { touch } from "./cards.ts";
import type { networkRoutes as contractRoutes, SecurityRule } from "./contract.ts";
import { beginApply, type NetworkOperations } from "./operations.ts";
import { checkRemote } from "./ranges.ts";
import { type GroupRow, groupStore } from "./store/groups.ts";
import { announce, auditOf, groupSubject, refused } from "./subjects.ts";
import { viewGroup } from "./views.ts";

type Routes = Pick<
  typeof contractRoutes,
  "securityGroupList" | "securityGroupCreate" | "securityGroupGet" | "securityGroupUpdate" | "securityGroupDelete"
>;
type RuleInput = RouteInput<(typeof contractRoutes)["securityGroupCreate"]>["body"]["rules"][number];

const termsOf = ({ name, description, rules }: GroupRow) => ({ name, description, rules });

export const groupHandlers = (parts: ComputeParts, operations: NetworkOperations): Area<Routes>["handlers"] => ({
  async securityGroupList(context, { query }) {
    await openProject(parts, context, query.project);
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    const rows = await groupStore.page(context.tx, {
      projectId: query.project,
      search: query.search,
      after: after === undefined ? undefined : String(after),
      limit: query.limit + 1,
    });
    return toPage(rows, query.limit, viewGroup, (row) => [row.name]);
  },

  async securityGroupCreate(context, { body }) {
    const { tx } = context;
    const place = await openProject(parts, context, body.project);
    await touch(tx, place);
    const id = newId("securityGroup");
    const row: GroupRow = {
      id,
      organisationId: place.organisationId as GroupRow["organisationId"],
      projectId: body.project,
      name: body.name,
      description: body.description,
      rules: await checkedRules(tx, place, id, body.rules),
      isDefault: false,
      createdAt: new Date(),
      revision: 1,
    };
    await reserveQuota(tx, place, "compute.security_groups", 1);
    if (!(await groupStore.insert(tx, row))) throw nameTaken("security group", "This project", row.name);
    await announce(tx, groupSubject(row));
    context.audit({ ...auditOf(groupSubject(row)), after: termsOf(row) });
    return viewGroup({ ...row, ports: 0 });
  },

  async securityGroupGet(context, { params }) {
    const group = await groupStore.find(context.tx, params.securityGroup);
    if (!group) throw notFound("security group");
    context.authorize(placeOf(group), "security group");
    return viewGroup(group);
  },

  async securityGroupUpdate(context, { params, body }) {
    const { tx } = context;
    const seen = await groupStore.find(tx, params.securityGroup);
    if (!seen) throw notFound("security group");
    context.authorize(placeOf(seen), "security group");
    parts.network();
    await touch(tx, seen);
    const before = await groupStore.find(tx, params.securityGroup);
    if (!before) throw notFound("security group");
    checkRevision(context.ifMatch, before, "security group");
    const after: GroupRow = {
      ...before,
      name: body.name ?? before.name,
      description: body.description ?? before.description,
      rules: body.rules ? await checkedRules(tx, before, before.id, body.rules) : before.rules,
    };
    if (after.name !== before.name && (await groupStore.named(tx, before.projectId, after.name)))
      throw nameTaken("security group", "This project", after.name);
    await groupStore.update(tx, after);
    await announce(tx, groupSubject(after));
    context.audit({ ...auditOf(groupSubject(after)), before: termsOf(before), after: termsOf(after) });
    return beginApply(context, operations, "compute.security_group.update", groupSubject(after), {
      securityGroupId: after.id,
    });
  },

  async securityGroupDelete(context, { params }) {
    const { tx } = context;
    const seen = await groupStore.find(tx, params.securityGroup);
    if (!seen) throw notFound("security group");
    context.authorize(placeOf(seen), "security group");
    await touch(tx, seen);
    const group = await groupStore.find(tx, params.securityGroup);
    if (!group) throw notFound("security group");
    checkRevision(context.ifMatch, group, "security group");
    if (group.ports > 0)
      throw refused(
        "security_group",
        "security_group_in_use",
        `${group.ports} ${group.ports === 1 ? "instance has" : "instances have"} the security group ${group.name}. Give them another one first.`,
      );
    const others = await groupStore.namedBy(tx, group);
    if (others.length > 0)
      throw refused(
        "security_group",
        "security_group_in_use",
        `A rule of the security group ${others.join(", ")} names ${group.name}. Change that rule first.`,
      );
    await groupStore.delete(tx, group.id);
    if (!group.isDefault) await reserveQuota(tx, group, "compute.security_groups", -1);
    await announce(tx, groupSubject(group), "deleted");
    context.audit({ ...auditOf(groupSubject(group)), before: termsOf(group) });
    return undefined;
  },
});

/** As they are kept: `self` is the group's own id; invalid_argument names the rule that cannot be. */
async function checkedRules(
  tx: Tx,
  place: ProjectPlace,
  ownId: Id<"securityGroup">,
  rules: readonly RuleInput[],
): Promise<SecurityRule[]> {
  const kept = rules.map((rule, index): SecurityRule => {
    const path = `body.rules[${index}]`;
    if (rule.ports && rule.protocol !== "tcp" && rule.protocol !== "udp")
      throw invalid(
        `${path}.ports`,
        `Rule ${index + 1} names ports, which only tcp and udp have: set the protocol, or leave the ports out.`,
      );
    const { remote, ...rest } = rule;
    if (!remote) return rest;
    if ("cidr" in remote) {
      checkRemote(remote.cidr, `${path}.remote.cidr`);
      return { ...rest, remote };
    }
    const id = remote.securityGroupId === "self" ? ownId : remote.securityGroupId;
    return { ...rest, remote: { securityGroupId: id } };
  });
  const named = kept.flatMap(({ remote }) => (remote && "securityGroupId" in remote ? [remote.securityGroupId] : []));
  const known = await groupStore.known(tx, place.projectId, named);
  kept.forEach(({ remote }, index) => {
    if (!remote || !("securityGroupId" in remote)) return;
    if (remote.securityGroupId !== ownId && !known.has(remote.securityGroupId))
      throw invalid(
        `body.rules[${index}].remote.securityGroupId`,
        `Rule ${index + 1} names a security group that is not in this project.`,
      );
  });
  return kept;
}
