import { connect as connectTcp } from "node:net";
import type { Duplex } from "node:stream";
import type { ReleaseView } from "../parts.ts";
import type { Connect } from "./runtime.ts";

// Not an import, which would load undici too (server/loaded.test.ts).
const { request } = process.getBuiltinModule("node:http");

export type HealthCheck = ReleaseView["healthCheck"];

export const directConnect: Connect = (host, port, signal) =>
  new Promise((resolve, reject) => {
    const socket = connectTcp({ host, port, signal });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });

/** Asks once. Undefined: all is well; else what is wrong, for people. */
export async function checkHealth(
  connect: Connect,
  target: { address: string; port: number },
  check: HealthCheck,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const late = AbortSignal.timeout(check.timeoutSeconds * 1000);
  const either = signal === undefined ? late : AbortSignal.any([signal, late]);
  const what = check.path === undefined ? `port ${target.port}` : `GET ${check.path} at port ${target.port}`;
  let socket: Duplex;
  try {
    socket = await connect(target.address, target.port, either);
  } catch (error) {
    signal?.throwIfAborted();
    if (late.aborted) return `${what} does not answer within ${check.timeoutSeconds} seconds`;
    return `${what}: ${connectWords[(error as NodeJS.ErrnoException).code ?? ""] ?? "no connection"}`;
  }
  // A connection that breaks later tells the request, or nobody.
  socket.on("error", () => {});
  try {
    if (check.path === undefined) return undefined;
    const status = await statusOf(socket, check.path, either);
    return status >= 200 && status < 400 ? undefined : `${what} answered ${status}`;
  } catch {
    signal?.throwIfAborted();
    return late.aborted
      ? `${what} does not answer within ${check.timeoutSeconds} seconds`
      : `${what}: the connection was closed without an answer`;
  } finally {
    socket.destroy();
  }
}

const connectWords: Record<string, string> = {
  ECONNREFUSED: "nobody listens there (is it the port in PORT, at 0.0.0.0?)",
  EHOSTUNREACH: "the container is not reachable",
  ENETUNREACH: "the container's network is not there",
};

/** The status of an answer; its body is not read. */
const statusOf = (socket: Duplex, path: string, signal: AbortSignal): Promise<number> =>
  new Promise((resolve, reject) => {
    const asking = request(
      {
        path,
        signal,
        createConnection: () => socket,
        // Frameworks refuse hosts that they do not know; all know this one.
        headers: { host: "localhost", "user-agent": "Khmara-Health/1", accept: "*/*", connection: "close" },
      },
      (answer) => {
        answer.destroy();
        resolve(answer.statusCode ?? 0);
      },
    );
    asking.on("error", reject);
    asking.end();
  });
