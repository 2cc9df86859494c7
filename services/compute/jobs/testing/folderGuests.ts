import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CloudError } from "../../../../kernel/errors.ts";
import type { ExecOptions } from "../../driver.ts";
import type { FakeEngine } from "../../testing/fakeDriver.ts";

/** Instances of the fake engine that really run commands: here, with a folder each for what would be their own root. */
export interface FolderGuests {
  root(instance: string): string;
  /** Ends everything that runs in them. */
  stop(): void;
}

export function folderGuests(engine: FakeEngine): FolderGuests {
  const base = mkdtempSync(join(tmpdir(), "khmara-guests-"));
  const root = (instance: string): string => join(base, instance);
  const processesIn = (folder: string): number[] =>
    readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => {
        try {
          return readFileSync(`/proc/${pid}/environ`, "latin1").includes(`KHMARA_TEST_GUEST=${folder}\0`);
        } catch {
          return false;
        }
      })
      .map(Number);
  const kill = (folder: string) => {
    for (const pid of processesIn(folder)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended by itself.
      }
    }
  };
  const begin = (name: string, { command, environment, signal }: ExecOptions) => {
    const instance = engine.instances.get(name);
    if (!instance) throw new CloudError("not_found", `The engine has no instance ${name}.`);
    if (instance.state !== "running") throw new CloudError("failed_precondition", `The instance ${name} is not running.`);
    mkdirSync(root(name), { recursive: true });
    const child = spawn(command[0] as string, command.slice(1), {
      env: { ...environment, PATH: process.env["PATH"], KHMARA_TEST_GUEST: root(name) },
    });
    const exited = new Promise<number>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, killedBy) => {
        if (signal?.aborted) reject(new CloudError("cancelled", "The command was ended."));
        else if (killedBy) resolve(137);
        else resolve(code ?? 0);
      });
    });
    exited.catch(() => {});
    child.stdin.on("error", () => {});
    signal?.addEventListener("abort", () => child.kill("SIGKILL"));
    return { child, exited };
  };
  const { instanceDelete, instanceStop } = engine;
  Object.assign(engine, {
    async instanceExec(name: string, options: ExecOptions & { input?: Uint8Array; maxOutputBytes: number }) {
      const { child, exited } = begin(name, options);
      child.stdin.end(options.input);
      const [stdout, stderr, exitCode] = await Promise.all([child.stdout.toArray(), child.stderr.toArray(), exited]);
      const all = Buffer.concat(stdout);
      return {
        exitCode,
        stdout: all.subarray(0, options.maxOutputBytes),
        stderr: Buffer.concat(stderr),
        truncated: all.length > options.maxOutputBytes,
      };
    },
    async instanceExecStream(name: string, options: ExecOptions) {
      const { child, exited } = begin(name, options);
      return { stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, exited, close: () => void child.kill("SIGKILL") };
    },
    async instanceDelete(name: string, ...rest: unknown[]) {
      kill(root(name));
      await (instanceDelete as (...args: unknown[]) => Promise<void>)(name, ...rest);
    },
    async instanceStop(name: string, ...rest: unknown[]) {
      kill(root(name));
      await (instanceStop as (...args: unknown[]) => Promise<void>)(name, ...rest);
    },
  });
  return {
    root,
    stop() {
      for (const name of readdirSync(base)) kill(root(name));
      rmSync(base, { recursive: true, force: true });
    },
  };
}
