import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { flushCompileCache, getCompileCacheDir } from "node:module";
import { join } from "node:path";
import { warmUpVariable } from "../kernel/config.ts";
import { makeFolder } from "./durable-file.ts";
import { filesBelow } from "./source-files.ts";

/**
 * Node strips TypeScript's types with a WebAssembly module that costs 25 MB in each process which meets a file that is not in
 * the compile cache. So on the first start of a version short-lived processes fill the cache, and the long-lived ones stay small.
 */
export async function warmCompileCache(repository: string, entries: string[], signal: AbortSignal): Promise<void> {
  const stamp = stampOf(repository);
  if (stamp === undefined || existsSync(stamp)) return;
  await Promise.all(
    entries
      .filter((entry) => existsSync(entry))
      .map(
        (entry) =>
          new Promise<void>((resolve) => {
            const child = spawn(process.execPath, childWords(entry), {
              stdio: "ignore",
              signal,
              env: { ...process.env, [warmUpVariable]: "1" },
            });
            // Without it the start is only slower: whatever is wrong with an entry shows when it is started in earnest.
            child.on("error", () => resolve());
            child.on("close", () => resolve());
          }),
      ),
  );
  if (signal.aborted) return;
  const folder = join(stamp, "..");
  makeFolder(folder);
  for (const name of readdirSync(folder)) if (name.startsWith("warm-")) rmSync(join(folder, name));
  writeFileSync(stamp, "");
}

/**
 * How a child is started, also for the warm-up: what is compiled holds for the same flags only. Young objects get 4 MB instead of 16: V8 lets
 * that grow with the load and never gives it back, which was 25 to 40 MB in each after a while of load; requests cost the same time (bench/).
 */
export const childWords = (entry: string): string[] => [...process.execArgv, "--max-semi-space-size=4", entry];

/** The supervisor itself: the first start of a version replaces this process by one that finds everything compiled. */
export function restartCompiled(repository: string): void {
  const stamp = stampOf(repository);
  if (stamp === undefined || existsSync(stamp) || process.env[restartedVariable] !== undefined) return;
  flushCompileCache();
  const environment = { ...process.env, [restartedVariable]: "1" } as NodeJS.ProcessEnv;
  process.execve?.(process.execPath, [process.execPath, ...process.execArgv, ...process.argv.slice(1)], environment);
}

const restartedVariable = "KHMARA_RESTARTED";

function stampOf(repository: string): string | undefined {
  const cache = getCompileCacheDir();
  if (cache === undefined) return undefined;
  const hash = createHash("sha256").update(process.version);
  const files = ["server", "kernel", "services", "client"]
    .filter((folder) => existsSync(join(repository, folder)))
    .flatMap((folder) => filesBelow(repository, folder));
  for (const file of files) {
    if (!file.endsWith(".ts")) continue;
    const { mtimeMs, size } = statSync(join(repository, file));
    hash.update(`${file} ${mtimeMs} ${size}\n`);
  }
  return join(cache, `warm-${hash.digest("hex").slice(0, 20)}`);
}
