import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, type TestContext } from "node:test";
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Locator,
  type Page,
} from "playwright-core";
import { owner, repository, type TestCloud } from "./cloud.ts";

const artifacts = join(repository, "e2e", ".artifacts");
const axeSource = readFileSync(join(repository, "node_modules", "axe-core", "axe.min.js"), "utf8");

/** A slow machine gets its time: every wait is for a condition, and ends with it. */
const patienceMs = 60_000;

export const languages = ["en", "fr", "uk"] as const;
export type Language = (typeof languages)[number];
export const wide = { width: 1440, height: 900 };
export const phone = { width: 390, height: 844 };

/**
 * Debian's build of Chromium without any window takes a third less of the processor than the one that hides its windows; where it is not there,
 * the latter. What people use is met by the stories of the phone (e2e/softphone.e2e.ts) and of the gateway.
 */
const headless = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"];

export interface Visit {
  /** `http://127.0.0.1:PORT`; passkeys need a name instead: `http://localhost:PORT`. */
  url: string;
  language?: Language;
  scheme?: "light" | "dark";
  size?: { width: number; height: number };
  /** The certificate is of the cloud's own authority, which no browser knows. */
  ownAuthority?: boolean;
  /** Of another visit, to be signed in as there. */
  signedInAs?: BrowserContextOptions["storageState"];
}

/**
 * Debian's Chromium, started at the top of a file. After every test there: no page has had an error, and a failure leaves pictures.
 * The tests of a `story` stand on each other: after a failure the rest does not even begin.
 */
export class TestBrowser {
  readonly #browser: Browser;
  #problems: string[] = [];
  #broken: string | undefined;

  static async start({ story = false }: { story?: boolean } = {}): Promise<TestBrowser> {
    return new TestBrowser(
      await chromium.launch({
        executablePath: headless.find((program) => existsSync(program)) ?? "chromium",
        // Without a locale (a bare CI) Chromium gives files with other letters than Latin no name.
        env: { ...process.env, LC_ALL: "C.UTF-8" },
        args: [
          "--no-sandbox",
          "--disable-gpu",
          "--disable-quic",
          "--no-first-run",
          "--disable-background-networking",
          "--disable-component-update",
          "--disable-sync",
        ],
      }),
      story,
    );
  }

  private constructor(browser: Browser, story: boolean) {
    this.#browser = browser;
    beforeEach(() => {
      if (this.#broken) throw new Error(`The story ended with “${this.#broken}”.`);
    });
    afterEach(async (context) => {
      const { name, passed } = context as TestContext;
      const problems = this.takeProblems();
      if (passed && problems.length === 0) return;
      if (!this.#broken) await this.#takePictures(name);
      if (story) this.#broken ??= name;
      if (problems.length > 0) throw new Error(`The browser complains:\n${problems.join("\n")}`);
    });
  }

  /** A page of somebody who has never been here: a context of its own, without anybody's cookies. */
  async visit({ url, language = "en", scheme = "light", size = wide, signedInAs, ownAuthority = false }: Visit): Promise<Page> {
    const context = await this.#browser.newContext({
      baseURL: url,
      locale: language,
      colorScheme: scheme,
      viewport: size,
      // Nothing moves, so that neither axe nor a picture meets something half faded in.
      reducedMotion: "reduce",
      acceptDownloads: true,
      permissions: ["clipboard-read", "clipboard-write"],
      ...(size.width < 600 ? { hasTouch: true, isMobile: true } : {}),
      ...(signedInAs ? { storageState: signedInAs } : {}),
      ignoreHTTPSErrors: ownAuthority,
    });
    context.setDefaultTimeout(patienceMs);
    // What a person has chosen here before; without it the console takes the language of the account.
    await context.addInitScript(
      `if (location.protocol === "http:") localStorage["khmara.language"] ??= ${JSON.stringify(language)}`,
    );
    context.on("weberror", (error) => this.#problems.push(`${error.page()?.url()}: ${error.error().stack ?? error.error()}`));
    context.on("console", (message) => {
      // A refused request is an answer like any other; everything else is a fault of ours, violations of the CSP among them.
      if (message.type() !== "error" || message.text().startsWith("Failed to load resource:")) return;
      this.#problems.push(`${message.page()?.url()}: ${message.text()}`);
    });
    return await context.newPage();
  }

  /** The owner of the cloud, signed in through the API: for tests that are about something else. */
  async visitAsOwner(cloud: TestCloud, visit: Partial<Visit> = {}): Promise<Page> {
    const page = await this.visit({ url: cloud.url, ...visit });
    await signInByApi(page.context());
    return page;
  }

  takeProblems(): string[] {
    const problems = this.#problems;
    this.#problems = [];
    return problems;
  }

  async close(): Promise<void> {
    await this.#browser.close();
  }

  async #takePictures(test: string): Promise<void> {
    mkdirSync(artifacts, { recursive: true });
    const name = test.replaceAll(/[^\p{L}\d]+/gu, "-").slice(0, 80);
    for (const [index, page] of this.#browser
      .contexts()
      .flatMap((context) => context.pages())
      .entries()) {
      const path = join(artifacts, `${name}-${index}.png`);
      // A page that hangs must not hide the failure.
      await page.screenshot({ path, timeout: 5000 }).then(
        () => process.stderr.write(`${page.url()} looks like ${path}\n`),
        () => {},
      );
    }
  }
}

