import { CloudError, notFound } from "../../../kernel/errors.ts";
import type { Area, ComputeParts, ImagesPart, ImageView } from "../parts.ts";
import { changingImages } from "./changing.ts";
import type { imageRoutes } from "./contract.ts";
import { firstImage } from "./first.ts";
import { makingImages } from "./making.ts";
import { defineImageOperations } from "./operations.ts";
import { assertReady, readingImages } from "./reading.ts";
import { openRecipes } from "./recipes.ts";
import { reconcileImages } from "./reconcile.ts";
import { isGone, removeImage } from "./records.ts";
import { openScratch } from "./scratch.ts";
import { type ImageRow, imageStore } from "./store.ts";
import { imageUpkeep } from "./upkeep.ts";

export function createImages(parts: ComputeParts): Area<typeof imageRoutes> & { part: ImagesPart } {
  const scratch = openScratch(parts.dataDirectory);
  const operations = defineImageOperations(parts, scratch);
  const recipes = openRecipes(parts);
  return {
    handlers: {
      ...makingImages(parts, operations, recipes),
      ...readingImages(parts, operations),
      ...changingImages(parts, operations),
    },
    operations: Object.values(operations),
    workers: [imageUpkeep(parts, scratch)],
    part: {
      async resolve(tx, place, idOrName) {
        // An id has an underscore, a name cannot.
        const [row] = await imageStore.usable(tx, place, idOrName.includes("_") ? { id: idOrName } : { name: idOrName });
        if (!row) {
          throw new CloudError(
            "not_found",
            `There is no image ${idOrName} that this project may use. See which there are: khmara image list`,
            { details: { resource: "image" } },
          );
        }
        assertReady(row, "use");
        return viewOf(row);
      },
      async find(tx, id) {
        const row = await imageStore.find(tx, id);
        return row && viewOf(row);
      },
      ...firstImage(parts, operations, recipes),
      reconcile: (signal) => reconcileImages(parts, signal),
      async forget(tx, imageId) {
        const row = await imageStore.find(tx, imageId, { lock: true });
        if (!row) throw notFound("image");
        if (!isGone(row)) {
          throw new CloudError("failed_precondition", `The image ${row.name} is not gone. Delete it, if it is not needed.`, {
            details: { resource: "image", reason: "image_state", state: row.state },
          });
        }
        await removeImage(tx, row);
      },
    },
  };
}

const viewOf = (row: ImageRow): ImageView => ({
  id: row.id,
  name: row.name,
  engineName: row.engineName,
  kind: row.kind,
  minimumDiskBytes: row.minimumDiskBytes,
  defaultUser: row.defaultUser,
});
