import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { z } from "zod";
import { migratedDatabase, testSecrets } from "../../testing/kernel-fixture.ts";
import type { Principal } from "../auth/principal.ts";
import { contract, route } from "../contract.ts";
import { CloudError } from "../errors.ts";
import { newId } from "../ids.ts";
import { silentLog } from "../log.ts";
import { defineService, type SocketConnection } from "../service.ts";
import { createHttpServer } from "./server.ts";

const organisationId = newId("organisation");
const person = (name: string, role: "editor" | "viewer"): Principal => ({
  kind: "user",
  id: newId("user"),
  name,
  bindings: [{ role, organisationId }],
});
const principals: Record<string, Principal> = {
  eva: person("Eva", "editor"),
  vik: person("Vik", "viewer"),
  stan: { kind: "user", id: newId("user"), name: "Stan", bindings: [{ role: "owner", organisationId: newId("organisation") }] },
};

const lines = contract({
  name: "lines",
  title: "Lines",
  routes: {
    lineOpen: route({
      method: "GET",
      path: "/v1/lines/{line}",
      summary: "Open a line",
      permission: "lines.line.open",
      roles: ["editor"],
      params: z.object({ line: z.string() }),
      query: z.object({ greeting: z.string().optional() }),
      errors: ["failed_precondition"],
      stream: { response: "socket" },
    }),
  },
});

const opened: SocketConnection[] = [];
let taken = 0;
const ended: string[] = [];
const service = defineService<typeof lines>({
  contract: lines,
  handlers: {
    async lineOpen(context, { params, query }) {
      context.authorize({ organisationId }, "line");
      if (params.line === "off") throw new CloudError("failed_precondition", "The line is off. Turn it on first.");
      return async (socket) => {
        opened.push(socket);
        context.signal.addEventListener("abort", () => ended.push(params.line));
        if (query.greeting) socket.bytes.write(query.greeting);
        if (params.line === "fails") throw new CloudError("unavailable", "The other end cannot be reached.");
        if (params.line === "breaks") throw new TypeError("secret inside");
        if (params.line === "deaf") await once(socket.signal, "abort");
        if (params.line === "flood") {
          const piece = Buffer.alloc(64 * 1024);
          while (!socket.signal.aborted) {
            await new Promise((resolve) => socket.bytes.write(piece, resolve));
            taken++;
          }
          return;
        }
        socket.onControl((message) => socket.control({ heard: message }));
        for await (const piece of socket.bytes) if (!socket.bytes.write(piece)) await once(socket.bytes, "drain");
        socket.bytes.end("end of the line");
        await once(socket.bytes, "finish");
        socket.control({ received: socket.receivedBytes });
      };
    },
  },
});

const { database } = await migratedDatabase();
const newServer = () =>
  createHttpServer({
    services: [service],
    database,
    secrets: testSecrets,
    log: silentLog,
    secure: false,
    sockets: { pingSeconds: 0.2, checkSeconds: 0.1, idleSeconds: 3600 },
    async authenticate({ authorization, cookies }) {
      const name = authorization?.slice("Bearer ".length) ?? cookies["khmara_session"];
      if (name === undefined) return undefined;
      const principal = principals[name];
      if (!principal) throw new CloudError("unauthenticated", "Your session has ended.");
      return { principal, ambient: authorization === undefined };
    },
  });
const server = newServer();
let port = 0;
before(async () => {
  await server.listen({ host: "127.0.0.1", port: 0 });
  port = (server.server.address() as { port: number }).port;
});
after(() => server.close());

interface Refused {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  // biome-ignore lint/suspicious/noExplicitAny: a problem document.
  body: any;
}
class Client extends WebSocket {
  readonly inbox: (string | Buffer)[] = [];
  /** Code and reason of the close. */
  readonly end = new Promise<[number, string]>((resolve) =>
    this.once("close", (code, reason) => resolve([code, String(reason)])),
  );
  constructor(path: string, headers: Record<string, string>, at: number) {
    super(`ws://127.0.0.1:${at}/api/v1/lines/${path}`, { headers });
    this.on("message", (data, isBinary) => this.inbox.push(isBinary ? (data as Buffer) : String(data)));
  }
}
const dial = (path: string, headers: Record<string, string>, at = port): Promise<Client | Refused> =>
  new Promise((resolve, reject) => {
    const websocket = new Client(path, headers, at);
    websocket.once("open", () => resolve(websocket));
    websocket.once("error", reject);
    websocket.once("unexpected-response", async (_request, response) => {
      let text = "";
      for await (const piece of response) text += piece;
      const type = String(response.headers["content-type"]);
      const body = type.includes("json") ? JSON.parse(text) : text;
      resolve({ status: response.statusCode as number, headers: response.headers, body });
    });
  });
