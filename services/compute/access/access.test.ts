import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { CloudError } from "../../../kernel/errors.ts";
import type { ExecOptions } from "../driver.ts";
import { type Caller, type TestCompute, testCompute } from "../testing/fixture.ts";

let cloud: TestCompute;
// biome-ignore lint/suspicious/noExplicitAny: an instance as the API shows it.
let instance: any;
let engineName = "";
before(async () => {
  cloud = await testCompute({ standIns: ["images", "networks", "volumes"] });
  const image = await cloud.image({ defaultUser: "olena" });
  instance = await cloud.instance({ name: "web", image: image.id });
  engineName = [...cloud.engine.instances.keys()][0] as string;
});
after(() => cloud.stop());

interface Refused {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a problem document.
  body: any;
}
class Client extends WebSocket {
  readonly bytes: Buffer[] = [];
  // biome-ignore lint/suspicious/noExplicitAny: JSON of all kinds.
  readonly control: any[] = [];
  readonly end = new Promise<number>((resolve) => this.once("close", resolve));
  constructor(path: string, caller: Caller) {
    super(`${cloud.url.replace("http", "ws")}/api/v1${path}`, { headers: { authorization: `Bearer ${caller}` } });
    this.on("message", (data, isBinary) =>
      isBinary ? this.bytes.push(data as Buffer) : this.control.push(JSON.parse(String(data))),
    );
  }
  text = () => Buffer.concat(this.bytes).toString();
  say = (message: object) => this.send(JSON.stringify(message));
}
const dial = (path: string, caller: Caller = "editor"): Promise<Client | Refused> =>
  new Promise((resolve, reject) => {
    const client = new Client(path, caller);
    client.once("open", () => resolve(client));
    client.once("error", reject);
    client.once("unexpected-response", async (_request, response) => {
      let text = "";
      for await (const piece of response) text += piece;
      resolve({ status: response.statusCode as number, body: JSON.parse(text) });
    });
  });
