import assert from "node:assert/strict";
import { appendFileSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  gatewayMissing,
  raw,
  type TestApplication,
  type TestGateway,
  testApplication,
  testGateway,
} from "../../testing/gateway.ts";
import { eventually } from "../../testing/launcher.ts";
import { Gateway } from "../gateway.ts";
import { Durations, RouteMetrics } from "./metrics.ts";
import { parseRecord, type RequestRecord } from "./record.ts";
import { raiseLimit, readPosition, releaseLog } from "./space.ts";

test("lines that are no request are none", () => {
  assert.equal(parseRecord("Server r_a/b is DOWN"), undefined);
  assert.equal(parseRecord('{"e":179'), undefined);
});

test("percentiles are at most 5 % off, and minutes add up to hours", () => {
  const [one, two] = [new Durations(), new Durations()];
  for (let ms = 1; ms <= 1000; ms++) (ms % 2 === 0 ? one : two).add(ms);
  one.merge(two);
  assert.equal(one.count, 1000);
  for (const share of [0.1, 0.5, 0.9, 0.99]) {
    const value = one.percentile(share) ?? 0;
    assert.ok(Math.abs(value - share * 1000) <= share * 1000 * 0.051, `${share}: ${value}`);
  }
  assert.equal(new Durations().percentile(0.5), undefined);
});

