import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Log } from "../../../kernel/log.ts";

const againMs = 5000;

export interface CoturnOptions {
  /** turnserver. */
  program: string;
  /** Of its configuration, which has the secret in it. */
  folder: string;
  /** The address of this machine that is listened on. */
  listen: string;
  /** UDP and TCP, for STUN and TURN. */
  port: number;
  /** Where media are: nothing else can be reached through it. The first one is this machine's. */
  addresses: readonly [string, ...string[]];
  /** Of `turnCredentials`. */
  secret: string;
  log: Log;
}

/**
 * coturn beside the media workers, for browsers whose network lets no UDP out: they reach it over TCP, and it hands on to the workers. A program of
 * its own, which is started again when it ends, and ends with us (setpriv).
 */
export function startCoturn(options: CoturnOptions): { close(): Promise<void> } {
  const { folder, log, program } = options;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, "turnserver.conf");
  writeFileSync(file, configuration(options), { mode: 0o600 });
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  const start = () => {
    child = spawn("setpriv", ["--pdeathsig", "KILL", "--", program, "-c", file], { stdio: "ignore", cwd: folder });
    child.on("error", (error) => log.warn({ err: error }, "coturn cannot be started"));
    child.once("close", (code) => {
      if (isClosed) return;
      log.warn({ code }, "coturn has ended; it is started again");
      timer = setTimeout(start, againMs);
    });
  };
  start();
  return {
    async close() {
      isClosed = true;
      clearTimeout(timer);
      if (child === undefined || child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
      const ended = new Promise((resolve) => child?.once("close", resolve));
      child.kill("SIGKILL");
      await ended;
    },
  };
}

const configuration = ({ folder, listen, port, addresses, secret }: CoturnOptions): string =>
  [
    `listening-ip=${listen}`,
    `relay-ip=${listen === "0.0.0.0" || listen === "::" ? addresses[0] : listen}`,
    `listening-port=${port}`,
    "use-auth-secret",
    `static-auth-secret=${secret}`,
    "realm=khmara",
    "fingerprint",
    "no-tls",
    "no-dtls",
    "no-cli",
    "no-multicast-peers",
    // A relay into everything that this machine reaches would be a hole in its network.
    ...addresses.map((address) => `allowed-peer-ip=${address}`),
    "denied-peer-ip=0.0.0.0-255.255.255.255",
    "denied-peer-ip=::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "user-quota=20",
    "log-file=/dev/null",
    "no-stdout-log",
    `pidfile=${join(folder, "turnserver.pid")}`,
    `userdb=${join(folder, "turndb")}`,
    "",
  ].join("\n");
