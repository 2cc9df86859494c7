import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { crc32, deflateSync } from "node:zlib";
import type { Locator, Page } from "playwright-core";
import { eventually } from "../testing/launcher.ts";
import { dropFiles, shown, signIn, slowUploads, TestBrowser } from "./browser.ts";
import { type Client, exec, newCloud } from "./cloud.ts";

/**
 * A person and a program share one bucket: what `aws` puts the person sees in Chromium, what the person does there `aws` finds.
 * The tests follow each other like the person's day.
 */
const cloud = await newCloud();
const bucket = "school-files";
const mib = 2 ** 20;
const picture = png(96, 64);
const text = "Autumn term\nОсінній семестр: 17 уроків\n";
const dropped = { name: "timetable & rooms №1.bin", type: "application/octet-stream", bytes: randomBytes(3 * mib + 17) };

const browser = await TestBrowser.start({ story: true });
let page: Page;
let client: Client;
let organisationId: string;
let key: { accessKeyId: string; secretAccessKey: string };

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
const fromAws = async (object: string): Promise<Buffer> => {
  const path = join(cloud.folder, "back");
  await aws("s3", "cp", "--quiet", `s3://${bucket}/${object}`, path);
  return readFileSync(path);
};
const put = async (object: string, bytes: Buffer | string, contentType: string) => {
  const path = join(cloud.folder, "put");
  writeFileSync(path, bytes);
  await aws("s3", "cp", "--quiet", "--content-type", contentType, path, `s3://${bucket}/${object}`);
};
const keysInAws = async () =>
  (JSON.parse(await aws("s3api", "list-objects-v2", "--bucket", bucket)).Contents as { Key: string }[]).map(({ Key }) => Key);

const row = (name: string) => page.getByRole("row").filter({ has: page.getByRole("button", { name, exact: true }) });
const tray = () => page.getByRole("region", { name: "Uploads", exact: true });
const dialog = (name: string | RegExp) => page.getByRole("dialog", { name });
const gone = (what: Locator) => what.waitFor({ state: "detached" });
async function act(name: string, action: string) {
  await page.getByRole("button", { name: `Actions for ${name}`, exact: true }).click();
  await page.getByRole("menuitem", { name: action, exact: true }).click();
}
/** By the links of the page, as a person goes; a reload would hide what the console has forgotten to keep up to date. */
async function goTo(tab: string) {
  await page.getByRole("link", { name: tab, exact: true }).click();
  await shown(page);
}

before(async () => {
  await cloud.start();
  const signedIn = await cloud.signIn();
  client = signedIn.client;
  organisationId = signedIn.organisationId;
  key = await client.accessKeyCreate({ project: signedIn.projectId as never, name: "aws" });
});
after(async () => {
  await browser.close();
  await cloud.remove();
});

test("aws makes a bucket; the person signs in and sees it with what lies in it", async () => {
  await aws("s3", "mb", `s3://${bucket}`);
  await put("hello.txt", text, "text/plain");
  await put("Photos/excursion.png", picture, "image/png");
  await put("Photos/Класне фото.png", picture, "image/png");
  page = await browser.visit({ url: cloud.url });
  await page.goto("/");
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await signIn(page);
  await page.getByRole("navigation", { name: "Main navigation" }).getByRole("link", { name: "Buckets" }).click();
  await page
    .getByRole("row", { name: new RegExp(bucket) })
    .getByText("3", { exact: true })
    .waitFor();
  await page.getByRole("link", { name: bucket }).click();
  await row("hello.txt").waitFor();
  await row("Photos").waitFor();
});

test("a file is dropped into the folder, and aws gets the same bytes", async () => {
  await page.getByRole("button", { name: "Photos", exact: true }).click();
  await row("Класне фото.png").waitFor();
  await dropFiles(page, page.getByRole("grid", { name: "Photos" }), [dropped], () =>
    page.getByText("Drop to upload to Photos").waitFor(),
  );
  await tray().getByText("1 file uploaded").waitFor();
  await row(dropped.name).waitFor();
  assert.ok((await fromAws(`Photos/${dropped.name}`)).equals(dropped.bytes));
  await tray().getByRole("button", { name: "Close" }).click();
  await gone(tray());
});

test("pictures and texts are previewed", async () => {
  await page.getByRole("button", { name: "excursion.png", exact: true }).click();
  const image = dialog("excursion.png").getByRole("img", { name: "excursion.png" });
  await eventually(
    () => image.evaluate((shown) => Number(shown.naturalWidth)),
    (width) => width === 96,
  );
  await page.keyboard.press("ArrowRight");
  await dialog(dropped.name).getByText("There is no preview for this kind of file.").waitFor();
  await page.keyboard.press("Escape");
  await gone(page.getByRole("dialog"));
  await page.getByRole("list", { name: "Path" }).getByRole("button", { name: bucket }).click();
  await page.getByRole("button", { name: "hello.txt", exact: true }).click();
  await dialog("hello.txt").getByText("Осінній семестр: 17 уроків").waitFor();
  await page.keyboard.press("Escape");
  await gone(page.getByRole("dialog"));
});

