import assert from "node:assert/strict";
import { globSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, test } from "node:test";
import { gunzipSync } from "node:zlib";
import type { ConsoleMessage, Page } from "playwright-core";
import { extract } from "tar-stream";
import { assertAccessible, drawn, dropFiles, phone, shown, TestBrowser, tooWide } from "./browser.ts";
import { repository } from "./cloud.ts";
import { catalogueAnswers, operationIds } from "./madeCatalogue.ts";
import { MadeCloud } from "./madeCloud.ts";
import { cronAnswers, cronIds } from "./madeCron.ts";
import { deploymentIds, newAppId, shopId } from "./madePlace.ts";

/**
 * The console's pages of apps with all that can stand in them, before made answers: e2e/console-look.e2e.ts has a real cloud, which has no
 * engine for apps. With KHMARA_PICTURES=folder it keeps a picture of each page, to look through.
 */
const wide = { width: 1280, height: 900 };
const cloud = new MadeCloud({ ...catalogueAnswers, ...cronAnswers, databaseList: () => ({ items: [] }) });
const browser = await TestBrowser.start();
const pictures = process.env["KHMARA_PICTURES"];
const home = "/o/home/p/default/apps";
const shop = `${home}/${shopId}`;
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
  list: home,
  nothing: `${home}?q=nothing-is-called-so`,
  create: `${home}/new`,
  fresh: `${home}/${newAppId}`,
  overview: shop,
  deploy: `${shop}?deploy=1`,
  deployments: `${shop}/deployments`,
  failed: `${shop}/deployments/${deploymentIds.failed}`,
  building: `${shop}/deployments/${deploymentIds.building}`,
  releases: `${shop}/releases`,
  images: `${shop}/images`,
  "images-none": `${home}/${newAppId}/images`,
  previews: `${shop}/previews`,
  "previews-none": `${home}/${newAppId}/previews`,
  "previews-settings": `${shop}/previews?settings=1`,
  variables: `${shop}/variables`,
  processes: `${shop}/processes`,
  cron: `${shop}/cron`,
  "cron-none": `${home}/${newAppId}/cron`,
  "cron-new": `${shop}/cron?new=1`,
  "cron-job": `${shop}/cron?job=${cronIds.nightly}`,
  logs: `${shop}/logs`,
  domains: `${shop}/domains`,
  "domain-new": `${shop}/domains?new=1`,
  access: `${shop}/access`,
  links: `${shop}/links`,
  "link-new": `${shop}/links?new=1`,
  mail: `${home.replace(/apps$/, "mail-accounts")}`,
  "mail-new": `${home.replace(/apps$/, "mail-accounts")}?new=1`,
  disks: `${shop}/disks`,
  manage: `${shop}/manage`,
  engine: "/cloud/app-engine",
  catalogue: `${home.replace(/apps$/, "catalogue")}`,
  "catalogue-kind": `${home.replace(/apps$/, "catalogue")}?category=monitoring`,
  template: `${home.replace(/apps$/, "catalogue")}/miniflux`,
  installing: `${home.replace(/apps$/, "catalogue")}/grafana?operation=${operationIds.running}`,
  "install-failed": `${home.replace(/apps$/, "catalogue")}/grafana?operation=${operationIds.failed}`,
  "install-done": `${home.replace(/apps$/, "catalogue")}/grafana?operation=${operationIds.done}`,
};

/** Keys of the console's words, to be found where a message is missing. */
const words = await Promise.all(
  globSync("console/i18n/{apps,catalogue,cron,mailAccounts,rights,deploy,watch,terminal,cloud,ui}.en.ts", {
    cwd: repository,
  }).map(async (file) => {
    const area = /(\w+)\.en\.ts$/.exec(file)?.[1];
    const all = ((await import(join(repository, file))) as { default: object }).default;
    return Object.keys(all).map((key) => `${area}.${key}`);
  }),
);
const keys = new Set(words.flat());

/** What stands where something failed: a page of it is as neat as any other. */
const errorTitles = await Promise.all(
  ["en", "fr", "uk"].map(async (language) => {
    const { default: ui } = (await import(join(repository, `console/i18n/ui.${language}.ts`))) as {
      default: { errorTitle: string };
    };
    return ui.errorTitle;
  }),
);

/** Each size and each appearance is met by axe once; other languages change the words alone, and the phone has the least room for them. */
const looks = [
  { language: "en", scheme: "light", size: wide, axe: true },
  { language: "uk", scheme: "dark", size: phone, axe: true },
  { language: "fr", scheme: "light", size: phone, axe: false },
] as const;

