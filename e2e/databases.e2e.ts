import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, existsSync, linkSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, type TestContext, test } from "node:test";
import type { Locator, Page } from "playwright-core";
import { eventually } from "../testing/launcher.ts";
import { installTestTools } from "../tools/test-tools.ts";
import { EngineOf } from "./app-engine.ts";
import { shown, TestBrowser } from "./browser.ts";
import { type Client, newCloud } from "./cloud.ts";

/**
 * A person's day with a database, in Chromium, with PostgreSQL's own clients beside: made, filled, connected to, backed up, spoilt, and brought
 * back as it was a moment before. The tests follow each other.
 */
await installTestTools({ "/usr/bin/psql": "postgresql-client", "/usr/bin/mmdebstrap": "mmdebstrap" });
const cloud = await newCloud({ apps: true });
const browser = await TestBrowser.start({ story: true });
const home = "/o/home/p/default/databases";
const certificateFile = join(cloud.folder, "databases.crt");
let engine: EngineOf;
let client: Client;
let project: string;
let page: Page;
/** With the password of the user whom the browser has made. */
let url = "";

before(async () => {
  // Making what servers run from takes minutes; the tests of the service have made it before, mostly.
  const kept = join(process.env["KHMARA_CACHE"] ?? join(homedir(), ".cache", "khmara"), "databases");
  const images = join(cloud.dataDirectory, "databases", "images");
  mkdirSync(images, { recursive: true });
  for (const file of existsSync(kept) ? readdirSync(kept).filter((name) => name.endsWith(".tar")) : [])
    try {
      linkSync(join(kept, file), join(images, file));
    } catch {
      copyFileSync(join(kept, file), join(images, file));
    }
  await cloud.start();
  ({ client, projectId: project } = await cloud.signIn());
  engine = await EngineOf.open(cloud);
  await client.bucketCreate({ project, name: "backups" } as never);
  page = await browser.visitAsOwner(cloud);
});
let failed = false;
afterEach((context) => {
  failed ||= !(context as TestContext).passed;
});
after(async () => {
  await browser.close();
  if (failed) {
    const lines = readFileSync(join(cloud.dataDirectory, "logs/control.log"), "utf8").split("\n");
    process.stderr.write(
      `${lines
        .filter((line) => /"level":[4-6]0/.test(line))
        .slice(-30)
        .join("\n")}\n`,
    );
  }
  await cloud.remove();
  await engine?.remove();
});

/** Where the ports of the engine of the tests are: its network is one of its own. */
const inEngine = (program: string, words: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    const environment = { PATH: process.env["PATH"], LANG: "C.UTF-8", PGCONNECT_TIMEOUT: "20", PSQLRC: "/dev/null" };
    const network = cloud.apps?.docker.network;
    const [first = "", ...rest] = [...(network === undefined ? [] : ["nsenter", `--net=${network}`]), program, ...words];
    execFile(first, rest, { env: environment, timeout: 120_000 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code) || 1, stdout, stderr }),
    );
  });
const psql = (sql: string) => inEngine("psql", ["--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--command", sql, url]);

const database = async (name: string) => {
  const { items } = await client.databaseList({ project } as never);
  const found = (items as { id: string; name: string; state: string; port?: number }[]).find((one) => one.name === name);
  assert.ok(found, `${name} is there`);
  return found;
};
const running = (name: string) =>
  eventually(
    () => database(name),
    ({ state }) => state === "running",
    240_000,
  );

/** As a person does: the whole text of the editor is this, and Control and Enter run it. */
async function run(sql: string): Promise<Locator> {
  await page.locator(".cm-content").fill(sql);
  const answered = page.waitForResponse((response) => response.url().endsWith("/script"));
  await page.keyboard.press("Control+Enter");
  await (await answered).finished();
  return page.locator("[aria-busy='false']");
}

test("a database is made in the browser, filled in its SQL editor and looked at in its tables", async () => {
  await page.goto(`${home}/new`);
  await shown(page);
  await page.getByRole("textbox", { name: "Name" }).fill("school marks");
  await page.getByRole("radio", { name: "PostgreSQL 15" }).check();
  await page.getByRole("radio", { name: "Tiny" }).check();
  await page.getByRole("button", { name: "Create database" }).click();
  await page.waitForURL(/\/databases\/dbs_\w+$/);
  await page.getByRole("heading", { name: "school-marks" }).waitFor();
  const { port } = await running("school-marks");
  await page.getByText(String(port), { exact: true }).waitFor();
  await page.getByRole("link", { name: "SQL" }).last().click();
  const written = "create table marks (id int primary key, pupil text, mark int)";
  await (await run(written)).getByText("cannot execute CREATE TABLE in a read-only transaction").waitFor();
  await page.getByRole("switch", { name: "Read only" }).click();
  const results = await run(
    `${written}; insert into marks select n, 'Pupil ' || n, nullif(n % 12, 0) from generate_series(1, 250) n; select * from marks order by id; selct 1`,
  );
  await results.getByText("250 rows affected").waitFor();
  await results.getByRole("cell", { name: "Pupil 11", exact: true }).waitFor();
  await results.getByText("NULL").first().waitFor();
  await results.getByText('syntax error at or near "selct"').waitFor();
  assert.equal(await page.locator(".khmara-sql-wrong").textContent(), "selct");
  await page.getByRole("link", { name: "Tables" }).click();
  await page.getByRole("cell", { name: "Pupil 100", exact: true }).waitFor();
  await page.getByRole("button", { name: "Next" }).click();
  await page.getByRole("cell", { name: "Pupil 200", exact: true }).waitFor();
});

