import { connect as connectSocket, type Socket } from "node:net";
import { CloudError } from "../../../../kernel/errors.ts";

export const connectSeconds = 10;

export function openSocket(host: string, port: number, name: string, signal: AbortSignal | undefined): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ host, port, noDelay: true });
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      socket.off("error", onError);
    };
    const fail = (error: unknown) => {
      settle();
      socket.on("error", () => {});
      socket.destroy();
      reject(error);
    };
    const onError = (error: Error) =>
      fail(new CloudError("unavailable", `Nothing answers on ${name}: ${error.message}`, { cause: error }));
    const onAbort = () => fail(signal?.reason);
    const timer = setTimeout(
      () => fail(new CloudError("deadline_exceeded", `${name} did not answer within ${connectSeconds} seconds.`)),
      connectSeconds * 1000,
    );
    socket.once("error", onError);
    socket.once("connect", () => {
      settle();
      resolve(socket);
    });
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();
  });
}
