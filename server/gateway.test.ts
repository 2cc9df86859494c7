import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { haproxyProgram } from "../gateway/haproxy/process.ts";
import { eventually } from "../testing/launcher.ts";
import { lockFile } from "./file-lock.ts";
import { openGateway } from "./gateway.ts";
import { gatewayProcesses, planGateway, stopGateway } from "./gateway-process.ts";

const where = { port: 8080, publicUrl: "https://cloud.example.org", s3Url: "http://127.0.0.1:9000" };

test("it listens as the doors of the cloud do, and knows the cloud's own names", () => {
  const open = (listen: string) => {
    const opened = openGateway({ folder: "/nowhere", httpPort: 80, httpsPort: 443 }, { ...where, listen });
    assert.ok("driver" in opened);
    return opened.driver;
  };
  const all = open("::");
  assert.deepEqual(
    all.listeners.map(({ address, port, protocol }) => `${protocol} ${address} ${port}`),
    ["http 0.0.0.0 80", "https 0.0.0.0 443", "http :: 80", "https :: 443"],
  );
  assert.deepEqual(all.challenges, { address: "127.0.0.1", port: 8080 });
  assert.ok(all.addresses().every((address) => address !== "0.0.0.0" && !address.startsWith("127.")));
  assert.deepEqual(all.reservedHosts, ["cloud.example.org"]);
  assert.deepEqual(open("192.0.2.7").addresses(), ["192.0.2.7"]);
  assert.deepEqual(open("192.0.2.7").challenges, { address: "192.0.2.7", port: 8080 });
  assert.deepEqual(open("localhost").listeners[0], { protocol: "http", address: "127.0.0.1", port: 80 });
});

test("there is none without an engine, without HAProxy, or when it is turned off", () => {
  const engine = { kind: "docker", endpoint: "/var/run/docker.sock" } as const;
  const place = { folder: "/nowhere", httpPort: 8000, httpsPort: undefined };
  const missing = (plan: ReturnType<typeof planGateway>) => ("missing" in plan ? plan.missing : undefined);
  assert.equal(missing(planGateway(engine, { folder: "/nowhere" })), "disabled");
  assert.equal(missing(planGateway({ missing: "not_running", hint: "" }, place)), "not_running");
  assert.equal(missing(planGateway({ kind: "docker", endpoint: "https://docker.example:2376" }, place)), "unsupported");
  if (existsSync(haproxyProgram)) assert.deepEqual(planGateway(engine, place), { folder: "/nowhere", httpPort: 8000 });
  else assert.equal(missing(planGateway(engine, place)), "not_installed");
});

test("one control plane changes it at a time, and reads what is wanted when it is its turn", async (t) => {
  const folder = mkdtempSync("/tmp/khgl-");
  t.after(() => rmSync(folder, { recursive: true }));
  const opened = openGateway({ folder, httpPort: 1 }, { ...where, listen: "127.0.0.1" });
  assert.ok("driver" in opened);
  const order: string[] = [];
  // As another process holds it.
  const other = lockFile(join(folder, "khmara.lock"));
  assert.ok(other !== undefined);
  const refused = assert.rejects(
    opened.driver.apply(async () => {
      order.push("built");
      throw new Error("enough");
    }),
    /enough/,
  );
  await new Promise((resolve) => setTimeout(resolve, 300));
  order.push("released");
  other.release();
  await refused;
  assert.deepEqual(order, ["released", "built"]);
  const again = lockFile(join(folder, "khmara.lock"));
  assert.ok(again !== undefined, "it is given back");
  again.release();
});

test("only processes of that very folder are its own", async (t) => {
  const folder = mkdtempSync("/tmp/khgl-");
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "haproxy.cfg"), "");
  assert.deepEqual(gatewayProcesses(folder), []);
  await stopGateway(join(folder, "not-there"), 0);
  // As HAProxy names its configuration; one that takes SIGUSR1 as the order to end, and one that has to be told SIGTERM.
  const start = (config: string, script: string) =>
    spawn("/bin/sh", ["-c", `${script}read line`, "sh", config], { stdio: ["pipe", "ignore", "ignore"] });
  const soft = start(join(folder, "haproxy.cfg"), "");
  const hard = start(join(folder, "haproxy.cfg"), "trap '' USR1; ");
  const stranger = start(join(folder, "haproxy.cfg.old"), "");
  t.after(() => stranger.kill("SIGKILL"));
  const running = () => [soft, hard].filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null).length;
  await eventually(
    () => gatewayProcesses(folder),
    (pids) => pids.length === 2,
    30_000,
  );
  assert.deepEqual(gatewayProcesses(folder).sort(), [soft.pid, hard.pid].sort());
  await stopGateway(folder, 300);
  assert.deepEqual(gatewayProcesses(folder), []);
  await eventually(running, (left) => left === 0, 30_000);
  assert.ok(stranger.exitCode === null && stranger.signalCode === null);
});

test("the console and S3 are served by it at names of theirs, unless those lead to their own ports", () => {
  const doors = (publicUrl: string, s3Url: string) => {
    const opened = openGateway(
      { folder: "/nowhere", httpPort: 80, httpsPort: 443 },
      { port: 8080, s3Port: 9000, publicUrl, s3Url, listen: "::" },
    );
    assert.ok("driver" in opened);
    return opened.driver.doors.map(({ hosts, port, secure }) => [hosts.join(" "), port, secure]);
  };
  assert.deepEqual(doors("https://cloud.example.org", "https://s3.example.org"), [
    ["cloud.example.org", 8080, true],
    ["s3.example.org *.s3.example.org", 9000, true],
  ]);
  assert.deepEqual(doors("https://cloud.example.org", "https://cloud.example.org"), [["cloud.example.org", 8080, true]]);
  assert.deepEqual(doors("http://cloud.example.org", "http://cloud.example.org:9000"), [["cloud.example.org", 8080, false]]);
  assert.deepEqual(doors("http://cloud.example.org:8080", "http://192.0.2.7"), []);
  assert.deepEqual(doors("http://localhost:8000", "http://[::1]"), []);
});
