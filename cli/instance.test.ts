import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { EventEmitter, once } from "node:events";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { after, test } from "node:test";
import { pack } from "tar-stream";
import type { WebSocket } from "ws";
import { newId } from "../kernel/ids.ts";
import { unpackInto } from "./archive.ts";
import { Cloud } from "./cloud.ts";
import { type Answering, type Connecting, fakeCloud, problem, runCli, temporaryHome } from "./fake-cloud.ts";
import { listenTunnel } from "./instance-tunnel.ts";
import { settings } from "./profiles.ts";

const shop = { id: newId("project"), name: "Shop", slug: "shop" };
const web = { id: newId("instance"), name: "web", projectId: shop.id };
const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEqWvZ1CqW0Jm0ttqUQ2KpQyG0kA2pA0qg3b5cJpGx0S";

/** An instance whose inside is this machine: what is run there is run here. */
const routes: Record<string, Answering> = {
  "GET /identity": () => ({
    body: {
      principal: {},
      bindings: [],
      recoveryCodesLeft: 0,
      organisations: [{ id: "org_1", name: "Home", slug: "home", projects: [shop] }],
    },
  }),
  "GET /instances": () => ({ body: { items: [web] } }),
  "POST /instances/{instance}/exec": ({ body }) => {
    const { command, stdin } = body as { command: string[]; stdin?: string };
    const { status, stdout, stderr } = spawnSync(command[0] as string, command.slice(1), { input: stdin ?? "" });
    return {
      body: {
        exitCode: status,
        stdout: String(stdout),
        stdoutEncoding: "utf-8",
        stderr: String(stderr),
        stderrEncoding: "utf-8",
        truncated: false,
      },
    };
  },
  "GET /instances/{instance}/log": () => ({ body: { text: "[ OK ] Reached target" } }),
  "GET /instances/{instance}/ssh": () => ({ body: { user: "debian", port: 22, hostKeys: [hostKey], addresses: [] } }),
  "GET /instances/{instance}/file/content": ({ query }) => ({
    raw: readFileSync(query["path"] as string),
    headers: { "x-khmara-mode": (statSync(query["path"] as string).mode & 0o7777).toString(8) },
  }),
  "PUT /instances/{instance}/file/content": ({ query, bytes }) => {
    writeFileSync(query["path"] as string, bytes);
    chmodSync(query["path"] as string, Number.parseInt(query["mode"] as string, 8));
    return {};
  },
};
const execStream: Connecting = (websocket) => {
  let child: ReturnType<typeof spawn> | undefined;
  websocket.on("message", (data, isBinary) => {
    if (isBinary) return void child?.stdin?.write(data as Buffer);
    const { start, end } = JSON.parse(String(data));
    if (end) child?.stdin?.end();
    if (!start) return;
    started.push(start);
    child = spawn(start.command[0], start.command.slice(1));
    child.stdin?.on("error", () => {});
    child.stdout?.on("data", (piece) => websocket.send(Buffer.concat([Buffer.of(1), piece])));
    child.stderr?.on("data", (piece) => websocket.send(Buffer.concat([Buffer.of(2), piece])));
    child.once("close", (code) => {
      websocket.send(JSON.stringify({ exit: { code } }));
      websocket.close(1000);
    });
  });
  websocket.once("close", () => child?.kill());
};
const started: Record<string, unknown>[] = [];

async function cli(
  words: string[],
  options: Parameters<typeof runCli>[1] = {},
  more: { routes?: Record<string, Answering>; sockets?: Record<string, Connecting> } = {},
) {
  const cloud = await fakeCloud({ ...routes, ...more.routes }, { "/instances/{instance}/exec": execStream, ...more.sockets });
  const home = temporaryHome();
  try {
    const env = { ...home.env, KHMARA_ENDPOINT: cloud.endpoint, KHMARA_TOKEN: "t", ...options.env };
    const run = await runCli(words, { ...options, env });
    return { ...run, seen: cloud.seen, endpoint: cloud.endpoint };
  } finally {
    await cloud.close();
    home.remove();
  }
}

