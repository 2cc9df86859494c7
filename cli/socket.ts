import { problemError, unreachable } from "../client/problem.ts";
import type { CloudSocket, SocketOpener } from "../client/socket.ts";

const openTimeoutMs = 20_000;
/** The cloud pings every 25 seconds. A line that is silent for longer is dead: a tunnel must not hang on it for ever. */
const silentMs = 90_000;

/** WebSockets with a token in a header, with pauses, and with the reason when they are refused: none of which Node's own can. */
export const openSocket: SocketOpener = async (url, headers, attach, signal) => {
  const { WebSocket } = await import("ws");
  return new Promise<CloudSocket>((resolve, reject) => {
    const address = new URL(url);
    address.protocol = address.protocol.replace("http", "ws");
    const websocket = new WebSocket(address, { headers, handshakeTimeout: openTimeoutMs, perMessageDeflate: false });
    let socket: CloudSocket | undefined;
    const leave = () => websocket.close(1000);
    const watch = setTimeout(() => websocket.terminate(), silentMs).unref();
    signal?.addEventListener("abort", leave, { once: true });
    websocket.on("ping", () => watch.refresh());
    websocket.on("message", (data, isBinary) => {
      watch.refresh();
      socket?.message(isBinary ? (data as Buffer) : String(data));
    });
    websocket.once("open", () => {
      socket = attach({
        send: (data) =>
          new Promise((sent) => (websocket.readyState === WebSocket.OPEN ? websocket.send(data, () => sent()) : sent())),
        close: leave,
        pause: () => websocket.pause(),
        resume: () => {
          watch.refresh();
          websocket.resume();
        },
      });
      resolve(socket);
    });
    websocket.once("unexpected-response", async (_request, response) => {
      const pieces: Buffer[] = [];
      for await (const piece of response) pieces.push(piece as Buffer);
      const given = new Response(Buffer.concat(pieces), {
        status: response.statusCode ?? 500,
        headers: { "retry-after": response.headers["retry-after"] ?? "" },
      });
      reject(await problemError(given));
    });
    // After the opening, the close that follows says it all.
    websocket.on("error", (error) => {
      if (!socket) reject(signal?.aborted ? signal.reason : unreachable(error, new URL(url).origin));
    });
    websocket.once("close", (code, reason) => {
      clearTimeout(watch);
      signal?.removeEventListener("abort", leave);
      socket?.over(code, String(reason));
    });
  });
};
