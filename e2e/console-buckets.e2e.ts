import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Locator, Page } from "playwright-core";
import { eventually } from "../testing/launcher.ts";
import { assertAccessible, languages, phone, shown, TestBrowser } from "./browser.ts";
import { exec, newCloud } from "./cloud.ts";

/**
 * What a bucket keeps, locks, deletes by itself and lets others do is said in Chromium and found by `aws`, and the other way round.
 * The tests follow each other. With KHMARA_PICTURES=folder it keeps pictures.
 */
const cloud = await newCloud();
const bucket = "school-archive";
const browser = await TestBrowser.start({ story: true });
const pictures = process.env["KHMARA_PICTURES"];
let page: Page;
let key: { accessKeyId: string; secretAccessKey: string };
/** A program that is told of what happens in the bucket, and how it answers. */
const program = { told: [] as { signature: string; body: string }[], status: 200 };
const listening = createServer(async (request, response) => {
  let body = "";
  for await (const piece of request) body += piece;
  program.told.push({ signature: String(request.headers["khmara-signature"]), body });
  response.writeHead(program.status).end();
});

const aws = (...args: string[]) =>
  exec("/usr/bin/aws", ["--endpoint-url", cloud.s3Url, ...args], {
    env: {
      AWS_ACCESS_KEY_ID: key.accessKeyId,
      AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
      AWS_DEFAULT_REGION: "us-east-1",
      AWS_CONFIG_FILE: "/nonexistent",
      AWS_EC2_METADATA_DISABLED: "true",
    },
  });
const asked = async (...args: string[]) => JSON.parse(await aws("s3api", ...args, "--bucket", bucket));
async function put(name: string, text: string): Promise<void> {
  const path = join(cloud.folder, "put");
  writeFileSync(path, text);
  await aws("s3", "cp", "--quiet", path, `s3://${bucket}/${name}`);
}
async function read(name: string): Promise<string> {
  const path = join(cloud.folder, "back");
  await aws("s3", "cp", "--quiet", `s3://${bucket}/${name}`, path);
  return readFileSync(path, "utf8");
}
const versionsOf = async (name: string) =>
  ((await asked("list-object-versions", "--prefix", name)).Versions ?? []) as {
    VersionId: string;
    IsLatest: boolean;
    Size: number;
  }[];

const section = (title: string) =>
  page.locator("section").filter({ has: page.getByRole("heading", { name: title, exact: true }) });
const dialog = (name: string | RegExp) => page.getByRole("dialog", { name });
const gone = (what: Locator) => what.waitFor({ state: "detached" });
const row = (name: string, state: string) => page.getByRole("row").filter({ hasText: name }).filter({ hasText: state });
async function act(where: Locator, name: string, action: string): Promise<void> {
  await where.getByRole("button", { name: `Actions for ${name}` }).click();
  await page.getByRole("menuitem", { name: action, exact: true }).click();
}
async function goTo(tab: string): Promise<void> {
  await page.getByRole("main").getByRole("link", { name: tab, exact: true }).click();
  await shown(page);
}
async function picture(name: string): Promise<void> {
  await assertAccessible(page, name);
  if (!pictures) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `buckets-${name}.png`), fullPage: true });
}

before(async () => {
  await cloud.start();
  const { client, projectId } = await cloud.signIn();
  key = await client.accessKeyCreate({ project: projectId as never, name: "aws" });
  await client.webhookSettingsUpdate({ allowedNetworks: ["127.0.0.0/8"] });
  listening.listen(0, "127.0.0.1");
  await once(listening, "listening");
  await aws("s3", "mb", `s3://${bucket}`);
  page = await browser.visitAsOwner(cloud);
  await page.goto(`/o/home/p/default/buckets/${bucket}`);
});
after(async () => {
  listening.closeAllConnections();
  listening.close();
  await browser.close();
  await cloud.remove();
});

test("a person lets the bucket keep versions, and aws sees it", async () => {
  await goTo("Settings");
  const versions = section("Versions");
  await versions.getByText("Nothing is kept, and nothing is paid for it.").waitFor();
  await versions.getByRole("button", { name: "Keep versions" }).click();
  await versions.getByText("Every version is kept until somebody or a rule deletes it.").waitFor();
  assert.equal((await asked("get-bucket-versioning")).Status, "Enabled");
});

