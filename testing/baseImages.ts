import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { missingTools, type Tools } from "../server/engines/packages.ts";
import { type BuiltBaseImage, baseImageRecipe, buildBaseImage, recipeDigest } from "../services/apps/baseImages/build.ts";
import type { Runtime } from "../services/apps/baseImages/recipes.ts";
import { installTestTools } from "../tools/test-tools.ts";
import { oneAtATime } from "./oneAtATime.ts";

const tools: Tools = {
  "/usr/bin/mmdebstrap": "mmdebstrap",
  "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
  "/{usr/,}bin/setpriv": "util-linux",
};

/** Why base images cannot be made here; false when they can. */
export function baseImagesMissing(): string | false {
  if (process.getuid?.() !== 0) return "base images are made as root";
  if (missingTools(tools).length > 0 && !existsSync("/usr/bin/apt-get")) return "mmdebstrap is not there";
  return false;
}

/** A base image, made once per machine, and again when its recipe has changed. */
export async function testBaseImage(runtime: Runtime, version: string): Promise<string> {
  const left = await installTestTools(tools);
  if (left.length > 0) throw new Error(`Missing for base images: ${left.join(", ")}.`);
  const mark = recipeDigest(baseImageRecipe(runtime, version));
  const cache = join(process.env["KHMARA_CACHE"] ?? join(homedir(), ".cache", "khmara"), "base-images");
  mkdirSync(cache, { recursive: true });
  const file = join(cache, `${runtime}-${version}-${mark}.tar`);
  if (existsSync(file)) return file;
  const late = `Another process makes ${runtime} ${version}, and does not come to an end.`;
  await oneAtATime(join(cache, `${runtime}-${version}.lock`), late, async () => {
    // Whoever waited finds it made.
    if (!existsSync(file)) renameSync((await build(runtime, version, cache)).file, file);
  });
  return file;
}

async function build(runtime: Runtime, version: string, cache: string): Promise<BuiltBaseImage> {
  // Of its own: a test makes several beside each other, and the first that ends takes its folder away.
  const folder = join(cache, `work-${process.pid}-${runtime}-${version}`);
  try {
    const built = await buildBaseImage({ runtime, version, folder });
    const file = join(cache, `${runtime}-${version}-${process.pid}.tar`);
    renameSync(built.file, file);
    return { ...built, file };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
