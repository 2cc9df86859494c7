/**
 * What apps are built on, in the engine: base images of ours, made here when they are first needed, and public images that Dockerfiles
 * name. Each has a name of ours, so that a build sees these and no others.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { CloudError } from "../../../kernel/errors.ts";
import type { Log } from "../../../kernel/log.ts";
import { baseImageRecipe, buildBaseImage, recipeDigest } from "../baseImages/build.ts";
import {
  appFolder,
  appUser,
  type BaseImageRecipe,
  baseImageRecipes,
  type Runtime,
  runtimes,
  versionsOf,
} from "../baseImages/recipes.ts";
import { baseDomain, publicReference } from "../building/imageReference.ts";
import type { BaseImage } from "../building/plan.ts";
import type { AppEngine, ImageReport } from "../driver.ts";
import type { AppsParts, CallOptions } from "../parts.ts";

export interface Bases {
  /** One of ours; made when it is not there, which takes a minute or two, and shared by all who wait for it. */
  base(base: BaseImage, options: CallOptions): Promise<ImageReport>;
  /** What a Dockerfile of somebody names: `base.khmara.internal/node:24`, or a public image. */
  named(image: string, options: CallOptions): Promise<ImageReport>;
  /** Makes those anew that are older than a week, for their security updates. */
  refresh(signal: AbortSignal): Promise<void>;
  /** Work folders of processes that were killed. */
  sweep(): Promise<void>;
}

const weekMs = 7 * 24 * 3600_000;
const dayMs = 24 * 3600_000;

/** `make` is for tests: it puts the tarball of a base image into a folder. */
export function openBases(parts: Pick<AppsParts, "engine" | "dataDirectory" | "log">, make = buildBaseImage): Bases {
  const root = join(parts.dataDirectory, "apps", "base-images");
  const making = new Map<string, { done: Promise<ImageReport>; listeners: Set<(line: string) => void> }>();

  async function ensure(recipe: BaseImageRecipe, options: CallOptions & { anew?: boolean }): Promise<ImageReport> {
    const engine = parts.engine();
    const there = options.anew ? undefined : newest(await basesIn(engine, recipe, options.signal))[0];
    if (there) return there;
    const key = `${recipe.runtime}-${recipe.version}`;
    const { onLine, signal } = options;
    const listeners = making.get(key)?.listeners ?? new Set();
    if (onLine) listeners.add(onLine);
    let work = making.get(key);
    if (!work) {
      const say = (line: string) => {
        for (const each of listeners) each(line);
      };
      work = { done: build(engine, recipe, say, parts.log, root, make), listeners };
      making.set(key, work);
      const end = () => making.delete(key);
      work.done.then(end, end);
    }
    // Whoever stops waiting does not stop it: others may wait too, and the next deployment needs it.
    try {
      return await untilAborted(work.done, signal);
    } finally {
      if (onLine) listeners.delete(onLine);
    }
  }

  return {
    base: (base, options) => ensure(baseImageRecipe(base.runtime, base.version), options),

    async named(image, options) {
      if (image.startsWith(`${baseDomain}/`)) {
        const [runtime = "", version = ""] = image.slice(baseDomain.length + 1).split(":");
        if (!runtimes.some((each) => each === runtime) || !versionsOf(runtime as Runtime).includes(version)) {
          const all = baseImageRecipes.map((each) => `${each.runtime}:${each.version}`).join(", ");
          throw new CloudError("invalid_argument", `There is no base image ${image}. There are, after ${baseDomain}/: ${all}.`, {
            details: { reason: "image_not_found" },
          });
        }
        return ensure(baseImageRecipe(runtime as Runtime, version), options);
      }
      return pull(parts.engine(), publicReference(image), options);
    },

    async refresh(signal) {
      const engine = parts.engine();
      for (const recipe of baseImageRecipes) {
        signal.throwIfAborted();
        const there = newest(await basesIn(engine, recipe, signal, { anyRecipe: true }));
        const [now] = there;
        // Those that nobody uses are not made by themselves.
        if (!now) continue;
        const isOld = Date.now() - now.createdAt.getTime() > weekMs || now.labels["recipe"] !== recipeDigest(recipe);
        const current = isOld ? await ensure(recipe, { signal, anew: true }) : now;
        for (const each of there.filter(({ id }) => id !== current.id))
          for (const name of each.names)
            await engine
              .imageRemove(name, { signal })
              .catch((error) => parts.log.debug({ err: error, image: name }, "an old base image stays for now"));
      }
    },

    async sweep() {
      await mkdir(root, { recursive: true, mode: 0o700 });
      for (const name of await readdir(root)) {
        if (name === String(process.pid)) continue;
        const alive = /^\d+$/.test(name) && isAlive(Number(name));
        if (!alive) await rm(join(root, name), { recursive: true, force: true, maxRetries: 5 });
      }
    },
  };
}