test("a file is renamed and moved into a new folder", async () => {
  await act("hello.txt", "Rename");
  await dialog("Rename file").getByLabel("Name").fill("Autumn term.txt");
  await dialog("Rename file").getByRole("button", { name: "Rename" }).click();
  await row("Autumn term.txt").waitFor();
  await gone(row("hello.txt"));
  await act("Autumn term.txt", "Move");
  const move = dialog("Move Autumn term.txt");
  await move.getByRole("button", { name: "New folder" }).click();
  await move.getByLabel("Name of the folder").fill("Plans");
  await move.getByRole("button", { name: "Create" }).click();
  await move.getByRole("button", { name: "Move here" }).click();
  await page.getByText("Autumn term.txt moved to Plans").waitFor();
  await row("Plans").waitFor();
  await gone(row("Autumn term.txt"));
  assert.ok((await keysInAws()).includes("Plans/Autumn term.txt"));
  assert.equal((await fromAws("Plans/Autumn term.txt")).toString(), text);
});

test("what was deleted comes back, by Undo and from the trash", async () => {
  await act("Plans", "Delete");
  await gone(row("Plans"));
  // It stays while the pointer is on it, however long aws takes.
  await page.getByText("Plans is in the trash").hover();
  assert.deepEqual(
    (await keysInAws()).filter((name) => name.startsWith("Plans/")),
    [],
  );
  await page.getByRole("button", { name: "Undo" }).last().click();
  await row("Plans").waitFor();
  assert.equal((await fromAws("Plans/Autumn term.txt")).toString(), text);

  await page.getByRole("button", { name: "Photos", exact: true }).click();
  await act("Класне фото.png", "Delete");
  await gone(row("Класне фото.png"));
  await goTo("Trash");
  await page.getByRole("row", { name: /Класне фото\.png/ }).waitFor();
  await page.getByRole("button", { name: "Actions for Класне фото.png" }).click();
  await page.getByRole("menuitem", { name: "Restore" }).click();
  await page.getByText("1 object restored").waitFor();
  await page.getByText("The trash is empty").waitFor();
  assert.ok((await fromAws("Photos/Класне фото.png")).equals(picture));
  await goTo("Files");
});

test("the search looks into all folders below", async () => {
  await page.getByRole("textbox", { name: "Search this folder" }).fill("ФОТО");
  await row("Класне фото.png").getByText("Photos").waitFor();
  await gone(row("Plans"));
  await page.getByRole("textbox", { name: "Search this folder" }).fill("nothing like this");
  await page.getByText("Nothing contains “nothing like this”").waitFor();
  await page.getByRole("textbox", { name: "Search this folder" }).fill("");
  await row("Plans").waitFor();
});

test("an expiring link opens the file to somebody without an account, until it is revoked", async () => {
  await page.getByRole("button", { name: "Photos", exact: true }).click();
  await act(dropped.name, "Share");
  const share = dialog(`Share ${dropped.name}`);
  await share.getByRole("combobox", { name: "The link works for" }).click();
  await page.getByRole("option", { name: "1 day" }).click();
  await share.getByRole("button", { name: "Create link" }).click();
  const link = (await share.getByRole("code").textContent()) ?? "";
  await share.getByText("1 link works now").waitFor();
  await share.getByRole("button", { name: "Done" }).click();

  const stranger = await browser.visit({ url: cloud.url });
  await stranger.goto(link);
  await stranger.getByRole("heading", { name: dropped.name }).waitFor();
  const download = stranger.waitForEvent("download");
  await stranger.getByRole("link", { name: "Download", exact: true }).click();
  const file = await download;
  assert.equal(file.suggestedFilename(), dropped.name);
  assert.ok(readFileSync(await file.path()).equals(dropped.bytes));

  await goTo("Shares");
  await page
    .getByRole("row", { name: /timetable/ })
    .getByText("Works")
    .waitFor();
  await act(dropped.name, "Revoke");
  await dialog("Revoke the link?").getByRole("button", { name: "Revoke" }).click();
  await page
    .getByRole("row", { name: /timetable/ })
    .getByText("Revoked")
    .waitFor();
  await stranger.reload();
  await stranger.getByText("This link is no longer available").waitFor();
  await stranger.context().close();
  await goTo("Files");
});

test("what a program puts appears without a reload", async () => {
  await page.evaluate("globalThis.notReloaded = true");
  await put("Put by a program.txt", "hello", "text/plain");
  await row("Put by a program.txt").waitFor();
  await aws("s3", "rm", "--quiet", `s3://${bucket}/Put by a program.txt`);
  await gone(row("Put by a program.txt"));
  assert.equal(await page.evaluate("globalThis.notReloaded"), true);
});