test("an access log is switched on, into a bucket that is made for it", async () => {
  const log = section("Access log");
  await log.getByText("No log is kept.").waitFor();
  await log.getByRole("button", { name: "Keep a log" }).click();
  const form = dialog("Access log");
  assert.equal(await form.getByLabel("Bucket for the log").inputValue(), `${bucket}-logs`);
  await form.getByLabel("Bucket for the log").fill("Not_A_Name");
  await form.getByRole("button", { name: "Keep a log" }).click();
  await form.getByText(/A bucket name|small letters/).waitFor();
  await form.getByLabel("Bucket for the log").fill(`${bucket}-logs`);
  await form.getByLabel("Names begin with").fill("web/");
  await form.getByRole("button", { name: "Keep a log" }).click();
  await gone(form);
  await log.getByText(`About a minute after each request, its line is in ${bucket}-logs.`).waitFor();
  const { TargetBucket, TargetPrefix } = (await asked("get-bucket-logging")).LoggingEnabled;
  assert.deepEqual([TargetBucket, TargetPrefix], [`${bucket}-logs`, "web/"]);
});

test("what aws has written over is restored, what it has deleted comes back, and a version goes for good", async () => {
  for (const text of ["first plan", "second, longer plan", "third"]) await put("plan.txt", text);
  await put("gone.txt", "here");
  await put("logs/monday.log", "12345");
  await aws("s3", "rm", "--quiet", `s3://${bucket}/gone.txt`);
  await goTo("Files");
  await page.getByRole("switch", { name: "Versions and deleted" }).click();
  await row("gone.txt", "Deleted").waitFor();
  await picture("versions");
  await act(row("gone.txt", "Deleted"), "gone.txt", "Bring back");
  await page.getByText("gone.txt is back").waitFor();
  await row("gone.txt", "Current").waitFor();
  assert.equal(await read("gone.txt"), "here");

  await row("plan.txt", "Current").getByRole("button", { name: "plan.txt", exact: true }).click();
  await page.getByRole("heading", { name: "Versions of plan.txt" }).waitFor();
  await gone(row("gone.txt", "Current"));
  await act(row("plan.txt", "19 B"), "plan.txt", "Restore");
  await page.getByText(/plan\.txt is as it was on/).waitFor();
  await eventually(
    () => versionsOf("plan.txt"),
    (all) => all.length === 4,
  );
  assert.equal(await read("plan.txt"), "second, longer plan");
  const oldest = (await versionsOf("plan.txt")).at(-1)!;
  await act(row("plan.txt", "10 B"), "plan.txt", "Delete for good");
  const purge = dialog("Delete this version of plan.txt for good?");
  assert.equal(await purge.getByRole("button", { name: "Delete for good" }).isDisabled(), true, "not before it is named");
  await purge.getByRole("textbox").fill("plan.txt");
  await purge.getByRole("button", { name: "Delete for good" }).click();
  await gone(row("plan.txt", "10 B"));
  const left = await versionsOf("plan.txt");
  assert.deepEqual(
    left.map(({ VersionId }) => VersionId).includes(oldest.VersionId),
    false,
    "the others are there, this one is not",
  );
  assert.equal(left.length, 3);
});

test("tags are given here and read by aws", async () => {
  await act(row("plan.txt", "Current"), "plan.txt", "Edit tags");
  const tags = dialog("Tags of plan.txt");
  await tags.getByRole("button", { name: "Add a tag" }).click();
  await tags.getByLabel("Name").fill("клас");
  await tags.getByLabel("Value").fill("7 Б");
  await tags.getByRole("button", { name: "Save" }).click();
  await gone(tags);
  assert.deepEqual((await asked("get-object-tagging", "--key", "plan.txt")).TagSet, [{ Key: "клас", Value: "7 Б" }]);
  await page.getByRole("switch", { name: "Versions and deleted" }).click();
  await page.getByRole("button", { name: "plan.txt", exact: true }).click();
  await dialog("plan.txt").getByRole("button", { name: "Details" }).click();
  await dialog("plan.txt").getByText("7 Б").waitFor();
  await page.keyboard.press("Escape");
  await gone(dialog("plan.txt"));
});