/** Newest first. */
const newest = (images: ImageReport[]): ImageReport[] =>
  images.toSorted((one, other) => other.createdAt.getTime() - one.createdAt.getTime());

async function basesIn(
  engine: AppEngine,
  recipe: BaseImageRecipe,
  signal: AbortSignal | undefined,
  { anyRecipe = false } = {},
): Promise<ImageReport[]> {
  const prefix = `base/${recipe.runtime}:${recipe.version}-`;
  const digest = recipeDigest(recipe);
  return (await engine.imageList({ signal })).filter(
    ({ names, labels }) => names.some((name) => name.startsWith(prefix)) && (anyRecipe || labels["recipe"] === digest),
  );
}

async function build(
  engine: AppEngine,
  recipe: BaseImageRecipe,
  say: (line: string) => void,
  log: Log,
  root: string,
  make: typeof buildBaseImage,
): Promise<ImageReport> {
  const folder = join(root, String(process.pid));
  say(`--> making the base image ${recipe.title}; this is done once, and takes a minute or two`);
  let last = "";
  const built = await make({
    runtime: recipe.runtime,
    version: recipe.version,
    folder,
    progress: (_, message) => {
      if (message !== last) say(`    ${message}`);
      last = message;
    },
  });
  try {
    const digest = recipeDigest(recipe);
    const report = await engine.imageImport(
      {
        // Of this build alone: what is built on an older one keeps it.
        name: `base/${recipe.runtime}:${recipe.version}-${digest.slice(0, 8)}-${built.digest.slice(0, 12)}`,
        labels: { base: `${recipe.runtime}-${recipe.version}`, recipe: digest },
        defaults: {
          environment: recipe.environment,
          workingDirectory: appFolder,
          user: `${appUser.uid}:${appUser.gid}`,
        },
      },
      createReadStream(built.file),
    );
    log.info({ base: `${recipe.runtime} ${recipe.version}`, bytes: report.sizeBytes }, "a base image was made");
    return report;
  } finally {
    await rm(built.file, { force: true });
  }
}

/** Asked for again after a day; what we have is used when the registry does not answer. */
async function pull(engine: AppEngine, reference: string, { signal, onLine }: CallOptions): Promise<ImageReport> {
  const name = `pulled/${createHash("sha256").update(reference).digest("hex").slice(0, 32)}`;
  const there = await engine.imageGet(name, { signal });
  const isFixed = reference.includes("@");
  if (there && (isFixed || Date.now() - there.createdAt.getTime() < dayMs)) return there;
  try {
    onLine?.(`--> fetching ${reference}`);
    return await engine.imagePull({ name, labels: { pulled: reference } }, reference, { signal, onLine });
  } catch (error) {
    if (!there || signal?.aborted) throw error;
    onLine?.(`    ${(error as Error).message} The one from ${there.createdAt.toISOString().slice(0, 10)} is used.`);
    return there;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
