import { once } from "node:events";
import type { Readable } from "node:stream";
import type { CloudSocket } from "../client/socket.ts";

/** Writes, and waits while who reads cannot keep up. */
export async function writeTo(sink: NodeJS.WritableStream, bytes: Uint8Array): Promise<void> {
  if (sink.write(bytes)) return;
  // A reader that has gone takes no more, and never drains.
  await Promise.race([once(sink, "drain"), once(sink, "close")]).catch(() => {});
}

/** Sends what is read, as fast as the cloud takes it, until the source ends or the connection does. Rejects when reading fails. */
export function sendFrom(source: Readable, socket: CloudSocket): Promise<void> {
  // No `for await`: it would close both directions of a TCP connection when one has ended.
  return new Promise<void>((resolve, reject) => {
    const take = (piece: Buffer) => {
      source.pause();
      socket.send(piece).then(() => source.resume());
    };
    // A connection that was closed before anybody looked has had its `end` already.
    if (source.readableEnded) resolve();
    source.on("data", take).once("end", resolve).once("error", reject);
    void socket.closed.then(() => {
      source.off("data", take).off("end", resolve).off("error", reject);
      resolve();
    });
  });
}
