import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { owner } from "../e2e/cloud.ts";
import { freePort } from "../testing/ports.ts";
import { processTree } from "../testing/processes.ts";
import { cpuSeconds, tell } from "./report.ts";

const repository = resolve(import.meta.dirname, "..");

/**
 * A copy of the repository in an empty folder, as somebody has who has just fetched it. Nothing in it changes while it is measured,
 * and no other process shares its files: memory that is shared with others counts only in part.
 */
export class Installation {
  readonly folder = mkdtempSync(join(tmpdir(), "khmara-bench-"));
  readonly home = join(this.folder, "khmara");
  readonly cache = join(this.folder, "cache");
  #clouds = 0;

  constructor() {
    const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: repository })
      .toString()
      .split("\0");
    for (const file of files) {
      // What is deleted but not yet committed is still listed.
      if (file === "" || !existsSync(join(repository, file))) continue;
      mkdirSync(dirname(join(this.home, file)), { recursive: true });
      cpSync(join(repository, file), join(this.home, file), { verbatimSymlinks: true });
    }
    writeFileSync(join(this.folder, "owner-password"), owner.password, { mode: 0o600 });
  }

  newDataFolder(): string {
    return join(this.folder, `data-${this.#clouds++}`);
  }

  /** Starts it; the time runs from the start of ./khmara to its line that it is ready. */
  async up(dataFolder: string): Promise<RunningCloud> {
    const [port, s3Port] = [await freePort(), await freePort()];
    const words = [
      "up",
      "--data",
      dataFolder,
      "--port",
      String(port),
      "--s3-port",
      String(s3Port),
      "--ssh-port",
      "none",
      "--sip-port",
      "none",
    ];
    words.push("--owner-email", owner.email, "--owner-password-file", join(this.folder, "owner-password"));
    const began = performance.now();
    const child = spawn(join(this.home, "khmara"), words, {
      cwd: this.home,
      stdio: ["ignore", "pipe", "pipe"],
      env: environment(this.cache),
    });
    let output = "";
    const readyMs = await new Promise<number>((ready, failed) => {
      for (const stream of [child.stdout, child.stderr]) {
        stream.on("data", (chunk) => {
          output += chunk;
          if (output.includes("Khmara is ready:")) ready(performance.now() - began);
        });
      }
      child.once("close", (code) => failed(new Error(`khmara up ended with ${code}:\n${output}`)));
    });
    const cpuMs = processTree(child.pid as number).reduce((sum, { pid }) => sum + cpuSeconds(pid, true) * 1000, 0);
    return { readyMs, cpuMs, child, pid: child.pid as number, end: (signal = "SIGTERM") => end(child, signal) };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface RunningCloud {
  readyMs: number;
  /** Processor time of all that took part until then: what a busy machine changes least. */
  cpuMs: number;
  child: ChildProcess;
  pid: number;
  end(signal?: NodeJS.Signals): Promise<void>;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const closed = once(child, signal === "SIGKILL" ? "exit" : "close");
  child.kill(signal);
  await closed;
}

/** As on a machine without a recent Node, where another npm is on the PATH: the Node that runs this is hidden, and npm's `npm run` variables with it. */
function environment(cache: string): NodeJS.ProcessEnv {
  const rest = (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((folder) => folder !== dirname(process.execPath) && !folder.includes("node_modules"));
  const hasNpm = rest.some((folder) => existsSync(join(folder, "npm")));
  if (!hasNpm) tell("There is no other npm on the PATH: the first start does not fetch Node.");
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(KHMARA_|npm_)/.test(name) && name !== "NODE_COMPILE_CACHE" && name !== "NODE_OPTIONS",
  );
  return {
    ...Object.fromEntries(own),
    ...(hasNpm ? { PATH: rest.join(delimiter) } : { KHMARA_NODE: process.execPath }),
    KHMARA_CACHE: cache,
    // An engine that this machine may have is nobody's business here, and asking it would take time.
    KHMARA_ENGINE_SOCKET: "none",
    KHMARA_DOCKER_SOCKET: "none",
  };
}
