import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { MediaError } from "../engine.ts";

export interface PortPair {
  /** Even; RTCP's is the next one. */
  port: number;
  rtp: Socket;
  rtcp: Socket;
  release(): void;
}

/** A worker's share of the UDP ports. Whoever comes next gets the ports that were free for longest, so that late packets of a call reach no other. */
export class Ports {
  readonly #free: number[] = [];
  readonly #listen: string;

  /** Both ends included. */
  constructor(range: readonly [number, number], listen: string) {
    this.#listen = listen;
    for (let port = range[0] + (range[0] % 2); port + 1 <= range[1]; port += 2) this.#free.push(port);
  }

  /** @throws MediaError no_ports */
  async take(): Promise<PortPair> {
    // Another program may have some of them.
    for (let tries = this.#free.length; tries > 0; tries--) {
      const port = this.#free.shift()!;
      const pair = await this.#open(port);
      if (pair) return pair;
      this.#free.push(port);
    }
    throw new MediaError("no_ports", "All UDP ports for media are taken: give a larger range with --rtp-ports.");
  }

  async #open(port: number): Promise<PortPair | undefined> {
    const rtp = await bound(port, this.#listen);
    const rtcp = rtp && (await bound(port + 1, this.#listen));
    if (rtp && !rtcp) rtp.close();
    if (!rtp || !rtcp) return undefined;
    let open = true;
    const release = (): void => {
      if (!open) return;
      open = false;
      rtp.close();
      rtcp.close();
      this.#free.push(port);
    };
    return { port, rtp, rtcp, release };
  }
}

async function bound(port: number, address: string): Promise<Socket | undefined> {
  const socket = createSocket({ type: address.includes(":") ? "udp6" : "udp4", recvBufferSize: 256 * 1024 });
  try {
    socket.bind({ port, address, exclusive: true });
    await once(socket, "listening");
    return socket;
  } catch {
    socket.close();
    return undefined;
  }
}