const folder = mkdtempSync(join(tmpdir(), "khmara-copy-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const fresh = (): string => mkdtempSync(join(folder, "at-"));

test("exec: arguments as they are, output where it belongs, the exit code passed on", async () => {
  const script = 'printf "%s\\n" "$@"; echo trouble >&2; exit 7';
  const run = await cli(["instance", "exec", "web", "--", "sh", "-c", script, "sh", "a b", "--json", "-q", "$HOME", ""]);
  assert.deepEqual([run.code, run.bytes.toString(), run.notes], [7, "a b\n--json\n-q\n$HOME\n\n", "trouble\n"]);
  const piped = await cli(["instance", "exec", "web", "--user", "root", "--", "wc", "-c"], { input: Buffer.alloc(3_000_000) });
  assert.deepEqual([piped.code, piped.bytes.toString().trim()], [0, "3000000"]);
  assert.deepEqual(started.at(-1), { command: ["wc", "-c"], user: "root" });
  const json = await cli(["instance", "exec", "web", "--json", "--stdin", "hello", "--", "cat"]);
  assert.equal(JSON.parse(json.out).stdout, "hello");
  const nothing = await cli(["instance", "exec", "web"]);
  assert.equal(nothing.code, 2);
  assert.match(nothing.notes, /Which command\?/);
});

test("exec: an input that nobody closes does not keep it, a time limit ends it, a broken line is an error", async () => {
  const open = new PassThrough();
  assert.equal((await cli(["instance", "exec", "web", "--", "true"], { input: open })).code, 0);
  const late = await cli(["instance", "exec", "web", "--timeout-seconds", "1", "--", "sleep", "30"]);
  assert.equal(late.code, 124);
  assert.match(late.notes, /longer than 1 seconds/);
  const broken = await cli(
    ["instance", "exec", "web", "--", "true"],
    {},
    { sockets: { "/instances/{instance}/exec": (websocket) => websocket.terminate() } },
  );
  assert.equal(broken.code, 1);
  assert.match(broken.notes, /connection broke off/i);
  const refused = await cli(
    ["instance", "exec", web.id, "--", "true"],
    {},
    { sockets: { "/instances/{instance}/exec": refusing } },
  );
  assert.match(refused.notes, /The command does not exist there/);
});
const refusing: Connecting = (websocket) => {
  websocket.send(JSON.stringify({ error: problem(409, "failed_precondition", "The command does not exist there.").body }));
  websocket.close(4409);
};

/** A terminal that echoes, tells its size, and ends at `exit`. */
const shell: Connecting = (websocket, seen) => {
  websocket.send(Buffer.from(`${JSON.stringify(seen.query)}$ `));
  websocket.on("message", (data, isBinary) => {
    if (!isBinary) return websocket.send(Buffer.from(`<${data}>`));
    websocket.send(data as Buffer);
    if (String(data).includes("exit") || String(data).includes("\u0004")) {
      websocket.send(JSON.stringify({ exit: { code: 5 } }));
      websocket.close(1000);
    }
  });
};

test("terminal: what is typed goes there, what comes is shown, the window is told, the exit code passed on", async () => {
  const input = new PassThrough();
  const events = new EventEmitter();
  const window = { columns: 100, rows: 40 };
  const running = cli(
    ["instance", "terminal", "web", "--user", "olena"],
    { input, events, window },
    { sockets: { "/instances/{instance}/terminal": shell } },
  );
  setTimeout(() => {
    window.columns = 50;
    events.emit("resize");
    setTimeout(() => input.write("ls\r"), 100);
    setTimeout(() => input.write("exit\r"), 200);
  }, 500);
  const { code, bytes } = await running;
  assert.equal(code, 5);
  const text = bytes.toString();
  assert.ok(text.startsWith('{"columns":"100","rows":"40","user":"olena"}$ '), text);
  assert.ok(text.endsWith('<{"resize":{"columns":50,"rows":40}}>ls\rexit\r'), text);
  // The end of what is piped in is Ctrl-D.
  const piped = await cli(
    ["instance", "terminal", "web"],
    { input: "id\n" },
    { sockets: { "/instances/{instance}/terminal": shell } },
  );
  assert.equal(piped.code, 5);
  assert.ok(piped.bytes.toString().endsWith("id\n\u0004"));
});

test("console: Ctrl-] leaves; log: the text itself", async () => {
  const input = new PassThrough();
  setTimeout(() => input.write("root\r\u001dnot this"), 400);
  const sockets = { "/instances/{instance}/console": shell };
  const { code, bytes } = await cli(["instance", "console", "web"], { input }, { sockets });
  assert.equal(code, 0);
  assert.ok(!bytes.toString().includes("not this"));
  const log = await cli(["instance", "log", "web"]);
  assert.equal(log.out, "[ OK ] Reached target\n");
});

/** A tunnel to a real server. */
const tunnelTo =
  (port: number): Connecting =>
  (websocket) => {
    const tcp = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    tcp.on("data", (piece) => websocket.send(piece));
    tcp.once("end", () => websocket.send(JSON.stringify({ end: true })));
    tcp.once("close", () => websocket.close(1000));
    websocket.on("message", (data, isBinary) => (isBinary ? tcp.write(data as Buffer) : tcp.end()));
    websocket.once("close", () => tcp.destroy());
  };
/** Answers, when its peer has said all, how many bytes that was. */
async function counter(): Promise<{ port: number; close: () => void }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let bytes = 0;
    socket.on("error", () => {});
    socket.on("data", (piece) => {
      bytes += piece.length;
    });
    socket.once("end", () => socket.end(`${bytes} bytes`));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as { port: number }).port, close: () => server.close() };
}

