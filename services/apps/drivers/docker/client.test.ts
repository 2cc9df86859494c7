import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { after, before, beforeEach, describe, test } from "node:test";
import { CloudError, type ErrorCode } from "../../../../kernel/errors.ts";
import type { EngineChange } from "../../driver.ts";
import { BuildSteps } from "./buildWatch.ts";
import { at, compareVersions, DockerClient } from "./client.ts";
import type { DockerError } from "./engineError.ts";
import { splitFrames } from "./frames.ts";
import { openDockerEngine } from "./index.ts";
import { jsonLines } from "./jsonLines.ts";
import { recordsOf, secondsOf } from "./logs.ts";
import { metricsOf } from "./metrics.ts";
import { Ownership } from "./ownership.ts";

const refused = (code: ErrorCode, reason?: string, said?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof CloudError, String(error));
  assert.equal(error.code, code, `${error.message} ${String(error.cause)}`);
  if (reason !== undefined) assert.equal(error.details.reason, reason);
  if (said !== undefined) {
    assert.match((error.cause as DockerError).message, said);
    assert.doesNotMatch(error.message, said, "the engine's words stay in the log");
  }
  return true;
};

const frame = (kind: number, content: string | Buffer): Buffer => {
  const head = Buffer.alloc(8);
  head[0] = kind;
  head.writeUInt32BE(Buffer.byteLength(content), 4);
  return Buffer.concat([head, Buffer.from(content)]);
};

/** Cut into pieces of so many bytes. */
const pieces = (content: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(content.length / size) }, (_, i) => content.subarray(i * size, (i + 1) * size));

describe("streams, however they are cut", () => {
  for (const size of [1, 3, 7, 8, 9, 1000]) {
    test(`frames in pieces of ${size}`, async () => {
      const whole = Buffer.concat([frame(1, "one "), frame(2, "bad "), frame(1, ""), frame(1, "two"), frame(2, "ü".repeat(50))]);
      const { stdout, stderr } = splitFrames(Readable.from(pieces(whole, size)), Buffer.alloc(0));
      assert.deepEqual(await Promise.all([text(stdout), text(stderr)]), ["one two", `bad ${"ü".repeat(50)}`]);
    });

    test(`objects in pieces of ${size}`, async () => {
      const whole = Buffer.from('{"a":"ü€"}\r\n{"b":[1,\t2]}\n\n{"c":"\\n"}');
      const objects = await Array.fromAsync(jsonLines(Readable.from(pieces(whole, size)), "test"));
      assert.deepEqual(objects, [{ a: "ü€" }, { b: [1, 2] }, { c: "\n" }]);
    });

    test(`records of a log in pieces of ${size}`, async () => {
      const time = "2026-11-22T04:05:06.123456789Z";
      const whole = Buffer.concat([
        frame(1, `${time} first\r\n`),
        frame(2, `${time} ${"x".repeat(30)}`),
        frame(2, `${time} end\n`),
        frame(1, `${time} \n`),
      ]);
      const records = await Array.fromAsync(recordsOf(Readable.from(pieces(whole, size)), false));
      assert.deepEqual(
        records.map(({ stream, at: when, text: line, partial }) => [stream, when, line, partial]),
        [
          ["stdout", time, "first", false],
          ["stderr", time, "x".repeat(30), true],
          ["stderr", time, "end", false],
          ["stdout", time, "", false],
        ],
      );
    });
  }

  test("one reader that stops does not stop the other; what are no frames is said", async () => {
    const source = new PassThrough();
    const { stdout, stderr } = splitFrames(source, frame(2, "early"));
    stderr.destroy();
    const read = buffer(stdout);
    for (let i = 0; i < 100; i++) source.write(Buffer.concat([frame(2, Buffer.alloc(10_000)), frame(1, "x")]));
    source.end();
    assert.equal((await read).length, 100);
    const nonsense = splitFrames(Readable.from([Buffer.from("HTTP/1.1 200 OK")]), Buffer.alloc(0));
    await assert.rejects(text(nonsense.stdout), refused("internal"));
  });

  test("a long stream that waits for its reader again and again leaves no listeners", async () => {
    const whole = Array.from({ length: 100 }, () => frame(1, Buffer.alloc(100_000)));
    const { stdout } = splitFrames(Readable.from(whole), Buffer.alloc(0));
    const before = stdout.listenerCount("close");
    let bytes = 0;
    let most = 0;
    for await (const piece of stdout) {
      bytes += (piece as Buffer).length;
      most = Math.max(most, stdout.listenerCount("close") - before);
    }
    assert.equal(bytes, 10_000_000);
    assert.ok(most < 5, `${most} listeners`);
  });

  test("what is not JSON, and what is too long", async () => {
    await assert.rejects(Array.fromAsync(jsonLines(Readable.from([Buffer.from("<html>\n")]), "x")), refused("internal"));
    const endless = Readable.from(Array.from({ length: 80 }, () => Buffer.alloc(65_536, "x")));
    await assert.rejects(Array.fromAsync(jsonLines(endless, "x")), refused("internal", undefined, /too long/));
    const line = Readable.from([
      Buffer.from("2026-11-22T04:05:06Z "),
      ...Array.from({ length: 40 }, () => Buffer.alloc(8192, "y")),
      Buffer.from("\n"),
    ]);
    const records = await Array.fromAsync(recordsOf(line, true));
    assert.ok(
      records.length > 1 &&
        records.every(({ text: each, at: when }) => each.length <= 65_536 + 8192 && when === "2026-11-22T04:05:06Z"),
    );
  });
});

