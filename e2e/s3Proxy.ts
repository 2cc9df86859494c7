import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface BrokenLine {
  port: number;
  /** How many connections it has cut. */
  cuts(): number;
  close(): Promise<void>;
}

/** A line to a port of this machine that breaks: a connection is cut after so many bytes of what the client sends, so many times. */
export async function brokenLine(
  toPort: number,
  { afterBytes, times }: { afterBytes: number; times: number },
): Promise<BrokenLine> {
  let cuts = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const there = connect(toPort, "127.0.0.1");
    let sent = 0;
    for (const socket of [client, there]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        there.destroy();
      });
    }
    client.on("data", (piece) => {
      sent += piece.length;
      if (sent <= afterBytes || cuts >= times) return;
      cuts++;
      client.resetAndDestroy();
    });
    client.pipe(there);
    there.pipe(client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    cuts: () => cuts,
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
