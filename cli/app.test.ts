import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import { createWriteStream, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { after, type TestContext, test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { extract, pack } from "tar-stream";
import { newId } from "../kernel/ids.ts";
import { appNameOf } from "./app-deploy.ts";
import { type Answering, type Connecting, fakeCloud, problem, type Reply, runCli, temporaryHome } from "./fake-cloud.ts";

const project = { id: newId("project"), name: "Shop", slug: "shop" };
const shop = { id: newId("app"), name: "shop", projectId: project.id, state: "running", url: "http://shop.shop.localhost" };
const deploymentId = newId("deployment");
const operation = {
  id: newId("operation"),
  kind: "apps.app.deploy",
  state: "running",
  resource: { kind: "deployment", id: deploymentId },
};

const folder = mkdtempSync(join(tmpdir(), "khmara-app-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const fresh = (name = "shop"): string => {
  const path = join(mkdtempSync(join(folder, "at-")), name);
  mkdirSync(path);
  return path;
};

/** A cloud with one app, whose deployments end as `state` says and log what `log` says, piece by piece. */
async function start(
  t: TestContext,
  given: {
    state?: string;
    error?: string;
    log?: string[];
    routes?: Record<string, Answering>;
    sockets?: Record<string, Connecting>;
  } = {},
) {
  const { state = "succeeded", error, log = ["building\nstill ", "building\n"] } = given;
  const apps = [shop];
  const whole = log.join("");
  let asked = 0;
  const deployment = () => ({
    id: deploymentId,
    number: 3,
    state: asked > log.length ? state : "building",
    ...(error !== undefined && { error }),
    ...(state === "succeeded" && { releaseNumber: 2 }),
  });
  const cloud = await fakeCloud(
    {
      "GET /identity": () => ({
        body: {
          principal: {},
          bindings: [],
          recoveryCodesLeft: 0,
          organisations: [{ id: "org_1", name: "Home", slug: "home", projects: [project] }],
        },
      }),
      "GET /apps": ({ query }) => ({ body: { items: apps.filter(({ name }) => name.includes(query["search"] ?? "")) } }),
      "POST /apps": ({ body }) => {
        const made = { ...shop, id: newId("app"), ...(body as { name: string }) };
        apps.push(made);
        return { status: 201, body: made };
      },
      "GET /apps/{app}": (_, [id]) => ({ body: { ...(apps.find((one) => one.id === id) ?? shop), releaseNumber: 2 } }),
      "POST /apps/{app}/deployments": () => ({ status: 202, body: operation }),
      "POST /apps/{app}/image-uploads": () => ({ status: 202, body: operation }),
      "POST /apps/{app}/image-deployments": () => ({ status: 202, body: operation }),
      "PATCH /apps/{app}/settings": ({ body }) => ({
        body: (body as { deploy: boolean }).deploy ? { deploymentId, operationId: operation.id } : {},
      }),
      "GET /deployments/{deployment}/log": ({ query }): Reply => {
        const offset = Number(query["offset"] ?? 0);
        const piece = log[asked++] ?? "";
        assert.equal(whole.slice(offset, offset + piece.length), piece);
        const nextOffset = offset + piece.length;
        return { body: { offset, nextOffset, text: piece, finished: asked > log.length, truncated: false } };
      },
      "GET /deployments/{deployment}": () => ({ body: deployment() }),
      ...given.routes,
    },
    given.sockets,
  );
  const home = temporaryHome();
  const env = { ...home.env, KHMARA_ENDPOINT: cloud.endpoint, KHMARA_TOKEN: "t" };
  const cli = (words: string[], options: Parameters<typeof runCli>[1] = {}) => runCli(words, { ...options, env });
  t.after(async () => {
    await cloud.close();
    home.remove();
  });
  return { cli, seen: cloud.seen };
}

/** What is in a tar.gz: names with a mark of their kind, and texts. */
async function unpack(bytes: Buffer): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const archive = extract();
  Readable.from([gunzipSync(bytes)]).pipe(archive);
  for await (const entry of archive) {
    const { name, type, linkname } = entry.header;
    const pieces: Buffer[] = [];
    for await (const piece of entry) pieces.push(piece as Buffer);
    found[name] = type === "symlink" ? `→ ${linkname}` : Buffer.concat(pieces).toString();
  }
  return found;
}

test("deploy: a folder is packed without what is ignored, its log shown, its address told", async (t) => {
  const cloud = await start(t);
  const site = fresh();
  mkdirSync(join(site, "css"));
  mkdirSync(join(site, "node_modules", "x"), { recursive: true });
  mkdirSync(join(site, ".git"));
  for (const [path, text] of Object.entries({
    "index.html": "<h1>",
    "css/a.css": "b{}",
    "debug.log": "no",
    "css/.gitignore": "!keep.log\n",
    "css/keep.log": "yes",
    "node_modules/x/index.js": "no",
    ".git/HEAD": "no",
    ".gitignore": "*.log\n",
  }))
    writeFileSync(join(site, path), text);
  symlinkSync("index.html", join(site, "home.html"));
  const run = await cloud.cli(["app", "deploy", "shop", site]);
  assert.equal(run.code, 0, run.notes);
  assert.equal(run.out, "shop is at http://shop.shop.localhost (release 2)\n");
  assert.match(run.notes, /Sent shop, .*\nbuilding\nstill building\n$/);
  const sent = cloud.seen.find(({ method, path }) => method === "POST" && path.endsWith(`/${shop.id}/deployments`));
  assert.deepEqual(sent?.query, { description: "shop" });
  assert.deepEqual(await unpack(sent?.bytes as Buffer), {
    ".gitignore": "*.log\n",
    "css/": "",
    "css/.gitignore": "!keep.log\n",
    "css/a.css": "b{}",
    "css/keep.log": "yes",
    "home.html": "→ index.html",
    "index.html": "<h1>",
  });
});

test("deploy: a name that is not there is made when that is meant; a folder alone names its app", async (t) => {
  const cloud = await start(t);
  const site = fresh("My Site");
  writeFileSync(join(site, "index.html"), "<h1>");
  const unsure = await cloud.cli(["app", "deploy", "shopp", site]);
  assert.equal(unsure.code, 1);
  assert.match(unsure.notes, /There is no app "shopp" in this project.*Did you mean "shop"\?.*--create/);
  const no = await cloud.cli(["app", "deploy", "site", site], { interactive: true, input: "n\n" });
  assert.equal(no.code, 1);
  assert.ok(!cloud.seen.some(({ method }) => method === "POST"));
  const yes = await cloud.cli(["app", "deploy", `${site}/`, "--detach"], { interactive: true, input: "y\n" });
  assert.equal(yes.code, 0, yes.notes);
  const created = cloud.seen.find(({ method, path }) => method === "POST" && path.endsWith("/apps"));
  assert.deepEqual(created?.body, { project: project.id, name: "my-site" });
  assert.match(yes.out, new RegExp(`Deployment 3 goes on by itself[\\s\\S]*khmara deployment cancel ${deploymentId}`));
  const quiet = await cloud.cli(["app", "deploy", "third", site, "--create", "--detach", "-q"]);
  assert.deepEqual([quiet.code, quiet.out, quiet.notes], [0, `${deploymentId}\n`, ""]);
  for (const [path, name] of [
    ["./My Site/", "my-site"],
    ["/a/shop.tar.gz", "shop"],
    ["/a/--", ""],
  ] as const)
    assert.equal(appNameOf(path), name);
});

test("deploy: archives go as they are, images are told by what is in them", async (t) => {
  const cloud = await start(t);
  const at = fresh();
  const tar = async (name: string, ...entries: string[]): Promise<string> => {
    const archive = pack();
    for (const entry of entries) archive.entry({ name: entry }, "text of it");
    archive.finalize();
    await pipeline(Readable.from(archive as unknown as AsyncIterable<Buffer>), createWriteStream(join(at, name)));
    return join(at, name);
  };
  const sent = () => cloud.seen.findLast(({ method }) => method === "POST");
  const source = await tar("source.tar", "index.html", "manifest.json");
  assert.equal((await cloud.cli(["app", "deploy", "shop", source, "--detach"])).code, 0);
  assert.ok(sent()?.path.endsWith("/deployments"));
  assert.equal(Number(sent()?.headers["content-length"]), sent()?.bytes.length);
  const hash = "ab".repeat(32);
  for (const entries of [
    ["blobs/", "blobs/sha256/", `blobs/sha256/${hash}`, "manifest.json"],
    [`${hash}.json`],
    [`${hash}/layer.tar`],
  ]) {
    const image = await tar("image.tar", ...entries);
    const run = await cloud.cli(["app", "deploy", "shop", image, "--port", "3000", "--health-path", "/up", "--detach"]);
    assert.equal(run.code, 0, run.notes);
    assert.ok(sent()?.path.endsWith("/image-uploads"), entries.join());
    assert.deepEqual(sent()?.query, { description: "image.tar", port: "3000", healthPath: "/up" });
  }
  const plainBytes = sent()?.bytes as Buffer;
  writeFileSync(join(at, "image.tar.gz"), gzipSync(plainBytes));
  assert.equal((await cloud.cli(["app", "deploy", "shop", join(at, "image.tar.gz"), "--detach"])).code, 0);
  assert.ok(sent()?.path.endsWith("/image-uploads") && sent()?.bytes.equals(plainBytes));
  const piped = await cloud.cli(["app", "deploy", "shop", "-", "--detach"], { input: plainBytes });
  assert.equal(piped.code, 0, piped.notes);
  assert.ok(sent()?.path.endsWith("/deployments") && sent()?.bytes.equals(plainBytes));
  const ready = await cloud.cli(["app", "deploy", "shop", "--image", "web:1.2", "--port", "80", "--detach"]);
  assert.equal(ready.code, 0, ready.notes);
  assert.deepEqual(sent()?.body, { image: "web:1.2", port: 80 });
});

test("deploy: what is wrong is said before anything is sent", async (t) => {
  const cloud = await start(t);
  const empty = fresh();
  writeFileSync(join(empty, ".khmaraignore"), "*\n");
  for (const [words, expected] of [
    [["shop", join(empty, "nothing")], /There is no .*nothing here/],
    [["shop", empty], /nothing to deploy/],
    [["shop", "a", "b"], /one word too many/],
    [["shop", empty, "--image", "web"], /not both/],
    [["shop", "-", "--port", "3000"], /for images/],
  ] as const) {
    const run = await cloud.cli(["app", "deploy", ...words]);
    assert.equal(run.code, 2, run.notes);
    assert.match(run.notes, expected);
  }
  assert.ok(!cloud.seen.some(({ method }) => method === "POST"));
});

test("deploy: a failure is the exit code, with its reason and what runs; escape sequences are not obeyed", async (t) => {
  const cloud = await start(t, {
    state: "failed",
    error: "It ended with 1.\nlast words",
    log: ["\u001b[31mred\u001b[0m\r\n\u001b]0;title\u0007x\ty\u0008\n", "half"],
  });
  const site = fresh();
  writeFileSync(join(site, "index.html"), "<h1>");
  const run = await cloud.cli(["app", "deploy", "shop", site]);
  assert.equal(run.code, 1);
  assert.equal(run.out, "");
  assert.ok(run.notes.includes("red\nx\ty�\nhalf\n"), JSON.stringify(run.notes));
  assert.match(
    run.notes,
    /khmara: deployment 3 failed: It ended with 1\.\nlast words\nRelease 2 of shop is what runs, as before\.\n$/,
  );
});

test("deploy: Ctrl-C leaves it to itself; a cloud that is away for a moment is waited for", async (t) => {
  const events = new EventEmitter();
  const site = fresh();
  writeFileSync(join(site, "index.html"), "<h1>");
  {
    const cloud = await start(t, {
      routes: {
        "GET /deployments/{deployment}/log": () => {
          setImmediate(() => events.emit("interrupt"));
          return { body: { offset: 0, nextOffset: 0, text: "", finished: false, truncated: false } };
        },
      },
    });
    const run = await cloud.cli(["app", "deploy", "shop", site], { events });
    assert.equal(run.code, 130);
    assert.match(
      run.notes,
      new RegExp(
        `The deployment goes on\\.\nFollow it: khmara deployment log ${deploymentId} -f\nCancel it: khmara deployment cancel ${deploymentId}`,
      ),
    );
    assert.ok(!cloud.seen.some(({ path }) => path.endsWith("/cancel")));
  }
  let away = 5;
  const cloud = await start(t, {
    routes: {
      "GET /deployments/{deployment}/log": () =>
        away-- > 0
          ? problem(503, "unavailable", "It is being started.")
          : { body: { offset: 0, nextOffset: 0, text: "", finished: true, truncated: false } },
      "GET /deployments/{deployment}": () => ({ body: { id: deploymentId, number: 3, state: "succeeded" } }),
    },
  });
  const run = await cloud.cli(["app", "deploy", "shop", site, "--json"]);
  assert.equal(run.code, 0, run.notes);
  assert.equal(JSON.parse(run.out).state, "succeeded");
});

test("deployment log: what is there, and with -f what comes", async (t) => {
  {
    const cloud = await start(t);
    const run = await cloud.cli(["deployment", "log", deploymentId]);
    assert.deepEqual([run.code, run.out], [0, "building\nstill building\n"], run.notes);
    assert.ok(cloud.seen.every(({ query }) => query["waitSeconds"] === "0"));
  }
  const cloud = await start(t);
  const run = await cloud.cli(["deployment", "log", deploymentId, "-f"]);
  assert.deepEqual([run.code, run.out], [0, "building\nstill building\n"], run.notes);
});

const line = (second: number, text: string, container = "web-1") => ({
  at: `2026-11-22T07:00:${String(second).padStart(2, "0")}.5Z`,
  process: container.split("-")[0],
  container,
  stream: "stdout",
  text,
});
const eventText = (...lines: object[]): string => `: hello\n\n${lines.map((one) => `data: ${JSON.stringify(one)}\n\n`).join("")}`;

test("logs: oldest first, with the filters; one JSON object a line for programs", async (t) => {
  const cloud = await start(t, {
    routes: {
      "GET /apps/{app}/logs": ({ query }) => ({
        body:
          query["cursor"] === undefined
            ? { items: [line(3, "third\u001b[2J"), line(2, "second", "worker-1")], nextCursor: "more" }
            : { items: [line(1, "first")] },
      }),
    },
  });
  const run = await cloud.cli(["app", "logs", "shop", "--process", "web", "--search", "r"]);
  assert.equal(run.code, 0, run.notes);
  assert.equal(
    run.out,
    "2026-11-22T07:00:01.5Z  web-1     first\n2026-11-22T07:00:02.5Z  worker-1  second\n2026-11-22T07:00:03.5Z  web-1     third\n",
  );
  const { query } = cloud.seen.find(({ path }) => path.endsWith("/logs")) ?? {};
  assert.deepEqual({ ...query }, { process: "web", search: "r", limit: "100" });
  const two = await cloud.cli(["app", "logs", "shop", "--lines", "2", "--json"]);
  assert.deepEqual(
    two.out
      .trim()
      .split("\n")
      .map((one) => JSON.parse(one).text),
    ["second", "third\u001b[2J"],
  );
});

test("logs -f: what was listed is not shown twice, nor what came before a break", async (t) => {
  const events = new EventEmitter();
  let connections = 0;
  const cloud = await start(t, {
    routes: {
      "GET /apps/{app}/logs": () => ({ body: { items: [line(3, "c", "worker-1"), line(2, "b")] } }),
      "GET /apps/{app}/logs/follow": () => {
        const all = [
          line(1, "old", "worker-1"),
          line(2, "b"),
          line(3, "c", "worker-1"),
          line(4, "d"),
          line(1, "older", "cron-1"),
        ];
        if (connections++ === 0)
          return { raw: eventText(...all), headers: { "content-type": "text/event-stream" }, breakOff: true };
        if (connections === 3) setImmediate(() => events.emit("interrupt"));
        return { raw: eventText(...all, line(5, "e")), headers: { "content-type": "text/event-stream" } };
      },
    },
  });
  const run = await cloud.cli(["app", "logs", "shop", "-f"], { events });
  assert.equal(run.code, 0, run.notes);
  assert.deepEqual(
    run.out
      .trim()
      .split("\n")
      .map((one) => one.at(-1)),
    ["b", "c", "d", "e"],
  );
  assert.equal(cloud.seen.find(({ path }) => path.endsWith("/follow"))?.query["tail"], "1000");
  const refused = await cloud.cli(["app", "logs", "nothing", "-f"]);
  assert.equal(refused.code, 1);
});

const started: Record<string, unknown>[] = [];
/** A container that is this machine: streams, or a terminal that says everything back. */
const running: Connecting = (websocket) => {
  let child: ReturnType<typeof spawn> | undefined;
  let terminal = false;
  websocket.on("message", (data, isBinary) => {
    if (isBinary) {
      if (!terminal) return void child?.stdin?.write(data as Buffer);
      websocket.send(data as Buffer);
      if (!String(data).includes("exit")) return;
      websocket.send(JSON.stringify({ exit: { code: 5 } }));
      return websocket.close(1000);
    }
    const { start: first, end } = JSON.parse(String(data));
    if (end) child?.stdin?.end();
    if (!first) return;
    started.push(first);
    terminal = first.terminal !== undefined;
    if (terminal) return;
    child = spawn(first.command[0], first.command.slice(1));
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

test("run: streams and the exit code as they are; a terminal where one sits at one", async (t) => {
  const cloud = await start(t, { sockets: { "/apps/{app}/run": running } });
  const run = await cloud.cli(["app", "run", "shop", "--", "sh", "-c", "cat; echo trouble >&2; exit 7", "--json"], {
    input: "hello",
  });
  assert.deepEqual([run.code, run.bytes.toString(), run.notes], [7, "hello", "trouble\n"]);
  assert.deepEqual(started.at(-1), { command: ["sh", "-c", "cat; echo trouble >&2; exit 7", "--json"] });
  const input = new PassThrough();
  const sitting = cloud.cli(["app", "run", "shop", "--", "sh"], { tty: true, input, window: { columns: 90, rows: 30 } });
  input.write("exit\r");
  const { code, bytes } = await sitting;
  assert.deepEqual([code, bytes.toString()], [5, "exit\r"]);
  assert.deepEqual(started.at(-1), { command: ["sh"], terminal: { columns: 90, rows: 30 } });
  const nothing = await cloud.cli(["app", "run", "shop"]);
  assert.equal(nothing.code, 2);
});

test("terminal: in the first container that runs, or the one that was named", async (t) => {
  const items = [
    { name: "worker-1", process: "worker", state: "running" },
    { name: "web-1", process: "web", state: "exited" },
    { name: "web-2", process: "web", state: "healthy" },
  ];
  const entered: string[] = [];
  const shell: Connecting = (websocket, { query }, [, container]) => {
    entered.push(`${container} ${query["columns"]}×${query["rows"]}`);
    websocket.send(JSON.stringify({ exit: { code: 4 } }));
    websocket.close(1000);
  };
  const cloud = await start(t, {
    routes: { "GET /apps/{app}/containers": () => ({ body: { items } }) },
    sockets: { "/apps/{app}/containers/{container}/terminal": shell },
  });
  assert.equal((await cloud.cli(["app", "terminal", "shop"], { tty: true, input: new PassThrough() })).code, 4);
  assert.equal((await cloud.cli(["app", "terminal", "shop", "worker-1"], { window: { columns: 50, rows: 10 } })).code, 4);
  assert.deepEqual(entered, ["web-2 80×24", "worker-1 50×10"]);
  items.length = 0;
  const none = await cloud.cli(["app", "terminal", "shop"]);
  assert.equal(none.code, 1);
  assert.match(none.notes, /Nothing of shop runs\. .*khmara app run shop -- sh/);
});

test("setting set: values from the line and from a file, secrets apart, the deployment followed", async (t) => {
  const cloud = await start(t);
  const sent = () => cloud.seen.findLast(({ method }) => method === "PATCH")?.body;
  const run = await cloud.cli(["setting", "set", "shop", "A=1", "URL=http://x/?a=b", "EMPTY="]);
  assert.equal(run.code, 0, run.notes);
  assert.deepEqual(sent(), { set: { A: "1", URL: "http://x/?a=b", EMPTY: "" }, deploy: true });
  assert.match(run.notes, /Set 3 settings of shop\.\nbuilding\n/);
  const file = join(fresh(), ".env");
  writeFileSync(file, "# secrets\nTOKEN=\"a b\"\nexport KEY='c'\n");
  const secret = await cloud.cli(["setting", "set", "shop", "--secret", "--file", file, "TOKEN=mine", "--no-deploy"]);
  assert.equal(secret.code, 0, secret.notes);
  assert.deepEqual(sent(), { setSecrets: { TOKEN: "mine", KEY: "c" }, deploy: false });
  assert.equal(secret.out, "Set 2 settings of shop. The next deployment brings it.\n");
  assert.ok(!secret.notes.includes("mine"));
  const asked = await cloud.cli(["setting", "set", "shop", "--secret", "API_TOKEN", "--no-deploy"], {
    interactive: true,
    input: "typed\n",
  });
  assert.equal(asked.code, 0, asked.notes);
  assert.deepEqual(sent(), { setSecrets: { API_TOKEN: "typed" }, deploy: false });
  for (const [words, expected] of [
    [[], /Which settings\?/],
    [["A"], /"A" is not KEY=VALUE/],
    [["1A=b"], /no name of a setting/],
  ] as const) {
    const refused = await cloud.cli(["setting", "set", "shop", ...words]);
    assert.equal(refused.code, 2, refused.notes);
    assert.match(refused.notes, expected);
  }
});
