import { randomInt } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { datagramLookup } from "../../../../kernel/datagrams.ts";
import { MediaError } from "../engine.ts";

export interface PortPair {
  /** Even; RTCP's is the next one. */
  port: number;
  rtp: Socket;
  rtcp: Socket;
  release(): void;
}

type Bound = Pick<PortPair, "port" | "rtp" | "rtcp">;

export interface PortsOptions {
  /** Pairs that stay open when their leg is closed, for legs to come: to make and bind sockets is a tenth of what a call costs a worker. */
  keep?: number;
  /** How long a pair rests before it is given to another leg. */
  restMs?: number;
  /** How long one is kept that nobody needs. */
  keepMs?: number;
}

/**
 * A worker's share of the UDP ports. Whoever comes next gets a pair that has rested, the one that did so for longest, so that late packets of a call reach no
 * other: what comes meanwhile is read and thrown away.
 */
export class Ports {
  readonly #free: number[] = [];
  /** Open, the one that rests for longest first. */
  readonly #resting: { pair: Bound; since: number }[] = [];
  readonly #listen: string;
  readonly #options: Required<PortsOptions>;
  #sweep: NodeJS.Timeout | undefined;

  /** Both ends included. */
  constructor(range: readonly [number, number], listen: string, options: PortsOptions = {}) {
    this.#listen = listen;
    this.#options = { keep: 512, restMs: 2000, keepMs: 10_000, ...options };
    for (let port = range[0] + (range[0] % 2); port + 1 <= range[1]; port += 2) this.#free.push(port);
    // From anywhere on: the parties of a worker that died still send to the ports that it had.
    if (this.#free.length > 1) this.#free.push(...this.#free.splice(0, randomInt(this.#free.length)));
  }

  /** @throws MediaError no_ports */
  async take(): Promise<PortPair> {
    const [oldest] = this.#resting;
    // Without any other, one that has hardly rested.
    const hasRested = oldest && (performance.now() - oldest.since >= this.#options.restMs || this.#free.length === 0);
    if (hasRested) return this.#lend((this.#resting.shift() as { pair: Bound }).pair);
    // Another program may have some of them.
    for (let tries = this.#free.length; tries > 0; tries--) {
      const port = this.#free.shift()!;
      const pair = await open(port, this.#listen);
      if (pair) return this.#lend(pair);
      this.#free.push(port);
    }
    throw new MediaError("no_ports", "All UDP ports for media are taken: give a larger range with --rtp-ports.");
  }

  #lend(pair: Bound): PortPair {
    let isLent = true;
    for (const socket of [pair.rtp, pair.rtcp]) socket.ref();
    const release = (): void => {
      if (!isLent) return;
      isLent = false;
      if (this.#resting.length >= this.#options.keep) {
        this.#close(pair);
        return;
      }
      for (const socket of [pair.rtp, pair.rtcp]) {
        socket.removeAllListeners("message").removeAllListeners("error");
        socket.on("error", () => {}).unref();
      }
      this.#resting.push({ pair, since: performance.now() });
      this.#sweep ??= setInterval(() => this.#closeOld(), this.#options.keepMs / 2).unref();
    };
    return { ...pair, release };
  }

  #closeOld(): void {
    const before = performance.now() - this.#options.keepMs;
    while (this.#resting[0] !== undefined && this.#resting[0].since <= before) this.#close(this.#resting.shift()!.pair);
    if (this.#resting.length > 0) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }

  #close({ port, rtp, rtcp }: Bound): void {
    rtp.close();
    rtcp.close();
    this.#free.push(port);
  }
}

async function open(port: number, listen: string): Promise<Bound | undefined> {
  const rtp = await bound(port, listen);
  const rtcp = rtp && (await bound(port + 1, listen));
  if (rtp && !rtcp) rtp.close();
  return rtp && rtcp && { port, rtp, rtcp };
}

async function bound(port: number, address: string): Promise<Socket | undefined> {
  const type = address.includes(":") ? "udp6" : "udp4";
  const socket = createSocket({ type, recvBufferSize: 256 * 1024, lookup: datagramLookup });
  try {
    const listening = once(socket, "listening");
    socket.bind({ port, address, exclusive: true });
    await listening;
    return socket;
  } catch {
    socket.close();
    return undefined;
  }
}