test("lifecycle rules are sentences, with what they would delete now; aws has the same", async () => {
  await goTo("Settings");
  const lifecycle = section("Lifecycle");
  await lifecycle.getByText("Nothing is deleted or changed by itself.").waitFor();
  await lifecycle.getByRole("button", { name: "Add a rule" }).click();
  const rule = dialog("New rule");
  await rule.getByLabel("Name of the rule").fill("old logs");
  await rule.getByLabel("Only files under").fill("logs/");
  await rule.getByText("Objects under logs/ are deleted 30 days after they were written.").waitFor();
  await rule.getByText("It would change nothing now.").waitFor();
  await rule.getByLabel("Delete old versions").check();
  await rule.getByLabel("Days after a newer one came").fill("7");
  await rule.getByRole("button", { name: "Save" }).click();
  await gone(rule);
  await lifecycle.getByText("Old versions of objects under logs/ are deleted 7 days after a newer one came.").waitFor();
  assert.deepEqual((await asked("get-bucket-lifecycle-configuration")).Rules, [
    {
      ID: "old logs",
      Status: "Enabled",
      Filter: { Prefix: "logs/" },
      Expiration: { Days: 30 },
      NoncurrentVersionExpiration: { NoncurrentDays: 7 },
    },
  ]);
  await lifecycle.getByRole("button", { name: "Edit old logs" }).click();
  const edit = dialog("Edit old logs");
  await edit.getByRole("textbox", { name: "Only larger than" }).fill("1.5");
  await edit.getByRole("button", { name: "Add a tag" }).click();
  await edit.getByLabel("Name", { exact: true }).fill("kind");
  await edit.getByLabel("Value").fill("log");
  await edit.getByLabel("Give old versions another storage class").check();
  await edit.getByLabel("But not the newest").fill("2");
  await edit.getByRole("button", { name: "Save" }).click();
  await edit.getByText("Later than the last storage class: what is deleted needs none.").waitFor();
  await edit.getByLabel("Days after a newer one came").fill("90");
  await edit.getByText("The 2 newest old versions of each keep theirs.", { exact: false }).waitFor();
  // All of the form at once: a box that its edge cuts is too small a target.
  const size = page.viewportSize()!;
  await page.setViewportSize({ ...size, height: 1800 });
  await picture("lifecycle");
  await page.setViewportSize(size);
  await edit.getByRole("button", { name: "Save" }).click();
  await gone(edit);
  const [changed] = (await asked("get-bucket-lifecycle-configuration")).Rules;
  assert.deepEqual(changed.Filter.And, {
    Prefix: "logs/",
    Tags: [{ Key: "kind", Value: "log" }],
    ObjectSizeGreaterThan: 1_500_000,
  });
  assert.deepEqual(changed.NoncurrentVersionTransitions, [
    { NoncurrentDays: 30, StorageClass: "STANDARD_IA", NewerNoncurrentVersions: 2 },
  ]);
  // Disabled, so that it is only counted: its day has long been.
  const past = { ID: "past", Status: "Disabled", Filter: { Prefix: "logs/" }, Expiration: { Date: "2020-01-01T00:00:00Z" } };
  await aws(
    "s3api",
    "put-bucket-lifecycle-configuration",
    "--bucket",
    bucket,
    "--lifecycle-configuration",
    JSON.stringify({ Rules: [past] }),
  );
  await lifecycle.getByText(/Objects under logs\/ are deleted on .*2020\./).waitFor();
  await lifecycle.getByText("It would delete 1 object or version now (5 bytes).").waitFor();
});

