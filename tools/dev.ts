/**
 * `./khmara dev`: the cloud for development. Throwaway data, the console with hot reload, and server processes that start
 * again when their source changes. Everything is gone when it ends.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createServer } from "vite";
import { repository } from "./checks.ts";

const port = Number(process.env["KHMARA_PORT"] ?? 8080);
const consolePort = Number(process.env["KHMARA_CONSOLE_PORT"] ?? 5173);
const owner = { email: "dev@example.org", password: "correct horse battery" };

// Not below a home folder that PostgreSQL's own user may not enter.
const data = mkdtempSync("/tmp/khmara-dev-");
const passwordFile = join(data, "..", `${data.split("/").pop()}-password`);
writeFileSync(passwordFile, owner.password, { mode: 0o600 });

const cloud: ChildProcess = spawn(
  join(repository, "khmara"),
  [
    "up",
    "--data",
    data,
    "--port",
    String(port),
    "--owner-email",
    owner.email,
    "--owner-password-file",
    passwordFile,
    "--public-url",
    `http://localhost:${consolePort}`,
  ],
  { stdio: "inherit", detached: true, env: { ...process.env, KHMARA_NODE: process.execPath } },
);
const vite = await createServer({
  root: join(repository, "console"),
  configFile: join(repository, "console", "vite.config.ts"),
  server: {
    port: consolePort,
    strictPort: true,
    proxy: { "/api": { target: `http://127.0.0.1:${port}`, xfwd: true, ws: true } },
  },
});
await vite.listen();
process.stdout.write(
  `\nConsole with hot reload: http://localhost:${consolePort}\nSign in as ${owner.email} with the password: ${owner.password}\nCtrl-C ends it and removes its data.\n\n`,
);

let timer: NodeJS.Timeout | undefined;
for (const folder of ["kernel", "services", "server"]) {
  watch(join(repository, folder), { recursive: true }, (_event, file) => {
    if (!file || !/\.(ts|sql)$/.test(file) || file.endsWith(".test.ts")) return;
    clearTimeout(timer);
    timer = setTimeout(restartServices, 150);
  });
}

/** The supervisor starts them again, with the new source. */
function restartServices(): void {
  for (const pid of childrenOf(cloud.pid as number)) {
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    if (/server\/(control|objects)\.ts/.test(command)) process.kill(pid, "SIGTERM");
  }
}

const childrenOf = (pid: number): number[] =>
  readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((each) => {
      try {
        return readFileSync(`/proc/${each}/stat`, "utf8").split(") ").pop()?.split(" ")[1] === String(pid);
      } catch {
        return false;
      }
    });

let ending = false;
async function end(): Promise<void> {
  if (ending) return;
  ending = true;
  await vite.close();
  cloud.kill("SIGTERM");
}
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, end);
cloud.on("close", async (code) => {
  await vite.close();
  rmSync(data, { recursive: true, force: true });
  rmSync(passwordFile, { force: true });
  process.exit(code ?? 0);
});
