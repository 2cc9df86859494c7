import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { beginOperation } from "../../../kernel/operations/store.ts";
import { viewOperation } from "../../../kernel/operations/view.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import objectsContract from "../../objects/contract.ts";
import { type Area, actorIn, type ComputeParts, openProject } from "../parts.ts";
import { mayChange, openChangeable, openReadable, resourceOf } from "./access.ts";
import { type Image, imageActions, imageRoutes } from "./contract.ts";
import type { ImageOperations } from "./operations.ts";
import { type ImageRow, imageStore } from "./store.ts";
import { viewImage } from "./view.ts";

type Reading = Pick<Area<typeof imageRoutes>["handlers"], "imageList" | "imageGet" | "imageDownload" | "imageExport">;

export function readingImages(parts: ComputeParts, operations: ImageOperations): Reading {
  return {
    async imageList(context, { query }) {
      const place = query.project === undefined ? undefined : await openProject(parts, context, query.project);
      if (!place) context.authorize({}, "cloud");
      const after = decodeCursor(query.cursor, 2);
      const rows = await imageStore.page(context.tx, {
        place,
        search: query.search,
        kind: query.kind,
        state: query.state,
        after: after && { name: String(after[0]), id: String(after[1]) },
        limit: query.limit + 1,
      });
      return toPage(
        rows,
        query.limit,
        (row) => viewImage(context, row),
        (row) => [row.name, row.id],
      );
    },

    async imageGet(context, { params }) {
      const row = await openReadable(context, context.tx, params.image, imageRoutes.imageGet);
      return viewImage(context, row, await sharedProjects(parts, context, context.tx, row));
    },

    async imageDownload(context, { params }) {
      const row = await context.transaction((tx) => openChangeable(context, tx, params.image, imageRoutes.imageDownload));
      const engine = parts.engine();
      assertReady(row, "download");
      const { content, sizeBytes } = await engine.imageExport(row.engineName, { signal: context.signal });
      return {
        status: 200,
        headers: {
          "content-type": "application/octet-stream",
          "content-disposition": `attachment; filename="${fileName(row)}"`,
          ...(sizeBytes === undefined ? {} : { "content-length": String(sizeBytes) }),
        },
        body: content,
      };
    },

    async imageExport(context, { params, body }) {
      const row = await openChangeable(context, context.tx, params.image, imageRoutes.imageExport);
      const place = await parts.identity.projectPlace(context.tx, body.project);
      if (!place) throw notFound("project");
      const { objectUpload } = objectsContract.routes;
      if (!context.allows(objectUpload.permission, objectUpload.roles, place)) {
        throw new CloudError("permission_denied", "You may export this image, but not write objects of that project.", {
          details: { permission: objectUpload.permission },
        });
      }
      parts.engine();
      assertReady(row, "export");
      const bucket = await parts.objects.findBucket(context.tx, body.project, body.bucket);
      if (!bucket) throw notFound("bucket");
      const key = body.key ?? fileName(row);
      const record = await beginOperation(context.tx, operations.imageExport, {
        input: { imageId: row.id, bucketId: bucket.id, bucketName: bucket.name, key },
        actor: actorIn(context),
        organisationId: place.organisationId,
        projectId: place.projectId,
        resource: resourceOf(row),
      });
      context.audit({
        organisationId: place.organisationId,
        projectId: place.projectId,
        resource: resourceOf(row),
        after: { bucket: bucket.name, key },
      });
      return viewOperation(record);
    },
  };
}

/** With whom it is shared, for those who may change that. */
export async function sharedProjects(
  parts: Pick<ComputeParts, "identity">,
  caller: Pick<RequestContext, "allows">,
  tx: Tx,
  row: ImageRow,
): Promise<Image["sharedProjects"]> {
  if (row.visibility !== "shared" || !mayChange(caller, row, imageRoutes.imageUpdate)) return undefined;
  const shares = await imageStore.shares(tx, row.id);
  return Promise.all(
    shares.map(async ({ projectId }) => ({
      id: projectId,
      // One of another organisation has a name that only those who see it know.
      name: (await parts.identity.projectPlace(tx, projectId))?.name ?? projectId,
    })),
  );
}

export function assertReady(row: ImageRow, action: keyof typeof imageActions): void {
  if (imageActions[action].includes(row.state)) return;
  throw new CloudError(
    "failed_precondition",
    row.state === "error"
      ? `The image ${row.name} could not be made${row.stateReason ? `: ${row.stateReason.replace(/\.$/, "")}` : ""}. Delete it and make it again.`
      : `The image ${row.name} is ${row.state}. Wait until that is finished.`,
    { details: { resource: "image", reason: "image_state", state: row.state } },
  );
}

const fileName = (row: ImageRow): string => `${row.name}.image`;
