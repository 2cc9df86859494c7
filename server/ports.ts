import { createSocket } from "node:dgram";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { connect, createServer, isIPv6 } from "node:net";
import { commandName, processIds } from "./processes.ts";
import { errorCode, StartError } from "./start-error.ts";

/** Throws when this port cannot be listened on; names the process that has it, if it can be found. */
export async function checkPort(listen: string, port: number, option: string): Promise<void> {
  const error = await new Promise<Error | undefined>((resolve) => {
    const probe = createServer();
    probe.once("error", resolve);
    probe.listen({ host: listen, port, exclusive: true }, () => probe.close(() => resolve(undefined)));
  });
  explain(error, listen, port, option, errorCode(error) === "EADDRINUSE" ? holder(port) : "");
}

/** The same for UDP. */
export async function checkUdpPort(listen: string, port: number, option: string): Promise<void> {
  const error = await new Promise<Error | undefined>((resolve) => {
    const probe = createSocket(isIPv6(listen) ? "udp6" : "udp4");
    probe.once("error", resolve);
    probe.bind({ address: listen, port, exclusive: true }, () => probe.close(() => resolve(undefined)));
  });
  explain(error, listen, port, option, " (UDP)");
}

/** Throws the `StartError` for what went wrong, if anything did. */
function explain(error: Error | undefined, listen: string, port: number, option: string, by: string): void {
  switch (errorCode(error)) {
    case undefined:
      if (error !== undefined) throw error;
      return;
    case "EADDRINUSE":
      throw new StartError(`Port ${port} is taken${by}. Stop it, or choose another with ${option} PORT.`, {
        cause: error,
      });
    case "EACCES":
      throw new StartError(`Port ${port} needs root's rights. Choose one above 1023 with ${option} PORT.`, { cause: error });
    case "EADDRNOTAVAIL":
      throw new StartError(`${listen} is not an address of this machine. Choose another with --listen ADDRESS.`, {
        cause: error,
      });
    default:
      throw new StartError(`Port ${port} on ${listen} cannot be used: ${error?.message}.`, { cause: error });
  }
}

function holder(port: number): string {
  const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
  const listening = "0A";
  const inodes = new Set<string>();
  for (const file of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of linesOf(file).slice(1)) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (state === listening && local?.endsWith(`:${hexPort}`) && inode !== undefined) inodes.add(`socket:[${inode}]`);
    }
  }
  for (const pid of processIds()) {
    try {
      if (readdirSync(`/proc/${pid}/fd`).some((fd) => inodes.has(linkOf(`/proc/${pid}/fd/${fd}`))))
        return ` by ${commandName(pid)} (process ${pid})`;
    } catch {
      // Another user's process, or one that has ended.
    }
  }
  return "";
}

const linesOf = (file: string): string[] => {
  try {
    return readFileSync(file, "utf8").split("\n");
  } catch {
    return [];
  }
};

const linkOf = (path: string): string => {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
};

/** Whether something answers where KHMARA_DATABASE_URL points; the control plane signs in and checks the rest. */
export async function checkDatabaseAddress(url: string, timeoutMs = 5_000): Promise<void> {
  const { hostname, port } = new URL(url);
  const host = decodeURIComponent(hostname).replace(/^\[|\]$/g, "");
  // Several hosts, or one that stands elsewhere in the address: left to the client.
  if (host === "" || host.includes(",")) return;
  const number = Number(port || 5432);
  const target = host.startsWith("/") ? { path: `${host}/.s.PGSQL.${number}` } : { host, port: number };
  const socket = connect(target);
  const problem = await new Promise<string | undefined>((resolve) => {
    socket.on("connect", () => resolve(undefined));
    socket.setTimeout(timeoutMs, () => resolve("no answer"));
    socket.on("error", (error) => resolve(errorCode(error) ?? error.message));
  });
  socket.destroy();
  if (problem !== undefined) {
    throw new StartError(
      `The database at ${host}${host.startsWith("/") ? "" : `:${number}`} cannot be reached (${problem}). Start it, or check KHMARA_DATABASE_URL.`,
    );
  }
}