test("tunnel: standard input and output are the connection, each direction with its end", async () => {
  const server = await counter();
  const sockets = { "/instances/{instance}/tunnel": tunnelTo(server.port) };
  const run = await cli(["instance", "tunnel", "web", "--port", "5432"], { input: Buffer.alloc(2_000_000) }, { sockets });
  server.close();
  assert.deepEqual([run.code, run.bytes.toString()], [0, "2000000 bytes"], run.notes);
  assert.deepEqual(run.seen.at(-1)?.query, { port: "5432" });
});

test("tunnel --listen: a port here leads there, many times over", async () => {
  const server = await counter();
  const fake = await fakeCloud(routes, { "/instances/{instance}/tunnel": tunnelTo(server.port) });
  const cloud = new Cloud(settings({ KHMARA_ENDPOINT: fake.endpoint, KHMARA_TOKEN: "t", HOME: folder }));
  const notes: string[] = [];
  const listening = await listenTunnel(cloud, { instance: web.id as never, port: 80 }, "0", (text) => notes.push(text));
  const port = Number(listening.address.split(":").at(-1));
  const answers = await Promise.all(
    Array.from({ length: 10 }, async (_, i) => {
      const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      socket.end(Buffer.alloc(100_000 * i));
      return (await socket.toArray()).join("");
    }),
  );
  assert.deepEqual(
    answers,
    answers.map((_, i) => `${100_000 * i} bytes`),
  );
  assert.deepEqual(notes, []);
  await assert.rejects(
    listenTunnel(cloud, { instance: web.id as never, port: 80 }, String(port), () => {}),
    /listens on .* already/,
  );
  listening.server.close();
  server.close();
  await fake.close();
});

test("cp: files and folders go in, under the name that cp would give them", async () => {
  const [here, there] = [fresh(), fresh()];
  const site = join(here, "site");
  mkdirSync(join(site, "css", "deep"), { recursive: true });
  writeFileSync(join(site, "index.html"), "<h1>");
  writeFileSync(join(site, "css", "deep", "a b.css"), Buffer.alloc(200_000, 1));
  writeFileSync(join(site, "run.sh"), "#!/bin/sh\n");
  chmodSync(join(site, "run.sh"), 0o755);
  utimesSync(join(site, "index.html"), 1_600_000_000, 1_600_000_000);
  symlinkSync("index.html", join(site, "latest"));
  mkdirSync(join(site, "empty"));
  const check = (at: string) => {
    assert.equal(readFileSync(join(at, "index.html"), "utf8"), "<h1>");
    assert.equal(statSync(join(at, "css", "deep", "a b.css")).size, 200_000);
    assert.equal(statSync(join(at, "run.sh")).mode & 0o777, 0o755);
    assert.equal(statSync(join(at, "index.html")).mtimeMs, 1_600_000_000_000);
    assert.equal(readlinkSync(join(at, "latest")), "index.html");
    assert.ok(statSync(join(at, "empty")).isDirectory());
  };
  const copy = async (...words: string[]) => {
    const run = await cli(["instance", "cp", ...words]);
    assert.equal(run.code, 0, run.notes);
    return run;
  };
  // Into a folder that is there; as a new one.
  const into = await copy(site, `web:${there}`);
  check(join(there, "site"));
  assert.match(into.out, /4 files, 195 KiB/);
  await copy(`${site}/`, `web:${there}/new`);
  check(join(there, "new"));
  await copy(join(site, "run.sh"), `web:${there}/other.sh`);
  assert.equal(statSync(join(there, "other.sh")).mode & 0o777, 0o755);
  await copy(join(site, "run.sh"), `web:${there}/`);
  assert.ok(existsSync(join(there, "run.sh")));
  await copy(join(site, "run.sh"), join(site, "index.html"), `web:${there}/new/..`);
  assert.ok(existsSync(join(there, "index.html")));
  const piped = await cli(["instance", "cp", "-", `web:${there}/piped`], { input: "from a pipe" });
  assert.equal(piped.code, 0, piped.notes);
  assert.equal(readFileSync(join(there, "piped"), "utf8"), "from a pipe");

  const back = fresh();
  await copy(`web:${there}/new`, back);
  check(join(back, "new"));
  await copy(`web:${there}/new`, join(back, "renamed"));
  check(join(back, "renamed"));
  await copy(`web:${there}/new/run.sh`, back);
  assert.equal(statSync(join(back, "run.sh")).mode & 0o777, 0o755);
  const out = await cli(["instance", "cp", `web:${there}/piped`, "-"]);
  assert.equal(out.bytes.toString(), "from a pipe");
});

