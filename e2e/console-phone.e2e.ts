import assert from "node:assert/strict";
import { globSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { assertAccessible, phone, shown, TestBrowser, tooWide } from "./browser.ts";
import { repository } from "./cloud.ts";
import { MadeCloud } from "./madeCloud.ts";
import { madePhone, menuId, queueId, roomId } from "./madePhone.ts";
import { hoursId } from "./madePhoneLines.ts";
import { olenaId, softphoneUsers } from "./madePhonePeople.ts";
import { SipRelay } from "./madeSip.ts";

/**
 * The console's pages of the phone system with all that can stand in them, before made answers. With KHMARA_PICTURES=folder it keeps a picture of
 * each page, to look through. The phone in the browser itself: e2e/softphone.e2e.ts.
 */
const wide = { width: 1280, height: 900 };
const cloud = new MadeCloud(madePhone(() => softphoneUsers[0]));
new SipRelay(cloud.server, "lyceum.example", softphoneUsers);
const browser = await TestBrowser.start();
const pictures = process.env["KHMARA_PICTURES"];
const home = "/o/home/p/default/phone";
const my = home.replace(/phone$/, "my-phone");
const olena = `${home}/extensions/${olenaId}`;
let url = "";

before(async () => {
  url = await cloud.start();
  if (pictures) mkdirSync(pictures, { recursive: true });
});
after(async () => {
  await browser.close();
  await cloud.stop();
});

const pages: Record<string, string> = {
  overview: home,
  extensions: `${home}/extensions`,
  extension: olena,
  devices: `${olena}/devices`,
  forwarding: `${olena}/forwarding`,
  "extension-voicemail": `${olena}/voicemail`,
  permissions: `${olena}/permissions`,
  activity: `${olena}/activity`,
  contacts: `${home}/contacts`,
  numbers: `${home}/numbers`,
  trunks: `${home}/trunks`,
  routes: `${home}/routes`,
  rates: `${home}/rates`,
  groups: `${home}/groups`,
  queues: `${home}/queues`,
  queue: `${home}/queues/${queueId}`,
  menus: `${home}/menus`,
  menu: `${home}/menus/${menuId}`,
  hours: `${home}/hours`,
  "hours-one": `${home}/hours/${hoursId}`,
  announcements: `${home}/announcements`,
  conferences: `${home}/conferences`,
  conference: `${home}/conferences/${roomId}`,
  more: `${home}/more`,
  calls: `${home}/calls`,
  reports: `${home}/reports`,
  "reports-own": `${home}/reports?span=own&from=2026-11-01&to=2026-11-14`,
  voicemail: `${home}/voicemail`,
  recordings: `${home}/recordings`,
  settings: `${home}/settings`,
  ...Object.fromEntries(
    ["general", "emergency", "recording", "mail", "limits", "balance", "codes", "site", "delete"].map((section) => [
      `settings-${section}`,
      `${home}/settings/${section}`,
    ]),
  ),
  prompts: `${home}/prompts`,
  programs: `${home}/programs`,
  mine: `${my}`,
  "mine-voicemail": `${my}/voicemail`,
  "mine-messages": `${my}/messages`,
  "mine-settings": `${my}/settings`,
};

const words = await Promise.all(
  globSync("console/i18n/{phone,phoneLines,phoneFlow,phonePrograms,phoneRecords,phoneSettings,softphone,ui}.en.ts", {
    cwd: repository,
  }).map(async (file) => {
    const area = /(\w+)\.en\.ts$/.exec(file)?.[1];
    const all = ((await import(join(repository, file))) as { default: object }).default;
    return Object.keys(all).map((key) => `${area}.${key}`);
  }),
);
const keys = new Set(words.flat());

const looks = [
  { language: "en", scheme: "light", size: wide, axe: true },
  { language: "uk", scheme: "dark", size: phone, axe: true },
  { language: "fr", scheme: "light", size: phone, axe: false },
] as const;

for (const how of looks) {
  test(`${how.language}, ${how.scheme}, ${how.size.width} px: nothing sticks out, no word is missing`, async () => {
    const page = await browser.visit({ url, ...how });
    const problems: string[] = [];
    for (const [name, path] of Object.entries(pages)) {
      await page.goto(path);
      await shown(page);
      problems.push(...(await look(page, name, how)));
    }
    await page.goto(home);
    await page.locator("[aria-expanded][data-registration]").click();
    await page.locator("aside fieldset").waitFor();
    problems.push(...(await look(page, "dial-pad", how)));
    await page.locator("aside [role=tab]").nth(1).click();
    problems.push(...(await look(page, "recent-calls", how)));
    await page.locator("aside [role=tab]").nth(2).click();
    await page.locator("aside li[data-new]").first().waitFor();
    problems.push(...(await look(page, "panel-voicemail", how)));
    await page.locator("aside [aria-pressed]").click();
    problems.push(...(await look(page, "devices-of-browser", how)));
    await page.context().close();
    assert.deepEqual(problems, []);
    assert.deepEqual(cloud.faults, []);
  });
}

async function look(page: Page, name: string, how: (typeof looks)[number]): Promise<string[]> {
  const problems: string[] = [];
  const more = await tooWide(page);
  if (more > 0) problems.push(`${name}: ${more} px wider than the window`);
  if (how.axe) await assertAccessible(page, name).catch((error: Error) => problems.push(error.message));
  if (pictures) await page.screenshot({ path: join(pictures, `${name}-${how.size.width}-${how.language}-${how.scheme}.png`) });
  const text = await page.evaluate<string>("document.body.innerText");
  for (const [key] of text.matchAll(/\b[a-zA-Z]+\.[A-Za-z][\w.]*\b/g))
    if (keys.has(key)) problems.push(`${name}: no words for ${key}`);
  return problems;
}

test("a menu is drawn by keyboard: a key is added, a box is moved, both are sent as one change", async () => {
  const page = await browser.visit({ url, size: wide });
  await page.goto(`${home}/menus/${menuId}`);
  const box = page.getByRole("button", { name: /^Key 1/ });
  await box.focus();
  await box.press("ArrowDown");
  await page.getByRole("combobox", { name: "Add a key" }).click();
  await page.getByRole("option", { name: "9", exact: true }).click();
  await page.getByRole("button", { name: /^Key 9/ }).waitFor();
  await Promise.all([
    page.waitForResponse((response) => response.request().method() === "PATCH"),
    page.getByRole("button", { name: "Save", exact: true }).click(),
  ]);
  const sent = cloud.sent.findLast(({ key }) => key === "phoneMenuUpdate");
  const body = JSON.parse(sent?.body.toString() ?? "");
  assert.deepEqual(body.keys["9"], { kind: "hang_up" });
  assert.deepEqual(body.layout["1"], { x: 300, y: 40 });
  await page.context().close();
});

test("a conference that runs: who is in it is muted and removed, somebody is invited by number, all by the API", async () => {
  const page = await browser.visit({ url, size: wide });
  await page.goto(`${home}/conferences/${roomId}`);
  await page.getByText("Speaks", { exact: true }).waitFor();
  const done = async (press: () => Promise<void>): Promise<{ action: string }> => {
    await Promise.all([page.waitForResponse((response) => response.url().endsWith("/actions")), press()]);
    return JSON.parse(cloud.sent.findLast(({ key }) => key === "conferenceAct")?.body.toString() ?? "").do;
  };
  const button = (name: string) => page.getByRole("button", { name, exact: true });
  assert.equal((await done(() => button("Mute Olena Kovalchuk").click())).action, "mute");
  assert.equal((await done(() => button("Let Taras Bondarenko speak").click())).action, "unmute");
  assert.equal((await done(() => button("Remove Taras Bondarenko").click())).action, "remove");
  await button("More for all").click();
  assert.equal((await done(() => page.getByRole("menuitem", { name: "Lock the room" }).click())).action, "lock");
  await button("Invite").click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Number" }).fill("+380 67 123-45-67");
  assert.deepEqual(await done(() => dialog.getByRole("button", { name: "Call", exact: true }).click()), {
    action: "invite",
    number: "+380671234567",
    extension: olenaId,
  });
  await page.context().close();
});

test("a call that runs is recorded no more, parked, sent on, and ended after a question", async () => {
  const page = await browser.visit({ url, size: wide });
  await page.goto(home);
  const done = async (press: () => Promise<void>): Promise<object> => {
    await Promise.all([page.waitForResponse((response) => response.url().endsWith("/active-calls/live-1/actions")), press()]);
    return JSON.parse(cloud.sent.findLast(({ key }) => key === "activeCallAct")?.body.toString() ?? "").do;
  };
  const choose = async (action: string) => {
    await page.getByRole("button", { name: "Actions for Mother of Ivan Petrenko – Olena Kovalchuk" }).click();
    await page.getByRole("menuitem", { name: action, exact: true }).click();
  };
  const dialog = page.getByRole("dialog");
  assert.deepEqual(await done(() => choose("Stop recording")), { action: "record_stop" });
  assert.deepEqual(await done(() => choose("Park")), { action: "park" });
  await choose("Transfer");
  if (pictures) await page.screenshot({ path: join(pictures, "transfer-dialog.png") });
  await dialog.getByRole("combobox", { name: "To" }).click();
  await page.getByRole("option", { name: /Questions of parents/ }).click();
  assert.deepEqual(await done(() => dialog.getByRole("button", { name: "Transfer", exact: true }).click()), {
    action: "transfer",
    to: { kind: "queue", id: queueId },
  });
  await choose("End this call");
  assert.deepEqual(await done(() => dialog.getByRole("button", { name: "End this call" }).click()), { action: "hang_up" });
  await page.context().close();
});

test("numbers are called with the desk phone that one has chosen; who is not to be disturbed says so in the phone", async () => {
  const page = await browser.visit({ url, size: wide });
  await page.goto(home);
  await page.locator("[aria-expanded][data-registration]").click();
  const panel = page.getByRole("complementary", { name: "Phone" });
  await panel.getByRole("combobox", { name: "Call with" }).click();
  await page.getByRole("option").nth(1).click();
  if (pictures) await page.screenshot({ path: join(pictures, "call-with.png") });
  await Promise.all([
    page.waitForResponse((response) => response.url().endsWith("/started-calls")),
    page.getByRole("button", { name: "Call +380671234567" }).click(),
  ]);
  await page.getByText("Your phone rings; pick it up and the number is called.").waitFor();
  const { device, ...started } = JSON.parse(cloud.sent.findLast(({ key }) => key === "myCallStart")?.body.toString() ?? "");
  assert.deepEqual(started, { extension: olenaId, to: "+380671234567" });
  assert.match(device, /^\w+_/);
  await Promise.all([
    page.waitForResponse((response) => response.request().method() === "PATCH"),
    panel.getByRole("switch", { name: "Do not disturb" }).click(),
  ]);
  const sent = cloud.sent.findLast(({ key }) => key === "myExtensionUpdate");
  assert.deepEqual(JSON.parse(sent?.body.toString() ?? ""), { doNotDisturb: true });
  await page.context().close();
});

test("contacts from a table: what is wrong is told by line, and what is imported is seen before", async () => {
  const page = await browser.visit({ url, size: phone });
  await page.goto(`${home}/contacts`);
  await page.getByRole("button", { name: "Import contacts" }).click();
  const dialog = page.getByRole("dialog");
  const paste = (csv: string) => dialog.getByRole("textbox", { name: "Or paste its lines" }).fill(csv);
  await paste("name;mobil\nOlena;1");
  await dialog.getByText("There is no column mobil").waitFor();
  await paste("name;mobile\nOlena;+380441234567\n;+380441234568");
  await dialog.getByText("1 line is not right yet").waitFor();
  await dialog.getByRole("row", { name: /^3 name is needed/ }).waitFor();
  assert.ok(await dialog.getByRole("button", { name: "Import 2 contacts" }).isDisabled());
  if (pictures) await page.screenshot({ path: join(pictures, "import-390.png") });
  await assertAccessible(page, "import");
  await dialog.locator("input[type=file]").setInputFiles({
    name: "contacts.csv",
    mimeType: "text/csv",
    buffer: Buffer.from("name;mobile\nOlena;+380441234567\nTaras;+380441234568\n"),
  });
  await dialog.getByText("2 lines can be imported.").waitFor();
  await dialog.getByRole("button", { name: "Import 2 contacts" }).click();
  await dialog.waitFor({ state: "detached" });
  const sent = cloud.sent.findLast(({ key }) => key === "phoneContactImport");
  assert.match(JSON.parse(sent?.body.toString() ?? "").csv, /^name;mobile\nOlena/);
  await page.context().close();
});

test("a device is added: its password is shown once, with the server", async () => {
  const page = await browser.visit({ url, size: wide });
  await page.goto(`${olena}/devices`);
  await page.getByRole("button", { name: "Add device" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Name" }).fill("Library");
  await dialog.getByRole("button", { name: "Add device" }).click();
  await page.getByText("lyceum.example (TLS 5061, UDP 5060)").waitFor();
  const sent = cloud.sent.findLast(({ key }) => key === "phoneDeviceCreate");
  assert.deepEqual(JSON.parse(sent?.body.toString() ?? ""), { label: "Library", kind: "desk", maker: "other" });
  await page.context().close();
});

test("a webhook is made: its key is shown once; what one was told is listed with tries and answers", async () => {
  const page = await browser.visit({ url, size: wide });
  await page.goto(`${home}/programs`);
  await page.getByRole("button", { name: "New webhook" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Name" }).fill("Statistics");
  await dialog.getByRole("textbox", { name: "Address" }).fill("https://example.org/calls");
  await dialog.getByRole("checkbox", { name: /A voicemail is left/ }).check();
  await dialog.getByRole("button", { name: "New webhook" }).click();
  await page.getByRole("dialog", { name: "Key of the signature" }).getByRole("button", { name: "Done" }).click();
  const sent = cloud.sent.findLast(({ key }) => key === "callWebhookCreate");
  assert.deepEqual(JSON.parse(sent?.body.toString() ?? ""), {
    name: "Statistics",
    url: "https://example.org/calls",
    events: ["call.started", "call.ended", "voicemail.left"],
  });
  await page.getByText("Customers", { exact: true }).click();
  await page.getByText("the connection was refused").waitFor();
  await page.getByText("Given up", { exact: true }).waitFor();
  await assertAccessible(page, "deliveries");
  await page.context().close();
});
