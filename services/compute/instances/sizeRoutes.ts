import { CloudError, checkRevision, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { newId } from "../../../kernel/ids.ts";
import type { Area } from "../parts.ts";
import type { instanceRoutes } from "./contract.ts";
import { viewSize } from "./presentation.ts";
import { type SizeRow, sizeStore } from "./store/sizes.ts";

type SizeRoutes = Pick<typeof instanceRoutes, "sizeList" | "sizeCreate" | "sizeUpdate" | "sizeDelete">;

const subjectOf = (size: SizeRow) => ({ resource: { kind: "size", id: size.id, name: size.name } });
const termsOf = ({ pricePerHour, retired }: SizeRow) => ({ pricePerHour, retired });

/** Sizes are the whole cloud's: everybody sees them, its administrators change them. */
export const sizeRoutes = (): Area<SizeRoutes>["handlers"] => ({
  async sizeList({ tx }, { query }) {
    const after = decodeCursor(query.cursor, 4);
    const rows = await sizeStore.page(tx, { retired: query.retired, after, limit: query.limit + 1 });
    return toPage(rows, query.limit, viewSize, (row) => [row.vcpus, row.memoryBytes, row.diskBytes, row.name]);
  },

  async sizeCreate(context, { body }) {
    context.authorize({}, "size");
    const row: SizeRow = { id: newId("size"), ...body, retired: false, revision: 1 };
    if (!(await sizeStore.insert(context.tx, row)))
      throw new CloudError("already_exists", `There is a size ${row.name} already. Choose another name.`, {
        details: { resource: "size", fields: [{ path: "body.name", message: "This name is taken." }] },
      });
    context.audit({ ...subjectOf(row), after: { ...body } });
    return viewSize(row);
  },

  async sizeUpdate(context, { params, body }) {
    context.authorize({}, "size");
    const before = await sizeStore.find(context.tx, params.size, { lock: true });
    if (!before) throw notFound("size");
    checkRevision(context.ifMatch, before, "size");
    const after = await sizeStore.update(context.tx, before.id, body);
    context.audit({ ...subjectOf(after), before: termsOf(before), after: termsOf(after) });
    return viewSize(after);
  },

  async sizeDelete(context, { params }) {
    context.authorize({}, "size");
    const size = await sizeStore.find(context.tx, params.size, { lock: true });
    if (!size) throw notFound("size");
    const instances = await sizeStore.instances(context.tx, size.id);
    if (instances > 0)
      throw new CloudError(
        "failed_precondition",
        `The size ${size.name} is that of ${instances} ${instances === 1 ? "instance" : "instances"}. Retire it instead: then it is not offered any more.`,
        { details: { resource: "size", reason: "size_in_use" } },
      );
    await sizeStore.delete(context.tx, size.id);
    context.audit({ ...subjectOf(size), before: { vcpus: size.vcpus, memoryBytes: size.memoryBytes, ...termsOf(size) } });
    return undefined;
  },
});