for (const how of looks) {
  test(`${how.language}, ${how.scheme}, ${how.size.width} px: nothing sticks out, no word is missing`, async () => {
    const page = await browser.visit({ url, ...how });
    const problems: string[] = [];
    for (const [name, path] of Object.entries(pages)) problems.push(...(await look(page, name, path, how)));
    await page.context().close();
    assert.deepEqual(problems, []);
    assert.deepEqual(cloud.faults, []);
  });
}

test("without an engine each page says what is missing, with the command for those who may add it", async () => {
  cloud.bare = true;
  const problems: string[] = [];
  for (const how of [looks[0], looks[1]]) {
    const page = await browser.visit({ url, ...how });
    for (const [name, path] of Object.entries({
      empty: home,
      "bare-create": `${home}/new`,
      "bare-engine": "/cloud/app-engine",
    })) {
      problems.push(...(await look(page, name, path, how)));
      await page.getByText("./khmara up --install-engines", { exact: true }).first().waitFor();
    }
    await page.context().close();
  }
  cloud.bare = false;
  assert.deepEqual(problems, []);
});

async function look(page: Page, name: string, path: string, how: (typeof looks)[number]): Promise<string[]> {
  const problems: string[] = [];
  const said: string[] = [];
  const hear = (message: ConsoleMessage) => message.type() === "error" && said.push(message.text());
  page.on("console", hear);
  await page.goto(path);
  await shown(page);
  const more = await tooWide(page);
  if (more > 0) problems.push(`${name}: ${more} px wider than the window`);
  if (how.axe) {
    await drawn(page);
    await assertAccessible(page, name).catch((error: Error) => problems.push(error.message));
  }
  if (pictures) await page.screenshot({ path: join(pictures, `${name}-${how.size.width}-${how.language}-${how.scheme}.png`) });
  const text = await page.evaluate<string>("document.body.innerText");
  page.off("console", hear);
  const titles = await page.locator("h1, h2, .mantine-Alert-title").allTextContents();
  if (titles.some((title) => errorTitles.includes(title))) problems.push(`${name}: it shows an error: ${said.join("; ")}`);
  for (const [key] of text.matchAll(/\b[a-z]+\.[A-Za-z][\w.]*\b/g))
    if (keys.has(key)) problems.push(`${name}: no words for ${key}`);
  return problems;
}

test("an operation that failed says why in Ukrainian, with what the program said; one that was kept without a reason stays readable", async () => {
  const page = await browser.visit({ url, language: "uk", size: wide });
  const pages = [
    `${home.replace(/apps$/, "catalogue")}/grafana?operation=${operationIds.failed}`,
    `/o/home/operations/${operationIds.failed}`,
  ];
  for (const path of pages) {
    await page.goto(path);
    const why = page.getByRole("alert");
    await why.getByText("Не вдалося розгорнути Grafana: Реєстр образів або пакунків недоступний. Спробуйте пізніше.").waitFor();
    assert.match(
      (await why.getByRole("region", { name: "Останні рядки" }).textContent()) ?? "",
      /^--> fetching docker\.io\/grafana/,
    );
    assert.doesNotMatch((await why.textContent()) ?? "", /could not be deployed/);
  }
  await page.goto(`/o/home/operations/${operationIds.old}`);
  await page.getByRole("alert").getByText("The engine did not answer that day.").waitFor();
  await page.context().close();
});

test("a part of a page that did not come is loaded again, once; where it stays missing, the page says so", async () => {
  const page = await browser.visit({ url, size: wide });
  await page.goto(shop);
  await shown(page);
  let lost = true;
  const cameBy = () => page.evaluate<string>('performance.getEntriesByType("navigation")[0].type');
  // With the document goes what is lost for it.
  page.on("request", (request) => {
    if (request.isNavigationRequest()) lost = false;
  });
  await page.route(/\/assets\/AppLinks-[^/]+\.js$/, (route) => (lost ? route.abort("failed") : route.continue()));
  await page.getByRole("link", { name: "Configuration", exact: true }).click();
  await page.getByRole("link", { name: "Links", exact: true }).click();
  await page.getByRole("button", { name: "Link", exact: true }).waitFor();
  assert.equal(await cameBy(), "reload");
  // It was loaded again a moment ago.
  await page.route(/\/assets\/AppLinks-/, (route) => route.abort("failed"));
  await page.goto(`${shop}/links`);
  await page.getByText(errorTitles[0] as string).waitFor();
  assert.equal(await cameBy(), "navigate");
  await page.context().close();
  for (const problem of browser.takeProblems()) assert.match(problem, /dynamically imported module|AppLinks/);
});

