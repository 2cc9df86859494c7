import assert from "node:assert/strict";
import { globSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { assertAccessible, drawn, phone, shown, TestBrowser, tooWide } from "./browser.ts";
import { repository } from "./cloud.ts";
import { MadeCloud } from "./madeCloud.ts";
import { fullId, ledgerId, madeDatabases, stoppedId, workingId } from "./madeDatabases.ts";

/**
 * The console's pages of databases with all that can stand in them, before made answers; e2e/databases.e2e.ts has a real one. With
 * KHMARA_PICTURES=folder it keeps a picture of each page, to look through.
 */
const wide = { width: 1280, height: 900 };
const cloud = new MadeCloud(madeDatabases);
const browser = await TestBrowser.start();
const pictures = process.env["KHMARA_PICTURES"];
const home = "/o/home/p/default/databases";
const ledger = `${home}/${ledgerId}`;
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
  "db-list": home,
  "db-create": `${home}/new`,
  "db-overview": ledger,
  "db-working": `${home}/${workingId}`,
  "db-full": `${home}/${fullId}`,
  "db-stopped": `${home}/${stoppedId}`,
  "db-sql": `${ledger}/sql`,
  "db-tables": `${ledger}/tables`,
  "db-structure": `${ledger}/tables?table=public.homework&view=structure`,
  "db-no-tables": `${home}/${fullId}/tables`,
  "db-users": `${ledger}/users`,
  "db-user-new": `${ledger}/users?new=1`,
  "db-backups": `${ledger}/backups`,
  "db-activity": `${ledger}/activity`,
  "db-extensions": `${ledger}/extensions`,
  "db-settings": `${ledger}/settings`,
};

/** What has no words that the others lack is not looked at in other languages. */
const sameWords = ["db-working", "db-full", "db-stopped", "db-no-tables"];

/** Keys of the console's words, to be found where a message is missing. */
const words = await Promise.all(
  globSync("console/i18n/{databases,sql,watch,operations,ui}.en.ts", { cwd: repository }).map(async (file) => {
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
      if (!how.axe && sameWords.includes(name)) continue;
      await page.goto(path);
      await shown(page);
      if (name === "db-sql") {
        await page.locator(".cm-content").fill("update t;\nselect count(*);\nselect subjct from homework");
        await page.keyboard.press("Control+Enter");
        await page.getByText("42703").waitFor();
      }
      problems.push(...(await look(page, name, how)));
    }
    await page.context().close();
    assert.deepEqual(problems, []);
    assert.deepEqual(cloud.faults, []);
  });
}

async function look(page: Page, name: string, how: (typeof looks)[number]): Promise<string[]> {
  const problems: string[] = [];
  const more = await tooWide(page);
  if (more > 0) problems.push(`${name}: ${more} px wider than the window`);
  if (how.axe) {
    await drawn(page);
    await assertAccessible(page, name).catch((error: Error) => problems.push(error.message));
  }
  if (pictures)
    await page.screenshot({
      fullPage: true,
      path: join(pictures, `${name}-${how.size.width}-${how.language}-${how.scheme}.png`),
    });
  const text = await page.evaluate<string>("document.body.innerText");
  for (const [key] of text.matchAll(/\b[a-z]+\.[A-Za-z][\w.]*\b/g))
    if (keys.has(key)) problems.push(`${name}: no words for ${key}`);
  return problems;
}

const lastBody = () => JSON.parse(cloud.sent.at(-1)?.body.toString() ?? "");

