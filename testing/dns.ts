/** A name server of a test's own on the loopback interface (RFC 1035, over UDP): what it knows is what the test says. */
import { createSocket } from "node:dgram";

export interface TestDns {
  /** As node:dns takes it: `127.0.0.1:5353`. */
  server: string;
  a: Map<string, string[]>;
  cname: Map<string, string>;
  txt: Map<string, string[]>;
  /** The first is preferred (RFC 2782). */
  srv: Map<string, { target: string; port: number }[]>;
  close(): Promise<void>;
}

type Known = Pick<TestDns, "a" | "cname" | "txt" | "srv">;

const types = { a: 1, cname: 5, txt: 16, srv: 33 } as const;
const internet = 1;
const noSuchName = 3;

export async function testDns(): Promise<TestDns> {
  const socket = createSocket("udp4");
  const known: Known = { a: new Map(), cname: new Map(), txt: new Map(), srv: new Map() };
  socket.on("message", (message, from) => {
    const { name, end } = question(message);
    const type = message.readUInt16BE(end);
    const records = answers(known, name, type);
    const exists = Object.values(known).some((records) => records.has(name));
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

function answers(known: Known, name: string, type: number): Buffer[] {
  const { a, cname, txt, srv } = known;
  const alias = cname.get(name);
  if (alias !== undefined && type !== types.cname)
    return [record(name, types.cname, encoded(alias)), ...answers(known, alias, type)];
  if (alias !== undefined) return [record(name, types.cname, encoded(alias))];
  if (type === types.a)
    return (a.get(name) ?? []).map((address) => record(name, type, Buffer.from(address.split(".").map(Number))));
  if (type === types.txt)
    return (txt.get(name) ?? []).map((text) => record(name, type, Buffer.concat([Buffer.of(text.length), Buffer.from(text)])));
  if (type === types.srv)
    return (srv.get(name) ?? []).map(({ target, port }, index) => {
      const fields = Buffer.alloc(6);
      fields.writeUInt16BE(index + 1, 0);
      fields.writeUInt16BE(port, 4);
      return record(name, type, Buffer.concat([fields, encoded(target)]));
    });
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