test("a mail account is added and tried: what the server said is shown by step", async () => {
  const page = await browser.visit({ url, size: wide });
  await page.goto(`${home.replace(/apps$/, "mail-accounts")}?new=1`);
  await page.getByLabel("Name", { exact: true }).fill("relay");
  await page.getByLabel("Sender").fill("shop@example.org");
  await page.getByLabel("Server name").fill("relay.example.org");
  await page.getByRole("dialog").getByRole("button", { name: "Add a mail account" }).click();
  await page.getByRole("dialog", { name: "Try relay" }).waitFor();
  const made = cloud.sent.findLast(({ key }) => key === "mailAccountCreate");
  const { name, host, port, security, password } = JSON.parse(String(made?.body));
  assert.deepEqual([name, host, port, security, password], ["relay", "relay.example.org", 587, "starttls", undefined]);
  await page.getByRole("button", { name: "Try it", exact: true }).click();
  await page.getByText("It does not work yet").waitFor();
  await page.getByText("Nobody listens at port 25").waitFor();
  await page.context().close();
  assert.deepEqual(cloud.faults, []);
});

test("a folder that is dropped arrives as a tar.gz without what is left out", async () => {
  const page = await browser.visit({ url, size: wide });
  await page.goto(`${home}/new`);
  await shown(page);
  const file = (name: string, text: string) => ({ name, type: "", bytes: Buffer.from(text) });
  await dropFiles(
    page,
    page.getByText("Drop a folder or an archive here"),
    [
      file("index.html", "<h1>Hello</h1>"),
      file("start.sh", "#!/bin/sh\nexec node .\n"),
      file(".gitignore", "*.log\n"),
      file("debug.log", "nothing"),
      file("розклад.txt", "1. Математика"),
    ],
    async () => {},
  );
  await page.getByText("4 files").waitFor();
  await page.getByText("Left out: debug.log").waitFor();
  await page.getByRole("textbox", { name: "Name" }).fill("fresh");
  await page.getByRole("button", { name: "Create and deploy" }).click();
  await page.waitForURL(`**/deployments/${deploymentIds.building}`);
  const [created, deployed] = cloud.sent.slice(-2);
  assert.equal(created?.key, "appCreate");
  assert.equal(JSON.parse(created?.body.toString() ?? "").name, "fresh");
  assert.equal(deployed?.key, "appDeploy");
  assert.equal(deployed?.params["app"], newAppId);
  const found: Record<string, [mode: number, text: string]> = {};
  const reader = extract();
  Readable.from([gunzipSync(deployed?.body ?? Buffer.alloc(0))]).pipe(reader);
  for await (const entry of reader) {
    const parts: Buffer[] = [];
    for await (const part of entry) parts.push(part as Buffer);
    found[entry.header.name] = [entry.header.mode ?? 0, Buffer.concat(parts).toString()];
  }
  assert.deepEqual(found, {
    ".gitignore": [0o644, "*.log\n"],
    "index.html": [0o644, "<h1>Hello</h1>"],
    "start.sh": [0o755, "#!/bin/sh\nexec node .\n"],
    "розклад.txt": [0o644, "1. Математика"],
  });
  await page.context().close();
});

test("variables of a pasted file are saved as one change, those that sound so as secrets", async () => {
  const page = await browser.visit({ url, size: wide });
  await page.goto(`${shop}/variables`);
  await page.getByRole("button", { name: "Paste a .env file" }).click();
  await page
    .getByRole("textbox", { name: "Paste a .env file" })
    .fill('# comment\nLOG_LEVEL=debug\nexport API_TOKEN="a b"\nSESSION_SECRET=new\n');
  await page.getByText("3 variables.").waitFor();
  await page.getByRole("button", { name: "Take over" }).click();
  await page.getByRole("button", { name: "Remove: TERM" }).click();
  await page.getByText("4 unsaved changes").waitFor();
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForURL(`**/deployments/${deploymentIds.building}`);
  const sent = cloud.sent.at(-1);
  assert.equal(sent?.key, "settingUpdate");
  assert.deepEqual(JSON.parse(sent?.body.toString() ?? ""), {
    set: { LOG_LEVEL: "debug" },
    setSecrets: { API_TOKEN: "a b", SESSION_SECRET: "new" },
    unset: ["TERM"],
    deploy: true,
  });
  await page.context().close();
});