test("the lock is enabled once and for all, and what is locked aws cannot delete", async () => {
  const lock = section("Lock and retention");
  await lock.getByRole("button", { name: "Enable the lock" }).click();
  const enable = dialog(`Enable the lock of ${bucket}?`);
  await enable.getByRole("textbox").fill(bucket);
  await enable.getByRole("button", { name: "Enable the lock" }).click();
  await lock.getByText("Versions can be locked one by one.").waitFor();
  assert.deepEqual(await asked("get-object-lock-configuration"), { ObjectLockConfiguration: { ObjectLockEnabled: "Enabled" } });
  assert.equal(await section("Versions").getByRole("button", { name: "Keep no new versions" }).isDisabled(), true);

  await goTo("Files");
  await page.getByRole("switch", { name: "Versions and deleted" }).click();
  await act(row("gone.txt", "Current"), "gone.txt", "Lock");
  const one = dialog("Lock of gone.txt");
  await one.getByRole("switch", { name: "Legal hold" }).click();
  await one.getByRole("button", { name: "Save" }).click();
  await row("gone.txt", "Legal hold").waitFor();
  const [version] = await versionsOf("gone.txt");
  await assert.rejects(
    aws("s3api", "delete-object", "--bucket", bucket, "--key", "gone.txt", "--version-id", version!.VersionId),
    /AccessDenied/,
  );
});

test("another website is allowed by a sentence, and a browser's question is answered so", async () => {
  await goTo("Settings");
  const cors = section("Use from websites (CORS)");
  const preflight = (origin: string) =>
    fetch(`${cloud.s3Url}/${bucket}/plan.txt`, {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "PUT" },
    });
  assert.equal((await preflight("https://shop.example")).status, 403);
  await cors.getByRole("button", { name: "Allow a website" }).click();
  const rule = dialog("Allow a website");
  await rule.getByLabel("Addresses of the websites").fill("https://*.example");
  await rule.getByRole("checkbox", { name: "write (PUT)" }).check();
  await rule.getByRole("button", { name: "Save" }).click();
  await cors.getByText("Pages of https://*.example may read, look, write.").waitFor();
  const answer = await preflight("https://shop.example");
  assert.deepEqual([answer.status, answer.headers.get("access-control-allow-origin")], [200, "https://shop.example"]);
  assert.equal((await preflight("https://other.org")).status, 403);
  assert.deepEqual((await asked("get-bucket-cors")).CORSRules[0].AllowedOrigins, ["https://*.example"]);
  await aws("s3api", "delete-bucket-cors", "--bucket", bucket);
  await cors.getByText("No other website’s pages may.").waitFor();
});

test("what makes a bucket public is asked twice, shown in red, and ended at once; nobody without a key gets at it before or after", async () => {
  const access = section("Sharing and public access");
  const anybody = async () => (await fetch(`${cloud.s3Url}/${bucket}/plan.txt`)).status;
  await access.getByText("Objects can be public").waitFor();
  assert.equal(await anybody(), 403);
  await access.getByRole("button", { name: "Add from a template" }).click();
  await page.getByRole("menuitem", { name: "Everybody reads all files" }).click();
  await access.getByRole("button", { name: "Save the policy" }).click();
  const open = dialog(`Make ${bucket} public?`);
  assert.equal(await open.getByRole("button", { name: "Make public" }).isDisabled(), true);
  await open.getByRole("textbox").fill(bucket);
  await open.getByRole("button", { name: "Make public" }).click();
  await access.getByText("This bucket is public").waitFor();
  await page.locator("h1").getByText("Public", { exact: true }).waitFor();
  await picture("public");
  await eventually(anybody, (status) => status === 200);
  assert.equal((await asked("get-bucket-policy-status")).PolicyStatus.IsPublic, true);
  await access.getByRole("switch", { name: "Block public access" }).click();
  await access.getByText("Private", { exact: true }).waitFor();
  await eventually(anybody, (status) => status === 403);
  assert.equal((await asked("get-public-access-block")).PublicAccessBlockConfiguration.RestrictPublicBuckets, true);
  await aws("s3api", "delete-bucket-policy", "--bucket", bucket);
  await eventually(
    () => access.getByRole("textbox", { name: "Policy" }).inputValue(),
    (text) => text === "",
  );
});

