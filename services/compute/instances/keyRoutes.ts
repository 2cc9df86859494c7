import { parsePublicKey } from "../../../kernel/auth/sshPublicKey.ts";
import { isoTime } from "../../../kernel/clock.ts";
import { CloudError, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { type Id, newId } from "../../../kernel/ids.ts";
import { type Area, type ComputeParts, openProject, placeOf } from "../parts.ts";
import type { instanceRoutes } from "./contract.ts";
import { type SshKeyRow, sshKeyStore } from "./store/keys.ts";

type KeyRoutes = Pick<typeof instanceRoutes, "sshKeyList" | "sshKeyCreate" | "sshKeyDelete">;

const viewKey = ({ organisationId: _, createdAt, ...row }: SshKeyRow) => ({ ...row, createdAt: isoTime(createdAt) });
const subjectOf = (row: SshKeyRow) => ({
  organisationId: row.organisationId,
  projectId: row.projectId,
  resource: { kind: "sshKey", id: row.id, name: row.name },
});
const text = (value: string | number | undefined) => (value === undefined ? undefined : String(value));

/** The public keys that people sign in with. */
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
    if (!(await sshKeyStore.insert(context.tx, row)))
      throw new CloudError("already_exists", `This project has an SSH key ${row.name} already. Choose another name.`, {
        details: { resource: "sshKey", reason: "name_taken", fields: [{ path: "body.name", message: "This name is taken." }] },
      });
    context.audit({ ...subjectOf(row), after: { name: row.name, fingerprint: row.fingerprint } });
    return viewKey(row);
  },

  async sshKeyDelete(context, { params }) {
    const row = await sshKeyStore.find(context.tx, params.sshKey);
    if (!row) throw notFound("sshKey");
    context.authorize(placeOf(row), "sshKey");
    await sshKeyStore.delete(context.tx, row.id);
    context.audit({ ...subjectOf(row), before: { name: row.name, fingerprint: row.fingerprint } });
    return undefined;
  },
});