test("what is selected is run alone, the error is marked where it is, rows come as CSV, and what was run is there again", async () => {
  const page = await browser.visit({ url, size: wide });
  await page.goto(`${ledger}/sql`);
  const editor = page.locator(".cm-content");
  await editor.fill("select 'all of it'");
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByText("The 2 statements before it have taken effect.").waitFor();
  assert.deepEqual(lastBody(), { sql: "select 'all of it'", readOnly: true, maxRows: 500 });
  await editor.fill("update t;select count(*);select subjct from homework");
  await editor.press("Control+Enter");
  await page.locator(".khmara-sql-wrong").getByText("subjct").waitFor();
  await editor.press("Control+Home");
  await editor.press("Control+Shift+ArrowRight");
  await page.getByRole("switch", { name: "Read only" }).click();
  await editor.press("Control+Enter");
  await page.waitForFunction("document.querySelector('.khmara-sql-wrong')?.textContent !== 'subjct'");
  assert.deepEqual([lastBody().sql, lastBody().readOnly], ["update", false]);
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "CSV" }).click();
  const csv = readFileSync(await (await download).path(), "utf8").split("\r\n");
  assert.equal(csv[0], "id,pupil,subject,what,until,attachments");
  assert.match(csv[1] ?? "", /^1,1000,Mathematics,,2026/, "NULL is nothing");
  assert.match(csv[8] ?? "", /,"",2026/, "an empty text is one");
  await page.reload();
  await page.locator(".cm-content", { hasText: "subjct" }).waitFor();
  await page.getByRole("button", { name: "History" }).click();
  await page.getByRole("dialog").getByText("select 'all of it'").click();
  await page.locator(".cm-content", { hasText: "all of it" }).waitFor();
  await page.context().close();
});

test("rows are sorted and filtered by the server; the statement for them can be taken along", async () => {
  const page = await browser.visit({ url, size: wide });
  await page.goto(`${ledger}/tables`);
  await page.getByRole("button", { name: "subject" }).click();
  await page.getByRole("combobox", { name: "Column" }).click();
  await page.getByRole("option", { name: "what" }).click();
  await page.getByRole("textbox", { name: "Value" }).fill("it's");
  await page.getByRole("button", { name: "Filter" }).click();
  const wanted = `select * from "homework"\nwhere strpos(lower("what"::text), lower('it''s')) > 0\norder by "subject", "id"\nlimit 100`;
  await page.getByText("Rows 1 to 100").waitFor();
  for (const until = Date.now() + 20_000; lastBody().sql !== wanted && Date.now() < until; ) await page.waitForTimeout(50);
  assert.deepEqual([lastBody().sql, lastBody().readOnly], [wanted, true]);
  await page.getByRole("button", { name: "To the SQL editor" }).click();
  await page.locator(".cm-content", { hasText: "strpos" }).waitFor();
  await page.context().close();
});

test("a password is shown once; a moment outside of the window is refused before it is sent", async () => {
  const page = await browser.visit({ url, size: wide });
  await page.goto(`${ledger}/users?new=1`);
  await page.getByRole("textbox", { name: "Name" }).fill("reports");
  await page.getByRole("radio", { name: "Read only" }).check();
  await page.getByRole("dialog").getByRole("button", { name: "New user" }).click();
  const secret = page.getByRole("dialog", { name: "Password of reports" });
  await secret.getByRole("button", { name: "Show" }).first().click();
  await secret.getByText("shown-this-once", { exact: true }).waitFor();
  assert.deepEqual(lastBody(), { name: "reports", access: "read_only" });
  await secret.getByRole("button", { name: "Done" }).click();
  await page.goto(`${ledger}/backups`);
  await page.getByRole("button", { name: "Recover a moment" }).click();
  const dialog = page.getByRole("dialog");
  const before = cloud.sent.length;
  await dialog.getByLabel("Moment").fill("2026-01-01T00:00:00");
  await dialog.getByRole("button", { name: "Recover a moment" }).click();
  await dialog.getByText("This is before the first backup that is kept.").waitFor();
  assert.equal(cloud.sent.length, before);
  const at = new Date(Date.now() - 3_600_000);
  at.setMilliseconds(0);
  const local = await page.evaluate<string>(
    `(() => { const at = new Date(${at.getTime()}); return new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 19); })()`,
  );
  await dialog.getByLabel("Moment").fill(local);
  await dialog.getByRole("button", { name: "Recover a moment" }).click();
  await page.waitForURL(`**/databases/${workingId}`);
  assert.deepEqual(lastBody(), { name: "marks-and-homework-of-the-lyce-recovered", at: at.toISOString() });
  await page.context().close();
});