export async function signInByApi(context: BrowserContext): Promise<void> {
  const response = await context.request.post("/api/v1/sessions", { data: owner });
  if (response.status() !== 201) throw new Error(`sign-in: ${response.status()} ${await response.text()}`);
}

/** The way of a person, with the keyboard. */
export async function signIn(page: Page, who: { email: string; password: string } = owner): Promise<void> {
  await page.getByLabel("E-mail").fill(who.email);
  await page.getByLabel("Password", { exact: true }).fill(who.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

/** The page is there: its heading, and nothing in it is still being loaded. */
export async function shown(page: Page): Promise<void> {
  await page.locator("h1").first().waitFor();
  await page.locator('[aria-busy="true"], .mantine-Skeleton-root, .mantine-Loader-root').first().waitFor({ state: "detached" });
}

/** Resolves when what was changed is drawn. */
export const drawn = (page: Page) =>
  page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))");

/** In pixels, when the page has come to rest: one that was made narrow, or whose list just opens, needs a moment. */
export async function tooWide(page: Page): Promise<number> {
  for (let look = 1; ; look++) {
    await drawn(page);
    const more = await page.evaluate<number>("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    if (more <= 0 || look === 20) return more;
    await page.waitForTimeout(100);
  }
}

/** WCAG 2 A and AA, by axe; throws with the rule, the element and what to do. */
export async function assertAccessible(page: Page, what: string): Promise<void> {
  // Half a megabyte, which stays while one goes from page to page.
  if (!(await page.evaluate<boolean>("'axe' in window"))) await page.evaluate(axeSource);
  const violations = await page.evaluate<{ id: string; nodes: { target: string[]; html: string; failureSummary: string }[] }[]>(
    `axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], resultTypes: ["violations"] })
      .then(({ violations }) => violations.map(({ id, nodes }) => ({
        id, nodes: nodes.map(({ target, html, failureSummary }) => ({ target: target.map(String), html, failureSummary })),
      })))`,
  );
  if (violations.length === 0) return;
  const lines = violations.flatMap(({ id, nodes }) =>
    nodes.map(
      ({ target, html, failureSummary }) => `  ${id}: ${target.join(" ")}\n    ${html.slice(0, 200)}\n    ${failureSummary}`,
    ),
  );
  throw new Error(`${what}: ${violations.length} violations of accessibility\n${lines.join("\n")}`);
}

export interface DroppedFile {
  name: string;
  type: string;
  bytes: Buffer;
}

/** Drags files from outside over an element and lets them go, event by event as the browser does it. */
export async function dropFiles(page: Page, zone: Locator, files: DroppedFile[], between: () => Promise<void>): Promise<void> {
  const given = files.map(({ name, type, bytes }) => ({ name, type, base64: bytes.toString("base64") }));
  const dataTransfer = await page.evaluateHandle(`(() => {
    const transfer = new DataTransfer();
    for (const { name, type, base64 } of ${JSON.stringify(given)}) {
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      transfer.items.add(new File([bytes], name, { type }));
    }
    return transfer;
  })()`);
  await zone.dispatchEvent("dragenter", { dataTransfer });
  await zone.dispatchEvent("dragover", { dataTransfer });
  await between();
  await zone.dispatchEvent("drop", { dataTransfer });
  await dataTransfer.dispose();
}

/** The line is as slow as this from now on, in bytes a second; undefined: as fast as it goes. */
export async function slowUploads(page: Page, bytesPerSecond: number | undefined): Promise<void> {
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput: bytesPerSecond ?? -1,
  });
}
