import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, invalid, notFound } from "../../../kernel/errors.ts";
import { answering } from "../../../kernel/http/answering.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import type { OperationDefinition } from "../../../kernel/operations/definition.ts";
import { beginOperation } from "../../../kernel/operations/store.ts";
import { viewOperation } from "../../../kernel/operations/view.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import objectsContract from "../../objects/contract.ts";
import { type Area, actorIn, type ComputeParts, openInstance, openProject } from "../parts.ts";
import { openOwner, subjectOf } from "./access.ts";
import { imageRoutes } from "./contract.ts";
import { detectFormat } from "./fileFormat.ts";
import { importFile } from "./importing.ts";
import type { ImageOperations } from "./operations.ts";
import type { Recipes } from "./recipes.ts";
import { addImage, becomeReady, freeName, removeImage } from "./records.ts";
import { type ImageRow, imageStore } from "./store.ts";
import { viewImage } from "./view.ts";

type Making = Pick<
  Area<typeof imageRoutes>["handlers"],
  "imageRecipeList" | "imageBuild" | "imageFetch" | "imageUpload" | "imageImport" | "imageCreate"
>;

/** The most that one image may bring. */
export const maxImageBytes = 64 * 1024 ** 3;
const uploadSignSeconds = 10;

export function makingImages(parts: ComputeParts, operations: ImageOperations, recipes: Recipes): Making {
  async function begin<Input extends { imageId: string }>(
    context: Pick<RequestContext, "tx" | "audit" | "principal">,
    row: ImageRow,
    definition: OperationDefinition<Input>,
    input: Input,
  ) {
    const record = await beginOperation(context.tx, definition, { input, actor: actorIn(context), ...subjectOf(row) });
    await imageStore.setOperation(context.tx, row.id, record.id);
    context.audit({
      ...subjectOf(row),
      after: { name: row.name, source: `${row.sourceKind} ${row.sourceName}`, visibility: row.visibility },
    });
    return viewOperation(record);
  }

  return {
    async imageRecipeList(context, { query }) {
      const [after] = decodeCursor(query.cursor, 1) ?? [];
      const all = (await recipes.list(context.signal)).toSorted((a, b) => (a.name < b.name ? -1 : 1));
      const rows = after === undefined ? all : all.filter(({ name }) => name > String(after));
      return toPage(
        rows,
        query.limit,
        (recipe) => recipe,
        ({ name }) => [name],
      );
    },

    async imageBuild(context, { body }) {
      const place = await openOwner(parts, context, body, imageRoutes.imageBuild, "body");
      parts.engine();
      const recipe = parts
        .imageBuilder()
        .recipes()
        .find(({ name }) => name === body.recipe);
      if (!recipe) {
        const names = parts
          .imageBuilder()
          .recipes()
          .map(({ name }) => name);
        throw invalid("body.recipe", `There is no recipe ${body.recipe}. There are: ${names.join(", ")}.`);
      }
      const row = await addImage(context.tx, place, {
        name: body.name ?? recipe.name,
        description: body.description,
        kind: recipe.kind,
        state: "building",
        minimumDiskBytes: recipe.minimumDiskBytes,
        defaultUser: recipe.defaultUser,
        source: { kind: "recipe", name: recipe.name },
      });
      return begin(context, row, operations.imageBuild, { imageId: row.id, recipe: recipe.name });
    },

    async imageFetch(context, { body }) {
      const place = await openOwner(parts, context, body, imageRoutes.imageFetch, "body");
      if (body.server !== undefined && !context.allows(imageRoutes.imageFetch.permission, ["admin"], {})) {
        throw new CloudError(
          "permission_denied",
          "Only administrators of the cloud fetch images from a server of their choice. Leave out the server for the public one.",
          { details: { permission: imageRoutes.imageFetch.permission, roles: ["admin"] } },
        );
      }
      parts.engine();
      const row = await addImage(context.tx, place, {
        name: body.name ?? body.alias.toLowerCase().replace(/[^a-z0-9.]+/g, "-"),
        description: body.description,
        kind: body.kind,
        state: "importing",
        minimumDiskBytes: body.minimumDiskBytes,
        defaultUser: body.defaultUser,
        source: { kind: "server", name: body.server ? `${body.server} ${body.alias}` : body.alias },
      });
      return begin(context, row, operations.imageFetch, {
        imageId: row.id,
        alias: body.alias,
        kind: body.kind,
        ...(body.server === undefined ? {} : { server: body.server }),
      });
    },

    imageUpload: (context, { query }) =>
      answering(context.request, async () => {
        const engine = parts.engine.bind(parts);
        const prepare = async (tx: Tx) => {
          const place = await openOwner(parts, { ...context, tx }, query, imageRoutes.imageUpload, "query");
          engine();
          return place;
        };
        await context.transaction(async (tx) => freeName(tx, await prepare(tx), query.name));
        // Before anything is written down: what is no image changes nothing.
        const { format, content } = await detectFormat(received(context.request), "body");
        const row = await context.transaction(async (tx) => {
          const added = await addImage(tx, await prepare(tx), {
            name: query.name,
            description: query.description,
            kind: format.kind === "bare" ? format.of : "container",
            state: "importing",
            minimumDiskBytes: query.minimumDiskBytes,
            defaultUser: query.defaultUser,
            source: { kind: "upload", name: query.name },
            upload: true,
          });
          context.audit(tx, { ...subjectOf(added), after: { name: added.name, source: "upload", visibility: added.visibility } });
          return added;
        });
        const abandoned = new AbortController();
        const sign = setInterval(() => {
          parts.database
            .transaction("system", (tx) => imageStore.uploadSeen(tx, row.id))
            .then((there) => there || abandoned.abort(notFound("image")))
            .catch(() => {});
        }, uploadSignSeconds * 1000);
        try {
          const signal = AbortSignal.any([context.signal, abandoned.signal]);
          const found = await importFile(engine(), row, format, content, { signal });
          return await context.transaction(async (tx) => {
            const locked = await imageStore.find(tx, row.id, { lock: true });
            if (!locked) throw notFound("image");
            await becomeReady(tx, locked, found);
            return viewImage(context, (await imageStore.find(tx, row.id)) as ImageRow);
          });
        } catch (error) {
          content.destroy();
          await abandonUpload(parts, row);
          throw error;
        } finally {
          clearInterval(sign);
        }
      }),

    async imageImport(context, { body }) {
      const place = await openProject(parts, context, body.project);
      const { objectDownload } = objectsContract.routes;
      if (!context.allows(objectDownload.permission, objectDownload.roles, place)) {
        throw new CloudError("permission_denied", "You may make images here, but not read objects of this project.", {
          details: { permission: objectDownload.permission },
        });
      }
      parts.engine();
      const bucket = await parts.objects.findBucket(context.tx, body.project, body.bucket);
      if (!bucket) throw notFound("bucket");
      const [object] = await parts.objects.list({ bucketId: bucket.id, prefix: body.key, limit: 1 });
      if (object?.key !== body.key) throw notFound("object");
      if (object.sizeBytes > maxImageBytes) throw tooLarge();
      const row = await addImage(context.tx, place, {
        name: body.name,
        description: body.description,
        kind: "container",
        state: "importing",
        minimumDiskBytes: body.minimumDiskBytes,
        defaultUser: body.defaultUser,
        source: { kind: "object", name: `${bucket.name}/${body.key}` },
      });
      return begin(context, row, operations.imageImport, { imageId: row.id, bucketId: bucket.id, key: body.key });
    },

    async imageCreate(context, { body }) {
      const instance = await openInstance(parts, context, context.tx, body.instance, { lock: true });
      parts.engine();
      parts.instances.checkAction(instance, "image");
      const from = instance.imageId === undefined ? undefined : await imageStore.find(context.tx, instance.imageId);
      const row = await addImage(context.tx, instance, {
        name: body.name,
        description: body.description,
        kind: instance.kind,
        state: "building",
        minimumDiskBytes: 0,
        defaultUser: from?.defaultUser ?? "root",
        source: { kind: "instance", name: instance.name },
      });
      const snapshot = `kh-image-${row.id.slice(-12)}`;
      return begin(context, row, operations.imageCreate, { imageId: row.id, instance: instance.engineName, snapshot });
    },
  };
}

