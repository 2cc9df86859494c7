import type { Server } from "node:http";
import type { Socket } from "node:net";

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

/** An address, or the /64 that one subscriber has of IPv6 (RFC 6177). Undefined: the gateway and other proxies of this machine, who speak for many. */
function holderOf(remoteAddress = ""): string | undefined {
  const address = remoteAddress.replace(/^::ffff:/, "");
  if (address === "127.0.0.1" || address === "::1") return undefined;
  if (!address.includes(":")) return address;
  const [first = "", last = ""] = address.split("::");
  const groups = (text: string): string[] => (text === "" ? [] : text.split(":"));
  const zeros = Array.from({ length: 8 - groups(first).length - groups(last).length }, () => "0");
  return [...groups(first), ...(address.includes("::") ? zeros : []), ...groups(last)].slice(0, 4).join(":");
}
