import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openLogFile } from "./log-file.ts";
import { madeOnce } from "./made-once.ts";
import { filesBelow } from "./source-files.ts";
import { StartError } from "./start-error.ts";

/** What a build of the console depends on; services and kernel take part with what a browser may import. */
const isSource = (file: string): boolean =>
  (/^console\/|^client\/.*\.ts$|^kernel\/[^/]*\.ts$|^services\/.*\/contract[^/]*\.ts$/.test(file) &&
    !/\.(test|e2e)\.tsx?$|\/(node_modules|dist)\//.test(file)) ||
  file === "package-lock.json";

/** The folder of the built console, from the cache when nothing has changed; undefined while there is no console. */
export async function buildConsole(options: {
  repository: string;
  cacheFolder: string;
  logFolder: string;
  signal: AbortSignal;
  onBuild: () => void;
}): Promise<string | undefined> {
  const { repository } = options;
  if (!existsSync(join(repository, "console", "vite.config.ts"))) return undefined;
  const builds = join(options.cacheFolder, "console");
  return madeOnce(builds, {
    name: sourceHash(repository),
    proof: "index.html",
    make(aside) {
      options.onBuild();
      return runVite(repository, aside, options);
    },
  });
}

export function sourceHash(repository: string): string {
  const hash = createHash("sha256");
  const folders = ["console", "client", "kernel", "services"].filter((folder) => existsSync(join(repository, folder)));
  const files = [...folders.flatMap((folder) => filesBelow(repository, folder)), "package-lock.json"].filter(isSource);
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(repository, file)))
      .update("\0");
  return hash.digest("hex").slice(0, 20);
}

/** In a process of its own: Vite needs more memory for a moment than all of Khmara does for good. */
function runVite(repository: string, outDirectory: string, options: { logFolder: string; signal: AbortSignal }): Promise<void> {
  const vite = join(repository, "node_modules", "vite", "bin", "vite.js");
  const log = openLogFile(options.logFolder, "console-build");
  const words = [vite, "build", join(repository, "console"), "--outDir", outDirectory, "--emptyOutDir", "--logLevel", "warn"];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, words, {
      cwd: repository,
      stdio: ["ignore", "pipe", "pipe"],
      signal: options.signal,
      env: { ...process.env, NODE_ENV: "production", NO_COLOR: "1" },
    });
    let output = "";
    const take = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      log.write(output);
      if (code === 0) return resolve();
      // Vite's reason stands below this heading.
      const [, reason = output] = output.split("error during build:");
      const problem = reason.split("\n").find((line) => line.trim() !== "") ?? `it ended with ${code ?? signal}`;
      reject(new StartError(`The console could not be built: ${problem.trim()}. See ${log.path}.`));
    });
  });
}
