import assert from "node:assert/strict";
import { globSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { newId } from "../kernel/ids.ts";
import { eventually } from "../testing/launcher.ts";
import {
  assertAccessible,
  drawn,
  type Language,
  languages,
  phone,
  shown,
  signInByApi,
  TestBrowser,
  tooWide,
  wide,
} from "./browser.ts";
import { finished, newCloud, repository, uploadDebian } from "./cloud.ts";

/**
 * Every page, wide and light, on a phone and dark, in every language: it loads without an error, nothing sticks out, no word is
 * missing, and axe is content. With KHMARA_PICTURES=folder it keeps a picture of each, to look through.
 */
const cloud = await newCloud({ engine: true });
const browser = await TestBrowser.start();
const pictures = process.env["KHMARA_PICTURES"];
const firstViewBytes = 200_000;

const bucket = "photographs-of-the-whole-school-year-2026-with-a-very-long-name";
const organisation = "/o/home";
const project = `${organisation}/p/default`;
const empty = `${organisation}/p/empty`;
const instance = `${project}/instances/INSTANCE`;
const inBucket = `${project}/buckets/${bucket}`;
/** By the definition of each page, as `scope path` of its pages.ts: the addresses at which it is looked at. */
const addresses: Record<string, string[]> = {
  "public setup": ["/setup#token"],
  "public sign-in": ["/sign-in", "/sign-in?expired=1"],
  // Without the address of an app: it says so.
  "public visit": ["/visit"],
  "public sign-up": ["/sign-up"],
  "public invitation": ["/invitation#INVITATION", "/invitation#wrong"],
  "public password-reset": ["/password-reset#token", "/password-reset"],
  "public s/$token": ["SHARE", "/s/wrong-and-much-too-short-or-not"],
  "account ": ["/account"],
  "account security": ["/account/security"],
  "account tokens": ["/account/tokens"],
  "cloud ": ["/cloud"],
  "cloud organisations": ["/cloud/organisations", "/cloud/organisations?create=1"],
  "cloud people": ["/cloud/people"],
  "cloud engine": ["/cloud/engine"],
  "cloud app-engine": ["/cloud/app-engine"],
  "cloud sizes": ["/cloud/sizes", "/cloud/sizes?new=1"],
  "cloud phones": ["/cloud/phones"],
  "cloud address-pools": ["/cloud/address-pools", "/cloud/address-pools?new=1"],
  "organisation ": [organisation],
  "organisation projects": [`${organisation}/projects`, `${organisation}/projects?create=1`],
  "organisation people": [`${organisation}/people`, `${organisation}/people?member=OWNER`],
  "organisation people/invitations": [`${organisation}/people/invitations`, `${organisation}/people/invitations?create=1`],
  "organisation people/service-accounts": [`${organisation}/people/service-accounts`],
  "organisation people/service-accounts/$account": [`${organisation}/people/service-accounts/ACCOUNT`],
  "organisation usage": [`${organisation}/usage`],
  "organisation audit": [`${organisation}/audit`],
  "organisation operations": [`${organisation}/operations`],
  "organisation operations/$operation": [`${organisation}/operations/OPERATION`],
  "organisation settings": [`${organisation}/settings`],
  "project ": [project, `${organisation}/p/empty`],
  "project instances": [`${project}/instances`, `${empty}/instances`],
  "project instances/new": [`${project}/instances/new`],
  "project instances/$instance": [instance],
  "project instances/$instance/$tab": ["terminal", "disks", "network", "metrics", "activity", "settings"].map(
    (tab) => `${instance}/${tab}`,
  ),
  "project images": [`${project}/images`],
  "project volumes": [`${project}/volumes`, `${project}/volumes?new=1`, `${empty}/volumes`],
  "project volumes/$volume": [`${project}/volumes/VOLUME`],
  "project backups": [`${project}/backups`],
  "project networks": [`${project}/networks`, `${project}/networks?new=1`, `${empty}/networks`],
  "project networks/$network": [`${project}/networks/NETWORK`],
  "project security-groups": [`${project}/security-groups`, `${project}/security-groups?new=1`],
  "project security-groups/$group": [`${project}/security-groups/GROUP`],
  "project addresses": [`${project}/addresses`, `${project}/addresses?new=1`, `${empty}/addresses`],
  "project port-forwards": [`${project}/port-forwards`, `${project}/port-forwards?new=1`, `${empty}/port-forwards`],
  "project load-balancers": [`${project}/load-balancers`, `${project}/load-balancers?new=1`, `${empty}/load-balancers`],
  "project jobs": [`${project}/jobs`, `${project}/jobs?new=1`, `${empty}/jobs`],
  "project jobs/$job": [`${project}/jobs/BATCHJOB`],
  "project alerts": [`${project}/alerts`, `${project}/alerts?new=1`, `${empty}/alerts`],
  // What they look like with much in them: e2e/console-apps.e2e.ts.
  "project apps": [`${project}/apps`, `${empty}/apps`],
  "project apps/new": [`${project}/apps/new`],
  "project apps/$app": [`${project}/apps/WEBAPP`],
  "project apps/$app/$tab": [
    "deployments",
    "releases",
    "variables",
    "processes",
    "logs",
    "domains",
    "access",
    "disks",
    "terminal",
    "manage",
  ].map((tab) => `${project}/apps/WEBAPP/${tab}`),
  "project apps/$app/deployments/$deployment": [`${project}/apps/WEBAPP/deployments/${newId("deployment")}`],
  // The same of databases: e2e/console-databases.e2e.ts.
  "project databases": [`${project}/databases`, `${empty}/databases`],
  "project databases/new": [`${project}/databases/new`],
  "project databases/$database": [`${project}/databases/${newId("database")}`],
  "project databases/$database/$tab": [`${project}/databases/${newId("database")}/sql`],
  "project mail-accounts": [`${project}/mail-accounts`, `${empty}/mail-accounts`],
  // The phone's pages, which are made by a function: e2e/console-phone.e2e.ts.
  "project catalogue": [`${project}/catalogue`, `${project}/catalogue?q=nothing-is-called-so`],
  "project catalogue/$template": [`${project}/catalogue/guest-book`, `${project}/catalogue/no-such-template`],
  "project buckets": [`${project}/buckets`, `${project}/buckets?new=1`, `${organisation}/p/empty/buckets`],
  "project buckets/$bucket": [
    inBucket,
    `${inBucket}?view=grid`,
    `${inBucket}?q=nothing`,
    `${inBucket}?preview=read me.txt`,
    `${project}/buckets/empty-bucket`,
    `${project}/buckets/no-such-bucket`,
  ],
  "project buckets/$bucket/$tab": ["trash", "shares", "uploads", "connect", "overview", "settings"].map(
    (tab) => `${inBucket}/${tab}`,
  ),
  "project access-keys": [`${project}/access-keys`, `${project}/access-keys?create=1`, `${organisation}/p/empty/access-keys`],
};
/** What stands in addresses for things that are made before. */
const made: Record<string, string> = {};
const real = (address: string) => address.replace(/[A-Z]{5,}/, (name) => made[name] ?? name);
const isPublic = (page: string) => page.startsWith("public");

before(async () => {
  await cloud.start();
  const session = await cloud.signIn();
  const { client, projectId, organisationId } = session;
  const place = { organisation: organisationId as never };
  const inProject = { project: projectId as never };
  await client.bucketCreate({ ...inProject, name: bucket });
  await client.bucketCreate({ ...inProject, name: "empty-bucket" });
  const put = (key: string, bytes: string | Buffer<ArrayBuffer>, type: string) =>
    client.objectUpload({ bucket, key }, { rawBody: new Blob([bytes], { type }) });
  await put("read me.txt", "Some words.\n".repeat(200), "text/plain");
  await put("Фотографії/2026/вересень.svg", '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', "image/svg+xml");
  await put(`${"an-unbroken-name-that-is-far-too-long-for-any-column-".repeat(3)}.pdf`, "%PDF-1.4", "application/pdf");
  await put("gone.txt", "gone", "text/plain");
  for (let i = 0; i < 40; i++)
    await put(`Minutes of the council, meeting ${i + 1}.docx`, "x".repeat(i * 999), "application/msword");
  const trashed = await client.objectTrash({ bucket, keys: ["gone.txt"] });
  await client.operationWait({ operation: trashed.id, timeoutSeconds: 30 });
  made["OPERATION"] = trashed.id;
  made["SHARE"] = (await client.shareCreate({ bucket, key: "read me.txt", expiresInHours: 24 })).link.replace(cloud.url, "");
  await client.uploadCreate({ bucket, key: "a long film.mp4", sizeBytes: 50_000_000 });
  const invitation = await client.invitationCreate({
    ...place,
    email: "somebody.with.a.long.name@lyceum.example",
    role: "editor",
  });
  made["INVITATION"] = new URL(invitation.link).hash.slice(1);
  made["ACCOUNT"] = (await client.serviceAccountCreate({ ...place, name: "Backups of the night" })).id;
  await client.accessKeyCreate({ ...inProject, name: "Laptop" });
  await client.accessKeyCreate({ ...inProject, name: "Backups of the whole school, every night", readOnly: true });
  await client.projectCreate({ ...place, name: "A project without anything", slug: "empty" });
  made["OWNER"] = (await client.identityGet({})).principal.id;
  made["WEBAPP"] = (await client.appCreate({ ...inProject, name: "homework-of-the-lyceum-2026", description: "Homework" })).id;
  await makeServers(session);
  // The usage page shall have something to draw.
  await eventually(
    () =>
      client.usageSummarize({ ...place, from: new Date(Date.now() - 86_400_000).toISOString(), to: new Date().toISOString() }),
    ({ series }) => series.length > 0,
    60_000,
  );
  if (pictures) mkdirSync(pictures, { recursive: true });
});
after(async () => {
  await browser.close();
  await cloud.remove();
});

/** A server with everything around it. */
async function makeServers({ client, projectId, token }: Awaited<ReturnType<typeof cloud.signIn>>): Promise<void> {
  const inProject = { project: projectId as never };
  const done = (operation: { id: string }) => finished(client, operation);
  await uploadDebian(cloud, token);
  const server = await client.instanceCreate({
    ...inProject,
    name: "web-server-of-the-lyceum-with-a-long-name",
    description: "Timetable and homework",
    size: "small",
    image: "debian-12",
    labels: { env: "production", owner: "informatics" },
  } as never);
  await done(server);
  made["INSTANCE"] = server.resource?.id as string;
  const attached = { instance: made["INSTANCE"] as never };
  const volume = await client.volumeCreate({ ...inProject, name: "homework", sizeBytes: 2 ** 31 } as never);
  await done(volume);
  made["VOLUME"] = volume.resource?.id as string;
  await done(await client.volumeAttach({ volume: made["VOLUME"] as never, ...attached, path: "/mnt/homework" }));
  await done(await client.snapshotCreate({ volume: made["VOLUME"], name: "before the holidays" } as never));
  await done(await client.snapshotCreate({ ...attached, name: "fresh" } as never));
  await client.snapshotScheduleCreate({ ...attached, name: "nightly", kind: "snapshot", frequency: "day", at: "03:30" } as never);
  made["NETWORK"] = (await client.networkList(inProject)).items[0]?.id as string;
  made["GROUP"] = (await client.securityGroupList(inProject)).items[0]?.id as string;
  const address = await client.addressCreate(inProject as never);
  await done(await client.addressAttach({ address: address.id, ...attached } as never));
  await done(await client.portForwardCreate({ ...attached, targetPort: 80 } as never));
  await done(
    await client.loadBalancerCreate({ ...inProject, name: "front", members: [{ ...attached, targetPort: 80 }] } as never),
  );
  await client.alertRuleCreate({ ...inProject, name: "Busy for long", metric: "cpu_percent", threshold: 90 } as never);
  made["BATCHJOB"] = (
    await client.jobCreate({
      ...inProject,
      name: "Marks of the year",
      image: "debian-12",
      size: "nano",
      script: "echo done",
    } as never)
  ).id;
}

test("every page of the console has an address here", () => {
  const defined = globSync("console/pages/*/pages.ts", { cwd: repository }).flatMap((file) => {
    const text = readFileSync(join(repository, file), "utf8");
    return [...text.matchAll(/scope: "(\w+)",\s*path: "([^"]*)",\s*title/g)].map(([, scope, path]) => `${scope} ${path}`);
  });
  assert.deepEqual(Object.keys(addresses).sort(), [...new Set(defined)].sort());
});

/** Keys of the console's words, to be found where a message is missing. */
async function messageKeys(): Promise<string[]> {
  const files = globSync("console/i18n/*.en.ts", { cwd: repository });
  const areas = await Promise.all(
    files.map(async (file) => {
      const area = /(\w+)\.en\.ts$/.exec(file)?.[1];
      const words = ((await import(join(repository, file))) as { default: object }).default;
      return Object.keys(words).map((key) => `${area}.${key}`);
    }),
  );
  return areas.flat();
}

const keys = await messageKeys();

type Size = typeof wide;
/** In another language only the words change: there the window of a page that has come is made wide, which spares loading it anew. */
const visits: [name: string, language: Language, sizes: [Size, ...Size[]]][] = [
  ["wide, en", "en", [wide]],
  ["phone, en", "en", [phone]],
  ...languages
    .filter((each) => each !== "en")
    .map((each): (typeof visits)[number] => [`phone and wide, ${each}`, each, [phone, wide]]),
];

for (const [visit, language, sizes] of visits) {
  test(visit, async () => {
    const problems: string[] = [];
    // Dialogs and empty pages have the same words around them: they are looked at in one language.
    const all = Object.entries(addresses).flatMap(([name, paths]) =>
      (language === "en" ? paths : paths.slice(0, 1)).map((path) => ({ name, path })),
    );
    const visitor = async (wanted: typeof all, signedIn: boolean) => {
      const [size] = sizes;
      const page = await browser.visit({ url: cloud.url, language, size, scheme: schemeOf(size) });
      if (signedIn) await signInByApi(page.context());
      let before = "";
      for (let next = wanted.shift(); next; next = wanted.shift()) {
        // Once each page is really loaded; else one goes to it from another one, which spares starting the console anew.
        const loaded = visit === "wide, en" || !signedIn || before === "" || before === next.name;
        before = next.name;
        problems.push(...(await look(page, next.name, next.path, { language, sizes, loaded })));
      }
      await page.context().close();
    };
    const outside = all.filter(({ name }) => isPublic(name));
    const inside = all.filter(({ name }) => !isPublic(name));
    // Two at once, for two cores.
    await Promise.all([visitor(outside, false).then(() => visitor(inside, true)), visitor(inside, true)]);
    assert.deepEqual(problems, []);
  });
}

/** Light where there is room, dark on the phone: colours change no widths, and to switch them paints all of a page anew, without a graphics card. */
const schemeOf = (size: Size): Scheme => (size === phone ? "dark" : "light");
type Scheme = "light" | "dark";

/** What is wrong with one page. */
async function look(
  page: Page,
  name: string,
  path: string,
  { language, sizes, loaded }: { language: Language; sizes: readonly Size[]; loaded: boolean },
) {
  if (name === "public setup") await page.route("**/api/v1/cloud", unowned);
  if (loaded) await open(page, real(path));
  else await goInside(page, real(path));
  const problems: string[] = [];
  for (const size of sizes) {
    if (sizes.length > 1) await page.setViewportSize(size);
    await shown(page);
    problems.push(...(await lookAt(page, path, language, size, schemeOf(sizes[0] ?? size))));
  }
  if (name === "public setup") await page.unrouteAll({ behavior: "wait" });
  problems.push(...browser.takeProblems());
  return problems;
}

async function lookAt(page: Page, path: string, language: Language, size: Size, scheme: Scheme): Promise<string[]> {
  const problems: string[] = [];
  await page.locator(`html[data-mantine-color-scheme="${scheme}"]`).waitFor();
  const at = `${size === phone ? "phone" : "wide"} ${path} (${scheme})`;
  const more = await tooWide(page);
  if (more > 0) problems.push(`${at}: ${more} px wider than the window`);
  // Each page meets axe in both appearances and both sizes; other languages only change the words.
  if (language === "en") await assertAccessible(page, at).catch((error: Error) => problems.push(error.message));
  if (pictures) await takePictures(page, path, language, size, scheme);
  const words = await page.evaluate<string>(
    `[document.title, ...[...document.querySelectorAll("body *")]
      .filter((element) => !element.closest("code, pre, script, style"))
      .flatMap((element) => [...element.childNodes].filter(({ nodeType }) => nodeType === 3).map(({ data }) => data)
        .concat(element.getAttribute("aria-label") ?? "", element.getAttribute("placeholder") ?? ""))].join("\\n")`,
  );
  const shownKeys = keys.filter(
    (key) => words.includes(key) && new RegExp(`(^|[^\\w.])${RegExp.escape(key)}($|[^\\w.])`, "m").test(words),
  );
  if (shownKeys.length > 0) problems.push(`${path}: words are missing for ${shownKeys.join(", ")}`);
  return problems;
}

/** In both appearances. */
async function takePictures(page: Page, path: string, language: Language, size: Size, scheme: Scheme): Promise<void> {
  for (const colorScheme of [scheme === "dark" ? "light" : "dark", scheme] as const) {
    await page.emulateMedia({ colorScheme });
    await page.locator(`html[data-mantine-color-scheme="${colorScheme}"]`).waitFor();
    await drawn(page);
    const file = `${size === phone ? "phone" : "wide"}-${language}-${colorScheme}-${path.replace(bucket, "long").replaceAll(/[^\w]+/g, "_")}.png`;
    await page.screenshot({ path: join(pictures as string, file) });
  }
}

async function open(page: Page, path: string) {
  // Another hash alone is no new page for the browser.
  if (path.includes("#")) await page.goto("about:blank");
  await page.goto(path);
}

/** As a click on a link does it; the heading of the page before goes. */
async function goInside(page: Page, path: string) {
  await page.locator("h1").first().waitFor();
  await page.evaluate(`document.querySelector("h1").dataset.before = ""; history.pushState({}, "", ${JSON.stringify(path)})`);
  await page.locator("h1:not([data-before])").first().waitFor();
  await page.locator("h1[data-before]").waitFor({ state: "detached" });
}

/** As if nobody owned the cloud yet: the rest of this file needs an owner. */
const unowned: Parameters<Page["route"]>[1] = async (route) => {
  const response = await route.fetch();
  await route.fulfill({ response, json: { ...(await response.json()), setupNeeded: true } });
};

test("the first view is light: at most 200 kB of script, gzipped", async () => {
  for (const signedIn of [false, true]) {
    const page = await browser.visit({ url: cloud.url });
    if (signedIn) await signInByApi(page.context());
    // What a page loads when it has been there for a while is no part of the first view, however slow the machine.
    await page.addInitScript(
      "const soon = setTimeout; setTimeout = (work, ms = 0, ...more) => ms < 1000 ? soon(work, ms, ...more) : 0;",
    );
    const scripts = new Map<string, Promise<number>>();
    page.on("response", (response) => {
      if (/\.m?js(\?|$)/.test(response.url()))
        scripts.set(
          response.url(),
          response.body().then((bytes) => gzipSync(bytes).length),
        );
    });
    await page.goto("/");
    await shown(page);
    const total = (await Promise.all(scripts.values())).reduce((sum, bytes) => sum + bytes, 0);
    assert.ok(scripts.size > 0);
    assert.ok(total <= firstViewBytes, `${signedIn ? "overview" : "sign-in"}: ${total} bytes in ${scripts.size} files`);
    await page.context().close();
  }
});
