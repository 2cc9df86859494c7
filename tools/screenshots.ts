/** The pictures of the README, made anew: a cloud of its own with believable data, photographed in Chromium. `node tools/screenshots.ts` */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { finished, newCloud, owner, repository, uploadDebian } from "../e2e/cloud.ts";

const folder = join(repository, "docs", "images");
mkdirSync(folder, { recursive: true });
const cloud = await newCloud({ engine: true });
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
try {
  await cloud.start();
  const { client, organisationId, projectId, token } = await cloud.signIn();
  await client.organisationUpdate({ organisation: organisationId as never, name: "Lyceum No. 7" });
  await client.projectUpdate({ project: projectId as never, name: "School" });
  const upload = async (bucket: string, key: string, body: Buffer | string, type: string) => {
    const response = await fetch(`${cloud.url}/api/v1/buckets/${bucket}/object/content?${new URLSearchParams({ key })}`, {
      method: "PUT",
      headers: { authorization: `Bearer ${token}`, "content-type": type },
      body: body as never,
    });
    if (!response.ok) throw new Error(await response.text());
  };
  const painter = await browser.newPage({ viewport: { width: 640, height: 480 } });
  /** A landscape: sky, sun, hills, in the colours of an hour. */
  const paint = async (hue: number, sun: number) => {
    await painter.setContent(`<body style="margin:0"><svg width="640" height="480"><defs><linearGradient id="s" x2="0" y2="1">
      <stop offset="0" stop-color="hsl(${hue} 70% 45%)"/><stop offset="1" stop-color="hsl(${hue + 40} 85% 82%)"/></linearGradient></defs>
      <rect width="640" height="480" fill="url(#s)"/><circle cx="${sun}" cy="180" r="46" fill="hsl(45 100% 88%)"/>
      <path d="M0 330 Q160 220 330 330 T640 300 V480 H0Z" fill="hsl(${hue + 120} 28% 38%)"/><path d="M0 400 Q200 320 380 390 T640 370 V480 H0Z" fill="hsl(${hue + 130} 32% 26%)"/></svg>`);
    return painter.screenshot({ type: "jpeg", quality: 88 });
  };
  for (const name of ["class-9b-photos", "library-archive", "website"])
    await client.bucketCreate({ project: projectId as never, name });
  const pictures = [
    "Carpathians, first morning",
    "Lake Synevyr",
    "The old mill",
    "Sunset over Hoverla",
    "On the way home",
    "Group picture",
  ];
  for (const [index, name] of pictures.entries())
    await upload("class-9b-photos", `${name}.jpg`, await paint(190 + index * 27, 120 + index * 80), "image/jpeg");
  await upload("class-9b-photos", "Programme of the trip.pdf", Buffer.alloc(184_000, 1), "application/pdf");
  await upload("class-9b-photos", "Packing list.txt", "Boots, rain coat, a torch, something to sing.\n", "text/plain");
  for (const name of ["Autumn fair", "Graduation 2026", "Science week"])
    await upload("class-9b-photos", `${name}/cover.jpg`, await paint(20, 300), "image/jpeg");
  for (let year = 2019; year < 2026; year++)
    await upload("library-archive", `catalogue-${year}.csv`, Buffer.alloc(40_000 * (year - 2015), 65), "text/csv");
  await upload("website", "index.html", "<h1>Lyceum No. 7</h1>", "text/html");

  await uploadDebian(cloud, token);
  const project = projectId as never;
  const size = { vcpus: 1, memoryBytes: 512 * 2 ** 20, diskBytes: 4 * 2 ** 30, pricePerHour: "0.006" };
  await client.sizeCreate({ name: "school", ...size });
  const done = async (begun: Promise<{ id: string }>): Promise<string> =>
    (await finished(client, await begun)).resource?.id ?? "";
  const servers = new Map<string, string>();
  for (const name of ["library", "moodle-1", "moodle-2", "robotics-lab", "website"])
    servers.set(name, await done(client.instanceCreate({ project, name, size: "school", image: "debian-12" } as never)));
  await done(client.instanceStop({ instance: servers.get("robotics-lab") as never, timeoutSeconds: 0 }));

  const page = await browser.newPage({
    viewport: { width: 1280, height: 800 },
    deviceScaleFactor: 1,
    locale: "en-GB",
    colorScheme: "light",
  });
  await page.goto(`${cloud.url}/sign-in`);
  await page.getByLabel("E-mail").fill(owner.email);
  await page.getByLabel("Password", { exact: true }).fill(owner.password);
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/o\//);
  for (const [name, path] of [
    ["overview", "/o/home/p/default"],
    ["servers", "/o/home/p/default/instances"],
    ["server", `/o/home/p/default/instances/${servers.get("moodle-1")}`],
    ["console", "/o/home/p/default/buckets/class-9b-photos?view=grid"],
  ] as const) {
    await page.goto(cloud.url + path);
    await page.waitForLoadState("load");
    // The stream of events keeps the network busy for ever: the pictures are what has to be there.
    const isThere = `[...document.images].every((image) => image.complete) && !document.querySelector("[aria-busy=true]")`;
    while (!(await page.evaluate(isThere))) await page.waitForTimeout(100);
    await page.waitForTimeout(2500);
    await page.screenshot({ path: join(folder, `${name}.png`) });
  }
  for (const id of servers.values()) await done(client.instanceDelete({ instance: id as never, force: true }));
} finally {
  await browser.close();
  await cloud.remove();
}