test("a website is published with the policy that lets everybody read it, not past a block, and ends with it", async () => {
  const site = section("Website");
  const visited = async () => {
    const answer = await fetch(`${cloud.s3Url}/plan.txt`, { headers: { "x-khmara-website": bucket } });
    return answer.status;
  };
  await site.getByText("Public access to this bucket is blocked").waitFor();
  assert.equal(await site.getByRole("button", { name: "Publish for everybody" }).isDisabled(), true);
  await section("Sharing and public access").getByRole("switch", { name: "Block public access" }).click();
  await gone(site.getByText("Public access to this bucket is blocked"));
  await site.getByLabel("First page of each folder").fill("plan.txt");
  await site.getByRole("button", { name: "Publish for everybody" }).click();
  const publish = dialog(`Publish ${bucket} for everybody?`);
  await publish.getByRole("textbox").fill(bucket);
  await publish.getByRole("button", { name: "Publish for everybody" }).click();
  await site.getByRole("button", { name: "Stop publishing" }).waitFor();
  await eventually(visited, (status) => status === 200);
  assert.equal((await asked("get-bucket-website")).IndexDocument.Suffix, "plan.txt");

  await aws("s3api", "delete-bucket-policy", "--bucket", bucket);
  await site.getByText("Visitors see only an error").waitFor();
  await eventually(visited, (status) => status === 403);
  await picture("website");
  await site.getByRole("button", { name: "Let everybody read" }).click();
  await publish.getByRole("textbox").fill(bucket);
  await publish.getByRole("button", { name: "Let everybody read" }).click();
  await gone(site.getByText("Visitors see only an error"));
  await site.getByRole("button", { name: "Stop publishing" }).click();
  await dialog(`Publish ${bucket} no more?`).getByRole("button", { name: "Stop publishing" }).click();
  await site.getByRole("button", { name: "Publish for everybody" }).waitFor();
  await eventually(visited, (status) => status === 404);
  await assert.rejects(asked("get-bucket-policy"), /NoSuchBucketPolicy/);
});

test("a rule tells a program; what aws writes sets it off, and what was not taken is sent again", async () => {
  const address = `http://127.0.0.1:${(listening.address() as AddressInfo).port}/photos`;
  await goTo("Files");
  await goTo("Settings");
  const rules = section("Notifications");
  await rules.getByText(/^Nobody is told\./).waitFor();
  await rules.getByRole("button", { name: "Add a rule" }).click();
  const rule = dialog("New rule");
  await rule.getByLabel("Only under").fill("photos/");
  await rule.getByLabel("Address of the program").fill("somewhere");
  await rule.getByRole("button", { name: "Save" }).click();
  await rule.getByText("An address that begins with https:// or http://.").waitFor();
  await rule.getByLabel("Address of the program").fill(address);
  await rule.getByLabel("Name for it").fill("small-pictures");
  await rule.getByText(`When an object under photos/ is written, tell ${address}.`).waitFor();
  await picture("notification-rule");
  await rule.getByRole("button", { name: "Save" }).click();
  const secret = dialog("Secret of small-pictures");
  await secret.getByText(/This is shown only now/).waitFor();
  await secret.getByRole("button", { name: "Done" }).click();
  await rules.getByText(`When an object under photos/ is written, tell ${address}.`).waitFor();
  const [topic] = (await asked("get-bucket-notification-configuration")).TopicConfigurations;
  assert.deepEqual([topic.Events, topic.TopicArn.split(":").at(-1)], [["s3:ObjectCreated:*"], "small-pictures"]);

  program.status = 410;
  await put("photos/cat.jpg", "miaow");
  await put("plan.txt", "not a photo");
  const sent = page.getByRole("table", { name: "Last notifications" });
  const first = sent.getByRole("row").filter({ hasText: "photos/cat.jpg was written" });
  await first.getByText("Given up").waitFor();
  await first.getByText("HTTP 410").waitFor();
  program.status = 200;
  await act(first, "photos/cat.jpg was written", "Send again");
  await first.getByText("Delivered").waitFor();
  const bodies = program.told.map(({ body }) => body);
  assert.equal(bodies.length, 2);
  assert.equal(bodies[0], bodies[1]);
  assert.equal(JSON.parse(String(bodies[0])).Records[0].s3.object.key, "photos/cat.jpg");
  assert.match(String(program.told[0]?.signature), /^t=\d+,v1=[0-9a-f]{64}$/);

  const addresses = page.getByRole("table", { name: "Addresses for notifications" });
  await act(addresses.getByRole("row").filter({ hasText: "small-pictures" }), "small-pictures", "Send a test");
  await sent.getByRole("row").filter({ hasText: "Test" }).getByText("Delivered").waitFor();
  assert.equal(JSON.parse(String(program.told[2]?.body)).Event, "s3:TestEvent");
  await picture("notifications");
  await act(addresses.getByRole("row").filter({ hasText: "small-pictures" }), "small-pictures", "Turn off");
  await rules.getByText("small-pictures is turned off: nothing is sent.").waitFor();
});

