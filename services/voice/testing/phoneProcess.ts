import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** How long anything that a phone of the tests should do may take: much longer than ever needed, as the machine may be busy. */
export const patienceMs = 60_000;

/** A program that is a phone: with a folder of its own, and gone with the process of the tests whatever happens to that. */
export class PhoneProcess {
  readonly folder: string;
  readonly #child: ChildProcessWithoutNullStreams;
  #output = "";
  readonly #watchers = new Set<() => void>();
  #closed: Promise<void> | undefined;
  readonly #exited: Promise<unknown>;

  private constructor(folder: string, child: ChildProcessWithoutNullStreams) {
    this.folder = folder;
    this.#child = child;
    this.#exited = once(child, "exit");
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.#output = `${this.#output}${text}`.slice(-1_000_000);
        for (const watcher of this.#watchers) watcher();
      });
    // Writing to one that has ended is no reason for the tests to end.
    child.stdin.on("error", () => {});
    child.on("error", (error) => {
      this.#output += `\n${error.message}`;
    });
    child.on("exit", () => {
      for (const watcher of this.#watchers) watcher();
    });
  }

  /** `words` gets the folder, into which `prepare` may have written. setpriv ends the program when the tests are killed. */
  static async start(
    name: string,
    prepare: (folder: string) => Promise<void>,
    words: (folder: string) => readonly string[],
  ): Promise<PhoneProcess> {
    const folder = await mkdtemp(join(tmpdir(), `khmara-${name}-`));
    await prepare(folder);
    const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", ...words(folder)], {
      cwd: folder,
      env: { PATH: process.env["PATH"], HOME: folder, LC_ALL: "C.UTF-8" },
    });
    return new PhoneProcess(folder, child);
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What it wrote, the last million characters. */
  get output(): string {
    return this.#output;
  }

  write(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Calls `look` at once, and after each output until it gives something. Rejects when the program ends before. */
  async until<T>(what: string, look: () => T | undefined, timeoutMs = patienceMs): Promise<T> {
    return await new Promise<T>((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#watchers.delete(watch);
      };
      const fail = (why: string): void => {
        done();
        reject(new Error(`${what}: ${why}. It wrote:\n${this.#output.slice(-4000)}`));
      };
      const watch = (): void => {
        const found = look();
        if (found !== undefined) {
          done();
          resolve(found);
        } else if (!this.running) fail("the phone has ended");
      };
      const timer = setTimeout(() => fail(`did not happen in ${timeoutMs / 1000} s`), timeoutMs);
      this.#watchers.add(watch);
      watch();
    });
  }

  /** Those who wait look again: for what came in another way than by output. */
  look(): void {
    for (const watcher of this.#watchers) watcher();
  }

  async exited(): Promise<number | null> {
    await this.#exited;
    return this.#child.exitCode;
  }

  /** As if somebody pulled the plug. */
  async kill(): Promise<void> {
    if (this.running) this.#child.kill("SIGKILL");
    await this.#exited;
  }

  /** Ends it, at first in peace, and takes its folder away. */
  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    if (this.running) {
      this.#child.kill("SIGTERM");
      const timer = setTimeout(() => this.#child.kill("SIGKILL"), 3000);
      await this.#exited;
      clearTimeout(timer);
    }
    await rm(this.folder, { recursive: true, force: true });
  }
}
