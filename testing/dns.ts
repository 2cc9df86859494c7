/** A name server of a test's own on the loopback interface (RFC 1035, over UDP): what it knows is what the test says. */
import { createSocket } from "node:dgram";

export interface TestDns {
  /** As node:dns takes it: `127.0.0.1:5353`. */
  server: string;
  a: Map<string, string[]>;
  cname: Map<string, string>;
  txt: Map<string, string[]>;
  close(): Promise<void>;
}

const types = { a: 1, cname: 5, txt: 16 } as const;
const internet = 1;
const noSuchName = 3;

export async function testDns(): Promise<TestDns> {
  const socket = createSocket("udp4");
  const known: Pick<TestDns, "a" | "cname" | "txt"> = { a: new Map(), cname: new Map(), txt: new Map() };
  socket.on("message", (message, from) => {
    const { name, end } = question(message);
    const type = message.readUInt16BE(end);
    const records = answers(known, name, type);
    const exists = records.length > 0 || known.a.has(name) || known.cname.has(name) || known.txt.has(name);
    const head = Buffer.alloc(12);
    message.copy(head, 0, 0, 2);
    // An answer, with authority, to what was asked recursively.
    head.writeUInt16BE(0x8580 | (exists ? 0 : noSuchName), 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(records.length, 6);
    socket.send(Buffer.concat([head, message.subarray(12, end + 4), ...records]), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return {
    server: `127.0.0.1:${socket.address().port}`,
    ...known,
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

function answers({ a, cname, txt }: Pick<TestDns, "a" | "cname" | "txt">, name: string, type: number): Buffer[] {
  const alias = cname.get(name);
  if (alias !== undefined && type !== types.cname)
    return [record(name, types.cname, encoded(alias)), ...answers({ a, cname, txt }, alias, type)];
  if (alias !== undefined) return [record(name, types.cname, encoded(alias))];
  if (type === types.a)
    return (a.get(name) ?? []).map((address) => record(name, type, Buffer.from(address.split(".").map(Number))));
  if (type === types.txt)
    return (txt.get(name) ?? []).map((text) => record(name, type, Buffer.concat([Buffer.of(text.length), Buffer.from(text)])));
  return [];
}

function question(message: Buffer): { name: string; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString("latin1", at + 1, at + 1 + length));
    at += length + 1;
  }
  return { name: labels.join(".").toLowerCase(), end: at + 1 };
}

const encoded = (name: string): Buffer =>
  Buffer.concat([...name.split(".").flatMap((label) => [Buffer.of(label.length), Buffer.from(label)]), Buffer.of(0)]);

function record(name: string, type: number, data: Buffer): Buffer {
  const fields = Buffer.alloc(10);
  fields.writeUInt16BE(type, 0);
  fields.writeUInt16BE(internet, 2);
  fields.writeUInt16BE(data.length, 8);
  return Buffer.concat([encoded(name), fields, data]);
}
