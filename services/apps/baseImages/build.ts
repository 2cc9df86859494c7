/**
 * Makes a base image: a tarball of a root file system, for `docker import`. By mmdebstrap, from the mirror that this host's apt uses, in
 * namespaces that end with this process; what is the same at the mirror gives the same bytes.
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, open, rename, rm, stat, statfs, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import {
  aptMirrors,
  aptProxies,
  aptReleaseFile,
  aptSources,
  fetchFrom,
  type Mirrors,
} from "../../../kernel/distribution/mirrors.ts";
import { emptyTmp } from "../../../kernel/distribution/mmdebstrap.ts";
import { confined, missingPrograms, ProgramFailure, removeLeftOvers } from "../../../kernel/distribution/namespaces.ts";
import { CloudError } from "../../../kernel/errors.ts";
import { hostAuthorities } from "./authorities.ts";
import { fetchPackages } from "./npmPackages.ts";
import {
  appFolder,
  appUser,
  type BaseImageRecipe,
  baseImageRecipes,
  baseImageReference,
  cacheFolder,
  type Runtime,
} from "./recipes.ts";

export interface BaseImageBuild {
  runtime: Runtime;
  version: string;
  /** Where the tarball is put, and where the work is done: 2 GB are needed meanwhile. */
  folder: string;
  signal?: AbortSignal;
  progress?: (fraction: number, message: string) => void;
  /** Instead of the one that this host's apt uses. */
  mirror?: string | undefined;
}

export interface BuiltBaseImage {
  /** A plain tar. */
  file: string;
  sizeBytes: number;
  /** SHA-256 of the file, in hex. */
  digest: string;
  /** Its name in the engine: base.khmara.internal/node:24. */
  reference: string;
  /** As distributions call it: amd64, arm64. */
  architecture: string;
  labels: Record<string, string>;
  /** Instructions of a Dockerfile for `docker import --change`: environment, user, folder and labels. */
  changes: string[];
}

const neededBytes = 2 * 1024 ** 3;
const longestBuildMs = 30 * 60_000;
const probeMs = 10_000;
const architectures: Record<string, string> = { x64: "amd64", arm64: "arm64" };

/** Throws not_found, naming what there is. */
export function baseImageRecipe(runtime: Runtime, version: string): BaseImageRecipe {
  const recipe = baseImageRecipes.find((each) => each.runtime === runtime && each.version === version);
  if (recipe) return recipe;
  const all = baseImageRecipes.map((each) => `${each.runtime} ${each.version}`).join(", ");
  throw new CloudError("not_found", `There is no base image ${runtime} ${version}. There are: ${all}.`);
}

/**
 * What a base image is made of, as a short digest: another one means that it must be made anew. Security updates of its packages are not
 * in it; make base images anew every week for those.
 */
export const recipeDigest = (recipe: BaseImageRecipe): string =>
  createHash("sha256")
    .update(JSON.stringify([recipe, finishScript("", recipe), ...hostAuthorities()]))
    .digest("hex")
    .slice(0, 16);

/**
 * Builds. Throws failed_precondition (not root, a program or key is missing), unavailable (mirror or npm registry cannot be reached),
 * storage_full, cancelled, deadline_exceeded, internal; leaves no file, mount or process behind then.
 */
