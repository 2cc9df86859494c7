import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../testing/ports.ts";
import { tell } from "./report.ts";

const version = "3.7.1";
/** What it takes without being asked for more. */
export const s3rverKeys = { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" };

export interface S3rver {
  port: number;
  pid: number;
  stop(): Promise<void>;
}

/**
 * A peer that speaks S3 from the same runtime: checks signatures, writes files without any fsync. It is installed into a cache of its own, as its
 * dependencies are of 2021.
 */
export async function startS3rver(): Promise<S3rver | undefined> {
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "khmara-bench");
  const module = join(cache, "node_modules", "s3rver");
  if (!existsSync(module)) {
    mkdirSync(cache, { recursive: true });
    try {
      execFileSync("npm", ["install", "--prefix", cache, "--ignore-scripts", "--no-audit", "--no-fund", `s3rver@${version}`], {
        stdio: "ignore",
        timeout: 300_000,
      });
    } catch {
      tell("objects: s3rver could not be installed, so there is no peer.");
      return undefined;
    }
  }
  const folder = mkdtempSync(join(tmpdir(), "khmara-bench-s3rver-"));
  const port = await freePort();
  const start = join(folder, "start.cjs");
  const options = {
    port,
    address: "127.0.0.1",
    silent: true,
    directory: join(folder, "files"),
    configureBuckets: [{ name: "bench" }],
  };
  writeFileSync(start, `const S3rver = require(${JSON.stringify(module)}); new S3rver(${JSON.stringify(options)}).run();\n`);
  const child = spawn(process.execPath, [start], { stdio: "ignore" });
  for (let attempt = 0; ; attempt++) {
    const answers = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    );
    if (answers) break;
    if (attempt === 100 || child.exitCode !== null) throw new Error("s3rver does not start.");
    await sleep(100);
  }
  return {
    port,
    pid: child.pid as number,
    async stop() {
      const closed = once(child, "close");
      child.kill("SIGKILL");
      await closed;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
