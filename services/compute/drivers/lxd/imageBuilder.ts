import { CloudError } from "../../../../kernel/errors.ts";
import type { ImageBuilder } from "../../driver.ts";
import { buildImage, checkHost, recipeReachable, recipes } from "./imageBuild.ts";
import { mirrorsOf } from "./imageRecipes.ts";

/** Builds on this host, whichever engine the images are for: LXD and Incus take the same. */
export const openImageBuilder = (): ImageBuilder => ({
  recipes: () =>
    recipes.map((recipe) => ({
      name: recipe.id,
      title: recipe.title,
      distribution: recipe.distribution,
      release: recipe.release,
      kind: "container",
      // cloud-init's own choice: each distribution calls its first user after itself.
      defaultUser: recipe.distribution,
      minimumDiskBytes: recipe.minimumDiskBytes,
      mirror: mirrorsOf(recipe).main,
    })),

  async check(name, options = {}) {
    const recipe = recipes.find(({ id }) => id === name);
    if (!recipe) return { available: false, reason: `There is no recipe ${name}.` };
    try {
      checkHost(recipe);
    } catch (error) {
      if (CloudError.is(error)) return { available: false, reason: error.message };
      throw error;
    }
    const answer = await recipeReachable(name, options.signal ? { signal: options.signal } : {});
    if (answer.reachable) return { available: true };
    return {
      available: false,
      reason: `${answer.address} cannot be reached (${answer.reason}). Check the network, or import an image from a file.`,
    };
  },

  async build(name, { directory, signal, progress }) {
    const { file } = await buildImage({
      recipe: name,
      folder: directory,
      ...(signal ? { signal } : {}),
      ...(progress ? { progress } : {}),
    });
    return { file };
  },
});