test("cp: what cannot be is said before anything is copied", async () => {
  const at = fresh();
  writeFileSync(join(at, "file"), "x");
  mkdirSync(join(at, "folder"));
  const refused = async (words: string[], why: RegExp) => {
    const run = await cli(["instance", "cp", ...words]);
    assert.notEqual(run.code, 0);
    assert.match(run.notes, why);
  };
  await refused([join(at, "file")], /What is to be copied/);
  await refused([join(at, "file"), join(at, "other")], /One side is inside an instance/);
  await refused(["web:/a", "web:/b"], /in two steps/);
  await refused([join(at, "file"), "web:relative"], /begins with a slash/);
  await refused([join(at, "nothing"), `web:${at}`], /There is no .*nothing here/);
  await refused([join(at, "file"), `web:${at}/missing/x`], /There is no folder .*missing inside web.*mkdir -p/);
  await refused([join(at, "file"), join(at, "folder"), `web:${at}/nothing`], /is no folder inside web/);
  await refused([join(at, "folder"), `web:${at}/file`], /a folder cannot take its place/);
  await refused([`web:${at}/nothing`, at], /There is no .*nothing inside web/);
  await refused([`web:${at}/folder`, join(at, "file")], /a folder cannot take its place/);
  await refused([`web:${at}/folder`, "-"], /is a folder/);
  await refused([`web:${at}/folder`, join(at, "no", "such")], /There is no folder/);
  const failing = {
    "/instances/{instance}/exec": ((websocket: WebSocket) => {
      websocket.once("message", () => {
        websocket.send(Buffer.concat([Buffer.of(2), Buffer.from("tar: no space left")]));
        websocket.send(JSON.stringify({ exit: { code: 2 } }));
        websocket.close(1000);
      });
    }) as Connecting,
  };
  const full = await cli(["instance", "cp", join(at, "folder"), `web:${at}/new`], {}, { sockets: failing });
  assert.equal(full.code, 1);
  assert.match(full.notes, /tar inside web ended with 2\.\ntar: no space left/);
});

test("an archive from an instance writes nothing outside of its folder", async () => {
  const at = fresh();
  const root = join(at, "root");
  const outside = join(at, "outside");
  mkdirSync(outside);
  const unpacked = async (fill: (archive: ReturnType<typeof pack>) => void) => {
    const skipped: string[] = [];
    const archive = pack();
    fill(archive);
    archive.finalize();
    const unpacking = unpackInto(root, {
      onBytes: () => {},
      onFile: () => {},
      onSkipped: (path, why) => skipped.push(`${path}: ${why}`),
    });
    for await (const piece of archive) await unpacking.write(piece);
    return { files: await unpacking.end(), skipped };
  };
  const up = await unpacked((archive) => {
    archive.entry({ name: "top/../../outside/a" }, "x");
    archive.entry({ name: "top/link", type: "link", linkname: "../../etc/passwd" });
    archive.entry({ name: "top/device", type: "character-device" });
    archive.entry({ name: "/top/absolute" }, "fine");
  });
  assert.deepEqual([up.files, up.skipped.length], [1, 3], up.skipped.join());
  assert.equal(readFileSync(join(root, "absolute"), "utf8"), "fine");
  // Through a link that came with it.
  await assert.rejects(
    unpacked((archive) => {
      archive.entry({ name: "top/way", type: "symlink", linkname: outside });
      archive.entry({ name: "top/way/b" }, "x");
    }),
    /is no folder/,
  );
  // Onto a link that came with it: the link is replaced, not followed.
  writeFileSync(join(outside, "target"), "before");
  await unpacked((archive) => {
    archive.entry({ name: "top/c", type: "symlink", linkname: join(outside, "target") });
    archive.entry({ name: "top/c" }, "after");
    archive.entry({ name: "top/setuid", mode: 0o4755 }, "x");
  });
  assert.equal(readFileSync(join(outside, "target"), "utf8"), "before");
  assert.ok(!lstatSync(join(root, "c")).isSymbolicLink());
  assert.equal(statSync(join(root, "setuid")).mode & 0o7777, 0o755);
  // Two names of one file stay that.
  linkSync(join(root, "c"), join(at, "two"));
  await unpacked((archive) => {
    archive.entry({ name: "top/one" }, "same");
    archive.entry({ name: "top/two", type: "link", linkname: "top/one" });
  });
  assert.equal(statSync(join(root, "one")).ino, statSync(join(root, "two")).ino);
});

