import assert from "node:assert/strict";
import { CloudError } from "../../../../kernel/errors.ts";
import { treeOfTexts } from "../../source/tree.ts";
import { planBuild } from "../detection.ts";
import type { GeneratedPlan } from "../plan.ts";

/** Sources by their paths; what is no text becomes JSON. */
export type Files = Record<string, string | object>;
export const tree = (files: Files) =>
  treeOfTexts(
    Object.fromEntries(
      Object.entries(files).map(([path, content]) => [path, typeof content === "string" ? content : JSON.stringify(content)]),
    ),
  );
export const plan = (files: Files) => planBuild(tree(files)) as GeneratedPlan;
export const refuses = (files: Files, words: RegExp, field?: string) =>
  assert.throws(
    () => planBuild(tree(files)),
    (error) => {
      assert.ok(error instanceof CloudError, String((error as Error).stack));
      assert.equal(error.code, "invalid_argument");
      assert.match(error.message, words);
      if (field !== undefined)
        assert.ok(
          error.details.fields?.some(({ path }) => path === field),
          JSON.stringify(error.details),
        );
      return true;
    },
  );
