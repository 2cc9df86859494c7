import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";

export class ProgramFailure extends Error {
  /** The last lines of what it said. */
  readonly output: string;
  constructor(message: string, output: string) {
    super(message);
    this.name = "ProgramFailure";
    this.output = output;
  }
}

/** The programs among these that this host does not have. */
export function missingPrograms(programs: readonly string[]): string[] {
  const folders = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin:/usr/bin:/bin`.split(":");
  return programs.filter((program) => !folders.some((folder) => folder !== "" && existsSync(join(folder, program))));
}

export interface ConfinedOptions {
  /** Its working folder, its home, and where its temporary files are. */
  work: string;
  /** Kills it, and all that it started. */
  signal: AbortSignal;
  /** Besides a path, a home and an untranslated language. */
  environment?: Readonly<Record<string, string>>;
}

/**
 * Runs a program in a mount and process namespace that ends with it, and it with us: nothing that it mounted or started outlives this
 * process, also where this one is killed. Needs root and util-linux. Rejects with ProgramFailure.
 */
export function confined(
  program: string,
  words: readonly string[],
  { work, signal, environment }: ConfinedOptions,
  onLine: (line: string) => void,
): Promise<void> {
  const command = [
    "--pdeathsig",
    "KILL",
    "--",
    "unshare",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--",
    program,
    ...words,
  ];
  return new Promise((done, reject) => {
    const child = spawn("setpriv", command, {
      cwd: work,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        PATH: `${process.env["PATH"] ?? ""}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`,
        HOME: work,
        TMPDIR: work,
        LC_ALL: "C",
        DEBIAN_FRONTEND: "noninteractive",
        ...environment,
      },
      signal,
      killSignal: "SIGKILL",
    });
    const recent: string[] = [];
    const take = (line: string) => {
      recent.push(line);
      if (recent.length > 200) recent.shift();
      onLine(line);
    };
    createInterface({ input: child.stdout }).on("line", take);
    createInterface({ input: child.stderr }).on("line", take);
    let failed: Error | undefined;
    child.on("error", (error) => {
      failed = error;
    });
    child.on("close", (code, signalName) => {
      if (code === 0) done();
      else
        reject(
          failed !== undefined && !signal.aborted && child.pid === undefined
            ? failed
            : new ProgramFailure(`${program} ended with ${code ?? signalName}`, recent.join("\n")),
        );
    });
  });
}

/**
 * Removes the work folders `<prefix><pid>-…` of builds that were killed. One whose process still lives, and is a program like this one, is
 * left alone; and so are our own.
 */
export async function removeLeftOvers(folder: string, prefix: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(prefix)) continue;
    const pid = Number(name.slice(prefix.length).split("-")[0]);
    if (pid === process.pid || (await isLikeUs(pid))) continue;
    await rm(join(folder, name), { recursive: true, force: true, maxRetries: 5 });
  }
}

const isLikeUs = async (pid: number): Promise<boolean> => {
  const status = async (of: string) => await readFile(`/proc/${of}/status`, "utf8").catch(() => "");
  const name = (text: string) => /^Name:\s+(.*)$/m.exec(text)?.[1];
  const other = await status(String(pid));
  // A zombie has ended: only its parent has not looked yet.
  return !/^State:\s+Z/m.test(other) && name(other) === name(await status("self"));
};
