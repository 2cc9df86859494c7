import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { after, before, beforeEach, describe, test } from "node:test";
import { dockerMissing, testDocker } from "../../testing/docker.ts";
import { eventually } from "../../testing/launcher.ts";
import { isAlive, processIds, signal, waitForEnd } from "../processes.ts";
import { readConsent } from "./consent.ts";
import { type DockerSettings, dockerHost, planDocker, provideDocker } from "./docker.ts";
import { type DockerPlace, dockerAnswers, dockerProgram, pidFileIn, startDocker } from "./dockerDaemon.ts";

test("DOCKER_HOST is read as Docker reads it, and never without TLS over a network", () => {
  assert.equal(dockerHost({}), undefined);
  assert.deepEqual(dockerHost({ DOCKER_HOST: "unix:///run/user/1000/docker.sock" }), { endpoint: "/run/user/1000/docker.sock" });
  assert.deepEqual(dockerHost({ DOCKER_HOST: "tcp://docker.example", DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: "/certs" }), {
    endpoint: "https://docker.example:2376",
    tls: { certificateFile: "/certs/cert.pem", keyFile: "/certs/key.pem", authorityFile: "/certs/ca.pem" },
  });
  for (const [host, why] of [
    ["tcp://docker.example:2375", /without TLS/],
    ["ssh://docker.example", /does not speak/],
  ] as const) {
    const door = dockerHost({ DOCKER_HOST: host });
    assert.ok(door !== undefined && "refused" in door);
    assert.match(door.refused, why);
  }
});

describe("Docker that somebody else set up", () => {
  let folder: string;
  let server: Server;
  let socket: string;
  let answer: { status: number; text: string };
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "khmara-docker-"));
    socket = join(folder, "docker.sock");
    server = createServer((_, response) => response.writeHead(answer.status).end(answer.text));
    await new Promise<void>((resolve) => server.listen(socket, resolve));
  });
  after(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  beforeEach(() => {
    answer = { status: 200, text: JSON.stringify({ Version: "24.0.5", ApiVersion: "1.43" }) };
  });

  const nobody = { input: new PassThrough(), output: new PassThrough() };
  const options = () => ({ logFolder: join(folder, "logs"), signal: new AbortController().signal, onStep: () => {} });
  const provide = async (settings: DockerSettings, environment: NodeJS.ProcessEnv = {}) =>
    provideDocker(await planDocker(settings, folder, nobody, environment), options());
  const missing = async (settings: DockerSettings, reason: string, hint: RegExp, environment: NodeJS.ProcessEnv = {}) => {
    const { config, message, daemon } = await provide(settings, environment);
    assert.ok("missing" in config, JSON.stringify(config));
    assert.equal(config.missing, reason, config.hint);
    assert.match(config.hint, hint);
    assert.deepEqual([message, daemon], [config.hint, undefined]);
  };

  test("is used as it is", async () => {
    const { config, message, daemon } = await provide({ endpoint: socket });
    assert.deepEqual(config, { kind: "docker", endpoint: socket });
    assert.deepEqual([message, daemon], ["Docker 24.0.5", undefined]);
    assert.deepEqual((await provide({}, { DOCKER_HOST: `unix://${socket}` })).config, config);
  });

  test("too old, none at all, not there, turned off, refused", async () => {
    answer.text = JSON.stringify({ Version: "18.09", ApiVersion: "1.39" });
    await missing({ endpoint: socket }, "unsupported", /18\.09.*too old\. Install Docker 20\.10/);
    answer.text = "<html>";
    await missing({ endpoint: socket }, "unreachable", /it is no Docker/);
    answer.text = "{}";
    await missing({ endpoint: socket }, "unsupported", /no Docker Engine/);
    answer = { status: 403, text: '{"message":"go away"}' };
    await missing({ endpoint: socket }, "not_permitted", /refuses Khmara: go away/);
    await missing({ endpoint: join(folder, "none") }, "unreachable", /Nobody answers at .*none\. Check DOCKER_HOST/);
    await missing({ endpoint: "none" }, "disabled", /turned off/);
    await missing({}, "unreachable", /without TLS/, { DOCKER_HOST: "tcp://127.0.0.1:2375" });
    await missing({}, "not_trusted", /certificates/, {
      DOCKER_HOST: "tcp://127.0.0.1:2376",
      DOCKER_TLS_VERIFY: "1",
      DOCKER_CERT_PATH: folder,
    });
  });

  test("leave for one engine is no leave for the other, and none to replace one that was named", async () => {
    await missing({ endpoint: join(folder, "none"), install: true }, "unreachable", /Nobody answers/);
    assert.equal(readConsent(folder, "containers")?.install, true);
    assert.equal(readConsent(folder), undefined);
  });

  test("a user who may not use it is told how", { skip: process.getuid?.() !== 0 }, () => {
    const source = `
      const { provideDocker } = await import(${JSON.stringify(join(import.meta.dirname, "docker.ts"))});
      const plan = { settings: {}, door: { endpoint: ${JSON.stringify(socket)} }, named: true, consent: false };
      const options = { logFolder: "/nowhere", signal: new AbortController().signal, onStep() {} };
      process.stdout.write(JSON.stringify((await provideDocker(plan, options)).config));`;
    const words = ["--reuid=65534", "--regid=65534", "--clear-groups", process.execPath, "--input-type=module", "--eval", source];
    const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("NODE_")));
    const { stdout, stderr } = spawnSync("setpriv", words, { encoding: "utf8", cwd: "/", env: environment });
    const config = JSON.parse(stdout || `{"stderr":${JSON.stringify(stderr)}}`);
    assert.equal(config.missing, "not_permitted", JSON.stringify(config));
    assert.match(config.hint, /usermod -aG docker/);
  });
});

