import { type ChildProcess, spawn } from "node:child_process";
import { join, resolve } from "node:path";
import { isAlive } from "../server/processes.ts";
import { processTree } from "../testing/processes.ts";
import { clientEnvironment } from "./cloud.ts";

/** A `./khmara` that a test starts with words and an environment of its own choice. */
export interface Launched {
  process: ChildProcess;
  output(): string;
  /** Resolves with the milliseconds from the start to "Khmara is ready"; rejects with what it printed when it ends instead. */
  ready: Promise<number>;
  ended: Promise<{ code: number | null; output: string }>;
  /** Asks it to stop; says whether any of its processes is left after that. */
  stop(): Promise<{ code: number | null; left: string[] }>;
}

export const khmaraHere = join(resolve(import.meta.dirname, ".."), "khmara");

export function launch(program: string, words: string[], environment: NodeJS.ProcessEnv): Launched {
  const began = performance.now();
  // Node's own variables would make its processes report to this test runner.
  const inherited = Object.entries(clientEnvironment()).filter(([name]) => !name.startsWith("NODE_"));
  const child = spawn(program, words, {
    stdio: ["ignore", "pipe", "pipe"],
    // The gateway's own port is one for the whole machine: tests beside each other would fight for it.
    env: {
      KHMARA_HTTP_PORT: "none",
      KHMARA_SSH_PORT: "none",
      KHMARA_SIP_PORT: "none",
      ...Object.fromEntries(inherited),
      ...environment,
    },
  });
  let output = "";
  const ended = new Promise<{ code: number | null; output: string }>((done) =>
    child.once("close", (code) => done({ code, output })),
  );
  const ready = new Promise<number>((done, failed) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        output += chunk;
        if (output.includes("Khmara is ready:")) done(performance.now() - began);
      });
    }
    void ended.then(({ code }) => failed(new Error(`${program} ${words.join(" ")} ended with ${code}:\n${output}`)));
  });
  ready.catch(() => {});
  return {
    process: child,
    output: () => output,
    ready,
    ended,
    async stop() {
      const tree = processTree(child.pid as number);
      child.kill("SIGTERM");
      const { code } = await ended;
      return { code, left: tree.filter(({ pid }) => isAlive(pid)).map(({ command }) => command) };
    },
  };
}
