/** Changes under load: no request fails, no connection is cut, whoever is killed. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { connect as connectHttp2, constants } from "node:http2";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { WebSocket } from "ws";
import { gatewayMissing, type TestApplication, type TestGateway, testApplication, testGateway } from "../testing/gateway.ts";
import { eventually } from "../testing/launcher.ts";
import { Gateway, type GatewaySpecification } from "./gateway.ts";

type Route = NonNullable<GatewaySpecification["routes"]>[number];

describe("changes of the gateway", { skip: gatewayMissing() ?? false }, () => {
  let test_: TestGateway;
  let gateway: Gateway;
  let one: TestApplication;
  let two: TestApplication;
  const server = ({ name, port }: TestApplication, more: object = {}) => ({ name, address: "127.0.0.1", port, ...more });
  const site = (servers: ReturnType<typeof server>[], more: Partial<Route> = {}): Route => ({
    id: "site",
    hosts: ["site.test"],
    // These servers live in the process of the test: while it gets no processor they are slow, and not ill.
    target: { kind: "servers", servers, health: { intervalSeconds: 0.2, failures: 20, path: "/health" } },
    ...more,
  });
  const specify = (routes: Route[], more: Partial<GatewaySpecification> = {}) => test_.specification(routes, more);

  before(async () => {
    test_ = await testGateway();
    gateway = test_.gateway;
    one = await testApplication("one");
    two = await testApplication("two");
  });
  after(async () => {
    await test_?.remove();
    await one?.close();
    await two?.close();
  });
  beforeEach(async () => {
    await gateway.apply(specify([site([server(one)])]));
  });

  /** Status and body of one request; rejects when the connection breaks. */
  const get = (path: string, agent?: Agent, method = "GET", host = "site.test") =>
    new Promise<{ status: number; body: string }>((resolve, reject) => {
      const options = {
        host: "127.0.0.1",
        port: test_.httpPort,
        path,
        method,
        headers: { host },
        agent: agent ?? false,
      };
      const sent = request(options, (response) => {
        let body = "";
        response.on("data", (chunk) => {
          body += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
        response.on("error", reject);
      });
      sent.on("error", reject);
      sent.end();
    });

  /** Requests without a pause, by kept and by new connections, some of them long, over HTTP/1.1 and HTTP/2. */
  function load(slowMs: number) {
    let stopped = false;
    const failures: string[] = [];
    const answered: Record<string, number> = {};
    let slow = 0;
    const note = (status: number, body: string) => {
      if (status !== 200) failures.push(`${status}: ${body.slice(0, 100)}`);
      else {
        const { application } = JSON.parse(body) as { application: string };
        answered[application] = (answered[application] ?? 0) + 1;
      }
    };
    const repeat = async (work: () => Promise<void>) => {
      while (!stopped) await work().catch((error: Error) => failures.push(error.message));
    };
    const keep = new Agent({ keepAlive: true, maxSockets: 4 });
    const workers: Promise<void>[] = [];
    for (let i = 0; i < 4; i++)
      workers.push(
        repeat(async () => {
          const { status, body } = await get("/echo", keep, i % 2 === 0 ? "GET" : "POST");
          note(status, body);
          await sleep(2);
        }),
        repeat(async () => {
          const { status, body } = await get(`/slow?ms=${slowMs}`);
          note(status, body);
          slow++;
        }),
      );
    workers.push(
      repeat(async () => {
        const { status, body } = await get("/echo");
        note(status, body);
        await sleep(10);
      }),
      repeat(async () => {
        const session = connectHttp2(`https://127.0.0.1:${test_.httpsPort}`, { rejectUnauthorized: false });
        session.on("error", (error) => failures.push(`session: ${error.message}`));
        // A gateway that goes away says so (GOAWAY), and a good client takes a new connection then.
        let goingAway = false;
        session.on("goaway", () => {
          goingAway = true;
        });
        for (let i = 0; i < 50 && !stopped && !goingAway && !session.closed; i++) {
          const stream = session.request({ ":path": "/echo", ":authority": "site.test" });
          let status = 0;
          let body = "";
          stream.on("response", (headers) => {
            status = headers[":status"] ?? 0;
          });
          stream.setEncoding("utf8");
          stream.on("data", (chunk) => {
            body += chunk;
          });
          // One that came after that was not looked at: every client asks again (RFC 9113, 8.7), and so does the next round.
          stream.on("error", () => {});
          await new Promise((closed) => stream.on("close", closed));
          if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) break;
          note(status, body);
          await sleep(10);
        }
        session.close();
      }),
    );
    return {
      failures,
      answered,
      async stop() {
        stopped = true;
        await Promise.all(workers);
        keep.destroy();
        assert.deepEqual(failures, []);
        assert.ok(slow > 0);
      },
    };
  }

  const openSocket = async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${test_.httpPort}/`, { headers: { host: "site.test" } });
    const answers: string[] = [];
    socket.on("message", (data) => answers.push(String(data)));
    await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
    return {
      socket,
      async says(text: string) {
        socket.send(text);
        return eventually(
          () => answers.at(-1) ?? "",
          (last) => last.endsWith(text),
          30_000,
        );
      },
    };
  };

  test("versions are switched under load: without a reload, and requests of five seconds end where they began", async () => {
    const before = (await gateway.state())?.worker;
    const running = load(5_000);
    await eventually(
      () => one.underWay,
      (n) => n >= 4,
      30_000,
    );
    for (let round = 0; round < 4; round++) {
      const [from, to] = round % 2 === 0 ? [one, two] : [two, one];
      assert.equal((await gateway.apply(specify([site([server(from), server(to)])]))).how, "runtime");
      await sleep(200);
      assert.equal((await gateway.apply(specify([site([server(from, { drain: true }), server(to)])]))).how, "runtime");
      if (round < 2) {
        assert.deepEqual(await gateway.drain("site", from.name, { deadlineMs: 60_000 }), { left: 0 });
        assert.equal(from.underWay, 0);
      }
      await gateway.apply(specify([site([server(to)])]));
    }
    await running.stop();
    assert.ok((running.answered["one"] ?? 0) > 0 && (running.answered["two"] ?? 0) > 0);
    assert.equal((await gateway.state())?.worker, before);
  });

  test("draining has a deadline, and says what is left", async () => {
    const slow = get("/slow?ms=3000");
    await eventually(
      () => one.underWay,
      (n) => n > 0,
      30_000,
    );
    assert.deepEqual(await gateway.drain("site", "one", { deadlineMs: 100 }), { left: 1 });
    // Nobody else is there for new ones.
    assert.equal((await get("/echo")).status, 503);
    assert.equal((await slow).status, 200);
    assert.deepEqual(await gateway.drain("site", "one", { deadlineMs: 60_000 }), { left: 0 });
  });

  test("reloads under load cut nothing: a WebSocket lives through them, and drains in the old worker", async () => {
    const { socket, says } = await openSocket();
    assert.equal(await says("before"), "one: before");
    const running = load(1_000);
    for (let round = 0; round < 5; round++) {
      // Another route is another structure.
      const extra = { ...site([server(two)]), id: `extra${round}`, hosts: [`extra${round}.test`] };
      assert.equal((await gateway.apply(specify([site([server(one)]), extra]))).how, "reload");
      await sleep(300);
    }
    const state = await gateway.state();
    assert.ok((state?.oldWorkers.length ?? 0) > 0);
    assert.equal(await says("after"), "one: after");
    // Old workers switch too: their kept connections go where the new ones go.
    await gateway.apply(specify([site([server(one, { drain: true }), server(two)])]));
    await running.stop();
    assert.equal((await gateway.drain("site", "one", { deadlineMs: 200 })).left, 1);
    assert.equal(await says("still"), "one: still");
    socket.close();
    assert.deepEqual(await gateway.drain("site", "one", { deadlineMs: 60_000 }), { left: 0 });
    await eventually(
      async () => (await gateway.state())?.oldWorkers.length,
      (n) => n === 0,
      60_000,
    );
  });

  test("a kept connection does not tell of a new site that it is not there", async () => {
    const keep = new Agent({ keepAlive: true, maxSockets: 1 });
    const late = () => get("/echo", keep, "GET", "late.test").then(({ status }) => status);
    const session = connectHttp2(`https://127.0.0.1:${test_.httpsPort}`, { rejectUnauthorized: false });
    const goesAway = once(session, "goaway");
    const [{ ":status": status }] = await once(session.request({ ":path": "/", ":authority": "late.test" }), "response");
    assert.deepEqual([await late(), status], [404, 404]);
    const extra = { ...site([server(one)]), id: "late", hosts: ["late.test"] };
    assert.equal((await gateway.apply(specify([site([server(one)]), extra]))).how, "reload");
    // As a browser hears it: the same request has to be sent on a new connection.
    await assert.rejects(late(), { code: "ECONNRESET" });
    await goesAway;
    assert.equal(await late(), 200);
    keep.destroy();
    session.close();
  });

  test("the same again changes nothing, and each change is the smallest", async () => {
    const certificate = await test_.certificate("site", ["site.test"]);
    const change = async (route: Route, certificates = [certificate]) => {
      const { how, refused } = await gateway.apply(specify([route], { certificates }));
      assert.equal(refused, undefined);
      return how;
    };
    const presented = () =>
      new Promise<string>((resolve, reject) => {
        const options = { host: "127.0.0.1", port: test_.httpsPort, servername: "site.test", rejectUnauthorized: false };
        const socket = connectTls(options, () => {
          resolve(socket.getPeerX509Certificate()?.serialNumber ?? "");
          socket.destroy();
        });
        socket.on("error", reject);
      });
    assert.equal(await change(site([server(one)])), "runtime");
    const first = await presented();
    assert.equal(await change(site([server(one)])), "nothing");
    const renewed = await test_.certificate("site", ["site.test"]);
    assert.equal(await change(site([server(one)]), [renewed]), "runtime");
    assert.notEqual(await presented(), first);
    assert.equal(await change(site([server(one, { weight: 7 })]), [renewed]), "runtime");
    assert.equal(await change(site([server(one, { weight: 7 }), server(two)]), [renewed]), "runtime");
    assert.equal(await change(site([server(one, { weight: 7 }), server(two)]), [renewed]), "nothing");
    assert.equal(await change(site([server(one)], { hosts: ["site.test", "more.test"] }), [renewed]), "runtime");
    assert.equal(await change(site([server(one)]), []), "runtime");
    assert.equal(await change(site([server(one)], { maintenance: { on: false } }), []), "reload");
    assert.equal(await change(site([server(one)], { maintenance: { on: true } }), []), "runtime");
    assert.equal((await get("/echo")).status, 503);
    assert.equal(await change(site([server(one)], { maintenance: { on: false } }), []), "runtime");
    assert.equal((await get("/echo")).status, 200);
    // A server that moves under its name.
    assert.equal(await change(site([{ ...server(two), name: "one" }], { maintenance: { on: false } }), []), "runtime");
    assert.match((await get("/echo")).body, /"application":"two"/);
  });

  test("what cannot be is refused, and all is as before", async () => {
    const route = site([server(one)]);
    const refusedFor = async (specification: GatewaySpecification, code: string, message: RegExp) => {
      const files = () => readFileSync(join(gateway.folder, "haproxy.cfg"), "utf8");
      const [before, master] = [files(), (await gateway.state())?.master];
      await assert.rejects(gateway.apply(specification), (error: Error & { code?: string }) => {
        assert.equal(error.code, code);
        assert.match(error.message, message);
        return true;
      });
      assert.equal(files(), before);
      assert.equal((await gateway.state())?.master, master);
      assert.equal((await get("/echo")).status, 200);
    };
    await refusedFor(specify([{ ...route, hosts: ["two words"] }]), "invalid_argument", /routes\.0\.hosts\.0: Give a host name/);
    await refusedFor(specify([route, route]), "invalid_argument", /The route site is at routes\.0\.id already/);
    const [good, bad] = [await test_.certificate("a", ["a.test"]), await test_.certificate("b", ["b.test"])];
    await refusedFor(
      specify([route], { certificates: [{ ...good, key: bad.key }] }),
      "invalid_argument",
      /The key is not the one of the certificate/,
    );
    // Only the new worker itself finds out that somebody else has the port.
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    const specification = specify([route]);
    specification.listeners.push({ protocol: "http", address: "127.0.0.1", port });
    await refusedFor(
      specification,
      "unavailable",
      new RegExp(`could not be changed: 127\\.0\\.0\\.1:${port} cannot be listened on`),
    );
    taken.close();
    await once(taken, "close");
    assert.equal((await gateway.apply(specification)).how, "reload");
  });

  test("a server that is ill gets nothing until it is well", async () => {
    await gateway.apply(specify([site([server(one), server(two)])]));
    const healthOf = async (name: string) => (await gateway.state())?.servers.find((each) => each.server === name)?.health;
    await eventually(
      () => healthOf("two"),
      (health) => health === "up",
      60_000,
    );
    two.healthy = false;
    await eventually(
      () => healthOf("two"),
      (health) => health === "down",
      60_000,
    );
    for (let i = 0; i < 6; i++) assert.match((await get("/echo")).body, /"application":"one"/);
    two.healthy = true;
    await eventually(
      () => healthOf("two"),
      (health) => health === "up",
      60_000,
    );
  });

  test("whoever drives it may be killed: it serves on, and the next one takes it as it is", async () => {
    const specification = specify([site([server(one)]), { ...site([server(two)]), id: "killed", hosts: ["killed.test"] }]);
    // Another process applies, again and again, and dies in the middle of it.
    const script = `
      import { Gateway } from ${JSON.stringify(join(import.meta.dirname, "gateway.ts"))};
      const gateway = new Gateway({ folder: ${JSON.stringify(gateway.folder)}, threads: 2 });
      const specification = ${JSON.stringify(specification)};
      for (let i = 0; ; i++) {
        specification.routes[1].id = "killed" + (i % 3);
        specification.routes[0].target.servers[0].weight = 1 + (i % 9);
        await gateway.apply(specification);
        process.stdout.write(".");
      }`;
    const { master } = (await gateway.state()) ?? {};
    for (let round = 0; round < 3; round++) {
      const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
      await once(child.stdout, "data");
      await sleep(100 + round * 170);
      child.kill("SIGKILL");
      await once(child, "close");
      assert.equal((await get("/echo")).status, 200);
      const next = new Gateway({ folder: gateway.folder, threads: 2 });
      await next.apply(specification);
      assert.equal((await next.apply(specification)).how, "nothing");
      assert.equal((await get("/echo")).status, 200);
    }
    assert.equal((await gateway.state())?.master, master);
  });

  test("when the proxy itself was killed, it is started with what was applied last", async () => {
    const state = await gateway.state();
    assert.ok(state !== undefined);
    process.kill(state.master, "SIGKILL");
    await eventually(
      () => spawnSync("kill", ["-0", String(state.worker)]).status,
      (status) => status !== 0,
      30_000,
    );
    assert.equal(await gateway.state(), undefined);
    assert.equal(await gateway.ensureRunning(), true);
    assert.equal((await get("/echo")).status, 200);
    assert.equal((await gateway.apply(specify([site([server(one)])]))).how, "nothing");
  });
});