const open = async (path: string, as = "eva", at = port): Promise<Client> => {
  const websocket = await dial(path, { authorization: `Bearer ${as}` }, at);
  if (!(websocket instanceof WebSocket)) assert.fail(JSON.stringify(websocket.body));
  return websocket;
};
const closing = (websocket: Client): Promise<[number, string]> => websocket.end;
const until = async (condition: () => boolean, what: string) => {
  for (const deadline = Date.now() + 5000; !condition(); ) {
    assert.ok(Date.now() < deadline, what);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

test("who may not is told so by an ordinary answer, before anything is opened", async () => {
  const before = opened.length;
  const status = async (path: string, headers: Record<string, string>) => ((await dial(path, headers)) as Refused).status;
  assert.equal(await status("a", {}), 401);
  assert.equal(await status("a", { authorization: "Bearer nobody" }), 401);
  assert.equal(await status("a", { authorization: "Bearer stan" }), 404);
  assert.equal(await status("a", { authorization: "Bearer vik" }), 403);
  assert.equal(await status("a?misspelt=1", { authorization: "Bearer eva" }), 400);
  const off = (await dial("off", { authorization: "Bearer eva" })) as Refused;
  assert.deepEqual([off.status, off.body.detail], [409, "The line is off. Turn it on first."]);
  assert.match(String(off.headers["content-type"]), /^application\/problem\+json/);
  assert.equal(off.body.requestId, off.headers["x-request-id"]);
  assert.equal(opened.length, before);
});

test("a cookie counts only from our own pages, as browsers send it with the sockets of others too", async () => {
  const cookie = { cookie: "khmara_session=eva", host: "cloud.test" };
  for (const headers of [
    { ...cookie },
    { ...cookie, origin: "http://evil.test" },
    { ...cookie, origin: "http://cloud.test:8081" },
    { ...cookie, origin: "null" },
    { ...cookie, origin: "http://cloud.test", "sec-fetch-site": "cross-site" },
    { ...cookie, origin: "http://cloud.test", "sec-fetch-site": "same-site" },
  ] as Record<string, string>[]) {
    const refused = (await dial("a", headers)) as Refused;
    assert.deepEqual([refused.status, refused.body.reason], [403, "csrf"], JSON.stringify(headers));
  }
  const own = (await dial("a", { ...cookie, origin: "http://cloud.test", "sec-fetch-site": "same-origin" })) as Client;
  assert.ok(own instanceof WebSocket);
  own.close();
  // Programs are nobody's pages.
  (await open("a")).close();
});

test("without an upgrade: 426, once all else is right; other upgrades are ignored", async () => {
  const answer = await server.inject({ url: "/api/v1/lines/a", headers: { authorization: "Bearer eva" } });
  assert.deepEqual(
    [answer.statusCode, answer.headers["upgrade"], answer.json().reason],
    [426, "websocket", "websocket_required"],
  );
  const off = await server.inject({ url: "/api/v1/lines/off", headers: { authorization: "Bearer eva" } });
  assert.equal(off.statusCode, 409);
  assert.equal((await server.inject({ url: "/api/v1/lines/a", headers: { authorization: "Bearer vik" } })).statusCode, 403);
  const plain = connect(port, "127.0.0.1");
  plain.end("GET /api/v1/nothing HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n");
  let text = "";
  for await (const piece of plain) text += piece;
  assert.match(text, /^HTTP\/1\.1 404 /);
});

test("bytes and control messages go both ways, in order, with the end of each direction", async () => {
  const websocket = await open("echo?greeting=hello");
  websocket.send(JSON.stringify({ resize: 1 }));
  websocket.send(Buffer.from("abc"));
  websocket.send(Buffer.alloc(1024 * 1024, 7));
  websocket.send(JSON.stringify({ end: true }));
  const [code] = await closing(websocket);
  assert.equal(code, 1000);
  const bytes = Buffer.concat(websocket.inbox.filter((one) => Buffer.isBuffer(one)));
  assert.equal(bytes.subarray(0, 8).toString(), "helloabc");
  assert.equal(bytes.length, 8 + 1024 * 1024 + "end of the line".length);
  assert.deepEqual(
    websocket.inbox.filter((one) => typeof one === "string").map((one) => JSON.parse(one)),
    [{ heard: { resize: 1 } }, { end: true }, { received: 3 + 1024 * 1024 }],
  );
});

test("what fails afterwards comes as a problem, and as the code of the close", async () => {
  const fails = await open("fails");
  const [code, reason] = await closing(fails);
  assert.deepEqual([code, reason], [4503, "The other end cannot be reached."]);
  const { error } = JSON.parse(fails.inbox[0] as string);
  assert.deepEqual([error.status, error.code, error.detail], [503, "unavailable", "The other end cannot be reached."]);
  const breaks = await open("breaks");
  assert.equal((await closing(breaks))[0], 4500);
  assert.ok(!String(breaks.inbox[0]).includes("secret inside"));
});

test("a message that is too large or no JSON ends it", async () => {
  const large = await open("deaf");
  large.send(Buffer.alloc(1024 * 1024 + 1));
  assert.equal((await closing(large))[0], 1009);
  for (const text of ["{", "[1]", "7", "null"]) {
    const wrong = await open("deaf");
    wrong.send(text);
    assert.equal((await closing(wrong))[0], 1008, text);
  }
});

test("a slow reader slows the sender, by TCP as well as by acknowledging", async () => {
  const slow = await open("flood");
  slow.pause();
  await settled();
  const held = taken;
  assert.ok(held * 64 * 1024 < 64 * 1024 * 1024, `${held} pieces were sent to who reads nothing`);
  slow.terminate();
  await settled();

  taken = 0;
  const window = await open("flood");
  window.send(JSON.stringify({ acknowledged: 0 }));
  const size = () => window.inbox.reduce((sum, one) => sum + one.length, 0);
  // What was sent before the first acknowledgement counts too; from then on it stands still.
  await settled(size);
  const first = size();
  window.send(JSON.stringify({ acknowledged: first }));
  await until(() => size() >= first + 512 * 1024, "nothing came after the acknowledgement");
  await settled(size);
  assert.ok(size() <= first + 512 * 1024 + 64 * 1024, `${size() - first} bytes were sent ahead`);
  window.terminate();
});

/** When the flood stands still, and has for longer than a busy machine lets anybody wait. */
async function settled(seen: () => number = () => taken): Promise<void> {
  for (let last = -1, still = 0; still < 5; ) {
    still = last === seen() && last > 0 ? still + 1 : 0;
    last = seen();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test("a handler that reads nothing slows who sends to it", async () => {
  const websocket = await open("deaf");
  const piece = Buffer.alloc(512 * 1024);
  let handed = 0;
  for (let i = 0; i < 200; i++) websocket.send(piece, () => handed++);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(handed < 150, `${handed} of 200 pieces were taken`);
  const connection = opened.at(-1) as SocketConnection;
  assert.ok(connection.receivedBytes < 4 * 1024 * 1024, `${connection.receivedBytes} bytes are held`);
  // A paused socket is not taken for a dead one.
  await new Promise((resolve) => setTimeout(resolve, 800));
  assert.equal(websocket.readyState, WebSocket.OPEN);
  websocket.terminate();
  await until(() => connection.signal.aborted, "the end was not noticed");
});

test("a peer that answers no ping is let go", async () => {
  const websocket = await open("deaf");
  const connection = opened.at(-1) as SocketConnection;
  (websocket as unknown as { _autoPong: boolean })._autoPong = false;
  await until(() => connection.signal.aborted, "it was not let go");
  assert.equal(connection.closedBecause, "the client no longer answered");
  assert.ok(ended.includes("deaf"), "the signal of the request's context was not aborted");
  const living = await open("deaf");
  await new Promise((resolve) => setTimeout(resolve, 800));
  assert.equal(living.readyState, WebSocket.OPEN);
  living.close();
});

test("whoever loses the session or the role loses the socket", async () => {
  principals["ida"] = person("Ida", "editor");
  const one = await open("deaf", "ida");
  const roleless = closing(one);
  principals["ida"] = { ...principals["ida"], bindings: [{ role: "viewer", organisationId }] };
  assert.equal((await roleless)[0], 4403);

  principals["ida"] = person("Ida", "editor");
  const two = await open("deaf", "ida");
  const signedOut = closing(two);
  delete principals["ida"];
  const [code, reason] = await signedOut;
  assert.deepEqual([code, reason], [4401, "Your session has ended."]);
});

test("nobody holds more than 200 at once", async () => {
  principals["max"] = person("Max", "editor");
  const all = await Promise.all(Array.from({ length: 200 }, () => open("deaf", "max")));
  const more = (await dial("deaf", { authorization: "Bearer max" })) as Refused;
  assert.deepEqual([more.status, more.body.reason], [429, "too_many_sockets"]);
  all[0]?.terminate();
  await until(() => opened.some((one) => one.signal.aborted), "closing");
  await new Promise((resolve) => setTimeout(resolve, 50));
  (await open("deaf", "max")).terminate();
  for (const one of all) one.terminate();
});

test("a server that stops says so, and waits for what its handlers still do", async () => {
  const stopping = newServer();
  await stopping.listen({ host: "127.0.0.1", port: 0 });
  const at = (stopping.server.address() as { port: number }).port;
  const websocket = await open("echo", "eva", at);
  const mute = await open("deaf", "eva", at);
  // One that does not answer the close does not hold the server up for ever.
  mute.pause();
  const closed = closing(websocket);
  await stopping.close();
  assert.equal((await closed)[0], 1012);
  mute.terminate();
});
