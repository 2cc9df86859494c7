import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { after, before, beforeEach, describe, test } from "node:test";
import type { EngineSettings } from "../options.ts";
import { rememberConsent } from "./consent.ts";
import { planEngine, provideEngine } from "./provide.ts";

/** Stands in for an engine: what it was asked, and the pools that it has. */
describe("an engine that somebody else set up", () => {
  let folder: string;
  let server: Server;
  let socket: string;
  let pools: Record<string, { driver: string; config: Record<string, string> }>;
  let drivers: string[];
  let auth: string;
  let asked: string[];
  let refusal: string | undefined;
  const listener: RequestListener = (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const answer = (metadata: unknown) => response.end(JSON.stringify({ type: "sync", metadata }));
    const refuse = (status: number, error: string) => {
      response.statusCode = status;
      response.end(JSON.stringify({ type: "error", error, error_code: status }));
    };
    const name = decodeURIComponent(request.url?.split("/").at(-1) ?? "");
    if (request.url === "/1.0")
      return answer({
        auth,
        environment: { server: "incus", server_version: "6.0.4", storage_supported_drivers: drivers.map((Name) => ({ Name })) },
      });
    if (request.method === "GET" && request.url === "/1.0/storage-pools")
      return answer(Object.keys(pools).map((each) => `/1.0/storage-pools/${each}`));
    if (request.method === "GET") return pools[name] === undefined ? refuse(404, "not found") : answer({ name, ...pools[name] });
    let text = "";
    request.on("data", (chunk) => {
      text += chunk;
    });
    request.on("end", () => {
      if (refusal !== undefined) return refuse(500, refusal);
      const body = JSON.parse(text);
      pools[body.name] = body;
      answer({});
    });
  };
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "khmara-provide-"));
    socket = join(folder, "unix.socket");
    server = createServer((request, response) => void listener(request, response));
    await new Promise<void>((resolve) => server.listen(socket, resolve));
  });
  after(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  beforeEach(() => {
    pools = {};
    drivers = ["dir", "zfs", "btrfs"];
    auth = "trusted";
    asked = [];
    refusal = undefined;
  });

  const nobody = { input: new PassThrough(), output: new PassThrough() };
  const provide = async (settings: EngineSettings) =>
    provideEngine(await planEngine(settings, folder, nobody), {
      logFolder: join(folder, "logs"),
      signal: new AbortController().signal,
      onStep: () => {},
    });
  const missing = async (settings: EngineSettings, reason: string, hint: RegExp) => {
    const { config, message } = await provide(settings);
    assert.ok("missing" in config, JSON.stringify(config));
    assert.equal(config.missing, reason);
    assert.match(config.hint, hint);
    assert.equal(message, config.hint);
  };

  test("its pool khmara is made once, of a share of the disk, and nothing else", async () => {
    const first = await provide({ endpoint: socket });
    assert.deepEqual(first.config, { kind: "incus", endpoint: socket, pool: "khmara" });
    assert.match(first.message, /^Incus 6\.0\.4, pool khmara; storage pool khmara made: btrfs, up to \d+GiB of this disk/);
    assert.equal(first.daemon, undefined);
    assert.equal(pools["khmara"]?.driver, "btrfs");
    assert.match(pools["khmara"]?.config["size"] ?? "", /^\d+GiB$/);
    assert.deepEqual(
      asked.filter((request) => !request.startsWith("GET")),
      ["POST /1.0/storage-pools"],
    );
    asked = [];
    assert.deepEqual((await provide({ endpoint: socket })).config, first.config);
    assert.deepEqual(asked, ["GET /1.0", "GET /1.0/storage-pools/khmara"]);
  });

  test("without btrfs the next best kind of pool", async () => {
    drivers = ["dir", "zfs"];
    await provide({ endpoint: socket });
    assert.equal(pools["khmara"]?.driver, "zfs");
    pools = {};
    drivers = ["dir"];
    await provide({ endpoint: socket });
    assert.deepEqual(pools["khmara"]?.config, {});
  });

  test("a pool that is there already", async () => {
    pools = { fast: { driver: "zfs", config: {} } };
    assert.deepEqual((await provide({ endpoint: socket, pool: "fast" })).config, {
      kind: "incus",
      endpoint: socket,
      pool: "fast",
    });
    await missing(
      { endpoint: socket, pool: "fats" },
      "pool_failed",
      /has no storage pool fats\. It has: fast\. Name another one with --engine-pool/,
    );
    assert.deepEqual(Object.keys(pools), ["fast"]);
  });

  test("a disk that does not exist, is no disk, or is not empty is left alone", { skip: process.getuid?.() !== 0 }, async (t) => {
    await missing({ endpoint: socket, pool: "/dev/no-such-disk" }, "pool_failed", /There is no disk \/dev\/no-such-disk/);
    await missing({ endpoint: socket, pool: "/dev/null" }, "pool_failed", /is not a disk/);
    const file = join(folder, "disk");
    writeFileSync(file, "");
    spawnSync("truncate", ["-s", "200M", file]);
    spawnSync("mkfs.ext4", ["-q", file]);
    const loop = spawnSync("losetup", ["--find", "--show", file], { encoding: "utf8" }).stdout.trim();
    t.after(() => spawnSync("losetup", ["--detach", loop]));
    await missing({ endpoint: socket, pool: loop }, "pool_failed", /is not empty \(ext4\), and is left as it is.*wipefs --all/);
    spawnSync("wipefs", ["--all", "--quiet", loop]);
    const { config, message } = await provide({ endpoint: socket, pool: loop });
    assert.ok("pool" in config);
    assert.deepEqual(pools["khmara"]?.config, { source: loop });
    assert.match(message, new RegExp(`made: btrfs, ${loop}`));
    const other = await provide({ endpoint: socket, pool: "/dev/other" });
    assert.match(other.message, /is on \/dev\/loop\d+ already; --engine-pool \/dev\/other is left out/);
  });

  test("one that cannot make a pool", async () => {
    refusal = "mkfs.btrfs failed";
    await missing({ endpoint: socket }, "pool_failed", /could not make the storage pool khmara \(mkfs\.btrfs failed\)/);
  });

  test("one that does not know us, that nobody answers for, or that is none", async (t) => {
    auth = "untrusted";
    await missing({ endpoint: socket }, "not_trusted", /does not know Khmara/);
    await missing({ endpoint: join(folder, "none") }, "unreachable", /Nobody answers at .*none\. Check --engine-socket/);
    const web = createServer((_, response) => response.end("<html>"));
    const path = join(folder, "web.socket");
    await new Promise<void>((resolve) => web.listen(path, resolve));
    t.after(() => web.close());
    await missing({ endpoint: path }, "unreachable", /it is no LXD and no Incus/);
    await missing({ endpoint: "none" }, "disabled", /turned off/);
  });

  test("consent is no leave to start another one beside an engine that was named", async () => {
    rememberConsent(folder, true);
    await missing({ endpoint: join(folder, "none") }, "unreachable", /Nobody answers/);
    rmSync(join(folder, "engine.json"));
  });

  test("a user who may not use it is told how", { skip: process.getuid?.() !== 0 }, () => {
    const source = `
      const { provideEngine } = await import(${JSON.stringify(join(import.meta.dirname, "provide.ts"))});
      const door = { endpoint: ${JSON.stringify(socket)} };
      const plan = { settings: door, doors: [door], consent: false };
      const options = { logFolder: "/nowhere", signal: new AbortController().signal, onStep() {} };
      process.stdout.write(JSON.stringify((await provideEngine(plan, options)).config));`;
    const words = ["--reuid=65534", "--regid=65534", "--clear-groups", process.execPath, "--input-type=module", "--eval", source];
    const { stdout, stderr } = spawnSync("setpriv", words, {
      encoding: "utf8",
      cwd: "/",
      env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("NODE_"))),
    });
    const config = JSON.parse(stdout || `{"stderr":${JSON.stringify(stderr)}}`);
    assert.equal(config.missing, "not_permitted", JSON.stringify(config));
    assert.match(config.hint, /usermod -aG lxd/);
  });
});