test("three clicks on plus are one change; going back says what changes", async () => {
  const page = await browser.visit({ url, size: wide });
  await page.goto(`${shop}/processes`);
  const more = page.getByRole("button", { name: "One web more" });
  for (let clicks = 0; clicks < 3; clicks++) await more.click();
  await page.waitForResponse((response) => response.url().includes("/scale"));
  const scaled = cloud.sent.filter(({ key }) => key === "processScale");
  assert.deepEqual(
    scaled.map(({ params, body }) => [params["process"], JSON.parse(body.toString())]),
    [["web", { count: 5 }]],
  );
  await page.goto(`${shop}/releases`);
  await page.getByRole("button", { name: "Actions for Release 11" }).click();
  await page.getByRole("menuitem", { name: "Go back to it" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("Without the variables DATABASE_URL").waitFor();
  await dialog.getByText("Other commands: web").waitFor();
  await dialog.getByRole("button", { name: "Go back to it" }).click();
  await page.waitForURL(`**/deployments/${deploymentIds.building}`);
  assert.deepEqual(JSON.parse(cloud.sent.at(-1)?.body.toString() ?? ""), { release: 11 });
  await page.context().close();
});

test("logs: standard error is told apart, and a pause holds the lines", async () => {
  const page = await browser.visit({ url, size: wide });
  await page.goto(`${shop}/logs`);
  const log = page.getByRole("log");
  await log.getByText("GET /timetable/39 200").waitFor();
  assert.equal(await log.locator('[data-stream="stderr"]').count(), 6);
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("Paused, 0 new lines").waitFor();
  await page.getByRole("button", { name: "Go on" }).click();
  await page.getByText("Live", { exact: true }).waitFor();
  await page.context().close();
});

test("cron jobs: a wrong schedule is not sent, a run shows what it wrote, what is of the manifest is changed there", async () => {
  const page = await browser.visit({ url, size: wide });
  await page.goto(`${shop}/cron?new=1`);
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Name" }).fill("letters");
  await dialog.getByRole("textbox", { name: "Command" }).fill("node letters.js");
  await dialog.getByRole("textbox", { name: "Schedule" }).fill("61 * * * *");
  const sentBefore = cloud.sent.length;
  await dialog.getByRole("button", { name: "New cron job" }).click();
  await dialog.getByText("Five fields such as 0 3 * * *").waitFor();
  assert.equal(cloud.sent.length, sentBefore);
  await dialog.getByRole("button", { name: "Monday to Friday at 08:00" }).click();
  await dialog.getByText("Next, by your clock").waitFor();
  await dialog.getByRole("combobox", { name: "Time zone" }).fill("Europe/Paris");
  await page.getByRole("option", { name: "Europe/Paris" }).click();
  await dialog.getByRole("button", { name: "New cron job" }).click();
  await dialog.waitFor({ state: "detached" });
  const created = cloud.sent.at(-1);
  assert.equal(created?.key, "cronJobCreate");
  assert.deepEqual(JSON.parse(created?.body.toString() ?? ""), {
    name: "letters",
    command: "node letters.js",
    schedule: "0 8 * * 1-5",
    timeZone: "Europe/Paris",
    timeoutSeconds: 3600,
    concurrency: "skip",
  });

  await page.getByRole("button", { name: "Actions for figures" }).click();
  await page.getByRole("menuitem", { name: "Edit" }).and(page.locator("[data-disabled]")).waitFor();
  const paused = page.waitForResponse((response) => response.request().method() === "PATCH");
  await page.getByRole("menuitem", { name: "Pause" }).click();
  await paused;
  assert.deepEqual(JSON.parse(cloud.sent.at(-1)?.body.toString() ?? ""), { paused: true });

  await page.getByRole("button", { name: "nightly", exact: true }).click();
  await page.waitForURL(`**/cron?job=${cronIds.nightly}`);
  const begun = page.waitForResponse((response) => response.url().endsWith("/run"));
  await page.getByRole("button", { name: "Run now" }).click();
  await begun;
  await page.getByRole("row").filter({ hasText: "Failed" }).getByRole("button").click();
  await dialog.getByText("letters to parents: 3 could not be sent").waitFor();
  await dialog.getByText("Exit code 2").waitFor();
  await assertAccessible(page, "a run");
  if (pictures) await page.screenshot({ path: join(pictures, "cron-run.png") });
  await dialog.getByRole("button", { name: "Close" }).click();

  await page.getByRole("button", { name: "Delete" }).click();
  const confirm = dialog.getByRole("button", { name: "Delete cron job" });
  assert.equal(await confirm.isDisabled(), true);
  await dialog.getByRole("textbox").fill("nightly");
  await confirm.click();
  await page.waitForURL(`**/cron`);
  assert.equal(cloud.sent.at(-1)?.key, "cronJobDelete");
  assert.equal(cloud.sent.at(-1)?.params["cronJob"], cronIds.nightly);
  await page.context().close();
});
