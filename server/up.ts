/** `./khmara up`: packs the program on the first start of a version, and becomes its supervisor. */
import { join, resolve } from "node:path";
import { packedVariable } from "../kernel/config.ts";
import { allocation } from "./node-words.ts";
import { packedProgram } from "./packed-program.ts";
import { terminalProgress } from "./progress.ts";

const repository = resolve(import.meta.dirname, "..");
const words = process.argv.slice(2);
const cacheFolder = process.env["KHMARA_CACHE"];
const isWanted = process.env[packedVariable] !== "none" && !words.includes("--help") && !words.includes("-h");
const folder = isWanted && cacheFolder !== undefined ? await packed(cacheFolder) : undefined;
const supervisor = folder === undefined ? join(import.meta.dirname, "supervisor.ts") : join(folder, "supervisor.js");
// The same process, so that whoever started it sees the supervisor's end.
process.execve?.(process.execPath, [process.execPath, ...process.execArgv, supervisor, ...words], {
  ...allocation,
  ...(process.env as Record<string, string>),
  [packedVariable]: folder ?? "none",
});

async function packed(cache: string): Promise<string | undefined> {
  const progress = terminalProgress();
  let done = (): void => {};
  try {
    const folder = await packedProgram(repository, cache, () => {
      const step = progress.step("Program", "packing it, once");
      done = () => step.done("packed");
    });
    done();
    return folder;
  } catch (error) {
    // The cloud runs from its sources too, only larger and slower to start.
    const { stderr, message } = error as Error & { stderr?: string };
    const reason = (stderr || message).trim().split("\n").slice(0, 3).join(" ");
    progress.end();
    progress.problem(`The program could not be packed, so its sources are run, which takes some 50 MB more: ${reason}`);
    return undefined;
  }
}
