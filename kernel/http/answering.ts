import type { IncomingMessage } from "node:http";

const drainedBytes = 64 * 2 ** 20;
const drainedMs = 3000;

/**
 * Runs the work of an upload. When it is refused, what is still coming is taken in first, within limits: closing the connection on
 * somebody who is sending mostly costs them the answer that says why.
 */
export async function answering<T>(request: IncomingMessage, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const announced = Number(request.headers["content-length"] ?? 0);
    if (announced <= drainedBytes) await drain(request);
    throw error;
  }
}

async function drain(request: IncomingMessage): Promise<void> {
  if (request.readableEnded || request.destroyed) return;
  let taken = 0;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, drainedMs);
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    request.on("data", (piece: Uint8Array) => {
      taken += piece.length;
      if (taken > drainedBytes) end();
    });
    request.once("end", end).once("close", end).once("error", end).resume();
  });
}