describe("small things", () => {
  test("versions, times, paths", () => {
    assert.ok(compareVersions("1.5", "1.41") < 0 && compareVersions("2.0", "1.99") > 0 && compareVersions("1.41", "1.41") === 0);
    assert.equal(secondsOf("2026-11-22T04:05:06.1234Z"), `${Date.parse("2026-11-22T04:05:06Z") / 1000}.123400000`);
    assert.equal(secondsOf(new Date(1500)), "1.500000000");
    assert.equal(at`/containers/${"a/../b"}/json`, "/containers/a%2F..%2Fb/json");
  });

  test("names and labels of one cloud", () => {
    const mine = new Ownership("cloud-1");
    assert.notEqual(mine.engineName("web"), new Ownership("cloud-2").engineName("web"));
    assert.equal(mine.nameOf(mine.engineName("web")), "web");
    assert.equal(mine.imageName(mine.imageReference("app/web:1")), "app/web:1");
    assert.match(mine.imageReference("web"), /\/web:latest$/);
    for (const bad of ["", "../x", "a b", "-x", "x".repeat(300)])
      assert.throws(() => mine.engineName(bad), refused("invalid_argument"));
    for (const bad of ["Web", "web:", "a//b", "web:a b", "web@sha256:x"])
      assert.throws(() => mine.imageReference(bad), refused("invalid_argument"));
    assert.throws(() => mine.labelsFor("x", { cloud: "stolen" }), refused("invalid_argument"));
    assert.throws(() => mine.labelsFor("x", { "A b": "" }), refused("invalid_argument"));
  });

  test("numbers of both versions of control groups", () => {
    const common = { cpu_stats: { cpu_usage: { total_usage: 2_500_000_000 } }, pids_stats: { current: 3 } };
    const first = metricsOf({ ...common, memory_stats: { usage: 100, limit: 200, stats: { total_inactive_file: 40 } } });
    assert.deepEqual([first.cpuSeconds, first.memoryBytes, first.memoryLimitBytes, first.processes], [2.5, 60, 200, 3]);
    const second = metricsOf({
      ...common,
      memory_stats: { usage: 100, limit: 200, stats: { inactive_file: 30 } },
      networks: { eth0: { rx_bytes: 1, tx_bytes: 2 }, eth1: { rx_bytes: 10, tx_bytes: 20 } },
      blkio_stats: {
        io_service_bytes_recursive: [
          { op: "Read", value: 5 },
          { op: "write", value: 6 },
          { op: "read", value: 1 },
        ],
      },
    });
    assert.deepEqual(
      [second.memoryBytes, second.receivedBytes, second.sentBytes, second.diskReadBytes, second.diskWrittenBytes],
      [70, 11, 22, 6, 6],
    );
  });

  test("what a build made is told from what it found", () => {
    const steps = new BuildSteps();
    const [base, cached, one, two] = ["a", "b", "c", "d"].map((letter) => letter.repeat(12)) as [string, string, string, string];
    for (const line of [
      "Step 1/4 : FROM x",
      ` ---> ${base}`,
      "Step 2/4 : RUN a",
      " ---> Using cache",
      ` ---> ${cached}`,
      "Step 3/4 : RUN b",
      " ---> Running in 0123456789ab",
    ])
      steps.take(line);
    assert.equal(steps.container, "0123456789ab");
    for (const line of [` ---> ${one}`, "Step 4/4 : COPY a b", ` ---> ${two}`]) steps.take(line);
    assert.deepEqual(steps.made, [one, two]);
    assert.deepEqual(steps.grown, [
      { from: cached, to: one },
      { from: one, to: two },
    ]);
    assert.equal(steps.container, undefined);
  });
});

