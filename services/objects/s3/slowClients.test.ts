import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { ObjectStore } from "../driver.ts";
import { openLocalStore } from "../drivers/local/index.ts";
import { answerOf, open, send, signedHeaders } from "./testing/client.ts";
import { startDoor } from "./testing/door.ts";

/** Clients that hold connections and hardly move, many at once, beside others who are served as always. */
const patienceSeconds = 1;
const maxConnections = 800;
const many = 100;
let directory: string;
let store: ObjectStore;
let door: Awaited<ReturnType<typeof startDoor>>;
const sent: number[] = [];

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "khmara-slow-"));
  store = await openLocalStore({ directory });
  const meter = store.meter.bind(store);
  store.meter = (bucketId, fact) => {
    if (fact.sentBytes !== undefined) sent.push(fact.sentBytes);
    meter(bucketId, fact);
  };
  door = await startDoor(store, { patienceSeconds, maxConnections });
  await call("PUT", "/box");
});
after(async () => {
  await door.stop();
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

const call = (method: string, path: string, body?: Uint8Array) => send({ port: door.port, method, path, ...(body && { body }) });

/** Says `text`, then a byte ten times a second; resolves with all that it heard, at the end of the connection. */
async function drip(text: string, localAddress = "127.0.0.1"): Promise<string> {
  const socket: Socket = connect({ port: door.port, host: "127.0.0.1", localAddress });
  socket.on("error", () => {});
  let heard = "";
  socket.on("data", (piece) => (heard += piece));
  socket.write(text);
  const more = setInterval(() => socket.writable && socket.write("x"), 100);
  await once(socket, "close");
  clearInterval(more);
  return heard;
}

const headOf = (method: string, path: string, headers: Record<string, string>): string => {
  const lines = Object.entries(signedHeaders({ port: door.port, method, path, headers })).map(
    ([name, value]) => `${name}: ${value}`,
  );
  return `${[`${method} ${path} HTTP/1.1`, ...lines].join("\r\n")}\r\n\r\n`;
};

test("heads and bodies that come byte by byte are refused as S3 does, while others are served", async () => {
  const head = "GET /box HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
  const body = headOf("PUT", "/box/slow", { "Content-Length": "1000000" });
  const form = headOf("POST", "/box", { "Content-Type": "multipart/form-data; boundary=b", "Content-Length": "100000" });
  let left = 3 * many;
  const slow = [head, body, form].flatMap((text) =>
    Array.from({ length: many }, async () => {
      const heard = await drip(text);
      left--;
      return heard;
    }),
  );
  let served = 0;
  for (; left > 0; served++) {
    const bytes = Buffer.alloc(100_000, served);
    assert.equal((await call("PUT", "/box/normal", bytes)).status, 200);
    assert.ok((await call("GET", "/box/normal")).body.equals(bytes));
  }
  assert.ok(served > 1, "others were served meanwhile");
  for (const heard of await Promise.all(slow)) assert.match(heard, /^HTTP\/1\.1 400 .*<Code>RequestTimeout</s);
  assert.equal((await call("HEAD", "/box/slow")).status, 404);
  const temporary = await readdir(join(directory, "tmp"), { recursive: true });
  assert.deepEqual(
    temporary.filter((name) => /[0-9a-f]{32}$/.test(name)),
    [],
  );
});

test("an upload that goes on slowly is taken, however long it lasts", async () => {
  const piece = Buffer.alloc(600, "a");
  const outgoing = open({ port: door.port, method: "PUT", path: "/box/patient", headers: { "Content-Length": "18000" } });
  const answer = answerOf(outgoing);
  for (let i = 0; i < 30; i++) {
    outgoing.write(piece);
    await pause(100);
  }
  outgoing.end();
  assert.equal((await answer).status, 200);
  assert.equal((await call("GET", "/box/patient")).body.length, 18_000);
});

test("a reader that does not read is cut off; what it did not get is not counted", async () => {
  const size = 64 * 2 ** 20;
  await call("PUT", "/box/large", Buffer.alloc(size));
  sent.length = 0;
  const outgoing = open({ port: door.port, path: "/box/large" });
  outgoing.end();
  const [incoming] = await once(outgoing, "response");
  outgoing.on("error", () => {});
  incoming.on("error", () => {});
  for (const deadline = Date.now() + 60_000; sent.length === 0; await pause(50)) assert.ok(Date.now() < deadline, "cut off");
  assert.ok((sent[0] as number) < size, String(sent[0]));
  outgoing.destroy();
});

test("one address holds a share of the connections, not all", async () => {
  const held: Socket[] = [];
  const hold = (localAddress: string): Socket => {
    const socket = connect({ port: door.port, host: "127.0.0.1", localAddress });
    socket.on("error", () => {});
    held.push(socket);
    return socket;
  };
  const greedy = Array.from({ length: maxConnections }, () => hold("127.0.0.2"));
  const isClosed = await Promise.race(greedy.map((socket) => once(socket, "close").then(() => true)));
  assert.ok(isClosed);
  const other = hold("127.0.0.3");
  other.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const [answer] = await once(other, "data");
  assert.match(String(answer), /AccessDenied/);
  for (const socket of held) socket.destroy();
  for (const deadline = Date.now() + 60_000; ; await pause(50)) {
    assert.ok(Date.now() < deadline, "the address is let in again");
    const again = connect({ port: door.port, host: "127.0.0.1", localAddress: "127.0.0.2" });
    again.on("error", () => {});
    again.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const heard = await Promise.race([once(again, "data").then(String), once(again, "close").then(() => "")]);
    again.destroy();
    if (heard.includes("AccessDenied")) break;
  }
});