describe("a daemon without systemd", { skip: dockerMissing() ?? false, timeout: 240_000 }, () => {
  let place: DockerPlace & { network: string };
  const namespace = `khtd-${randomBytes(3).toString("hex")}`;
  const logFile = () => `${place.folder}.log`;
  const start = () => startDocker({ place, logFile: logFile(), timeoutMs: 120_000 });
  const daemons = () =>
    processIds().filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return words[0] === dockerProgram && words.includes(pidFileIn(place));
      } catch {
        return false;
      }
    });
  before(async () => {
    // What is missing is installed with the shared one.
    await testDocker();
    place = { folder: mkdtempSync("/tmp/khtd-"), network: `/run/netns/${namespace}` };
    spawnSync("ip", ["netns", "add", namespace]);
  });
  after(async () => {
    const pids = daemons();
    for (const pid of pids) signal(pid, "SIGTERM");
    if (!(await waitForEnd(pids, 30_000))) for (const pid of daemons()) signal(pid, "SIGKILL");
    spawnSync("ip", ["netns", "del", namespace]);
    for (const line of readFileSync("/proc/self/mounts", "utf8").split("\n").reverse()) {
      const folder = line.split(" ")[1] ?? "";
      if (folder.startsWith(`${place.folder}/`)) spawnSync("umount", ["-l", folder]);
    }
    rmSync(place.folder, { recursive: true, force: true });
    rmSync(logFile(), { force: true });
  });

  test("started by two at once it is one, it outlives who started it, and is started again when it was killed", async () => {
    const module = JSON.stringify(join(import.meta.dirname, "dockerDaemon.ts"));
    const source = `const { startDocker } = await import(${module});
      await startDocker({ place: ${JSON.stringify(place)}, logFile: ${JSON.stringify(logFile())}, timeoutMs: 120000 });
      process.kill(process.pid, "SIGKILL");`;
    const starters = [1, 2].map(
      () =>
        new Promise<string | null>((resolve) =>
          spawn(process.execPath, ["--input-type=module", "--eval", source], { stdio: "inherit" }).on("exit", (_, name) =>
            resolve(name),
          ),
        ),
    );
    assert.deepEqual(await Promise.all(starters), ["SIGKILL", "SIGKILL"]);
    const [pid, ...others] = daemons();
    assert.ok(pid !== undefined && isAlive(pid));
    assert.deepEqual(others, []);
    assert.equal(await dockerAnswers(join(place.folder, "docker.sock")), true);
    assert.notEqual(readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[5], String(process.pid), "a session of its own");
    process.kill(pid, "SIGKILL");
    await eventually(daemons, (pids) => pids.length === 0);
    assert.equal(await dockerAnswers(join(place.folder, "docker.sock")), false);
    const socket = await start();
    assert.equal(await start(), socket);
    assert.equal(daemons().length, 1);
    assert.notEqual(daemons()[0], pid);
  });

  test("one that cannot start says why", async () => {
    const broken = { folder: join(place.folder, "broken"), network: "/run/netns/no-such-namespace" };
    await assert.rejects(startDocker({ place: broken, logFile: logFile() }), /Docker could not be started: .+ See .*\.log\.$/);
    assert.equal(existsSync(pidFileIn(broken)), false);
  });
});
