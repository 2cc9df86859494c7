import { isoTime } from "../../../kernel/clock.ts";
import { notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import type { AppsParts, Area } from "../parts.ts";
import { openApp, subjectOf } from "../subjects.ts";
import type { registryRoutes } from "./contract.ts";
import { registryStore } from "./store.ts";

export const tagRoutes = (parts: AppsParts): Area<typeof registryRoutes>["handlers"] => ({
  async imageTagList(context, { params, query }) {
    const { tx } = context;
    const app = await openApp(parts, context, tx, params.app);
    const [after] = decodeCursor(query.cursor, 1) ?? [];
    const rows = await registryStore.taggedImages(tx, app.id, {
      after: after === undefined ? undefined : String(after),
      limit: query.limit + 1,
    });
    const project = await parts.identity.projectPlace(tx, app.projectId);
    const host = parts.registryHost === undefined ? "" : `${parts.registryHost}/`;
    return toPage(
      rows,
      query.limit,
      ({ name, digest, sizeBytes, isIndex, updatedAt }) => ({
        ...{ name, digest, sizeBytes, isIndex },
        reference: `${host}${project?.slug ?? ""}/${app.name}:${name}`,
        pushedAt: isoTime(updatedAt),
      }),
      ({ name }) => [name],
    );
  },

  async imageTagDelete(context, { params }) {
    const { tx } = context;
    const app = await openApp(parts, context, tx, params.app);
    await registryStore.lockRepository(tx, app.id);
    const image = await registryStore.manifest(tx, app.id, { tag: params.tag });
    if (!image || !(await registryStore.removeTag(tx, app.id, params.tag))) throw notFound("tag");
    await registryStore.removeUnused(tx, app.id, image.digest);
    context.audit({ ...subjectOf(app), before: { tag: params.tag, digest: image.digest } });
    return undefined;
  },
});