async function open(path: string): Promise<Client> {
  const client = await dial(path);
  if (!(client instanceof Client)) assert.fail(JSON.stringify(client.body));
  return client;
}
async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const deadline = Date.now() + 5000; !(await condition()); ) {
    assert.ok(Date.now() < deadline, what);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
const at = (rest: string) => `/instances/${instance.id}/${rest}`;
const audited = async (action: string) =>
  cloud.database.sql`select action, actor_name as actor, resource_name as resource, after from kernel.audit_entries
    where action like ${`${action}%`} order by sequence`;

const socketPaths = ["terminal", "console", "display", "exec", "tunnel"];

test("who may enter: editors of the project, while it runs", async () => {
  for (const path of socketPaths) {
    assert.equal(((await dial(at(path), "viewer")) as Refused).status, 403, path);
    assert.equal(((await dial(at(path), "neighbour")) as Refused).status, 404, path);
    assert.equal(((await dial(at(path), "stranger")) as Refused).status, 404, path);
    assert.equal((await cloud.call("editor", "GET", at(path))).status, 426, path);
  }
  for (const path of ["log", "files", "ssh", "file/content?path=/etc/hostname"]) {
    assert.equal((await cloud.call("viewer", "GET", at(path))).status, 403, path);
    assert.equal((await cloud.call("stranger", "GET", at(path))).status, 404, path);
  }
  const stopped = await cloud.instance({ start: false });
  const refused = (await dial(`/instances/${stopped.id}/terminal`)) as Refused;
  assert.equal(refused.status, 409);
  assert.match(refused.body.detail, /stopped/);
  assert.equal((await cloud.call("editor", "POST", `/instances/${stopped.id}/exec`, { command: ["ls"] })).status, 409);
});

test("a terminal: both ways, with its size, its user and its end; written down, but not what is typed", async () => {
  const client = await open(at("terminal?columns=132&rows=43&user=olena"));
  await until(() => client.text().includes("$ "), "no prompt");
  assert.match(client.text(), /su -l -- "\$0".* olena\$ $/s);
  client.say({ resize: { columns: 20, rows: 10 } });
  client.say({ resize: { columns: -1, rows: 10 } });
  client.send(Buffer.from("secret words\n"));
  await until(() => client.text().endsWith("[20x10]secret words\n"), client.text());
  client.close();
  await client.end;
  await until(async () => (await audited("compute.instance.terminal")).length === 2, "the end was not written down");
  const [begin, end] = await audited("compute.instance.terminal");
  assert.deepEqual(
    [begin?.["action"], begin?.["actor"], begin?.["resource"], begin?.["after"]],
    ["compute.instance.terminal", "editor", "web", { user: "olena" }],
  );
  assert.equal(end?.["action"], "compute.instance.terminal.end");
  assert.deepEqual(
    { ...end?.["after"], seconds: 0, sentBytes: 0 },
    { reason: "the client closed it", seconds: 0, sentBytes: 0, receivedBytes: 13 },
  );
  assert.ok(!JSON.stringify(await audited("")).includes("secret words"));
});

test("many terminals at once; one that ends by itself tells its exit code", async () => {
  const all = await Promise.all(Array.from({ length: 20 }, () => open(at("terminal"))));
  for (const [i, client] of all.entries()) client.send(Buffer.from(`line ${i}.`));
  for (const [i, client] of all.entries()) await until(() => client.text().includes(`line ${i}.`), `${i}`);
  for (const client of all) client.close();
  const ending = cloud.engine.instanceTerminal;
  cloud.engine.instanceTerminal = async (name, options) => {
    const session = await ending(name, options);
    setTimeout(() => session.input.end("bye"), 50);
    return session;
  };
  const client = await open(at("terminal?command=top"));
  assert.equal(await client.end, 1000);
  assert.deepEqual(client.control, [{ exit: { code: 0 } }]);
  assert.match(client.text(), /session-command="\$1".* top\$ bye$/s);
  cloud.engine.instanceTerminal = ending;
});

test("an engine that fails is told as such", async () => {
  const before = cloud.engine.instanceTerminal;
  cloud.engine.instanceTerminal = async () => {
    throw new CloudError("unavailable", "The engine does not answer.");
  };
  const client = await open(at("terminal"));
  assert.equal(await client.end, 4503);
  assert.equal(client.control[0].error.detail, "The engine does not answer.");
  cloud.engine.instanceTerminal = before;
  const entries = await audited("compute.instance.terminal.end");
  assert.equal(entries.at(-1)?.["after"].reason, "The engine does not answer.");
});

test("serial console and log; a container has no screen", async () => {
  const client = await open(at("console"));
  await until(() => client.text().endsWith("login: "), "no console");
  client.close();
  const log = await cloud.call("editor", "GET", at("log?maxBytes=100"));
  assert.deepEqual([log.status, log.body], [200, { text: "[boot] web\n" }]);
  const display = await open(at("display"));
  assert.equal(await display.end, 4501);
  const image = await cloud.image({ kind: "vm" });
  const vm = await cloud.instance({ kind: "vm", image: image.id });
  const screen = await open(`/instances/${vm.id}/display?protocol=vnc`);
  await until(() => screen.text() === "RFB", "no screen");
  screen.send(Buffer.from(" 003.008\n"));
  await until(() => screen.text() === "RFB 003.008\n", screen.text());
  screen.close();
  // Nothing but the protocol's own bytes comes: what a client cannot speak it does not get.
  assert.deepEqual(screen.control, []);
  const other = await open(`/instances/${vm.id}/display`);
  assert.equal(await other.end, 4501);
  assert.match(other.control[0].error.detail, /speaks VNC, not SPICE/);
});

test("exec: what the command gets and what it answers", async () => {
  const seen: (ExecOptions & { input?: Uint8Array })[] = [];
  cloud.engine.onExec = (name, options) => {
    assert.equal(name, engineName);
    seen.push(options);
    return { exitCode: 3, stdout: "größe\n", stderr: "oh\n" };
  };
  const run = (body: object) => cloud.call("editor", "POST", at("exec"), body);
  const answer = await run({ command: ["du", "-s"], environment: { A: "b" }, workingDirectory: "/srv", stdin: "in" });
  assert.deepEqual(
    [answer.status, answer.body],
    [200, { exitCode: 3, stdout: "größe\n", stdoutEncoding: "utf-8", stderr: "oh\n", stderrEncoding: "utf-8", truncated: false }],
  );
  const { command, environment, workingDirectory, input } = seen[0] as ExecOptions & { input: Uint8Array };
  assert.deepEqual([command, environment, workingDirectory], [["du", "-s"], { A: "b" }, "/srv"]);
  assert.equal(Buffer.from(input).toString(), "in");
  await run({ command: ["id"], user: "olena", stdin: "AAEC", stdinEncoding: "base64" });
  assert.deepEqual(seen[1]?.command.slice(-4), ["olena", "sh", "", "id"]);
  assert.deepEqual([...(seen[1]?.input ?? [])], [0, 1, 2]);
  const [first] = await audited("compute.instance.exec");
  assert.deepEqual(first?.["after"], { user: "root", command: ["du", "-s"] });

  cloud.engine.onExec = () => ({ stdout: "a\0b" });
  const binary = (await run({ command: ["cat"] })).body;
  assert.deepEqual([binary.stdoutEncoding, Buffer.from(binary.stdout, "base64").toString()], ["base64", "a\0b"]);
  // The limit cuts the two bytes of the last letter in two.
  cloud.engine.onExec = () => ({ stdout: `${"a".repeat(1024 ** 2 - 1)}ü and more` });
  const long = (await run({ command: ["cat"] })).body;
  assert.deepEqual([long.truncated, long.stdoutEncoding, long.stdout.length], [true, "utf-8", 1024 ** 2 - 1]);

  for (const body of [
    { command: [] },
    { command: ["x"], environment: { "A-B": "" } },
    { command: ["x"], user: "a b" },
    { command: ["x"], workingDirectory: "srv" },
    { command: ["x"], stdin: "???", stdinEncoding: "base64" },
    { command: ["x"], timeoutSeconds: 0 },
  ])
    assert.equal((await run(body)).status, 400, JSON.stringify(body));
  assert.equal((await run({ command: ["x"], stdin: "a".repeat(600_000) })).status, 413);
  cloud.engine.onExec = undefined;
});

test("exec: a command that takes too long is ended, with a word about it", async () => {
  let ended = false;
  cloud.engine.onExec = async (_name, { signal }) => {
    await once(signal as AbortSignal, "abort");
    ended = true;
    return {};
  };
  const late = await cloud.call("editor", "POST", at("exec"), { command: ["sleep", "1d"], timeoutSeconds: 1 });
  assert.deepEqual([late.status, ended], [504, true]);
  assert.match(late.body.detail, /longer than 1 seconds/);
  cloud.engine.onExec = undefined;
});

test("exec with streams: start, input, both outputs, exit code", async () => {
  const begun: ExecOptions[] = [];
  const before = cloud.engine.instanceExecStream;
  cloud.engine.instanceExecStream = async (name, options) => {
    begun.push(options);
    const stream = await before(name, { ...options });
    let bytes = 0;
    stream.stdin.on("finish", () => {});
    (stream.stdin as unknown as NodeJS.ReadableStream).on("data", (piece: Buffer) => {
      bytes += piece.length;
    });
    const exited = new Promise<number>((resolve) =>
      (stream.stdin as unknown as NodeJS.ReadableStream).once("end", () => resolve(bytes % 256)),
    );
    return { ...stream, exited };
  };
  cloud.engine.onExec = () => ({ stdout: "out", stderr: "err" });
  const client = await open(at("exec"));
  client.say({ start: { command: ["wc", "-c"], user: "olena" } });
  client.send(Buffer.alloc(1_000_000));
  client.send(Buffer.alloc(7));
  client.say({ end: true });
  assert.equal(await client.end, 1000);
  assert.deepEqual(client.control, [{ exit: { code: 1_000_007 % 256 } }]);
  const channel = (number: number) =>
    Buffer.concat(client.bytes.filter((piece) => piece[0] === number).map((piece) => piece.subarray(1))).toString();
  assert.deepEqual([channel(1), channel(2)], ["out", "err"]);
  assert.deepEqual(begun[0]?.command.at(-2), "wc");
  cloud.engine.instanceExecStream = before;
  cloud.engine.onExec = undefined;

  const wrong = await open(at("exec"));
  wrong.say({ start: { command: [], misspelt: 1 } });
  assert.equal(await wrong.end, 4400);
  const empty = await open(at("exec"));
  empty.say({ begin: true });
  assert.equal(await empty.end, 4400);
});

test("files: up, whole or not at all, and down", async () => {
  cloud.engine.onExec = (_name, { command: words }) => {
    const { files } = cloud.engine.instances.get(engineName) as unknown as { files: Map<string, never> };
    if (words[2]?.includes("id -u")) return words[4] === "olena" ? { stdout: "1000\n1001\n" } : { exitCode: 46 };
    if (words[0] === "rm") files.delete(words[3] as string);
    if (words[2]?.includes("mv -f")) {
      const [from, to] = words.slice(4) as [string, string];
      if (to === "/folder") return { exitCode: 45 };
      files.set(to, files.get(from) as never);
      files.delete(from);
    }
    return {};
  };
  const put = (query: string, body: string) =>
    cloud.fetch("editor", at(`file/content?${query}`), { method: "PUT", body, headers: { "content-type": "text/plain" } });
  assert.equal((await put("path=/srv/a%20b&mode=0750&user=olena", "some text")).status, 204);
  const { files } = cloud.engine.instances.get(engineName) as { files: Map<string, object> };
  assert.deepEqual(
    [...files.entries()],
    [["/srv/a b", { content: Buffer.from("some text"), mode: 0o750, uid: 1000, gid: 1001 }]],
  );

  const down = await cloud.fetch("editor", at("file/content?path=/srv/a%20b"));
  assert.deepEqual([down.status, await down.text()], [200, "some text"]);
  assert.equal(down.headers.get("content-disposition"), "attachment; filename*=UTF-8''a%20b");
  assert.equal(down.headers.get("x-khmara-mode"), "0750");
  assert.equal(down.headers.get("content-length"), "9");

  const folder = await cloud.fetch("editor", at("file/content?path=/srv"));
  assert.equal(folder.status, 409);
  assert.equal((await cloud.fetch("editor", at("file/content?path=/nothing"))).status, 404);
  assert.equal((await put("path=/folder", "x")).status, 409);
  assert.equal((await put("path=/x&user=nobody-here", "x")).status, 409);
  for (const query of ["path=relative", "path=/a/", "path=/x&mode=888", "path=/x%00y"])
    assert.equal((await put(query, "x")).status, 400, query);
  // Nothing of what was refused is left.
  assert.deepEqual([...files.keys()], ["/srv/a b"]);

  // A client that breaks off in the middle leaves nothing either.
  const { port, hostname } = new URL(cloud.url);
  const broken = connect(Number(port), hostname);
  broken.write(
    `PUT /api/v1${at("file/content?path=/half")} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer editor\r\ncontent-length: 1000\r\n\r\nhalf`,
  );
  await new Promise((resolve) => setTimeout(resolve, 300));
  broken.destroy();
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.deepEqual([...files.keys()], ["/srv/a b"]);
  cloud.engine.onExec = undefined;
});

test("folders are listed in pages", async () => {
  const names = Array.from({ length: 25 }, (_, i) => `file-${String(i).padStart(2, "0")}`);
  cloud.engine.onExec = () => ({ stdout: names.map((name) => `644 5 1700000000.5 root root f ${name}/\0`).join("") });
  const first = (await cloud.call("editor", "GET", at("files?path=/srv&limit=10"))).body;
  assert.deepEqual(first.items[0], {
    name: "file-00",
    kind: "file",
    sizeBytes: 5,
    mode: "0644",
    user: "root",
    group: "root",
    modifiedAt: "2023-11-14T22:13:20.500Z",
  });
  const seen = [...first.items];
  for (let cursor = first.nextCursor; cursor; ) {
    const { items, nextCursor } = (await cloud.call("editor", "GET", at(`files?path=/srv&limit=10&cursor=${cursor}`))).body;
    seen.push(...items);
    cursor = nextCursor;
  }
  assert.deepEqual(
    seen.map(({ name }) => name),
    names,
  );
  cloud.engine.onExec = () => ({ exitCode: 44 });
  assert.equal((await cloud.call("editor", "GET", at("files?path=/none"))).status, 404);
  cloud.engine.onExec = () => ({ exitCode: 45 });
  assert.equal((await cloud.call("editor", "GET", at("files?path=/file"))).status, 409);
  cloud.engine.onExec = undefined;
});

test("ssh: the user of the image, and the keys that are inside", async () => {
  await cloud.engine.fileWrite(engineName, "/etc/ssh/ssh_host_ed25519_key.pub", Buffer.from("ssh-ed25519 AAAAkey root@web\n"));
  await cloud.engine.fileWrite(engineName, "/etc/ssh/ssh_host_rsa_key.pub", Buffer.from("no key at all\n"));
  const { status, body } = await cloud.call("editor", "GET", at("ssh"));
  assert.equal(status, 200);
  assert.deepEqual(body, {
    user: "olena",
    port: 22,
    hostKeys: ["ssh-ed25519 AAAAkey"],
    addresses: [{ kind: "private", address: instance.ports[0].ipv4 }],
  });
});

test("tunnel: the bytes of a connection, with the end of each direction; a clear word where nothing listens", async () => {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let bytes = 0;
    socket.on("data", (piece) => {
      bytes += piece.length;
    });
    socket.once("end", () => socket.end(`${bytes} bytes`));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const asked: unknown[] = [];
  cloud.standIns.networks.connect = async (id: string, number: number) => {
    asked.push([id, number]);
    if (number === 81) throw Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
    const socket: Socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    await once(socket, "connect");
    return socket;
  };
  Object.assign(cloud.compute.parts.networks, { connect: cloud.standIns.networks.connect });
  const client = await open(at("tunnel?port=80"));
  for (let i = 0; i < 20; i++) client.send(Buffer.alloc(100_000));
  client.say({ end: true });
  assert.equal(await client.end, 1000);
  assert.equal(client.text(), "2000000 bytes");
  assert.deepEqual(client.control, [{ end: true }]);
  const closed = await open(at("tunnel?port=81"));
  assert.equal(await closed.end, 4409);
  assert.match(closed.control[0].error.detail, /Nothing listens on port 81 of web/);
  assert.deepEqual(asked, [
    [instance.id, 80],
    [instance.id, 81],
  ]);
  server.close();
  await until(async () => (await audited("compute.instance.tunnel.end")).length === 2, "not audited");
  assert.deepEqual((await audited("compute.instance.tunnel"))[0]?.["after"], { port: 80 });
});
