/**
 * Ends with 0 when node_modules holds what package-lock.json asks for, as npm's own record of it says. Run by the launcher,
 * before anything is installed: `node server/dependencies.ts <repository> lean|full`.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

interface LockedPackage {
  version?: string;
  dev?: boolean;
  devOptional?: boolean;
  optional?: boolean;
}

/** The packages that are missing or have another version; an optional one may be missing (it is another machine's). */
export function missingPackages(repository: string, kind: "lean" | "full"): string[] {
  const record = join(repository, "node_modules", ".package-lock.json");
  if (!existsSync(record)) return ["node_modules"];
  const wanted = packagesIn(join(repository, "package-lock.json"));
  const present = packagesIn(record);
  return Object.entries(wanted)
    .filter(([path, { version, dev, devOptional, optional }]) => {
      if (path === "" || (kind === "lean" && (dev || devOptional))) return false;
      const found = present[path];
      return found === undefined ? !optional : found.version !== version || !existsSync(join(repository, path));
    })
    .map(([path]) => path);
}

const packagesIn = (file: string): Record<string, LockedPackage> =>
  (JSON.parse(readFileSync(file, "utf8")) as { packages: Record<string, LockedPackage> }).packages;

if (import.meta.main) {
  const [repository = ".", kind] = process.argv.slice(2);
  process.exitCode = missingPackages(repository, kind === "full" ? "full" : "lean").length === 0 ? 0 : 1;
}
