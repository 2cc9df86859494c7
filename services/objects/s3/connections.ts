import type { Server } from "node:http";
import type { Socket } from "node:net";
import { plainAddress, subscriberOf } from "../../../kernel/peerAddress.ts";

/** Of all connections, what one address may hold. */
const shareOfOne = 1 / 4;

/** No more than `most` at once, and of one address no more than its share: nobody keeps all others out. More are closed as they come. */
export function limitConnections(server: Server, most: number): void {
  const mostOfOne = Math.max(1, Math.floor(most * shareOfOne));
  const held = new Map<string, number>();
  server.maxConnections = most;
  server.on("connection", (socket: Socket) => {
    const holder = holderOf(socket.remoteAddress);
    if (holder === undefined) return;
    const count = (held.get(holder) ?? 0) + 1;
    if (count > mostOfOne) {
      socket.destroy();
      return;
    }
    held.set(holder, count);
    socket.once("close", () => {
      const left = (held.get(holder) ?? 1) - 1;
      if (left === 0) held.delete(holder);
      else held.set(holder, left);
    });
  });
}

/** Undefined: the gateway and other proxies of this machine, who speak for many. */
function holderOf(remoteAddress = ""): string | undefined {
  const address = plainAddress(remoteAddress);
  return address === "127.0.0.1" || address === "::1" ? undefined : subscriberOf(address);
}
