import type { Server } from "node:http";

/**
 * Takes no new connections, lets requests end, and closes each connection as soon as it is idle: one that a client keeps open
 * would otherwise hold the process until its keep-alive time is over. What is not done after `patienceMs` is cut off.
 */
export async function drain(server: Server, patienceMs: number, close: () => Promise<unknown>): Promise<void> {
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const cut = setTimeout(() => server.closeAllConnections(), patienceMs);
  try {
    await close();
  } finally {
    clearInterval(idle);
    clearTimeout(cut);
  }
}
