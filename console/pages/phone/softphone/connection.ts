import type { UserAgent } from "sip.js";

/** Longer than the slowest line takes for one word there and back. */
const answerMs = 3000;

type Transport = UserAgent["transport"] & { readonly ws?: WebSocket };
/** What sip.js knows of requests that wait for their answer; its types do not name it as a part of its interface. */
interface Waiting {
  transaction: { request: { method: string; toTag?: string }; onTransportError(error: Error): void };
}

const socketOf = (agent: UserAgent): WebSocket | undefined => (agent.transport as Transport).ws;

/** Whether the phone system is still at the other end: a browser whose network changed notices it only minutes later. */
export async function isAnswered(agent: UserAgent): Promise<boolean> {
  const socket = socketOf(agent);
  if (socket?.readyState !== WebSocket.OPEN) return false;
  return await new Promise<boolean>((done) => {
    const finish = (answered: boolean) => {
      clearTimeout(timer);
      socket.removeEventListener("message", heard);
      done(answered);
    };
    const heard = () => finish(true);
    const timer = setTimeout(() => finish(false), answerMs);
    socket.addEventListener("message", heard);
    // A keep-alive, which has an answer (RFC 5626 section 3.5.1).
    socket.send("\r\n\r\n");
  });
}

/** The connection leads nowhere: sip.js is told that it closed, before the browser finds out. */
export function cut(agent: UserAgent): void {
  const socket = socketOf(agent);
  if (socket === undefined) return;
  socket.dispatchEvent(new CloseEvent("close", { code: 1006 }));
  socket.close();
}

/**
 * The connection ended: requests that wait for an answer by it failed (RFC 3261 section 8.1.3.1), which sip.js tells them only after half a minute. Those
 * of a call that is not yet answered go on: their answer may be a person's.
 */
export function failWaiting(agent: UserAgent): void {
  const clients = agent.userAgentCore.userAgentClients as unknown as Map<string, Waiting>;
  for (const { transaction } of [...clients.values()]) {
    const { method, toTag } = transaction.request;
    if (method === "REGISTER" || toTag) transaction.onTransportError(new Error("The connection ended"));
  }
}