test("a limit refuses what aws uploads beyond it, and the page says that the bucket is full", async () => {
  const limit = section("Limit");
  await limit.getByText(/^No limit of its own\./).waitFor();
  await limit.getByRole("button", { name: "Set a limit" }).click();
  const form = dialog("Set a limit");
  await form.getByLabel("Most that is stored").fill("lots");
  await form.getByRole("button", { name: "Save" }).click();
  await form.getByText("A number above 0, or empty.").waitFor();
  await form.getByLabel("Most that is stored").fill("1");
  await form.getByRole("combobox", { name: "Unit" }).click();
  await page.getByRole("option", { name: "MB" }).click();
  await form.getByRole("button", { name: "Save" }).click();
  await gone(form);
  await limit.getByText(/of 1 MB$/).waitFor();
  // Not quietly: what is refused is said.
  const large = async (bytes: number) => {
    const path = join(cloud.folder, "large");
    writeFileSync(path, "x".repeat(bytes));
    await aws("s3", "cp", "--no-progress", path, `s3://${bucket}/large-${bytes}`);
  };
  await assert.rejects(large(1_000_001), /QuotaExceeded.*The bucket school-archive may hold 1000000 bytes/s);
  await large(900_000);
  await limit.getByText("Nearly full").waitFor();
  await limit.getByRole("button", { name: "Change the limit" }).click();
  const less = dialog("Change the limit");
  await less.getByLabel("Most that is stored").fill("0.8");
  await less.getByText(/It holds more than that now/).waitFor();
  await less.getByRole("button", { name: "Save" }).click();
  await gone(less);
  await limit.getByText("Full", { exact: true }).waitFor();
  await picture("full");
  await assert.rejects(large(1), /QuotaExceeded/);
});

test("settings and versions fit on a phone, in every language", async () => {
  await picture("settings");
  for (const language of languages) {
    const small = await browser.visitAsOwner(cloud, { language, size: phone });
    for (const path of ["settings", "overview", "?versions=1"]) {
      const address = path.startsWith("?") ? path : `/${path}`;
      await small.goto(`/o/home/p/default/buckets/${bucket}${address}`);
      await shown(small);
      await eventually(
        () => small.evaluate<number>("document.documentElement.scrollWidth - document.documentElement.clientWidth"),
        (more) => more <= 0,
      );
      await assertAccessible(small, `${path} in ${language}`);
      if (pictures) {
        const file = `buckets-phone-${language}-${path.replace(/\W/g, "")}.png`;
        await small.screenshot({ path: join(pictures, file), fullPage: true });
      }
    }
    await small.context().close();
  }
});

test("what aws did stands in the access log", async () => {
  const logs = await eventually(
    () => aws("s3", "ls", `s3://${bucket}-logs/web/`),
    (text) => text.trim() !== "",
    120_000,
  );
  const name = String(logs.trim().split("\n")[0]?.split(/\s+/).at(-1));
  const path = join(cloud.folder, "log");
  await aws("s3", "cp", "--quiet", `s3://${bucket}-logs/web/${name}`, path);
  assert.match(readFileSync(path, "utf8"), new RegExp(`^[0-9a-f]{64} ${bucket} \\[.* REST\\.PUT\\.OBJECT plan\\.txt `, "m"));
  await goTo("Files");
  await goTo("Settings");
  await section("Access log")
    .getByRole("link", { name: `${bucket}-logs` })
    .click();
  await page.getByRole("heading", { name: `${bucket}-logs` }).waitFor();
});