describe("the request log", { skip: gatewayMissing() ?? false }, () => {
  let test_: TestGateway;
  let application: TestApplication;
  before(async () => {
    test_ = await testGateway();
    application = await testApplication("one");
    await test_.gateway.apply(
      test_.specification([
        {
          id: "site",
          hosts: ["site.test"],
          target: { kind: "servers", servers: [{ name: "one", address: "127.0.0.1", port: application.port }] },
        },
      ]),
    );
  });
  after(async () => {
    await test_?.remove();
    await application?.close();
  });

  const get = (path: string, more = "", host = "site.test") =>
    raw(test_.httpPort, `GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n${more}\r\n`);

  /** Reads until so many have come, by a reader of its own. */
  async function read(count: number, { release = true } = {}): Promise<RequestRecord[]> {
    const stop = new AbortController();
    const records: RequestRecord[] = [];
    for await (const batch of new Gateway({ folder: test_.gateway.folder }).requests(stop.signal)) {
      records.push(...batch.records);
      if (release) await batch.done();
      if (records.length >= count) stop.abort();
    }
    return records;
  }

  test("each request is there with what it was, without its secrets", async () => {
    const began = Date.now();
    const answer = await get("/slow?ms=120&token=secret", `user-agent: "Tester" \\ ${"x".repeat(400)}\r\n`);
    await get("/echo?status=404");
    await get("/", "", "nobody.test");
    const [slow, missing, nobody, ...rest] = await read(3);
    assert.ok(slow && missing && nobody && rest.length === 0);
    assert.equal(slow.id, /x-request-id: (\S+)/.exec(answer)?.[1]);
    const { route, server, method, host, path, status, protocol, clientAddress } = slow;
    assert.deepEqual(
      { route, server, method, host, path, status, protocol, clientAddress },
      {
        route: "site",
        server: "one",
        method: "GET",
        host: "site.test",
        path: "/slow",
        status: 200,
        protocol: "HTTP/1.1",
        clientAddress: "127.0.0.1",
      },
    );
    assert.ok((slow.firstByteMs ?? 0) >= 110 && slow.durationMs >= (slow.firstByteMs ?? 0) - 1, JSON.stringify(slow));
    assert.ok(slow.time.getTime() >= began - 50 && slow.time.getTime() <= Date.now());
    assert.equal(slow.userAgent, `"Tester" \\ ${"x".repeat(400)}`.slice(0, 256));
    assert.ok(slow.bytesIn > 400 && slow.bytesOut > 100);
    assert.deepEqual([missing.status, missing.route], [404, "site"]);
    assert.deepEqual([nobody.status, nobody.route, nobody.server], [404, undefined, undefined]);
    assert.ok(!readFileSync(join(test_.gateway.folder, "requests.log"), "utf8").includes("secret"));
    const metrics = new RouteMetrics();
    for (const record of [slow, missing, nobody]) metrics.add(record);
    const figures = metrics.take().get("site");
    assert.deepEqual([figures?.requests, figures?.byClass[2], figures?.byClass[4]], [2, 1, 1]);
    assert.equal(metrics.take().size, 0);
  });

  test("nothing is lost while nobody reads, nor at a reload, nor when a reader dies before it is done", async () => {
    for (let i = 0; i < 50; i++) await get(`/echo/${i}`);
    assert.equal((await read(50, { release: false })).length, 50);
    await test_.gateway.apply(
      test_.specification([{ id: "other", hosts: ["site.test"], target: { kind: "redirect", to: "https://a.test" } }]),
    );
    for (let i = 50; i < 60; i++) await get(`/echo/${i}`);
    const records = await read(60);
    assert.deepEqual(
      // Two threads that end two requests at the same moment write in either order.
      records.map(({ path }) => Number(path.slice("/echo/".length))).sort((a, b) => a - b),
      Array.from({ length: 60 }, (_, i) => i),
    );
    assert.equal(records.filter(({ route }) => route === "other").length, 10);
  });

  test("a full log costs lines, never requests; when there is room again, lines are written again", async () => {
    const file = join(test_.gateway.folder, "requests.log");
    const { master, worker } = (await test_.gateway.state()) ?? { master: 0, worker: 0 };
    const room = (bytes: number) => {
      for (const pid of [master, worker]) raiseLimit(pid, statSync(file).size + bytes);
    };
    room(700);
    for (let i = 0; i < 20; i++) assert.match(await get(`/echo/full/${i}`), /^HTTP\/1\.1 (200|308)/);
    const full = statSync(file).size;
    room(100_000);
    // The first one ends the line that was cut off.
    for (let i = 0; i < 3; i++) await get(`/echo/later/${i}`);
    await eventually(
      () =>
        readFileSync(file, "latin1")
          .split("\n")
          .flatMap((line) => parseRecord(line)?.path ?? []),
      (paths) => paths.includes("/echo/later/2"),
      30_000,
    );
    assert.ok(statSync(file).size > full);
  });

  test("a proxy that is killed and started again writes on behind what is there", async () => {
    const file = join(test_.gateway.folder, "requests.log");
    const pathsIn = () =>
      readFileSync(file, "latin1")
        .split("\n")
        .flatMap((line) => parseRecord(line)?.path ?? []);
    for (let i = 0; i < 5; i++) await get(`/echo/killed/${i}`);
    await eventually(pathsIn, (paths) => paths.includes("/echo/killed/4"), 30_000);
    const before = pathsIn();
    const { master, worker } = (await test_.gateway.state()) ?? { master: 0, worker: 0 };
    for (const pid of [master, worker]) process.kill(pid, "SIGKILL");
    assert.ok(await test_.gateway.ensureRunning());
    await get("/echo/again");
    assert.deepEqual(await eventually(pathsIn, (paths) => paths.includes("/echo/again"), 30_000), [...before, "/echo/again"]);
  });

  test("what was read is given back to the disk, and the limit moves on", async () => {
    const file = join(test_.gateway.folder, "requests.log");
    const { master, worker } = (await test_.gateway.state()) ?? { master: 0, worker: 0 };
    const limit = (pid: number) => Number(/^Max file size\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, "utf8"))?.[1]);
    assert.ok(limit(worker) > 0 && limit(worker) === limit(master));
    // Five more megabytes of lines, as long ago they were written by HAProxy.
    appendFileSync(file, `${"x".repeat(1023)}\n`.repeat(5 * 1024));
    const [before, room] = [limit(worker), statSync(file).blocks];
    releaseLog(test_.gateway.folder, statSync(file).size, [master, worker]);
    assert.ok(statSync(file).blocks < room - 7000, `${statSync(file).blocks} of ${room} blocks are left`);
    assert.ok(limit(worker) > before, `${limit(worker)}, ${before}, ${limit(master)}`);
    assert.equal(readPosition(test_.gateway.folder), statSync(file).size);
  });
});
