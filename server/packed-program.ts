import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { warmUpVariable } from "../kernel/config.ts";
import { madeOnce } from "./made-once.ts";
import { childWords } from "./node-words.ts";
import { filesBelow } from "./source-files.ts";

const entries = ["supervisor", "control", "objects", "voice"];
const packTimeoutMs = 120_000;

/**
 * The folder of this version's program: one file for each process instead of up to 1,600 modules, and what V8 compiled of it. Of modules Node keeps the texts with
 * their comments, what TypeScript's types were stripped to, and what was read from the compile cache, all for as long as the process lives: 26 MiB in the control
 * plane, 10 in the object door (bench/README.md). Made on the first start of a version. Throws what the bundler says, and what writing to the cache meets.
 */
export async function packedProgram(repository: string, cacheFolder: string, onPack: () => void): Promise<string> {
  // A clone of its own for each: places of files stand in what is packed, and nobody removes what another one runs.
  const versions = join(cacheFolder, "packed", createHash("sha256").update(repository).digest("hex").slice(0, 12));
  let isNew = false;
  const version = await madeOnce(versions, {
    name: stampOf(repository),
    proof: "server",
    async make(aside) {
      isNew = true;
      onPack();
      const sources = entries.map((name) => join(repository, "server", `${name}.ts`)).filter((file) => existsSync(file));
      const words = [join(repository, "server", "pack.ts"), join(aside, "server"), ...sources];
      await promisify(execFile)(process.execPath, words, { timeout: packTimeoutMs });
    },
  });
  const folder = join(version, "server");
  if (isNew) await Promise.all(entries.map((name) => warmUp(join(folder, `${name}.js`))));
  return folder;
}

/** Loads it and ends, so that Node writes down what V8 compiled: to compile it costs 10 MB that the process would keep. */
async function warmUp(entry: string): Promise<void> {
  if (!existsSync(entry)) return;
  const words = entry.endsWith("supervisor.js") ? [...process.execArgv, entry] : childWords(entry);
  await new Promise<void>((resolve) => {
    const child = spawn(process.execPath, words, { stdio: "ignore", env: { ...process.env, [warmUpVariable]: "1" } });
    // Whatever is wrong with it shows when it is started in earnest.
    child.on("error", () => resolve());
    child.on("close", () => resolve());
  });
}

export function stampOf(repository: string): string {
  const hash = createHash("sha256").update(process.version);
  for (const file of ["package-lock.json", ...sourceFiles(repository)]) {
    const { mtimeMs, size } = statSync(join(repository, file));
    hash.update(`${file} ${mtimeMs} ${size}\n`);
  }
  return hash.digest("hex").slice(0, 20);
}

/** Of all that a process of the cloud may load. */
const sourceFiles = (repository: string): string[] =>
  ["server", "kernel", "services", "gateway", "client"]
    .filter((folder) => existsSync(join(repository, folder)))
    .flatMap((folder) => filesBelow(repository, folder))
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"));