test("a user that the browser has made connects by psql with TLS, and pg_dump takes everything along", async () => {
  await page.getByRole("link", { name: "Users" }).click();
  await page.getByRole("button", { name: "New user" }).click();
  await page.getByRole("textbox", { name: "Name" }).fill("teacher");
  await page.getByRole("dialog").getByRole("button", { name: "New user" }).click();
  const secret = page.getByRole("dialog", { name: "Password of teacher" });
  for (let left = 3; left > 0; left--) await secret.getByRole("button", { name: "Show" }).first().click();
  const shownUrl = await secret.getByText(/^postgresql:\/\/teacher:.*@127\.0\.0\.1:/).textContent();
  await secret.getByRole("button", { name: "Done" }).click();
  await page.getByRole("link", { name: "Overview" }).last().click();
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download the CA certificate" }).click();
  writeFileSync(certificateFile, readFileSync(await (await download).path()));
  url = String(shownUrl).replace("sslmode=require", `sslmode=verify-full&sslrootcert=${certificateFile}`);
  // With verify-full there is no other way than TLS, with a certificate of that authority.
  assert.deepEqual(await psql("select count(*) from marks"), { code: 0, stdout: "250\n", stderr: "" });
  const dump = await inEngine("pg_dump", [url]);
  assert.match(dump.stdout, /CREATE TABLE public\.marks[\s\S]*\n250\tPupil 250\t10\n/);
  const waiting = psql("select pg_sleep(300)");
  await page.getByRole("link", { name: "Activity" }).click();
  await page.getByRole("button", { name: /^Actions for teacher/ }).click();
  await page.getByRole("menuitem", { name: "End connection" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "End connection" }).click();
  assert.match((await waiting).stderr, /terminating connection due to administrator command/);
});

test("it is backed up and that proven; what was spoilt afterwards comes back as it was at a moment in between", async () => {
  await page.getByRole("link", { name: "Backups" }).last().click();
  await page.getByText("Verified by a restore").first().waitFor({ timeout: 240_000 });
  assert.equal((await psql("update marks set mark = 12 where id = 1")).code, 0);
  // The dialog knows whole seconds.
  const moment = Number((await psql("select ceil(extract(epoch from clock_timestamp()))")).stdout) * 1000;
  await eventually(Date.now, (now) => now > moment + 1000);
  assert.equal((await psql("drop table marks")).code, 0);
  await page.getByRole("button", { name: "Recover a moment" }).click();
  const dialog = page.getByRole("dialog");
  const local = await page.evaluate<string>(
    `new Date(${moment} - new Date(${moment}).getTimezoneOffset() * 60000).toISOString().slice(0, 19)`,
  );
  await dialog.getByLabel("Moment").fill(local);
  await dialog.getByRole("textbox", { name: "Name of the new database" }).fill("school-marks-again");
  await dialog.getByRole("button", { name: "Recover a moment" }).click();
  await page.getByRole("heading", { name: "school-marks-again" }).waitFor();
  await running("school-marks-again");
  await page.getByRole("link", { name: "SQL" }).last().click();
  await (await run("select mark || ' of ' || (select count(*) from marks) from marks where id = 1"))
    .getByText("12 of 250")
    .waitFor();
});

test("stopped it is reached by nobody, started it is there again; deleted by its name it is gone", async () => {
  const { id, port } = await database("school-marks-again");
  const other = url;
  url = url.replace(/:\d+\/school_marks/, `:${port}/school_marks`);
  assert.equal((await psql("select 1")).stdout, "1\n", "users and passwords came along");
  await page.getByRole("link", { name: "Settings" }).last().click();
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByText("Stopped", { exact: true }).waitFor({ timeout: 120_000 });
  assert.match((await psql("select 1")).stderr, /Connection refused/);
  await page.getByRole("button", { name: "Start" }).last().click();
  await running("school-marks-again");
  assert.equal((await psql("select count(*) from marks")).stdout, "250\n");
  await page.getByRole("button", { name: "Delete database" }).click({ timeout: 60_000 });
  await page.getByRole("textbox", { name: /Type school-marks-again/ }).fill("school-marks-again");
  await page.getByRole("dialog").getByRole("button", { name: "Delete database" }).click();
  await page.waitForURL(/\/databases$/);
  const left = async () => (await client.databaseList({ project } as never)).items as { id: string }[];
  await eventually(left, (items) => items.every((one) => one.id !== id), 120_000);
  url = other;
});
