/** Stacks for tests: on the loopback interface, on ports of their own, closed when the test is over. */
import type { TestContext } from "node:test";
import type { IncomingCall, IncomingRequest, SipStack, StackOptions, Transport } from "../ports.ts";
import { openSipStack } from "../stack.ts";

export interface TestStack {
  stack: SipStack;
  /** What went wrong inside; a test that wants none checks that it is empty. */
  errors: unknown[];
  port(transport?: Transport): number;
  /** A URI that leads here. */
  uri(user: string, transport?: Transport): string;
}

export async function testStack(
  context: TestContext,
  options: Partial<StackOptions> & {
    onInvite?: (call: IncomingCall) => void;
    onRequest?: (request: IncomingRequest) => void;
  } = {},
): Promise<TestStack> {
  const errors: unknown[] = [];
  const stack = await openSipStack({
    bindings: [
      { transport: "udp", host: "127.0.0.1", port: 0 },
      { transport: "tcp", host: "127.0.0.1", port: 0 },
    ],
    userAgent: "Khmara test",
    onRequest: (request) => request.respond(404),
    onInvite: (call) => call.reject(404),
    onError: (error) => errors.push(error),
    ...options,
  });
  context.after(() => stack.close());
  const port = (transport: Transport = "udp") => stack.bindings.find((binding) => binding.transport === transport)!.port;
  return {
    stack,
    errors,
    port,
    uri: (user, transport = "udp") =>
      `sip:${user}@127.0.0.1:${port(transport)}${transport === "udp" ? "" : `;transport=${transport}`}`,
  };
}

/** The next event of that name. */
export function next<Value extends unknown[]>(
  emitter: { once(event: never, listener: (...values: Value) => void): unknown },
  event: string,
): Promise<Value> {
  return new Promise((resolve) => emitter.once(event as never, (...values) => resolve(values)));
}

/** Waits until it holds; the test's own time is the limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

export const sdp = (word: string): string =>
  `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=${word}\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n`;
