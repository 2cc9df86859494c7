import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { flushCompileCache, getCompileCacheDir } from "node:module";
import { dirname, join } from "node:path";
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
  const late = [join(import.meta.dirname, "load-modules.ts"), ...lateModules(repository)];
  await Promise.all(
    [...entries.map((entry) => [entry]), late]
      .filter(([entry = ""]) => existsSync(entry))
      .map(
        ([entry = "", ...words]) =>
          new Promise<void>((resolve) => {
            const child = spawn(process.execPath, [...childWords(entry), ...words], {
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
  // Forced: another cloud of this machine may start at the same time and remove them too.
  for (const name of readdirSync(folder)) if (name.startsWith("warm-")) rmSync(join(folder, name), { force: true });
  writeFileSync(stamp, "");
}

/** What is imported only when it is needed, which is after a warm-up has ended: a process that met it first would strip its types by itself. */
export function lateModules(repository: string): string[] {
  const found = new Set<string>();
  for (const file of sourceFiles(repository)) {
    if (file.endsWith(".test.ts")) continue;
    const path = join(repository, file);
    for (const [, module = ""] of readFileSync(path, "utf8").matchAll(/\bimport\("(\.[^"]+\.ts)"\)/g))
      found.add(join(dirname(path), module));
  }
  return [...found].filter((module) => existsSync(module)).sort();
}

const forSize = "--optimize-for-size";
/**
 * The object door's buffers are outside of V8's heap, which with `forSize` made it collect garbage for a third of the time. It says itself when they are to be
 * collected (`services/objects/drivers/local/bodyMemory.ts`). What is young is little: to share that out among threads costs more than it saves.
 */
const forBodies = ["--expose-gc", "--no-parallel-scavenge"];
/**
 * In the object door some 16 MiB live for long, and V8 let what requests leave behind grow to 100 MiB before it looked at it for the first time. From 40 MiB on it does,
 * and whenever there is 0.6 more than lived the last time: some 60 MiB less with two processes, at the same processor time (bench/README.md).
 */
const forOldOnes = ["--initial-old-space-size=40", "--heap-growing-percent=60"];
const youngSpace = "--max-semi-space-size=";

/**
 * How a child is started, also for the warm-up: what is compiled holds for the same flags only. V8 lets the space of young objects grow with the load and
 * never gives it back (4 MB instead of 16), and collects the old ones only when there are half as many again, unless memory is worth more to it than
 * speed. Together 40 to 70 MB in the control plane after work; requests cost the same time (bench/). In the voice process, which is there only where there
 * are phones, objects live as long as a call does: with so little memory, which grows by itself in no useful time, they all became old ones, and
 * collecting those was half of the process's time.
 */
export function childWords(entry: string): string[] {
  const words = process.execArgv.filter((word) => !word.startsWith(youngSpace) && word !== forSize);
  if (entry.endsWith("/voice.ts")) return [...words, "--min-semi-space-size=32", `${youngSpace}32`, entry];
  if (entry.endsWith("/objects.ts")) return [...words, ...forBodies, ...forOldOnes, `${youngSpace}4`, entry];
  return [...words, forSize, `${youngSpace}4`, entry];
}

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
  for (const file of sourceFiles(repository)) {
    const { mtimeMs, size } = statSync(join(repository, file));
    hash.update(`${file} ${mtimeMs} ${size}\n`);
  }
  return join(cache, `warm-${hash.digest("hex").slice(0, 20)}`);
}

/** Of TypeScript, and of all that a process of the cloud may load. */
const sourceFiles = (repository: string): string[] =>
  ["server", "kernel", "services", "gateway", "client"]
    .filter((folder) => existsSync(join(repository, folder)))
    .flatMap((folder) => filesBelow(repository, folder))
    .filter((file) => file.endsWith(".ts"));