describe("an engine that answers as it likes", () => {
  let folder: string;
  let socket: string;
  let server: Server;
  let listener: RequestListener;
  let version: Record<string, string>;
  let asked: string[];
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "khd-"));
    socket = join(folder, "docker.sock");
    server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      if (request.url === "/version") response.end(JSON.stringify(version));
      else listener(request, response);
    });
    await new Promise<void>((resolve) => server.listen(socket, resolve));
  });
  after(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });
  beforeEach(() => {
    asked = [];
    version = { Version: "20.10.24", ApiVersion: "1.41", MinAPIVersion: "1.12" };
    listener = (_, response) => response.end("{}");
  });
  const client = () => new DockerClient({ endpoint: socket });

  test("the version that both know is agreed once", async () => {
    const first = client();
    await first.get("/info");
    await first.get("/info");
    assert.deepEqual(asked, ["GET /version", "GET /v1.41/info", "GET /v1.41/info"]);
    version = { Version: "99.0", ApiVersion: "1.99", MinAPIVersion: "1.44" };
    assert.equal((await client().version()).apiVersion, "1.47");
  });

  test("too old, too new, no Docker at all", async () => {
    version = { Version: "18.09", ApiVersion: "1.39" };
    await assert.rejects(client().get("/info"), refused("failed_precondition", "engine_too_old"));
    version = { Version: "99.0", ApiVersion: "1.99", MinAPIVersion: "1.60" };
    await assert.rejects(client().get("/info"), refused("failed_precondition", "engine_too_new"));
    version = {};
    await assert.rejects(client().get("/info"), refused("failed_precondition", "engine_unknown"));
  });

  const words: [number, string, ErrorCode, string | undefined][] = [
    [500, "write /data/x: no space left on device", "storage_full", undefined],
    [409, 'Conflict. The container name "/x" is already in use by container 0a', "already_exists", "engine_already_exists"],
    [409, "removal of container 0a is already in progress", "conflict", "engine_busy"],
    [409, "Container 0a is not running", "failed_precondition", "engine_container_state"],
    [403, "error while removing network: network x id 0a has active endpoints", "failed_precondition", "engine_in_use"],
    [403, "Pool overlaps with other one on this address space", "failed_precondition", "engine_addresses_taken"],
    [400, "invalid mount config", "invalid_argument", "engine_refused"],
    [404, "whatever", "not_found", "engine_not_found"],
    [500, "something strange", "internal", "engine_failed"],
    [501, "not here", "not_implemented", "engine_cannot"],
    [503, "the daemon is shutting down", "unavailable", "engine_unavailable"],
  ];
  for (const [status, message, code, reason] of words)
    test(`${status} ${message} → ${code}`, async () => {
      listener = (_, response) => response.writeHead(status).end(JSON.stringify({ message }));
      await assert.rejects(client().get("/x"), refused(code, reason, new RegExp(message.slice(0, 12))));
    });

  test("silence, a broken connection, nobody there, and an answer that is none", async () => {
    listener = () => {};
    await assert.rejects(client().get("/x", { timeoutMs: 50 }), refused("deadline_exceeded"));
    await assert.rejects(client().hijack("/x", {}, { timeoutMs: 50 }), refused("deadline_exceeded"));
    await assert.rejects(client().get("/x", { signal: AbortSignal.timeout(50) }), refused("cancelled"));
    listener = (_, response) => {
      response.write('{"a":');
      setTimeout(() => response.destroy(), 20);
    };
    await assert.rejects(client().get("/x"), refused("unavailable", "engine_unreachable"));
    await assert.rejects(
      new DockerClient({ endpoint: join(folder, "none") }).get("/x"),
      refused("unavailable", "engine_unreachable"),
    );
    listener = (_, response) => response.end("<html>");
    await assert.rejects(client().get("/x"), refused("internal"));
    listener = (_, response) => response.writeHead(502).end("Bad gateway");
    await assert.rejects(client().get("/x"), refused("unavailable"));
  });

  test("a stream in both directions that is refused says why", async () => {
    listener = (_, response) => response.writeHead(404).end(JSON.stringify({ message: "No such exec instance" }));
    await assert.rejects(client().hijack("/exec/x/start", {}), refused("not_found"));
  });

  test("an answer that comes before everything was sent counts", async () => {
    listener = (_, response) => {
      response.writeHead(400, { connection: "close" }).end(JSON.stringify({ message: "no" }));
    };
    const endless = Readable.from(
      (async function* () {
        for (let i = 0; i < 2000; i++) yield Buffer.alloc(65_536);
      })(),
    );
    await assert.rejects(Array.fromAsync(client().upload("/images/load", endless)), CloudError);
  });

  test("events come back after the engine went away, and none is told twice", async () => {
    const ownership = new Ownership("cloud-1");
    const event = (name: string, timeNano: number, labels = ownership.labelsFor(name, {})) =>
      `${JSON.stringify({ Type: "container", Action: "start", Actor: { ID: "0a", Attributes: labels }, timeNano })}\n`;
    let round = 0;
    listener = (_, response) => {
      round += 1;
      response.write(
        event("one", 1_000_000_000) + event("theirs", 1_100_000_000, new Ownership("cloud-2").labelsFor("theirs", {})),
      );
      if (round === 1) setTimeout(() => response.destroy(), 20);
      else response.write(event("two", 2_000_000_000));
    };
    const stop = new AbortController();
    const told: EngineChange[] = [];
    let connected = 0;
    let lost = 0;
    const engine = openDockerEngine({ address: { endpoint: socket }, cloudId: "cloud-1" });
    await new Promise<void>((resolve) => {
      engine.watch(
        {
          onChange: (change) => {
            told.push(change);
            if (told.length === 2) resolve();
          },
          onConnect: () => void connected++,
          onLost: () => void lost++,
        },
        stop.signal,
      );
    });
    stop.abort();
    assert.deepEqual(
      told.map(({ name, kind }) => `${name} ${kind}`),
      ["one started", "two started"],
    );
    assert.deepEqual([connected, lost], [2, 1]);
    assert.match(asked.at(-1) ?? "", /since=1/);
  });
});
