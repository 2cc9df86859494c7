import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createReadStream, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { WebSocketServer } from "ws";
import { CloudError, type ErrorCode } from "../../../../kernel/errors.ts";
import { lxdMissing, type TestLxd, type TestProject, testLxd, testProject } from "../../../../testing/lxd.ts";
import { freePort } from "../../../../testing/ports.ts";
import { at, EngineError, type EngineEvent, type LxdClient, openLxdClient, operationId } from "./client.ts";

const refused = (code: ErrorCode, reason?: string, engineSaid?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof CloudError, String(error));
  assert.equal(error.code, code, `${error.message} ${(error.cause as Error | undefined)?.message}`);
  if (reason !== undefined) assert.equal(error.details.reason, reason);
  if (engineSaid !== undefined) assert.match((error.cause as EngineError).message, engineSaid);
  return true;
};

describe("against a real engine", { skip: lxdMissing() }, () => {
  let lxd: TestLxd;
  let project: TestProject;
  let client: LxdClient;
  before(async () => {
    lxd = await testLxd();
    project = await testProject(lxd, "khcli");
    client = project.client;
    await client.post("/1.0/instances", { name: "one", source: { type: "image", alias: lxd.imageAlias } });
    await client.put("/1.0/instances/one/state", { action: "start" });
  });
  after(() => project?.remove());

  test("what the engine is", async () => {
    const server = await client.server();
    assert.equal(server.kind, lxd.kind);
    assert.match(server.version, /^\d+\.\d+/);
    assert.equal(server.auth, "trusted");
    assert.ok(server.apiExtensions.has("projects"));
    assert.equal(await client.server(), server, "asked once");
  });

  test("lists with what is in them, and what is not there", async () => {
    const instances = await client.list<{ name: string; state?: { status: string } }>("/1.0/instances", { recursion: 2 });
    assert.deepEqual(
      instances.map(({ name, state }) => [name, state?.status]),
      [["one", "Running"]],
    );
    assert.equal(await client.find("/1.0/instances/none"), undefined);
    assert.equal(await client.delete("/1.0/instances/none"), false);
    const elsewhere = await client.list<{ name: string }>("/1.0/instances", { project: "default" });
    assert.ok(!elsewhere.some(({ name }) => name === "one"), "another project");
  });

  test("refusals are told apart, and keep the engine's words as their cause", async () => {
    await assert.rejects(client.get("/1.0/instances/none"), refused("not_found", "engine_not_found", /not found/i));
    const twice = client.post("/1.0/instances", { name: "one", source: { type: "image", alias: lxd.imageAlias } });
    await assert.rejects(twice, refused("already_exists", "engine_already_exists", /already exists|UNIQUE/));
    const running = client.put("/1.0/instances/one/state", { action: "start" });
    await assert.rejects(running, refused("failed_precondition", "engine_power_state", /already running/));
    await assert.rejects(client.delete("/1.0/instances/one"), refused("failed_precondition", "engine_power_state"));
    await assert.rejects(client.delete(at`/1.0/projects/${project.name}`), refused("failed_precondition", "engine_in_use"));
    const wrong = client.patch("/1.0/instances/one", { config: { "limits.memory": "much" } });
    await assert.rejects(
      wrong,
      (error) => CloudError.is(error) && error.cause instanceof EngineError && error.cause.request.startsWith("PATCH"),
    );
  });

  test("a change to what has changed in between is refused", async () => {
    const path = "/1.0/profiles/default";
    const { value, etag } = await client.getWithEtag<{ description: string }>(path);
    await client.put(path, { ...value, description: "first" }, { etag });
    await assert.rejects(
      client.put(path, { ...value, description: "second" }, { etag }),
      refused("precondition_failed", "engine_changed"),
    );
    assert.equal((await client.get<{ description: string }>(path)).description, "first");
  });

  test("files as bytes, and folders as names", async () => {
    const content = randomBytes(3 * 1024 * 1024);
    const chunks = Array.from({ length: 48 }, (_, i) => content.subarray(i * 65_536, (i + 1) * 65_536));
    const query = { path: "/root/folder/data.bin" };
    await client.upload("POST", "/1.0/instances/one/files", new Uint8Array(), {
      query: { path: "/root/folder" },
      headers: { "x-lxd-type": "directory" },
    });
    await client.upload("POST", "/1.0/instances/one/files", Readable.from(chunks), {
      query,
      headers: { "x-lxd-type": "file", "x-lxd-mode": "0640" },
    });
    const file = await client.download("/1.0/instances/one/files", { query });
    assert.equal(file.headers["x-lxd-type"], "file");
    assert.equal(file.headers["x-lxd-mode"], "0640");
    assert.deepEqual(await buffer(file.content), content);
    assert.equal((await client.head("/1.0/instances/one/files", { query }))["x-lxd-type"], "file");
    const directory = await client.download("/1.0/instances/one/files", { query: { path: "/root/folder" } });
    assert.equal(directory.headers["x-lxd-type"], "directory");
    assert.deepEqual(JSON.parse(await text(directory.content)).metadata, ["data.bin"]);
    await assert.rejects(client.download("/1.0/instances/one/files", { query: { path: "/none" } }), refused("not_found"));
    await assert.rejects(client.head("/1.0/instances/one/files", { query: { path: "/none" } }), refused("not_found"));
  });

  test("an upload whose source breaks fails with the reason of the source", async () => {
    const broken = Readable.from(
      (async function* () {
        yield randomBytes(100_000);
        throw new Error("the disk is gone");
      })(),
    );
    const query = { path: "/root/half" };
    await assert.rejects(
      client.upload("POST", "/1.0/instances/one/files", broken, { query, headers: { "x-lxd-type": "file" } }),
      /the disk is gone/,
    );
  });

  test("a command over websockets", async () => {
    const operation = await client.start("POST", "/1.0/instances/one/exec", {
      command: ["sh", "-c", "cat; echo problem >&2; exit 3"],
      "wait-for-websocket": true,
    });
    const fds = operation.metadata?.["fds"] as Record<string, string>;
    const open = (name: string) => client.operationSocket(operation.id, fds[name] as string);
    const [, input, output, problems] = await Promise.all([open("control"), open("0"), open("1"), open("2")]);
    const read = (socket: typeof output) => {
      const chunks: Buffer[] = [];
      return new Promise<string>((resolve) => {
        socket.on("message", (data, isBinary) => {
          if (isBinary) chunks.push(data as Buffer);
          else socket.close();
        });
        socket.on("close", () => resolve(Buffer.concat(chunks).toString()));
      });
    };
    const heard = Promise.all([read(output), read(problems)]);
    input.send(Buffer.from("hello"));
    input.send("", { binary: false });
    assert.deepEqual(await heard, ["hello", "problem\n"]);
    assert.equal((await client.wait(operation.id)).metadata?.["return"], 3);
    await assert.rejects(client.operationSocket(operation.id, "guessed"), CloudError);
    await assert.rejects(client.websocket("/1.0/none"), refused("not_found"));
  });

  test("aborting, or being too late, ends what goes on in the engine", async () => {
    const run = (settings: { signal?: AbortSignal; operationTimeoutMs?: number }) =>
      client.post("/1.0/instances/one/exec", { command: ["sleep", "300"], "record-output": true }, settings);
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 500);
    const began = performance.now();
    await assert.rejects(run({ signal: stop.signal }), refused("cancelled"));
    await assert.rejects(run({ operationTimeoutMs: 1000 }), refused("deadline_exceeded", "engine_too_slow"));
    assert.ok(performance.now() - began < 150_000, `${performance.now() - began} ms`);
    await assert.rejects(client.get("/1.0/instances/one", { signal: AbortSignal.abort() }), refused("cancelled"));
  });

  test("an image that is there already, and a copy that tells how far it is", async () => {
    await assert.rejects(client.upload("POST", "/1.0/images", createReadStream(lxd.imageFile)), refused("already_exists"));
    const seen: number[] = [];
    const source = { type: "copy", source: "one", project: project.name };
    await client.post(
      "/1.0/instances",
      { name: "two", source, profiles: ["default"] },
      { progress: (fraction) => seen.push(fraction) },
    );
    assert.ok(seen.every((fraction) => fraction >= 0 && fraction <= 1));
    assert.equal(await client.delete("/1.0/instances/two"), true);
  });

  test("events are heard while they happen", async () => {
    const stop = new AbortController();
    const events: EngineEvent[] = [];
    const connected = Promise.withResolvers<void>();
    const heard = Promise.withResolvers<void>();
    const watching = client.watchEvents({
      types: ["lifecycle"],
      signal: stop.signal,
      onConnect: () => connected.resolve(),
      onEvent: (event) => {
        events.push(event);
        if (event.metadata["action"] === "instance-resumed") heard.resolve();
      },
    });
    await connected.promise;
    await client.put("/1.0/instances/one/state", { action: "freeze" });
    await client.put("/1.0/instances/one/state", { action: "unfreeze" });
    await heard.promise;
    stop.abort();
    await watching;
    assert.ok(events.some(({ metadata }) => metadata["action"] === "instance-paused"));
    assert.ok(events.every(({ project: name }) => name === project.name));
  });

  test("over HTTPS with a client certificate, compared with the engine's own", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "khmara-engine-tls-"));
    const root = openLxdClient({ endpoint: lxd.socket });
    t.after(() => {
      rmSync(folder, { recursive: true });
      root.close();
    });
    const words = [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=khmara",
    ];
    const made = spawnSync("openssl", [...words, "-keyout", join(folder, "key.pem"), "-out", join(folder, "certificate.pem")], {
      encoding: "utf8",
    });
    assert.equal(made.status, 0, made.stderr);
    const certificate = readFileSync(join(folder, "certificate.pem"), "utf8");
    const key = readFileSync(join(folder, "key.pem"), "utf8");
    const before = (await root.readServer()).config["core.https_address"];
    const port = before === undefined ? await freePort() : Number(before.split(":").at(-1));
    if (before === undefined) await root.patch("/1.0", { config: { "core.https_address": `127.0.0.1:${port}` } });
    const { environment } = await root.readServer();
    const endpoint = `https://127.0.0.1:${port}`;
    const serverCertificate = environment["certificate"] as string;
    const remote = openLxdClient({ endpoint, tls: { certificate, key, serverCertificate } }, project.name);
    t.after(() => remote.close());

    assert.equal((await remote.readServer()).auth, "untrusted");
    await assert.rejects(remote.list("/1.0/instances"), refused("unavailable", "engine_not_trusted"));
    const der = Buffer.from(certificate.replace(/-----[^-]+-----|\s/g, ""), "base64").toString("base64");
    await root.post("/1.0/certificates", { type: "client", name: project.name, certificate: der });
    t.after(async () => {
      for (const { name, fingerprint } of await root.list<{ name: string; fingerprint: string }>("/1.0/certificates"))
        if (name === project.name) await root.delete(at`/1.0/certificates/${fingerprint}`);
      if (before === undefined) await root.patch("/1.0", { config: { "core.https_address": "" } }).catch(() => {});
    });

    for (let round = 0; round < 3; round++) assert.equal((await remote.list<{ name: string }>("/1.0/instances"))[0]?.name, "one");
    const stop = new AbortController();
    await new Promise<void>((resolve) => {
      void remote.watchEvents({ types: ["lifecycle"], signal: stop.signal, onEvent: () => {}, onConnect: resolve });
    });
    stop.abort();
    const stranger = openLxdClient({ endpoint, tls: { certificate, key, serverCertificate: certificate } });
    t.after(() => stranger.close());
    await assert.rejects(
      stranger.readServer(),
      (error) =>
        refused("unavailable", "engine_unreachable")(error) &&
        /--engine-certificate|--engine-server-certificate/.test((error as Error).message),
    );
  });
});

