/** One who knows SIP by its text alone. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { until } from "./stacks.ts";

/** A socket that says what it is told, and remembers what it hears. */
export async function stranger(context: TestContext, port: number) {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  context.after(() => socket.close());
  const heard: string[] = [];
  socket.on("message", (data) => heard.push(data.toString()));
  return {
    heard,
    port: socket.address().port,
    say: (text: string | Buffer) => socket.send(text, port, "127.0.0.1"),
    async ask(text: string): Promise<string> {
      const before = heard.length;
      socket.send(text, port, "127.0.0.1");
      await until(() => heard.length > before);
      return heard[before]!;
    },
  };
}

let count = 0;

/** Every header may be given, also to be wrong. */
export function request(
  method: string,
  headers: Record<string, string> = {},
  line = `${method} sip:bob@127.0.0.1 SIP/2.0`,
): string {
  const all = {
    Via: `SIP/2.0/UDP 10.9.8.7:5060;rport;branch=z9hG4bKtest${++count}`,
    From: "<sip:alice@example.org>;tag=a",
    To: "<sip:bob@127.0.0.1>",
    "Call-ID": `call${count}`,
    CSeq: `1 ${method}`,
    Contact: "<sip:alice@10.9.8.7>",
    "Max-Forwards": "70",
    "Content-Length": "0",
    ...headers,
  };
  return `${line}\r\n${Object.entries(all)
    .map(([name, value]) => `${name}: ${value}`)
    .join("\r\n")}\r\n\r\n`;
}

export const statusOf = (response: string): number => Number(response.split(" ")[1]);
