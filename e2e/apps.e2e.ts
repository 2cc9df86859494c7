import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, afterEach, before, type TestContext, test } from "node:test";
import type { Page } from "playwright-core";
import { eventually } from "../testing/launcher.ts";
import { processTree } from "../testing/processes.ts";
import { EngineOf, tablesWith } from "./app-engine.ts";
import { addDatabaseClient, pythonFiles, shopFiles } from "./appSources.ts";
import { shown, TestBrowser } from "./browser.ts";
import { type Client, exec, finished, newCloud, repository } from "./cloud.ts";
import { type Visit, Visitors, visit } from "./visitors.ts";

/**
 * A person's day with apps, on a real Docker with the real gateway before it: deployed from the command line, seen in Chromium, changed
 * under load, broken, rolled back, scaled, and still there when the control plane is killed. The tests follow each other.
 */
const cloud = await newCloud({ apps: true });
const browser = await TestBrowser.start({ story: true });
const httpPort = Number(cloud.apps?.httpPort);
const secret = `sk-${randomBytes(24).toString("hex")}`;
let engine: EngineOf;
let client: Client;
let token: string;
let projectId: string;
let page: Page;
/** The base images that are not needed from the beginning. */
let later: Promise<void> | undefined;

const environment = (): Record<string, string> => ({
  KHMARA_NODE: process.execPath,
  KHMARA_CONFIG_HOME: join(cloud.folder, "profile"),
  HOME: cloud.folder,
  KHMARA_ENDPOINT: cloud.url,
  KHMARA_TOKEN: token,
});
const khmara = (args: string[], options: Parameters<typeof exec>[2] = {}) =>
  exec(join(repository, "khmara"), args, { timeoutMs: 240_000, ...options, env: { ...environment(), ...options.env } });
