/** The engine's streams: bytes are binary messages, and an empty text message is the end of one direction. */
import { Readable, Writable } from "node:stream";
import type { WebSocket } from "ws";

/**
 * Ends when the engine says so or hangs up. Whoever reads slowly slows the command down, and nothing piles up here. `ending`: of a
 * terminal the engine ends its side only when we have ended ours.
 */
export function readSocket(socket: WebSocket, { ending = false } = {}): Readable {
  let ended = false;
  const readable = new Readable({
    read: () => socket.resume(),
    destroy(error, callback) {
      socket.resume();
      callback(error);
    },
  });
  const end = () => {
    if (ended) return;
    ended = true;
    readable.push(null);
  };
  socket.on("message", (data: Buffer, isBinary: boolean) => {
    if (!isBinary) {
      if (ending) socket.close();
      return end();
    }
    if (!ended && !readable.destroyed && !readable.push(data)) socket.pause();
  });
  socket.on("close", end);
  return readable;
}

export function writeSocket(socket: WebSocket): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, callback) {
      if (socket.readyState !== socket.OPEN) return callback();
      // An error is the end of the command, which is told elsewhere.
      socket.send(chunk, { binary: true }, () => callback());
    },
    final(callback) {
      if (socket.readyState === socket.OPEN) socket.send("", { binary: false });
      callback();
    },
    destroy(error, callback) {
      if (socket.readyState === socket.OPEN) socket.send("", { binary: false });
      callback(error);
    },
  });
}
