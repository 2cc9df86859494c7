/**
 * Ports for what tests start. Each test process has a block of them to itself, out of those that nobody takes by chance: the system gives
 * 32768–60999 to whoever asks for any port, forwards to virtual servers are at 20000–29999 (and take what comes to any address of this machine),
 * sound goes over 10000–34000.
 */
import { createSocket } from "node:dgram";
import { createServer, type Server } from "node:net";

const first = 61_000;
/** Every second one is given: some programs take the next one, too (SIP over TLS, RTCP). */
const step = 2;
const blockSize = 120;
const blocks = 37;

let start = await claimBlock();
let given = 0;
let claiming: Promise<void> | undefined;

/** One of this process's own that was not given yet; whether something else listens there is not looked at. */
export function nextPort(): number {
  const port = start + (given % blockSize);
  given += step;
  return port;
}

/** A port of this process's own where nothing listens at this moment, neither TCP nor UDP. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < blocks * blockSize; tries++) {
    if (given >= blockSize) {
      claiming ??= another();
      await claiming;
    }
    const port = nextPort();
    if ((await isFreeTcp(port)) && (await isFreeUdp(port))) return port;
  }
  throw new Error("No port is free for this test.");
}

async function another(): Promise<void> {
  start = await claimBlock();
  given = 0;
  claiming = undefined;
}

/** A name in the kernel's own space (unix(7), "abstract"), which is free again when this process is gone, however it ended. */
async function claimBlock(): Promise<number> {
  for (let tries = 0; tries < blocks; tries++) {
    const block = (process.pid + tries) % blocks;
    const claim = await listening(createServer(), { path: `\0khmara-test-ports-${block}` });
    if (claim === undefined) continue;
    claim.unref();
    return first + block * blockSize;
  }
  throw new Error("Every block of ports is taken by a test process that still runs.");
}

async function isFreeTcp(port: number): Promise<boolean> {
  // As most servers listen, at all addresses: nothing may be at a single one either.
  const server = await listening(createServer(), { port, host: "0.0.0.0" });
  await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
  return server !== undefined;
}

function isFreeUdp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.once("error", () => resolve(false));
    socket.bind(port, () => socket.close(() => resolve(true)));
  });
}

function listening(server: Server, where: { path: string } | { port: number; host: string }): Promise<Server | undefined> {
  return new Promise((resolve) => {
    server.once("error", () => resolve(undefined));
    server.listen(where, () => resolve(server));
  });
}
