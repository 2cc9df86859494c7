/**
 * Images from the mirror of their distribution: a tarball that LXD and Incus take as it is. Everything happens in a mount and process
 * namespace of its own that ends with us, so that a build which was killed leaves nothing mounted and nobody running.
 */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { mkdir, mkdtemp, open, rename, rm, stat, statfs, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { aptProxies, fetchFrom } from "../../../../kernel/distribution/mirrors.ts";
import { confined, missingPrograms, ProgramFailure, removeLeftOvers } from "../../../../kernel/distribution/namespaces.ts";
import { CloudError } from "../../../../kernel/errors.ts";
import { alpinePackages, alpineScript, aptPackages, aptScript, commonScript, guestFiles } from "./imageGuest.ts";
import { aptSources, architectureOf, type ImageRecipe, type Mirrors, mirrorsOf, recipes, releaseFile } from "./imageRecipes.ts";
import { imageMetadata, templates } from "./imageTemplates.ts";

export { type ImageRecipe, recipes } from "./imageRecipes.ts";

export interface BuildOptions {
  /** An id of `recipes`. */
  recipe: string;
  /** Where the tarball is put, and where the work is done: 2 GB are needed meanwhile. */
  folder: string;
  signal?: AbortSignal;
  progress?: (fraction: number, message: string) => void;
  /** Instead of the one that this host's apt uses. */
  mirror?: string | undefined;
}

export interface BuiltImage {
  file: string;
  /** As the engine calls it: x86_64, aarch64. */
  architecture: string;
  description: string;
  sizeBytes: number;
}

const neededBytes = 2 * 1024 ** 3;
const longestBuildMs = 45 * 60_000;
const probeMs = 10_000;

const recipeOf = (id: string): ImageRecipe => {
  const recipe = recipes.find((each) => each.id === id);
  if (recipe !== undefined) return recipe;
  throw new CloudError("not_found", `There is no recipe ${id}. There are: ${recipes.map((each) => each.id).join(", ")}.`);
};

export type Reachability = { reachable: true } | { reachable: false; address: string; reason: string };

/** Whether the mirror of a recipe can be had from here. */
export async function recipeReachable(
  id: string,
  options: { mirror?: string | undefined; signal?: AbortSignal } = {},
): Promise<Reachability> {
  const recipe = recipeOf(id);
  const address = releaseFile(recipe, mirrorsOf(recipe, options.mirror));
  // Through a proxy, apt alone knows the way.
  if (recipe.distribution !== "alpine" && (await aptProxies()).length > 0) return { reachable: true };
  try {
    await fetchFrom(address, options.signal, probeMs);
    return { reachable: true };
  } catch (error) {
    options.signal?.throwIfAborted();
    return { reachable: false, address, reason: error instanceof Error ? error.message : String(error) };
  }
}

export async function buildImage(options: BuildOptions): Promise<BuiltImage> {
  const recipe = recipeOf(options.recipe);
  const { progress = () => {} } = options;
  const signal = AbortSignal.any([
    AbortSignal.timeout(longestBuildMs),
    ...(options.signal === undefined ? [] : [options.signal]),
  ]);
  const folder = resolve(options.folder);
  checkHost(recipe);
  await mkdir(folder, { recursive: true });
  await removeLeftOvers(folder, workPrefix(recipe));
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < neededBytes)
    throw new CloudError("storage_full", `Building an image needs 2 GB of free space in ${folder}. Free some, then try again.`);
  progress(0, "looking for the mirror");
  const mirrors = mirrorsOf(recipe, options.mirror);
  const reachability = await recipeReachable(recipe.id, { mirror: options.mirror, signal }).catch((error) => {
    throw signal.aborted ? stopped(signal) : error;
  });
  if (!reachability.reachable) throw unreachable(recipe, reachability.address, reachability.reason);
  const { name: architecture } = architectureOf();
  const made = new Date();
  const work = await mkdtemp(join(folder, `${workPrefix(recipe)}${process.pid}-`));
  try {
    await mkdir(join(work, "templates"));
    for (const [name, content] of Object.entries(templates)) await writeFile(join(work, "templates", name), content);
    const metadata = imageMetadata(recipe, architecture, made);
    await writeFile(join(work, "metadata.yaml"), metadata);
    const sources = recipe.distribution === "alpine" ? apkRepositories(recipe, mirrors) : aptSources(recipe, mirrors);
    await writeFiles(join(work, "files"), guestFiles(recipe, sources));
    const build: Build = { recipe, mirrors, work, signal, progress };
    if (recipe.distribution === "alpine") await buildAlpine(build);
    else await buildWithApt(build, sources);
    progress(0.9, "compressing");
    const file = join(folder, `${recipe.id}-${architecture}.tar.gz`);
    const part = join(work, "image.tar.gz");
    // gzip: the engine unpacks with what its host has, and that one is everywhere.
    await pipeline(createReadStream(join(work, "image.tar")), createGzip({ level: 2 }), createWriteStream(part), { signal });
    await syncFile(part);
    await rename(part, file);
    progress(1, "built");
    const { properties } = JSON.parse(metadata) as { properties: { description: string } };
    return { file, architecture, description: properties.description, sizeBytes: (await stat(file)).size };
  } catch (error) {
    if (signal.aborted) throw stopped(signal, error);
    if ((error as NodeJS.ErrnoException).code === "ENOSPC")
      throw new CloudError("storage_full", `The disk that holds ${folder} is full. Free some space, then try again.`, {
        cause: error,
      });
    throw error;
  } finally {
    await rm(work, { recursive: true, force: true, maxRetries: 5 });
  }
}