export async function buildBaseImage(options: BaseImageBuild): Promise<BuiltBaseImage> {
  const recipe = baseImageRecipe(options.runtime, options.version);
  const { progress = () => {} } = options;
  const signal = AbortSignal.any([AbortSignal.timeout(longestBuildMs), ...(options.signal ? [options.signal] : [])]);
  const folder = resolve(options.folder);
  checkHost(recipe);
  await mkdir(folder, { recursive: true });
  const prefix = `.build-${recipe.runtime}-${recipe.version}-`;
  await removeLeftOvers(folder, prefix);
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < neededBytes)
    throw new CloudError(
      "storage_full",
      `Building a base image needs 2 GB of free space in ${folder}. Free some, then try again.`,
    );
  const work = await mkdtemp(join(folder, `${prefix}${process.pid}-`));
  // mmdebstrap's downloads run as apt's own user.
  await chmod(work, 0o755);
  try {
    signal.throwIfAborted();
    progress(0, "looking for the mirror");
    const mirrors = aptMirrors("debian", options.mirror);
    const made = await mirrorDate(recipe, mirrors, signal);
    if (recipe.npm) {
      progress(0.05, "downloading from the npm registry");
      await fetchPackages(recipe.npm, join(work, "npm"), signal);
    }
    await debootstrap(recipe, mirrors, made, { work, signal, progress });
    progress(0.9, "checking");
    const part = join(work, "image.tar");
    const digest = await digestOf(part, signal);
    const architecture = architectures[process.arch] ?? process.arch;
    const file = join(folder, `${recipe.runtime}-${recipe.version}-${architecture}.tar`);
    await syncFile(part);
    await rename(part, file);
    progress(1, "built");
    const labels = {
      "org.opencontainers.image.title": recipe.title,
      "org.opencontainers.image.created": made.toISOString(),
      "khmara.base": `${recipe.runtime}-${recipe.version}`,
      "khmara.base.recipe": recipeDigest(recipe),
      "khmara.base.rootfs": `sha256:${digest}`,
    };
    const { size } = await stat(file);
    return {
      file,
      sizeBytes: size,
      digest,
      reference: baseImageReference(recipe),
      architecture,
      labels,
      changes: changesOf(recipe, labels),
    };
  } catch (error) {
    throw explained(error, recipe, signal, folder);
  } finally {
    await rm(work, { recursive: true, force: true, maxRetries: 5 });
  }
}

const changesOf = (recipe: BaseImageRecipe, labels: Record<string, string>): string[] => [
  ...Object.entries(recipe.environment).map(([name, value]) => `ENV ${name}=${JSON.stringify(value)}`),
  `WORKDIR ${appFolder}`,
  `USER ${appUser.uid}:${appUser.gid}`,
  ...Object.entries(labels).map(([name, value]) => `LABEL ${name}=${JSON.stringify(value)}`),
];

/** Throws failed_precondition, saying what is missing, where this host cannot build. */
export function checkHost(recipe: BaseImageRecipe): void {
  const refuse = (reason: string, message: string) => new CloudError("failed_precondition", message, { details: { reason } });
  if (process.getuid?.() !== 0) throw refuse("not_root", "Base images can be built only by a Khmara that runs as root.");
  const missing = missingPrograms(["setpriv", "unshare", "tar", "mmdebstrap", ...(recipe.npm ? ["npm"] : [])]);
  if (missing.length > 0)
    throw refuse(
      "tool_missing",
      `${missing.join(", ")} is missing on this host. Install it (apt-get install mmdebstrap util-linux tar).`,
    );
  if (!existsSync(keyring))
    throw refuse(
      "tool_missing",
      "Debian's keys are missing on this host. Install them (apt-get install debian-archive-keyring).",
    );
}

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** When the mirror's content was last changed: the newest date that any file of the image gets. Also shows that it can be reached. */
async function mirrorDate(recipe: BaseImageRecipe, mirrors: Mirrors, signal: AbortSignal): Promise<Date> {
  // Through a proxy apt alone knows the way; the day will do.
  if ((await aptProxies()).length > 0) return new Date(`${new Date().toISOString().slice(0, 10)}T00:00:00Z`);
  const addresses = [
    aptReleaseFile(recipe.release, mirrors),
    aptReleaseFile(`${recipe.release}-updates`, mirrors),
    aptReleaseFile(`${recipe.release}-security`, { ...mirrors, main: mirrors.security }),
  ];
  const dates = await Promise.all(
    addresses.map(async (address) => {
      try {
        return Date.parse(/^Date: (.+)$/m.exec(await head(address, signal))?.[1] ?? "");
      } catch (error) {
        if (signal.aborted) throw error;
        throw unreachable(recipe, address, (error as Error).message);
      }
    }),
  );
  const newest = Math.max(...dates.filter((date) => !Number.isNaN(date)));
  if (!Number.isFinite(newest)) throw unreachable(recipe, addresses[0] as string, "it has no date");
  return new Date(newest);
}