/** What an upload that broke off leaves: nothing. */
export async function abandonUpload(parts: ComputeParts, row: ImageRow): Promise<void> {
  try {
    await parts.engine().imageDelete(row.engineName);
  } catch (error) {
    // The reconciler finds it: it has no record then.
    parts.log.warn({ err: error, image: row.id }, "an image that was not finished stays in the engine for now");
  }
  await parts.database.transaction("system", async (tx) => {
    const there = await imageStore.find(tx, row.id, { lock: true });
    if (there?.state === "importing" && there.operationId === null) await removeImage(tx, there);
  });
}

const tooLarge = (): CloudError =>
  new CloudError("payload_too_large", `An image has at most ${maxImageBytes / 1024 ** 3} GiB.`, {
    details: { maxBytes: maxImageBytes },
  });

/** The body, never longer than allowed. */
function received(request: IncomingMessage): Readable {
  if (Number(request.headers["content-length"] ?? 0) > maxImageBytes) throw tooLarge();
  async function* pieces(): AsyncGenerator<Uint8Array> {
    let bytes = 0;
    try {
      // Whoever stops reading has something to answer: the connection stays open for that.
      for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
        bytes += piece.length;
        if (bytes > maxImageBytes) throw tooLarge();
        yield piece;
      }
    } catch (error) {
      if (CloudError.is(error)) throw error;
      throw new CloudError("cancelled", "The connection broke off before everything was sent.", { cause: error });
    }
  }
  return Readable.from(pieces(), { objectMode: false });
}