interface Build {
  recipe: ImageRecipe;
  mirrors: Mirrors;
  work: string;
  signal: AbortSignal;
  progress: (fraction: number, message: string) => void;
}

const stopped = (signal: AbortSignal, cause?: unknown): CloudError =>
  signal.reason instanceof DOMException && signal.reason.name === "TimeoutError"
    ? new CloudError("deadline_exceeded", "Building the image took too long. Try again, or choose a nearer mirror.", { cause })
    : new CloudError("cancelled", "Building the image was cancelled.", { cause });

const unreachable = (recipe: ImageRecipe, address: string, reason: string): CloudError =>
  new CloudError(
    "unavailable",
    `${recipe.title} cannot be built: ${address} cannot be reached (${reason}). Check the network, or choose another mirror.`,
    { details: { reason: "mirror_unreachable", address } },
  );

/** Throws failed_precondition, saying what is missing, where this host cannot build. */
export function checkHost(recipe: ImageRecipe): void {
  if (process.getuid?.() !== 0)
    throw new CloudError("failed_precondition", "Images can be built only by a Khmara that runs as root.", {
      details: { reason: "not_root" },
    });
  const programs = ["setpriv", "unshare", "tar", ...(recipe.distribution === "alpine" ? [] : ["mmdebstrap"])];
  const missing = missingPrograms(programs);
  if (missing.length > 0)
    throw new CloudError(
      "failed_precondition",
      `${missing.join(", ")} is missing on this host. Install it (apt-get install mmdebstrap util-linux tar).`,
      {
        details: { reason: "tool_missing" },
      },
    );
}

const workPrefix = (recipe: ImageRecipe): string => `.build-${recipe.id}-`;

async function writeFiles(root: string, files: Record<string, string>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    const file = join(root, path);
    await mkdir(dirname(file), { recursive: true, mode: 0o755 });
    await writeFile(file, content, { mode: 0o644 });
  }
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, "r+");
  await handle.sync();
  await handle.close();
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** The last step: files in, traces out, and everything into the tarball. $1: the root file system. */
const finishScript = (work: string, script: string): string => `#!/bin/sh
set -eu
root=$1
cp -R --no-preserve=mode,ownership ${quoted(join(work, "files"))}/. "$root/"
(${script})
(${commonScript})
cd ${quoted(work)}
# Mounted alone, without what is mounted below it (/proc, /sys, devices).
mkdir -p rootfs
[ "$root" = "$PWD/rootfs" ] || mount --bind "$root" rootfs
tar -cf image.tar --numeric-owner --owner=0 --group=0 metadata.yaml templates
tar -rf image.tar --numeric-owner --xattrs --xattrs-include='*' --one-file-system --exclude='rootfs/dev/*' --exclude='rootfs/proc/*' rootfs
`;

const phases: [RegExp, number, string][] = [
  [/running apt-get update/, 0.05, "reading the mirror's lists"],
  [/downloading packages/, 0.12, "downloading packages"],
  [/extracting archives/, 0.4, "unpacking"],
  [/installing essential/, 0.45, "setting up the base"],
  [/installing remaining/, 0.5, "setting up the rest"],
  [/running .*customize/, 0.82, "finishing"],
];

async function buildWithApt({ recipe, mirrors, work, signal, progress }: Build, sources: readonly string[]): Promise<void> {
  const finish = join(work, "finish.sh");
  await writeFile(finish, finishScript(work, aptScript), { mode: 0o755 });
  const words = [
    "--mode=root",
    "--variant=minbase",
    "--format=null",
    `--keyring=${keyring(recipe)}`,
    `--include=${aptPackages(recipe).join(",")}`,
    "--dpkgopt=force-unsafe-io",
    '--aptopt=Acquire::Retries "3"',
    '--aptopt=Acquire::Languages "none"',
    ...(await aptProxies()).map((line) => `--aptopt=${line}`),
    `--customize-hook=${finish}`,
    recipe.release,
    "-",
    ...sources,
  ];
  await confined("mmdebstrap", words, { work, signal }, (line) => {
    for (const [words, fraction, message] of phases) if (words.test(line)) progress(fraction, message);
  }).catch((error: ProgramFailure) => {
    throw signal.aborted ? stopped(signal, error) : explained(error, recipe, mirrors);
  });
}