describe("an engine that misbehaves", () => {
  let folder: string;
  let listener: RequestListener;
  let server: Server;
  let client: LxdClient;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "khmara-engine-"));
    server = createServer((request, response) => listener(request, response));
    await new Promise<void>((resolve) => server.listen(join(folder, "unix.socket"), resolve));
    client = openLxdClient({ endpoint: join(folder, "unix.socket") });
  });
  after(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });
  const answer = (status: number, body: object | string) => {
    listener = (_, response) => {
      response.statusCode = status;
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    };
  };
  const failing = (status: number, error: string) => answer(status, { type: "error", error, error_code: status });

  test("nobody there: unavailable, and what to do", async () => {
    const nobody = openLxdClient({ endpoint: join(folder, "none") });
    await assert.rejects(
      nobody.get("/1.0"),
      (error) => refused("unavailable", "engine_unreachable")(error) && /\.\/khmara up starts it/.test((error as Error).message),
    );
    await assert.rejects(nobody.websocket("/1.0/events"), refused("unavailable", "engine_unreachable"));
  });

  test("no answer in time", async () => {
    listener = () => {};
    await assert.rejects(client.get("/1.0", { timeoutMs: 100 }), refused("deadline_exceeded", "engine_too_slow"));
    await assert.rejects(client.websocket("/1.0/events", { timeoutMs: 100 }), refused("deadline_exceeded"));
    await assert.rejects(client.get("/1.0", { signal: AbortSignal.timeout(50) }), refused("cancelled"));
  });

  test("an answer that stops in the middle", async () => {
    listener = (_, response) => {
      response.setHeader("content-length", 100);
      response.write('{"type":');
      setTimeout(() => response.destroy(), 20);
    };
    await assert.rejects(client.get("/1.0"), refused("unavailable", "engine_unreachable"));
    listener = (_, response) => void response.write("abc");
    await assert.rejects(client.get("/1.0", { timeoutMs: 100 }), refused("deadline_exceeded"));
    const { content } = await client.download("/1.0/images/x/export", { timeoutMs: 100 });
    await assert.rejects(text(content), refused("deadline_exceeded"));
    const stop = new AbortController();
    const download = await client.download("/1.0/images/x/export", { signal: stop.signal });
    stop.abort();
    await assert.rejects(text(download.content), refused("cancelled"));
  });

  const words: [number, string, ErrorCode, string | undefined][] = [
    [500, "write /var/lib/lxd/x: no space left on device", "storage_full", undefined],
    [500, "Failed to run: btrfs: disk quota exceeded", "storage_full", undefined],
    [409, "The record already exists", "already_exists", "engine_already_exists"],
    [500, 'Instance is busy running a "stop" operation', "conflict", "engine_busy"],
    [400, "The storage volume is still in use", "failed_precondition", "engine_in_use"],
    [400, "Invalid config", "failed_precondition", "engine_refused"],
    [403, "not authorized", "unavailable", "engine_not_trusted"],
    [404, "whatever", "not_found", "engine_not_found"],
    [412, "Precondition failed", "precondition_failed", "engine_changed"],
    [500, "something strange", "internal", "engine_failed"],
    [503, "LXD daemon is shutting down", "unavailable", "engine_unavailable"],
  ];
  for (const [status, said, code, reason] of words) {
    test(`${status} ${said} → ${code}`, async () => {
      failing(status, said);
      await assert.rejects(client.get("/1.0"), (error) => {
        assert.ok(!(error as Error).message.includes(said), "the engine's words stay in the log");
        return refused(code, reason, new RegExp(said.slice(0, 8)))(error);
      });
    });
  }

  test("what is no engine at all", async () => {
    answer(200, "<html>");
    await assert.rejects(client.get("/1.0"), refused("internal"));
    answer(502, "Bad gateway");
    await assert.rejects(client.get("/1.0"), refused("unavailable"));
  });

  test("an operation that is lost with a restart of the engine, one that fails, one that was cancelled", async () => {
    let after: object = { type: "error", error: "not found", error_code: 404 };
    listener = (request, response) => {
      const lost = request.url?.includes("/operations/") === true;
      if (lost && "error" in after) response.statusCode = 404;
      response.end(
        JSON.stringify(lost ? after : { type: "async", operation: "/1.0/operations/abc?project=x", metadata: { id: "abc" } }),
      );
    };
    await assert.rejects(client.post("/1.0/instances", {}), refused("unavailable", "engine_restarted"));
    after = { type: "sync", metadata: { id: "abc", status_code: 400, err: "no space left on device" } };
    await assert.rejects(client.post("/1.0/instances", {}), refused("storage_full"));
    after = { type: "sync", metadata: { id: "abc", status_code: 401, err: "" } };
    await assert.rejects(client.post("/1.0/instances", {}), refused("cancelled"));
    const seen: [number, string | undefined][] = [];
    let round = 0;
    listener = (request, response) => {
      const running = {
        id: "abc",
        status_code: 103,
        metadata: { create_instance_from_image_unpack_progress: "Unpack: 45% (40.02MB/s)" },
      };
      const metadata = round++ < 2 ? running : { id: "abc", status_code: 200 };
      response.end(
        JSON.stringify(
          request.method === "POST" ? { type: "async", operation: "/1.0/operations/abc" } : { type: "sync", metadata },
        ),
      );
    };
    await client.post("/1.0/instances", {}, { progress: (fraction, message) => seen.push([fraction, message]) });
    assert.deepEqual(seen[0], [0.45, "Unpack: 45% (40.02MB/s)"]);
  });

  test("an answer that comes before everything was sent counts", async () => {
    listener = (_, response) => {
      response.statusCode = 400;
      response.setHeader("connection", "close");
      response.end(JSON.stringify({ type: "error", error: "the image is no image", error_code: 400 }));
    };
    const endless = Readable.from(
      (async function* () {
        for (let i = 0; i < 2000; i++) yield Buffer.alloc(65_536);
      })(),
    );
    await assert.rejects(client.upload("POST", "/1.0/images", endless), CloudError);
  });

  test("the stream of events comes back after the engine went away, and what arrives at once is heard", async () => {
    const door = createServer();
    const path = join(folder, "events.socket");
    await new Promise<void>((resolve) => door.listen(path, resolve));
    const events = new WebSocketServer({ server: door });
    let opened = 0;
    events.on("connection", (socket) => {
      opened += 1;
      socket.send(JSON.stringify({ type: "lifecycle", metadata: { action: `hello ${opened}` } }));
      if (opened === 1) setTimeout(() => socket.terminate(), 50);
    });
    const stop = new AbortController();
    const heard: unknown[] = [];
    let lost = 0;
    await new Promise<void>((resolve) => {
      void openLxdClient({ endpoint: path }).watchEvents({
        types: ["lifecycle", "operation"],
        signal: stop.signal,
        onEvent: ({ metadata }) => {
          heard.push(metadata["action"]);
          if (heard.length === 2) resolve();
        },
        onLost: () => {
          lost += 1;
        },
      });
    });
    stop.abort();
    assert.deepEqual(heard, ["hello 1", "hello 2"]);
    assert.equal(lost, 1);
    events.close();
    door.close();
  });
});

test("paths are escaped", () => {
  assert.equal(at`/1.0/instances/${"a/../b"}/state`, "/1.0/instances/a%2F..%2Fb/state");
  assert.equal(operationId("/1.0/operations/abc?project=x"), "abc");
});
