import { spawn } from "node:child_process";
import { join, resolve } from "node:path";

export const repository = resolve(import.meta.dirname, "..");
export const bin = (name: string) => join(repository, "node_modules", ".bin", name);

export interface CheckResult {
  name: string;
  passed: boolean;
  output: string;
}

/** Runs a program of the repository with this Node and keeps what it prints. */
export function run(command: string, args: string[], options: { cwd?: string } = {}): Promise<{ code: number; output: string }> {
  return new Promise((done) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? repository,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, PATH: `${resolve(process.execPath, "..")}:${process.env["PATH"]}`, FORCE_COLOR: "0" },
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
    child.on("error", (error) => done({ code: 127, output: error.message }));
    child.on("close", (code) => done({ code: code ?? 1, output }));
  });
}
