import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive } from "../server/processes.ts";

/**
 * A copy of the launcher and the supervisor with stand-ins for the control plane and the object door: what is tested is how
 * they are started, watched and stopped. The copy lies in a folder that every user can reach.
 */
import { nextPort } from "./ports.ts";

export interface LauncherCopy {
  folder: string;
  khmara: string;
  dataDirectory: string;
  start(words?: string[], environment?: NodeJS.ProcessEnv): RunningKhmara;
  remove(): void;
}

export interface RunningKhmara {
  process: ChildProcess;
  port: number;
  s3Port: number;
  output(): string;
  /** Resolves when it says that it is ready; rejects when it ends instead. */
  ready(): Promise<RunningKhmara>;
  /** Of one of its processes, from the record in the data folder. */
  pid(name: "control" | "objects"): number;
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null; output: string }>;
  /** Asks it to stop and waits. */
  stop(signal?: NodeJS.Signals): Promise<{ code: number | null; output: string }>;
}

const repository = resolve(import.meta.dirname, "..");

/** Answers `/` with its pid, `/slow` after a second, `/sql` with what the database says; serves on the port named here. */
const standIn = (port: "port" | "s3Port", notice: string) => `
import { createServer } from "node:http";
import { databaseHost, onStop, readServerConfig, tellSupervisor } from "../kernel/config.ts";
import postgres from "postgres";
const config = readServerConfig();
if (process.env.STAND_IN_FATAL && ${JSON.stringify(port)} === "port") {
  tellSupervisor({ type: "fatal", message: process.env.STAND_IN_FATAL });
  process.exit(1);
}
if (process.env.STAND_IN_CRASH && ${JSON.stringify(port)} === "port") throw new TypeError(process.env.STAND_IN_CRASH);
const server = createServer(async (request, response) => {
  if (request.url === "/slow") await new Promise((done) => setTimeout(done, 1000));
  if (request.url === "/sql") {
    const sql = postgres(config.databaseUrl, { ...databaseHost(config.databaseUrl), max: 1, connect_timeout: 2, onnotice: () => {} });
    await sql\`create table if not exists kept (n int)\`.catch(() => {});
    await sql\`insert into kept values (1)\`.catch(() => {});
    const rows = await sql\`select count(*)::int as n from kept\`.catch((error) => [{ n: error.message }]);
    await sql.end({ timeout: 0 });
    return response.end(String(rows[0].n));
  }
  if (request.url === "/config") return response.end(JSON.stringify(config));
  response.end(String(process.pid));
});
server.listen(config.${port}, config.listen, () => tellSupervisor({ type: "ready", notice: ${notice} }));
onStop(() => server.close(() => process.exit(0)));
`;

export function copyLauncher(): LauncherCopy {
  const folder = mkdtempSync(join(tmpdir(), "khmara-launcher-"));
  const home = join(folder, "repository");
  for (const name of ["server", "kernel"]) mkdirSync(join(home, name), { recursive: true });
  for (const file of ["khmara", "package.json", "package-lock.json", "kernel/config.ts"]) {
    cpSync(join(repository, file), join(home, file), { preserveTimestamps: true });
  }
  for (const file of globSync("server/**/*.ts", { cwd: repository })) {
    // There are no services here, so no phones either.
    if (file.endsWith(".test.ts") || file === "server/voice.ts") continue;
    mkdirSync(dirname(join(home, file)), { recursive: true });
    cpSync(join(repository, file), join(home, file), { preserveTimestamps: true });
  }
  symlinkSync(join(repository, "node_modules"), join(home, "node_modules"));
  writeFileSync(join(home, "server", "control.ts"), standIn("port", '["Sign in as owner@example.org."]'));
  writeFileSync(join(home, "server", "objects.ts"), standIn("s3Port", "[]"));
  // As root PostgreSQL runs as another user, who has to pass.
  chmodSync(folder, 0o755);
  const dataDirectory = join(folder, "data");
  const khmara = join(home, "khmara");
  const started: RunningKhmara[] = [];
  return {
    folder,
    khmara,
    dataDirectory,
    start(words = [], environment = {}) {
      const running = run(
        khmara,
        words,
        { KHMARA_DATA: dataDirectory, KHMARA_CACHE: join(folder, "cache"), ...environment },
        dataDirectory,
      );
      started.push(running);
      return running;
    },
    remove() {
      for (const { process: child } of started) if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function run(khmara: string, words: string[], environment: NodeJS.ProcessEnv, dataDirectory: string): RunningKhmara {
  const port = Number(environment["KHMARA_PORT"] ?? nextPort());
  const s3Port = Number(environment["KHMARA_S3_PORT"] ?? nextPort());
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(KHMARA_|NODE_)/.test(name)));
  const child = spawn(khmara, ["up", ...words], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...inherited,
      KHMARA_NODE: process.execPath,
      KHMARA_PORT: String(port),
      KHMARA_S3_PORT: String(s3Port),
      // Whatever engine this machine has, it is not for tests of the launcher.
      KHMARA_ENGINE_SOCKET: "none",
      KHMARA_DOCKER_SOCKET: "none",
      KHMARA_SSH_PORT: "none",
      KHMARA_SIP_PORT: "none",
      ...environment,
    },
  });
  let text = "";
  const take = (chunk: Buffer) => {
    text += chunk.toString();
  };
  child.stdout.on("data", take);
  child.stderr.on("data", take);
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null; output: string }>((resolve) => {
    child.on("exit", (code, signal) => setTimeout(() => resolve({ code, signal, output: text }), 20));
  });
  const running: RunningKhmara = {
    process: child,
    port,
    s3Port,
    output: () => text,
    ended,
    async ready() {
      while (!text.includes("Khmara is ready")) {
        if (child.exitCode !== null || child.signalCode !== null)
          throw new Error(`It ended instead of starting:\n${(await ended).output}`);
        await sleep(20);
      }
      return running;
    },
    pid(name) {
      const record = JSON.parse(readFileSync(join(dataDirectory, "khmara.lock"), "utf8")) as {
        children: { name: string; pid: number }[];
      };
      const found = record.children.find((entry) => entry.name === name);
      if (found === undefined) throw new Error(`${name} does not run`);
      return found.pid;
    },
    async stop(signal = "SIGTERM") {
      child.kill(signal);
      return ended;
    },
  };
  return running;
}

/** Asks again until the answer is as wanted. */
export async function eventually<T>(ask: () => Promise<T> | T, wanted: (answer: T) => boolean, timeoutMs = 10_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  while (Date.now() < deadline) {
    try {
      const answer = await ask();
      if (wanted(answer)) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    await sleep(30);
  }
  throw new Error(`It never became so: ${last}`);
}

export const gone = (pid: number) =>
  eventually(
    () => isAlive(pid),
    (alive) => !alive,
  );