/** The first kilobytes of a document: the rest of it is long, and apt reads it itself. */
async function head(address: string, signal: AbortSignal): Promise<string> {
  const response = await fetchFrom(address, signal, probeMs);
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString("latin1");
    if (text.length > 16_384) break;
  }
  return text;
}

const unreachable = (recipe: BaseImageRecipe, address: string, reason: string): CloudError =>
  new CloudError(
    "unavailable",
    `${recipe.title} cannot be built: ${address} cannot be reached (${reason}). Check the network, or choose another mirror.`,
    { details: { reason: "mirror_unreachable", address } },
  );

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** $1: the root file system. The user, our files, what npm brought; then what differs from one build to the next is taken out. */
const finishScript = (work: string, recipe: BaseImageRecipe): string => `#!/bin/sh
set -eu
root=$1
export LC_ALL=C
cp -R --no-preserve=ownership ${quoted(join(work, "files"))}/. "$root/"
if [ -d ${quoted(join(work, "npm"))} ]; then cp -R --no-preserve=ownership ${quoted(join(work, "npm"))}/. "$root/usr/local/"; fi
if [ -x "$root/usr/sbin/update-ca-certificates" ]; then chroot "$root" update-ca-certificates >/dev/null; fi
chroot "$root" groupadd --gid ${appUser.gid} ${appUser.name}
chroot "$root" useradd --uid ${appUser.uid} --gid ${appUser.gid} --home-dir ${appFolder} --no-create-home --shell /bin/bash ${appUser.name}
install -d -m 0755 -o ${appUser.uid} -g ${appUser.gid} "$root${appFolder}" "$root${cacheFolder}"
${recipe.script ?? ""}
chroot "$root" apt-get clean
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/debconf/*-old "$root"/var/lib/dpkg/*-old
rm -rf "$root"/etc/apt/apt.conf.d/99mmdebstrap "$root"/etc/dpkg/dpkg.cfg.d/99mmdebstrap "$root"/usr/sbin/policy-rc.d
rm -rf "$root"/etc/*- "$root"/etc/.pwd.lock "$root"/var/cache/ldconfig/* "$root"/var/lib/systemd/* "$root"/var/tmp/* "$root"/run/*
${emptyTmp}
# This host's; an engine brings its own.
rm -f "$root/etc/resolv.conf" "$root/etc/hostname"
find "$root/var/log" -type f -delete
find "$root/usr/share/doc" -type d -empty -delete
: >"$root/etc/machine-id"
# Whoever installs packages later leaves out the same.
cat >"$root/etc/dpkg/dpkg.cfg.d/khmara" <<'END'
${withoutDocuments.join("\n")}
END
cat >"$root/etc/apt/apt.conf.d/90khmara" <<'END'
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "3";
END
find "$root" -xdev -perm /6000 -type f -exec chmod ug-s {} +
`;

/** Copyright files stay: licenses ask for them. */
const withoutDocuments = [
  "path-exclude=/usr/share/doc/*",
  "path-include=/usr/share/doc/*/copyright",
  "path-exclude=/usr/share/man/*",
  "path-exclude=/usr/share/info/*",
  "path-exclude=/usr/share/locale/*",
  "path-exclude=/usr/share/lintian/*",
];

const phases: [RegExp, number, string][] = [
  [/running apt-get update/, 0.2, "reading the mirror's lists"],
  [/downloading packages/, 0.25, "downloading packages"],
  [/extracting archives/, 0.5, "unpacking"],
  [/installing essential/, 0.55, "setting up the base"],
  [/installing remaining/, 0.6, "setting up the rest"],
  [/running .*customize/, 0.75, "finishing"],
  [/creating tarball/, 0.8, "packing"],
];

interface Work {
  work: string;
  signal: AbortSignal;
  progress: (fraction: number, message: string) => void;
}