test("a large upload in parts is paused, goes on, and is cancelled without leaving anything", async () => {
  const path = largeFile("cancelled.bin");
  await slowUploads(page, 6 * mib);
  await choose(path);
  await tray()
    .getByText(/^[1-9]\d?% of 41\.9 MB/)
    .waitFor();
  await eventually(partsArrived, (parts) => parts > 0, 30_000);
  await tray().getByRole("button", { name: "Pause cancelled.bin" }).click();
  await tray()
    .getByText(/Paused at/)
    .waitFor();
  await tray().getByRole("button", { name: "Go on with cancelled.bin" }).click();
  await tray()
    .getByText(/^\d+% of 41\.9 MB, continued/)
    .waitFor();
  await tray().getByRole("button", { name: "Cancel cancelled.bin" }).click();
  await tray().getByText("Uploads cancelled").waitFor();
  await eventually(
    () => client.uploadList({ bucket }),
    ({ items }) => items.length === 0,
  );
  assert.ok(!(await keysInAws()).includes("cancelled.bin"));
  await slowUploads(page, undefined);
  await tray().getByRole("button", { name: "Close" }).click();
});

test("a large upload that a reload cuts off goes on where it was", async () => {
  const path = largeFile("long film.bin");
  await slowUploads(page, 6 * mib);
  await choose(path);
  await eventually(partsArrived, (parts) => parts > 0, 30_000);
  // The console asks whether one really wants to leave.
  const asked = page.waitForEvent("dialog").then((question) => question.accept());
  await Promise.all([asked, page.reload()]);
  await page.getByText(/The upload of long film\.bin \(.*\) was interrupted/).waitFor();
  const kept = await partsArrived();
  assert.ok(kept > 0 && kept < 5, `${kept} of 5 parts`);
  await slowUploads(page, undefined);
  const chooser = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Choose the file" }).click();
  await (await chooser).setFiles(path);
  await tray().getByText("1 file uploaded").waitFor();
  await row("long film.bin").waitFor();
  assert.ok((await fromAws("long film.bin")).equals(readFileSync(path)));
  await tray().getByRole("button", { name: "Close" }).click();
});

test("the usage page counts it, as a chart and in numbers", async () => {
  // The bytes received: those of aws and of the browser, above all of the long film.
  await eventually(
    () =>
      client.usageSummarize({
        organisation: organisationId as never,
        from: new Date(Date.now() - 86_400_000).toISOString(),
        to: new Date(Date.now() + 3_600_000).toISOString(),
      }),
    ({ series }) =>
      Number(series.find(({ meter }) => meter === "objects.traffic_in")?.total ?? 0) > 43 * mib &&
      Number(series.find(({ meter }) => meter === "objects.storage")?.total ?? 0) > 0,
    90_000,
  );
  await page.getByRole("link", { name: "Usage", exact: true }).click();
  const traffic = page.getByRole("region", { name: "Traffic in" });
  await traffic.getByText(/^\d+(\.\d+)? MB was received/).waitFor();
  await traffic.locator("svg.recharts-surface .recharts-bar-rectangle").first().waitFor();
  await page.getByRole("region", { name: "Storage" }).locator("svg.recharts-surface").first().waitFor();
  await page
    .getByRole("table", { name: "By resource" })
    .getByRole("row", { name: new RegExp(bucket) })
    .waitFor();
});

test("the audit names everything that was done, and its chain is whole", async () => {
  await page.getByRole("link", { name: "Audit", exact: true }).click();
  for (const sentence of [
    `created the bucket ${bucket}`,
    /wrote .*long film\.bin/,
    `moved objects in ${bucket}`,
    `moved objects of ${bucket} to the trash`,
    `restored objects`,
    /shared .*timetable & rooms №1\.bin by a link/,
    /revoked the share link of .*timetable/,
  ])
    await page.getByRole("button").filter({ hasText: sentence }).first().waitFor();
  await page.getByRole("button", { name: "Verify chain" }).click();
  await dialog("The chain of the audit log").getByText("The log is whole").waitFor();
  await page.keyboard.press("Escape");
});

/** How many parts of the one unfinished upload have arrived. */
async function partsArrived(): Promise<number> {
  const [upload] = (await client.uploadList({ bucket })).items;
  return upload ? (await client.uploadPartList({ bucket, upload: upload.id })).items.length : 0;
}

async function choose(path: string) {
  await page.getByRole("button", { name: "Upload", exact: true }).click();
  const chooser = page.waitForEvent("filechooser");
  await page.getByRole("menuitem", { name: "Files…" }).click();
  await (await chooser).setFiles(path);
}

/** 40 MiB: five parts. */
function largeFile(name: string): string {
  const folder = join(cloud.folder, "large");
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  writeFileSync(path, randomBytes(40 * mib));
  return path;
}

/** The smallest real picture: red going over into blue. */
function png(width: number, height: number): Buffer {
  const chunk = (kind: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(kind), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length, 0);
    frame.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8);
  const lines = Array.from({ length: height }, () =>
    Buffer.from([0, ...Array.from({ length: width }, (_, x) => [255 - x * 2, 64, x * 2]).flat()]),
  );
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(Buffer.concat(lines))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}