test("ssh: the system's own, with the cloud as the way and the instance's own keys", async () => {
  const bin = fresh();
  const record = join(bin, "arguments");
  writeFileSync(join(bin, "ssh"), `#!/bin/sh\nprintf '%s\\n' "$@" > ${record}\nexit 9\n`, { mode: 0o755 });
  const config = fresh();
  const env = { PATH: `${bin}:${process.env["PATH"]}`, XDG_CONFIG_HOME: config };
  const run = await cli(["ssh", "--project", "shop", "-L", "8080:localhost:80", "-v", "web", "tail", "-f", "/var/log/syslog"], {
    env,
  });
  assert.equal(run.code, 9, run.notes);
  const words = readFileSync(record, "utf8").trimEnd().split("\n");
  assert.deepEqual(words.slice(words.indexOf("-l")), [
    "-l",
    "debian",
    "-L",
    "8080:localhost:80",
    "-v",
    "--",
    "web.khmara",
    "tail",
    "-f",
    "/var/log/syslog",
  ]);
  const known = join(config, "khmara", "known_hosts", web.id);
  assert.equal(readFileSync(known, "utf8"), `${web.id} ${hostKey}\n`);
  for (const setting of [`HostKeyAlias=${web.id}`, `UserKnownHostsFile=${known}`, "StrictHostKeyChecking=yes"])
    assert.ok(words.includes(setting), setting);
  const proxy = words.find((word) => word.startsWith("ProxyCommand=")) as string;
  assert.match(proxy, new RegExp(`'instance' 'tunnel' '${web.id}' '--port' '22' '--endpoint' '${run.endpoint}'$`));

  const root = await cli(["ssh", "-p2222", "-l", "root", "web"], { env });
  assert.equal(root.code, 9);
  assert.match(readFileSync(record, "utf8"), /'--port' '2222'[\s\S]*\n-l\nroot\n--\nweb\.khmara\n$/);
  await cli(["ssh", "olena@web", "--", "ls"], { env });
  assert.match(readFileSync(record, "utf8"), /\n-l\nolena\n--\nweb\.khmara\nls\n$/);
});

test("ssh: a block for ~/.ssh/config, and clear errors", async () => {
  const config = await cli(["ssh", "--print-config", "web"]);
  assert.match(config.out, /^Host web\.khmara\n {2}User debian\n {2}ProxyCommand .*'tunnel' 'ins_\w+' .*'--profile' 'default'\n/);
  assert.ok(!config.out.includes("KHMARA_TOKEN"));
  const nobody = await cli(["ssh"]);
  assert.equal(nobody.code, 2);
  const none = await cli(["ssh", "-l", "root"]);
  assert.match(none.notes, /Which instance\?/);
  const serverless = await cli(
    ["ssh", "web"],
    {},
    {
      routes: { "GET /instances/{instance}/ssh": () => ({ body: { user: "root", port: 22, hostKeys: [], addresses: [] } }) },
    },
  );
  assert.match(serverless.notes, /has no SSH server/);
  const missing = await cli(["ssh", "web"], { env: { PATH: "/nothing" } });
  assert.match(missing.notes, /ssh is not installed here/);
  const help = await cli(["ssh", "--help"]);
  assert.equal(help.code, 0);
  assert.match(help.out, /khmara ssh web uptime/);
});
