import { audit } from "../../../kernel/audit.ts";
import { systemActor } from "../../../kernel/auth/principal.ts";
import { beginOperation } from "../../../kernel/operations/store.ts";
import type { ComputeParts, ImagesPart } from "../parts.ts";
import { subjectOf } from "./access.ts";
import type { ImageOperations } from "./operations.ts";
import type { Recipes } from "./recipes.ts";
import { addImage } from "./records.ts";
import { imageStore } from "./store.ts";

const firstRecipe = "debian-12";

/** The image that a new cloud begins with. */
export function firstImage(
  parts: ComputeParts,
  operations: ImageOperations,
  recipes: Recipes,
): Pick<ImagesPart, "first" | "buildFirst"> {
  return {
    async first() {
      const any = await parts.database.transaction("system", (tx) => imageStore.countPublic(tx));
      if (any > 0) return undefined;
      const all = await recipes.list();
      const recipe = all.find(({ name }) => name === firstRecipe) ?? all[0];
      return recipe && { recipe: recipe.name, title: recipe.title, available: recipe.available, reason: recipe.reason };
    },

    async buildFirst() {
      parts.engine();
      const recipe = parts
        .imageBuilder()
        .recipes()
        .find(({ name }) => name === firstRecipe);
      if (!recipe) return undefined;
      return parts.database.transaction("system", async (tx) => {
        // Once, and never again: what was deleted, or failed, is for a person to decide.
        if ((await imageStore.countPublic(tx)) > 0 || (await imageStore.everBuilt(tx))) return undefined;
        const row = await addImage(tx, undefined, {
          name: recipe.name,
          description: "",
          kind: recipe.kind,
          state: "building",
          minimumDiskBytes: recipe.minimumDiskBytes,
          defaultUser: recipe.defaultUser,
          source: { kind: "recipe", name: recipe.name },
        });
        const record = await beginOperation(tx, operations.imageBuild, {
          input: { imageId: row.id, recipe: recipe.name },
          actor: systemActor,
          ...subjectOf(row),
        });
        await imageStore.setOperation(tx, row.id, record.id);
        audit(tx, { action: "compute.image.build", actor: systemActor, ...subjectOf(row), after: { name: row.name } });
        return record.id;
      });
    },
  };
}
