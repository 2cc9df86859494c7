import type { ComputeParts } from "../parts.ts";
import type { ImageRecipe } from "./contract.ts";

/** What can be built here, as it was seen lately: looking at the mirrors takes a moment. */
export interface Recipes {
  /** Empty where nothing can be built at all. */
  list(signal?: AbortSignal): Promise<ImageRecipe[]>;
}

const freshMs = 60_000;
const checkMs = 8000;

export function openRecipes(parts: Pick<ComputeParts, "imageBuilder">): Recipes {
  let seen: { at: number; recipes: Promise<ImageRecipe[]> } | undefined;
  return {
    async list() {
      if (!seen || Date.now() - seen.at > freshMs) seen = { at: Date.now(), recipes: look(parts) };
      try {
        return await seen.recipes;
      } catch (error) {
        seen = undefined;
        throw error;
      }
    },
  };
}

function look(parts: Pick<ComputeParts, "imageBuilder">): Promise<ImageRecipe[]> {
  const builder = parts.imageBuilder();
  const signal = AbortSignal.timeout(checkMs);
  return Promise.all(
    builder.recipes().map(async (recipe) => {
      const check = await builder
        .check(recipe.name, { signal })
        .catch((error: Error) => ({ available: false, reason: `${recipe.mirror} does not answer: ${error.message}` }) as const);
      return { ...recipe, ...check };
    }),
  );
}