/** One that goes on until it is ended. */
function begin(args: string[]): { child: ChildProcess; output: () => string; ended: Promise<unknown> } {
  const child = spawn(join(repository, "khmara"), args, {
    env: { ...process.env, ...environment() },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (piece) => (output += piece));
  return { child, output: () => output, ended: once(child, "close") };
}

const hostOf = (app: string): string => `${app}.default.localhost`;
const look = (app: string, path = "/"): Promise<Visit> => visit(httpPort, hostOf(app), { path });
const text = async (app: string, path = "/"): Promise<string> => (await look(app, path)).text;

/** A folder with these files. */
function source(files: Record<string, string>): string {
  const folder = mkdtempSync(join(cloud.folder, "source-"));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  return folder;
}

const manifest = JSON.stringify({
  processes: { web: "node server.js", worker: "node worker.js" },
  health: { path: "/health", intervalSeconds: 1, startSeconds: 30 },
});
/** A server without dependencies: no registry is needed to build it. */
const server = (version: string): Record<string, string> => ({
  "package.json": JSON.stringify({ name: "api", private: true }),
  "khmara.json": manifest,
  "server.js": `
    const { createHash } = require("node:crypto");
    const { appendFileSync, readFileSync } = require("node:fs");
    const os = require("node:os");
    const server = require("node:http").createServer((request, response) => {
      const { pathname } = new URL(request.url, "http://app");
      if (pathname === "/health") return response.end("ok");
      if (pathname !== "/") console.log("asked for", pathname);
      if (pathname === "/host") return response.end(os.hostname());
      if (pathname === "/slow") return void setTimeout(() => response.end("slow ${version}"), 3000);
      if (pathname === "/settings") {
        const { GREETING, API_TOKEN = "" } = process.env;
        return response.end(JSON.stringify({ GREETING, token: createHash("sha256").update(API_TOKEN).digest("hex") }));
      }
      if (pathname === "/note" && request.method === "POST") appendFileSync("/data/notes", "kept by ${version};");
      if (pathname === "/note") return response.end(readFileSync("/data/notes"));
      response.end("version ${version}");
    });
    server.listen(process.env.PORT, () => console.log("listening, version ${version}"));
    process.on("SIGTERM", () => server.close(() => process.exit(0)));`,
  "worker.js": `
    setInterval(() => console.log("working, version ${version}"), 500);
    process.on("SIGTERM", () => process.exit(0));`,
});

const sha256 = (words: string): string => createHash("sha256").update(words).digest("hex");
const containers = async (app: string) =>
  (
    JSON.parse(await khmara(["container", "list", app, "--json"])) as {
      items: { name: string; process: string; state: string }[];
    }
  ).items;

before(async () => {
  await cloud.start();
  ({ client, token, projectId } = await cloud.signIn());
  engine = await EngineOf.open(cloud);
  await engine.giveBase("static", "12");
  await engine.giveBase("node", "24");
  // Only this scenario has them, so that they have yet to be made: while the others go on.
  later = engine.givePostgres("15").then(() => engine.giveBase("python", "3.11"));
  // Whoever needs them hears of what went wrong.
  later.catch(() => {});
  page = await browser.visitAsOwner(cloud);
});
/** Of what went wrong the cloud's own logs know more. */
let failed = false;
afterEach((context) => {
  failed ||= !(context as TestContext).passed;
});
after(async () => {
  await browser.close();
  if (failed)
    for (const [log, words] of [
      ["logs/control.log", /"level":[4-6]0/],
      ["gateway/haproxy.log", /./],
    ] as const) {
      const lines = readFileSync(join(cloud.dataDirectory, log), "utf8").split("\n");
      process.stderr.write(
        `${log}:\n${lines
          .filter((line) => words.test(line))
          .slice(-30)
          .join("\n")}\n`,
      );
    }
  await later?.catch(() => {});
  await cloud.remove();
  await engine?.remove();
});

test("a folder becomes a site, which Chromium shows", async () => {
  const site = source({
    "index.html": "<title>Hello</title><h1>Hello from a folder</h1>",
    "private.log": "not this",
    ".gitignore": "*.log",
  });
  const out = await khmara(["app", "deploy", "hello", site, "--create"]);
  assert.equal(out, `hello is at http://${hostOf("hello")}:${httpPort} (release 1)\n`);
  const visitor = await browser.visit({ url: `http://${hostOf("hello")}:${httpPort}` });
  await visitor.goto("/");
  await visitor.getByRole("heading", { name: "Hello from a folder" }).waitFor();
  await visitor.context().close();
  assert.equal((await look("hello", "/private.log")).status, 404);
  assert.equal((await look("nobody")).status, 404);
});

test("one is made in the browser, its log is watched, and it is opened from there", async () => {
  await page.goto("/o/home/p/default/apps");
  await shown(page);
  await page.getByRole("link", { name: "hello", exact: true }).first().waitFor();
  await page.goto("/o/home/p/default/apps/new");
  await shown(page);
  await page.getByRole("textbox", { name: "Name" }).fill("brochure");
  const file = { name: "index.html", mimeType: "text/html", buffer: Buffer.from("<h1>By hand</h1>") };
  await page.locator('input[type="file"]:not([webkitdirectory])').setInputFiles(file);
  await page.getByRole("button", { name: "Create and deploy" }).click();
  await page.waitForURL(/\/deployments\/dpl_/);
  await page.getByText("requests go to the new release").waitFor();
  assert.equal(await text("brochure"), "<h1>By hand</h1>");
  await page.getByRole("link", { name: "brochure", exact: true }).first().click();
  await page.locator("h1").getByText("Running", { exact: true }).waitFor();
});

test("an app of Node.js with a worker is built and answers; its log is told from the beginning", async () => {
  const folder = source(server("1"));
  const begun = JSON.parse(await khmara(["app", "deploy", "api", folder, "--create", "--detach", "--json"]));
  const log = await khmara(["deployment", "log", begun.id, "-f"]);
  assert.match(log, /Node\.js 24/);
  await eventually(
    () => text("api"),
    (now) => now === "version 1",
    60_000,
  );
  const web = (await containers("api")).map(({ name }) => name).sort();
  assert.deepEqual(web, ["web-1", "worker-1"]);
});

test("a change under constant load: not one request fails, and a slow one is waited for", async (t) => {
  const visitors = new Visitors(httpPort, hostOf("api"));
  await eventually(
    () => visitors.answers,
    (count) => count > 20,
    30_000,
  );
  const slow: Promise<Visit>[] = [];
  const asking = setInterval(() => slow.push(look("api", "/slow")), 1000);
  await khmara(["app", "deploy", "api", source(server("2"))]);
  clearInterval(asking);
  await eventually(
    () => visitors.texts.get("version 2") ?? 0,
    (count) => count > 20,
    30_000,
  );
  await visitors.stop();
  t.diagnostic(`${visitors.answers} answers: ${JSON.stringify([...visitors.texts])}`);
  assert.deepEqual(visitors.failures, []);
  for (const { status, text: words } of await Promise.all(slow)) assert.match(`${status} ${words}`, /^200 slow [12]$/);
  assert.equal((await containers("api")).length, 2, "the old ones are gone");
});

test("a release that does not come up is refused, and the old one serves on", async () => {
  const visitors = new Visitors(httpPort, hostOf("api"), { people: 1 });
  const broken = { ...server("3"), "server.js": 'console.log("there is no database"); process.exit(1);' };
  await assert.rejects(
    khmara(["app", "deploy", "api", source(broken)]),
    /exit code 1[\s\S]*khmara: deployment 3 failed: [\s\S]*there is no database[\s\S]*Release 2 of api is what runs/,
  );
  await visitors.stop();
  assert.deepEqual([visitors.failures, [...visitors.texts.keys()]], [[], ["version 2"]]);
  assert.deepEqual((await containers("api")).map(({ name }) => name.split("-")[0]).sort(), ["web", "worker"]);
});

test("back to the first release", async (t) => {
  const began = performance.now();
  await khmara(["app", "rollback", "api", "--release", "1"]);
  t.diagnostic(`rolled back in ${((performance.now() - began) / 1000).toFixed(1)} s, the start of the command line included`);
  assert.equal(await text("api"), "version 1");
});

test("settings and a secret reach the app, and the secret nothing else", async () => {
  assert.match(await khmara(["setting", "set", "api", "GREETING=good day", "--no-deploy"]), /next deployment/);
  await khmara(["setting", "set", "api", "--secret", "--file", "-"], { input: `API_TOKEN=${secret}\n` });
  assert.deepEqual(JSON.parse(await text("api", "/settings")), { GREETING: "good day", token: sha256(secret) });
  const { items } = await client.settingList({ app: (await app("api")).id });
  assert.deepEqual(
    items.map(({ name, value, isSecret }) => [name, value, isSecret]),
    [
      ["API_TOKEN", undefined, true],
      ["GREETING", "good day", false],
    ],
  );
  const [live] = (await client.releaseList({ app: (await app("api")).id })).items;
  const told = await engine.imageText(String(live?.imageDigest));
  assert.ok(told.includes("/app") && !told.includes(secret) && !told.includes("good day"));
  assert.deepEqual(await tablesWith(cloud, secret), []);
  // In files and in what was logged; the database's own files are compressed at most.
  const found = await exec("grep", ["-rlF", secret, cloud.dataDirectory]).catch((error: Error) => error.message);
  assert.match(found, /exit code 1/);
});

const app = async (name: string) => {
  const { items } = await client.appList({ project: projectId as never, search: name });
  const one = items.find((each) => each.name === name);
  assert.ok(one, name);
  return one;
};

test("scaled to three, requests go to all of them; one that is killed comes back; and to one without a failed request", async () => {
  await khmara(["process", "scale", "api", "web", "--count", "3"]);
  const hosts = new Set<string>();
  await eventually(
    async () => hosts.add(await text("api", "/host")).size,
    (count) => count === 3,
    60_000,
  );
  const driver = engine.driver();
  const { id } = await app("api");
  const inEngine = async () =>
    (await driver.containerList()).filter(
      ({ labels, state }) => labels["app"] === id && labels["process"] === "web" && state === "running",
    );
  const [victim] = await inEngine();
  const before = (await driver.containerGet(String(victim?.name)))?.startedAt;
  await driver.containerKill(String(victim?.name));
  await eventually(
    async () => ({ running: (await inEngine()).length, started: (await driver.containerGet(String(victim?.name)))?.startedAt }),
    ({ running, started }) => running === 3 && started?.getTime() !== before?.getTime(),
    60_000,
  );
  driver.close();
  await eventually(
    () => containers("api"),
    (all) => all.filter(({ process, state }) => process === "web" && state === "healthy").length === 3,
    60_000,
  );
  const visitors = new Visitors(httpPort, hostOf("api"), { people: 2 });
  await khmara(["process", "scale", "api", "web", "--count", "1"]);
  await visitors.stop();
  assert.deepEqual(visitors.failures, []);
  assert.equal((await containers("api")).filter(({ process }) => process === "web").length, 1);
});

test("logs are searched and followed", async () => {
  const mark = randomBytes(6).toString("hex");
  const following = begin(["app", "logs", "api", "-f", "--process", "web", "--lines", "0"]);
  // Until it is connected nothing is shown: so it is asked for again and again.
  await eventually(
    async () => {
      await look("api", `/${mark}`);
      return following.output();
    },
    (output) => output.includes(`asked for /${mark}`),
    60_000,
  );
  following.child.kill("SIGINT");
  await following.ended;
  assert.equal(following.child.exitCode, 0, following.output());
  const found = await khmara(["app", "logs", "api", "--search", mark.toUpperCase()]);
  assert.match(found, new RegExp(`^\\S+Z  web-\\d+ +asked for /${mark}\n`));
  assert.match(
    await khmara(["app", "logs", "api", "--process", "worker", "--lines", "3"]),
    /^(\S+Z {2}worker-\d+ +working, version 1\n){3}$/,
  );
});

test("a command beside the app, with its settings, what it reads and its exit code; a shell inside", async () => {
  const program = "process.stdin.on('data', (it) => console.log(process.env.GREETING + ', ' + it)); console.error('aside')";
  assert.equal(await khmara(["app", "run", "api", "--", "node", "-e", program], { input: "Olena" }), "good day, Olena\n");
  await assert.rejects(khmara(["app", "run", "api", "--", "sh", "-c", "exit 7"]), /exit code 7/);
  const typed = await khmara(["app", "terminal", "api"], { input: "echo $((6 * 7)) in $KHMARA_PROCESS; exit 4\n" }).catch(
    (error: Error) => error.message,
  );
  assert.match(typed, /exit code 4[\s\S]*42 in web/);
});

test("a Dockerfile of one's own, and one that eats all memory: it dies alone, while the API answers", async (t) => {
  const own = {
    Dockerfile: `FROM base.khmara.internal/node:24
COPY server.js /srv/server.js
RUN node -e "require('fs').writeFileSync('/tmp/built', 'by its own Dockerfile')" && cp /tmp/built /app/built
EXPOSE 3000
CMD ["node", "/srv/server.js"]
`,
    "server.js":
      "require('http').createServer((_, response) => response.end(require('fs').readFileSync('/app/built'))).listen(process.env.PORT || 3000);",
  };
  await khmara(["app", "deploy", "own", source(own), "--create"]);
  assert.equal(await text("own"), "by its own Dockerfile");
  const hostile = { ...own, Dockerfile: own.Dockerfile.replace("EXPOSE", "RUN tail /dev/zero\nEXPOSE") };
  const latencies: number[] = [];
  let dying = true;
  const asking = (async () => {
    while (dying) {
      const asked = performance.now();
      assert.equal((await client.identityGet()).organisations.length, 1);
      latencies.push(performance.now() - asked);
      await new Promise((next) => setTimeout(next, 50));
    }
  })();
  const visitors = new Visitors(httpPort, hostOf("own"), { people: 1 });
  await assert.rejects(khmara(["app", "deploy", "own", source(hostile)]), /deployment 2 failed: .*memory/i);
  dying = false;
  await asking;
  await visitors.stop();
  t.diagnostic(`the API answered ${latencies.length} times meanwhile, at worst after ${Math.max(...latencies).toFixed(0)} ms`);
  assert.deepEqual(visitors.failures, []);
  await assert.rejects(
    khmara(["app", "deploy", "own", source({ ...own, Dockerfile: `${own.Dockerfile}ADD http://169.254.169.254/ /stolen\n` })]),
    /deployment 3 failed: .*ADD/,
  );
});

test("an image out of a file, stopped and started again, over TLS", async () => {
  const [live] = (await client.releaseList({ app: (await app("hello")).id })).items;
  const file = join(cloud.folder, "hello.tar");
  await engine.saveImage(String(live?.imageDigest), file);
  await khmara(["app", "deploy", "copy", file, "--create"]);
  assert.match(await text("copy"), /Hello from a folder/);
  await khmara(["app", "stop", "copy"]);
  assert.equal((await look("copy")).status, 503);
  await khmara(["app", "start", "copy"]);
  const { httpsPort } = cloud.apps ?? assert.fail();
  const host = hostOf("copy");
  const curl = ["-sk", "--http2", "--max-time", "20", "-w", " %{http_version}", "--resolve", `${host}:${httpsPort}:127.0.0.1`];
  assert.match(await exec("curl", [...curl, `https://${host}:${httpsPort}/`]), /Hello from a folder[\s\S]* 2$/);
});

test("an app of the catalogue is installed in Chromium, used, and removed from the command line", async () => {
  await later;
  await page.goto("/o/home/p/default/catalogue");
  await shown(page);
  await page.getByRole("textbox", { name: "Search the catalogue" }).fill("guest");
  await page.getByRole("link", { name: "Guest book" }).click();
  await page.getByRole("textbox", { name: "Name", exact: true }).fill("visitors");
  await page.getByRole("button", { name: "Install", exact: true }).click();
  await page.getByRole("heading", { name: "Guest book runs" }).waitFor({ timeout: 180_000 });
  const visitor = await browser.visit({ url: `http://${hostOf("visitors")}:${httpPort}` });
  await visitor.goto("/");
  await visitor.getByLabel("Your name").fill("Olena");
  await visitor.getByLabel("Your message").fill("A fine place.");
  await visitor.getByRole("button", { name: "Sign the guest book" }).click();
  await visitor.getByText("A fine place.", { exact: true }).waitFor();
  await visitor.context().close();
  await khmara(["installation", "delete", "visitors", "--yes"]);
  assert.equal((await look("visitors")).status, 404);
});

test("pushed by git, with a database that its release command prepares; Chromium sees it over TLS, with a WebSocket", async () => {
  await later;
  const project = projectId as never;
  const size = { memoryBytes: 256 * 2 ** 20, diskBytes: 2 ** 30 };
  const made = await finished(client, await client.databaseCreate({ project, name: "orders", version: "15", ...size }));
  const shop = await client.appCreate({ project, name: "shop" });
  await client.appLinkCreate({ app: shop.id, database: made.result?.["databaseId"] as never });
  const folder = source(shopFiles());
  addDatabaseClient(folder);
  const git = async (...words: string[]) => {
    const identity = ["-c", "user.name=Olena", "-c", "user.email=olena@example.org"];
    const script = 'exec git "$@" 2>&1';
    return exec("sh", ["-c", script, "sh", "-C", folder, ...identity, ...words], { env: { HOME: cloud.folder } });
  };
  const push = async (message: string) => {
    await git("add", "--all");
    await git("commit", "--quiet", "--message", message);
    return git("push", `http://git:${token}@127.0.0.1:${cloud.port}/git/default/shop.git`, "main");
  };
  await git("init", "--quiet", "--initial-branch=main");
  assert.match(
    await push("A shop"),
    /release command: node migrate\.js[\s\S]*tables are ready[\s\S]*requests go to the new release/,
  );
  const url = `https://${hostOf("shop")}:${cloud.apps?.httpsPort}`;
  const visitor = await browser.visit({ url, ownAuthority: true });
  await visitor.goto("/");
  await visitor.getByText("heard hello").waitFor();
  await visitor.getByRole("button", { name: "Order" }).click();
  await visitor.getByRole("heading", { name: "Shop: 1 orders" }).waitFor();
  // A migration that fails: what is there goes on, and so does its data.
  for (const [path, content] of Object.entries(shopFiles({ title: "Broken", migration: "process.exit(3);" })))
    writeFileSync(join(folder, path), content);
  assert.match(await push("One that breaks"), /release command ended with exit code 3/);
  await visitor.reload();
  await visitor.getByRole("heading", { name: "Shop: 1 orders" }).waitFor();
  await visitor.context().close();
});

test("an app of Python", async () => {
  await later;
  await khmara(["app", "deploy", "snake", source(pythonFiles), "--create"]);
  assert.match(await text("snake"), /^Python 3\.11\./);
});

test("a disk keeps what is on it over releases", async () => {
  await khmara(["app-disk", "create", "api", "data", "/data"]);
  await khmara(["app", "deploy", "api", source(server("4"))]);
  await visit(httpPort, hostOf("api"), { path: "/note", method: "POST" });
  await khmara(["app", "deploy", "api", source(server("5"))]);
  assert.equal(await text("api"), "version 5");
  assert.equal(await text("api", "/note"), "kept by 4;");
});

test("the control plane is killed under load: the apps answer on, and it comes back to them", async () => {
  const visitors = new Visitors(httpPort, hostOf("hello"));
  const control = () => processTree(cloud.pid).find(({ command }) => command.includes("server/control."))?.pid;
  const before = control();
  assert.ok(before);
  process.kill(before, "SIGKILL");
  await eventually(control, (pid) => pid !== undefined && pid !== before, 60_000);
  await eventually(
    async () => (await app("hello")).state,
    (state) => state === "running",
    60_000,
  );
  const afterwards = visitors.answers;
  await eventually(
    () => visitors.answers,
    (count) => count > afterwards + 50,
    60_000,
  );
  await khmara(["app", "deploy", "hello", source({ "index.html": "after the kill" })]);
  await eventually(
    () => visitors.texts.get("after the kill") ?? 0,
    (count) => count > 10,
    60_000,
  );
  await visitors.stop();
  assert.deepEqual(visitors.failures, []);
});

test("what is deleted leaves nothing in the engine", async () => {
  await assert.rejects(khmara(["app", "delete", "api"]), /nobody is there to confirm/);
  await khmara(["app", "delete", "shop", "--yes"]);
  const { items: databases } = await client.databaseList({ project: projectId as never });
  for (const { id, name } of databases) await finished(client, await client.databaseDelete({ database: id, confirm: name }));
  for (const name of ["snake", "api", "own", "copy", "brochure", "hello"]) await khmara(["app", "delete", name, "--yes"]);
  assert.equal((await client.appList({ project: projectId as never })).items.length, 0);
  await eventually(
    () => engine.leftovers().then(String),
    (left) => left === "",
    60_000,
  );
  assert.equal((await look("hello")).status, 404);
  assert.equal((await client.auditVerify({} as never)).valid, true);
});
