import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

export interface BareServer {
  port: number;
  pid: number;
  stop(): Promise<void>;
}

/** A bare Fastify in a process of its own, which answers each GET and each POST with the same bytes. */
export async function startBare(answers: { get: unknown; post?: unknown }): Promise<BareServer> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "bare.ts")], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(JSON.stringify(answers));
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return {
    port: Number(String(line)),
    pid: child.pid as number,
    async stop() {
      const closed = once(child, "close");
      child.kill();
      await closed;
    },
  };
}
