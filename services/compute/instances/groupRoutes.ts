import { isoTime } from "../../../kernel/clock.ts";
import { CloudError, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { type Id, newId } from "../../../kernel/ids.ts";
import { type Area, type ComputeParts, openProject, placeOf } from "../parts.ts";
import type { instanceRoutes } from "./contract.ts";
import { type GroupRow, groupStore } from "./store/groups.ts";

type GroupRoutes = Pick<typeof instanceRoutes, "instanceGroupList" | "instanceGroupCreate" | "instanceGroupDelete">;

const viewGroup = ({ id, projectId, name, policy, instances, createdAt }: GroupRow) => ({
  id,
  projectId,
  name,
  policy,
  instances,
  createdAt: isoTime(createdAt),
});
const subjectOf = (row: GroupRow) => ({
  organisationId: row.organisationId,
  projectId: row.projectId,
  resource: { kind: "instanceGroup", id: row.id, name: row.name },
});

/** Groups of instances that are kept apart. */
export const groupRoutes = (parts: ComputeParts): Area<GroupRoutes>["handlers"] => ({
  async instanceGroupList(context, { query }) {
    const { projectId } = await openProject(parts, context, query.project);
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    const rows = await groupStore.page(context.tx, {
      projectId,
      after: after === undefined ? undefined : String(after),
      limit: query.limit + 1,
    });
    return toPage(rows, query.limit, viewGroup, (row) => [row.name]);
  },

  async instanceGroupCreate(context, { body }) {
    const place = await openProject(parts, context, body.project);
    const row: GroupRow = {
      id: newId("instanceGroup"),
      organisationId: place.organisationId as Id<"organisation">,
      projectId: place.projectId as Id<"project">,
      name: body.name,
      policy: body.policy,
      createdAt: new Date(),
      instances: 0,
    };
    if (!(await groupStore.insert(context.tx, row)))
      throw new CloudError("already_exists", `This project has an instance group ${row.name} already. Choose another name.`, {
        details: {
          resource: "instanceGroup",
          reason: "name_taken",
          fields: [{ path: "body.name", message: "This name is taken." }],
        },
      });
    context.audit({ ...subjectOf(row), after: { name: row.name, policy: row.policy } });
    return viewGroup(row);
  },

  async instanceGroupDelete(context, { params }) {
    const row = await groupStore.lock(context.tx, params.instanceGroup);
    if (!row) throw notFound("instanceGroup");
    context.authorize(placeOf(row), "instanceGroup");
    if (row.instances > 0)
      throw new CloudError(
        "failed_precondition",
        `The group ${row.name} has ${row.instances} ${row.instances === 1 ? "instance" : "instances"}. Delete them first.`,
        { details: { resource: "instanceGroup", reason: "group_not_empty" } },
      );
    await groupStore.delete(context.tx, row.id);
    context.audit({ ...subjectOf(row), before: { name: row.name, policy: row.policy } });
    return undefined;
  },
});