/** The distribution's own keys: of this host when it has them, else those that we bring. */
function keyring(recipe: ImageRecipe): string {
  const installed = `/usr/share/keyrings/${recipe.distribution}-archive-keyring.gpg`;
  if (existsSync(installed)) return installed;
  if (recipe.distribution === "ubuntu") return join(import.meta.dirname, "keys", "ubuntu-archive-2018.asc");
  throw new CloudError(
    "failed_precondition",
    `The keys of ${recipe.title} are missing on this host. Install debian-archive-keyring.`,
    {
      details: { reason: "tool_missing" },
    },
  );
}

function explained(failure: unknown, recipe: ImageRecipe, mirrors: Mirrors): unknown {
  if (!(failure instanceof ProgramFailure)) return failure;
  const { output } = failure;
  if (/no space left on device/i.test(output))
    return new CloudError(
      "storage_full",
      `The disk became full while ${recipe.title} was built. Free some space, then try again.`,
      { cause: failure },
    );
  const address = /(?:Failed to fetch|Err:\d+) (https?:\/\/\S+)/.exec(output)?.[1] ?? mirrors.main;
  const network =
    /could not resolve|temporary failure resolving|could not connect|unable to connect|connection (failed|timed out|refused)|network is unreachable/i.exec(
      output,
    );
  if (network !== null) return unreachable(recipe, address, network[0].toLowerCase());
  if (/NO_PUBKEY|EXPKEYSIG|not signed|BADSIG/.test(output))
    return new CloudError(
      "failed_precondition",
      `${recipe.title} cannot be built: the signature of ${mirrors.main} is not one of the distribution's. Choose another mirror, or update the keyring package.`,
      {
        cause: failure,
        details: { reason: "mirror_not_trusted" },
      },
    );
  const last =
    output
      .split("\n")
      .filter((line) => /^(E|W): /.test(line))
      .at(-1) ?? failure.message;
  return new CloudError("internal", `${recipe.title} could not be built: ${last.replace(/^[EW]: /, "")}`, { cause: failure });
}

const apkRepositories = (recipe: ImageRecipe, { main }: Mirrors): string[] =>
  ["main", "community"].map((part) => `${main}/${recipe.release}/${part}`);

async function buildAlpine({ recipe, mirrors, work, signal, progress }: Build): Promise<void> {
  const list = releaseFile(recipe, mirrors);
  const folder = dirname(list);
  const fetchHere = async (address: string) => {
    try {
      return await fetchFrom(address, signal);
    } catch (error) {
      throw signal.aborted ? stopped(signal, error) : unreachable(recipe, address, (error as Error).message);
    }
  };
  const entries = (await (await fetchHere(list)).text()).split(/^-\s*$/m);
  const entry = entries.find((text) => /^\s+flavor: alpine-minirootfs$/m.test(text)) ?? "";
  const name = /^\s+file: (\S+)$/m.exec(entry)?.[1];
  const wanted = /^\s+sha256: (\S+)$/m.exec(entry)?.[1];
  if (name === undefined || wanted === undefined) throw unreachable(recipe, list, "it does not name a minimal root file system");
  progress(0.1, "downloading the base");
  const base = join(work, "base.tar.gz");
  const { body } = await fetchHere(`${folder}/${name}`);
  const hash = createHash("sha256");
  await pipeline(
    Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]),
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        yield chunk;
      }
    },
    createWriteStream(base),
    { signal },
  );
  if (hash.digest("hex") !== wanted) throw unreachable(recipe, `${folder}/${name}`, "what came is not what its checksum says");
  progress(0.4, "setting up");
  const finish = join(work, "finish.sh");
  await writeFile(finish, finishScript(work, alpineScript), { mode: 0o755 });
  const build = join(work, "build.sh");
  await writeFile(
    build,
    `set -eu
cd ${quoted(work)}
mkdir rootfs
tar -xzf base.tar.gz --numeric-owner -C rootfs
cp /etc/resolv.conf rootfs/etc/resolv.conf
printf '%s\\n' ${apkRepositories(recipe, mirrors).map(quoted).join(" ")} >rootfs/etc/apk/repositories
mount --bind /dev rootfs/dev
mount -t proc proc rootfs/proc
chroot rootfs apk add --no-progress ${alpinePackages.join(" ")}
sh ${quoted(finish)} ${quoted(join(work, "rootfs"))}
`,
  );
  await confined("sh", [build], { work, signal }, () => {}).catch((error: ProgramFailure) => {
    throw signal.aborted ? stopped(signal, error) : explained(error, recipe, mirrors);
  });
}
