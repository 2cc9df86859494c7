import { isoTime } from "../../../kernel/clock.ts";
import { CloudError, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { type Id, newId } from "../../../kernel/ids.ts";
import { type Area, type ComputeParts, openProject, placeOf } from "../parts.ts";
import type { instanceRoutes } from "./contract.ts";
import { parsePublicKey } from "./publicKey.ts";
import { groupStore } from "./store/groups.ts";
import { type SshKeyRow, sshKeyStore } from "./store/keys.ts";

type KeyRoutes = Pick<
  typeof instanceRoutes,
  "sshKeyList" | "sshKeyCreate" | "sshKeyDelete" | "instanceGroupList" | "instanceGroupCreate" | "instanceGroupDelete"
>;

const viewKey = ({ organisationId: _, createdAt, ...row }: SshKeyRow) => ({ ...row, createdAt: isoTime(createdAt) });
const viewGroup = (row: Parameters<typeof groupStore.insert>[1] & { instances: number }) => ({
  id: row.id,
  projectId: row.projectId,
  name: row.name,
  policy: row.policy,
  instances: row.instances,
  createdAt: isoTime(row.createdAt),
});
const subjectOf = (
  kind: "sshKey" | "instanceGroup",
  row: { id: string; name: string; organisationId: string; projectId: string },
) => ({
  organisationId: row.organisationId,
  projectId: row.projectId,
  resource: { kind, id: row.id, name: row.name },
});
const taken = (what: string, name: string) =>
  new CloudError("already_exists", `This project has ${what} ${name} already. Choose another name.`, {
    details: { reason: "name_taken", fields: [{ path: "body.name", message: "This name is taken." }] },
  });
const text = (value: string | number | undefined) => (value === undefined ? undefined : String(value));

/** What instances are made with: people's keys, and groups that are kept apart. */
export const keyRoutes = (parts: ComputeParts): Area<KeyRoutes>["handlers"] => ({
  async sshKeyList(context, { query }) {
    const { projectId } = await openProject(parts, context, query.project);
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    const rows = await sshKeyStore.page(context.tx, { projectId, after: text(after), limit: query.limit + 1 });
    return toPage(rows, query.limit, viewKey, (row) => [row.name]);
  },

  async sshKeyCreate(context, { body }) {
    const place = await openProject(parts, context, body.project);
    const key = parsePublicKey(body.publicKey, "body.publicKey");
    const row: SshKeyRow = {
      id: newId("sshKey"),
      organisationId: place.organisationId as Id<"organisation">,
      projectId: place.projectId as Id<"project">,
      name: body.name,
      type: key.type,
      fingerprint: key.fingerprint,
      publicKey: key.line,
      createdAt: new Date(),
    };
    if (!(await sshKeyStore.insert(context.tx, row))) throw taken("an SSH key", row.name);
    context.audit({ ...subjectOf("sshKey", row), after: { name: row.name, fingerprint: row.fingerprint } });
    return viewKey(row);
  },

  async sshKeyDelete(context, { params }) {
    const row = await sshKeyStore.find(context.tx, params.sshKey);
    if (!row) throw notFound("sshKey");
    context.authorize(placeOf(row), "sshKey");
    await sshKeyStore.delete(context.tx, row.id);
    context.audit({ ...subjectOf("sshKey", row), before: { name: row.name, fingerprint: row.fingerprint } });
    return undefined;
  },

  async instanceGroupList(context, { query }) {
    const { projectId } = await openProject(parts, context, query.project);
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    const rows = await groupStore.page(context.tx, { projectId, after: text(after), limit: query.limit + 1 });
    return toPage(rows, query.limit, viewGroup, (row) => [row.name]);
  },

  async instanceGroupCreate(context, { body }) {
    const place = await openProject(parts, context, body.project);
    const row = {
      id: newId("instanceGroup"),
      organisationId: place.organisationId as Id<"organisation">,
      projectId: place.projectId as Id<"project">,
      name: body.name,
      policy: body.policy,
      createdAt: new Date(),
    };
    if (!(await groupStore.insert(context.tx, row))) throw taken("an instance group", row.name);
    context.audit({ ...subjectOf("instanceGroup", row), after: { name: row.name, policy: row.policy } });
    return viewGroup({ ...row, instances: 0 });
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
    context.audit({ ...subjectOf("instanceGroup", row), before: { name: row.name, policy: row.policy } });
    return undefined;
  },
});
