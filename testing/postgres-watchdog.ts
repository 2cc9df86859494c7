/**
 * Runs the throwaway PostgreSQL that all test processes of one user share, for as long as one of them is connected here,
 * and half a minute longer. Started by testing/postgres.ts; its argument is the folder.
 */
import { chmodSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { lockFile } from "../server/file-lock.ts";
import { startPostgres } from "../server/postgres.ts";
import { joinServer, watchdogSocket } from "./postgres.ts";

const folder = process.argv[2];
if (folder === undefined) throw new Error("The folder is missing.");
const idleMs = Number(process.env["KHMARA_TEST_DATABASE_IDLE_MS"] ?? 30_000);
const passwordFile = join(folder, "secrets", "database.password");

// Another one serves already, or is just stopping.
while (lockFile(join(folder, "lock")) === undefined) {
  if ((await joinServer(folder)) !== undefined) process.exit(0);
  await sleep(50);
}

const start = () =>
  startPostgres({
    folder: join(folder, "postgresql"),
    passwordFile,
    cacheFolder: join(folder, "cache"),
    durable: false,
    maxConnections: 300,
    onLog: (line) => console.log(line),
  });

// Data of a run that was killed may be torn, as nothing was synced: then it is made anew.
const postgres = await start().catch(async () => {
  for (const name of readdirSync(folder))
    if (name.startsWith("postgresql")) rmSync(join(folder, name), { recursive: true, force: true });
  return start();
});

let users = 0;
let idle: NodeJS.Timeout | undefined;
let stopping = false;

async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  rmSync(watchdogSocket(folder as string), { force: true });
  door.close();
  await postgres.stop();
  rmSync(join(folder as string, "postgresql"), { recursive: true, force: true });
  process.exit(0);
}

const waitIdle = () => {
  idle = setTimeout(() => void stop(), idleMs);
};

const door = createServer((socket) => {
  users += 1;
  clearTimeout(idle);
  socket.on("error", () => {});
  socket.on("close", () => {
    users -= 1;
    if (users === 0) waitIdle();
  });
  socket.resume();
  socket.write(`${postgres.url("postgres")}\n`);
});

rmSync(watchdogSocket(folder), { force: true });
door.listen(watchdogSocket(folder), () => chmodSync(watchdogSocket(folder), 0o600));
waitIdle();
process.on("SIGTERM", () => void stop());
process.on("SIGINT", () => void stop());
void postgres.ended.then(() => {
  if (!stopping) process.exit(1);
});
