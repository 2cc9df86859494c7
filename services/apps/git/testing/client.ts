/** A person with git on their own machine. */
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface GitClient {
  /** What git says on both of its outputs; it never asks anything. */
  git(at: string, ...words: string[]): Promise<string>;
  /** A new repository with a first commit. */
  repository(name: string, files: Record<string, string>): Promise<string>;
  commit(at: string, files: Record<string, string>, message: string): Promise<void>;
}

export function gitClient(home: string, more: Record<string, string> = {}): GitClient {
  const env = {
    PATH: process.env["PATH"],
    HOME: home,
    GIT_TERMINAL_PROMPT: "0",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_AUTHOR_NAME: "Olena",
    GIT_AUTHOR_EMAIL: "olena@example.org",
    GIT_COMMITTER_NAME: "Olena",
    GIT_COMMITTER_EMAIL: "olena@example.org",
    ...more,
  };
  const client: GitClient = {
    async git(at, ...words) {
      const { stdout, stderr } = await run("git", ["-C", at, ...words], { env, timeout: 120_000 });
      return stdout + stderr;
    },
    async repository(name, files) {
      const at = join(home, name);
      mkdirSync(at);
      await client.git(at, "init", "--quiet", "--initial-branch=main");
      await client.commit(at, files, `The beginning of ${name}`);
      return at;
    },
    async commit(at, files, message) {
      for (const [file, content] of Object.entries(files)) {
        mkdirSync(dirname(join(at, file)), { recursive: true });
        writeFileSync(join(at, file), content);
      }
      await client.git(at, "add", "--all");
      await client.git(at, "commit", "--quiet", "--message", message);
    },
  };
  return client;
}