async function debootstrap(
  recipe: BaseImageRecipe,
  mirrors: Mirrors,
  made: Date,
  { work, signal, progress }: Work,
): Promise<void> {
  for (const [path, content] of Object.entries(recipe.files ?? {})) {
    const file = join(work, "files", path);
    await mkdir(dirname(file), { recursive: true, mode: 0o755 });
    await writeFile(file, content, { mode: 0o644 });
  }
  const authorities = join(work, "files", "usr", "local", "share", "ca-certificates");
  await mkdir(authorities, { recursive: true, mode: 0o755 });
  for (const [index, pem] of hostAuthorities().entries())
    await writeFile(join(authorities, `host-${index + 1}.crt`), `${pem}\n`, { mode: 0o644 });
  const finish = join(work, "finish.sh");
  await writeFile(finish, finishScript(work, recipe), { mode: 0o755 });
  // Begun with one /usr, Debian 12 does not need the package that would merge it, and with it all of Perl (50 MB).
  const merged = recipe.release === "bookworm";
  const words = [
    "--mode=root",
    "--variant=minbase",
    "--format=tar",
    `--keyring=${keyring}`,
    ...(merged ? ["--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"] : []),
    `--include=${[...(merged ? ["usr-is-merged"] : []), ...recipe.packages].join(",")}`,
    "--dpkgopt=force-unsafe-io",
    ...withoutDocuments.map((each) => `--dpkgopt=${each}`),
    '--aptopt=Acquire::Retries "3"',
    '--aptopt=Acquire::Languages "none"',
    ...(await aptProxies()).map((line) => `--aptopt=${line}`),
    `--customize-hook=${finish}`,
    recipe.release,
    join(work, "image.tar"),
    ...aptSources("debian", recipe.release, mirrors),
  ];
  // reproducible-builds.org: no file is younger than this.
  const environment = { SOURCE_DATE_EPOCH: String(Math.floor(made.getTime() / 1000)) };
  await confined("mmdebstrap", words, { work, signal, environment }, (line) => {
    for (const [pattern, fraction, message] of phases) if (pattern.test(line)) progress(fraction, message);
  });
}

function explained(error: unknown, recipe: BaseImageRecipe, signal: AbortSignal, folder: string): unknown {
  if (signal.aborted)
    return signal.reason instanceof DOMException && signal.reason.name === "TimeoutError"
      ? new CloudError("deadline_exceeded", "Building the base image took too long. Try again, or choose a nearer mirror.", {
          cause: error,
        })
      : new CloudError("cancelled", "Building the base image was cancelled.", { cause: error });
  const full = new CloudError("storage_full", `The disk that holds ${folder} is full. Free some space, then try again.`, {
    cause: error,
  });
  if ((error as NodeJS.ErrnoException).code === "ENOSPC") return full;
  if (!(error instanceof ProgramFailure)) return error;
  const { output } = error;
  if (/no space left on device/i.test(output)) return full;
  const address = /(?:Failed to fetch|Err:\d+) (https?:\/\/\S+)/.exec(output)?.[1];
  const network =
    /could not resolve|temporary failure resolving|could not connect|unable to connect|connection (failed|timed out|refused)|network is unreachable|hash sum mismatch/i.exec(
      output,
    );
  if (address !== undefined && network !== null) return unreachable(recipe, address, network[0].toLowerCase());
  if (/NO_PUBKEY|EXPKEYSIG|not signed|BADSIG/.test(output))
    return new CloudError(
      "failed_precondition",
      `${recipe.title} cannot be built: what the mirror has is not signed by Debian's keys. Choose another mirror, or update debian-archive-keyring.`,
      { cause: error, details: { reason: "mirror_not_trusted" } },
    );
  const last = output.split("\n").findLast((line) => /^E: /.test(line)) ?? error.message;
  return new CloudError("internal", `${recipe.title} could not be built: ${last.replace(/^E: /, "")}`, { cause: error });
}

async function digestOf(file: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file, { highWaterMark: 1024 ** 2 }), hash, { signal });
  return hash.digest("hex");
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, "r+");
  await handle.sync();
  await handle.close();
}
