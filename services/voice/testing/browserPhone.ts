import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { build, type Rolldown } from "vite";
import type { Sound } from "../prompts/wav.ts";
import type { PageEvent, PageMethod, PageOptions } from "./browserPageTypes.ts";
import { patienceMs } from "./phoneProcess.ts";

export interface BrowserPhoneOptions {
  user: string;
  /** Without one it does not register. */
  password?: string;
  /** Default 127.0.0.1. */
  domain?: string;
  /** `ws://…` or `wss://…`. */
  server: string;
  displayName?: string;
  /** Hz of the tone that its microphone gives, at -9 dB; default 440. */
  toneHz?: number;
  /** Calls with a picture too. */
  video?: boolean;
}

/** Debian's Chromium for any number of phones, a page each. */
export class PhoneBrowser {
  readonly #browser: Browser;
  readonly #site: Server;
  readonly #url: string;

  private constructor(browser: Browser, site: Server, url: string) {
    this.#browser = browser;
    this.#site = site;
    this.#url = url;
  }

  static async start(): Promise<PhoneBrowser> {
    const script = await bundle();
    const site = createServer((request, response) => {
      const [type, body] =
        request.url === "/phone.js"
          ? ["text/javascript", script]
          : ["text/html", `<script type="module" src="/phone.js"></script>`];
      response.writeHead(200, { "content-type": `${type}; charset=utf-8` }).end(body);
    }).listen(0, "127.0.0.1");
    await once(site, "listening");
    const browser = await chromium.launch({
      executablePath: "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--autoplay-policy=no-user-gesture-required",
        // Otherwise addresses are hidden behind names of multicast DNS, which no server finds.
        "--disable-features=WebRtcHideLocalIpsWithMdns",
        "--allow-loopback-in-peer-connection",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
      ],
    });
    return new PhoneBrowser(browser, site, `http://127.0.0.1:${(site.address() as { port: number }).port}/`);
  }

  async phone(options: BrowserPhoneOptions): Promise<BrowserPhone> {
    const page = await (await this.#browser.newContext({ ignoreHTTPSErrors: true })).newPage();
    const phone = new BrowserPhone(page);
    await page.goto(this.#url);
    const { user, domain = "127.0.0.1", server, toneHz = 440, password = "", video = false, displayName } = options;
    const settings = {
      server,
      aor: `sip:${user}@${domain}`,
      user,
      password,
      toneHz,
      video,
      ...(displayName === undefined ? {} : { displayName }),
    };
    await phone.start(settings);
    return phone;
  }

  async close(): Promise<void> {
    await this.#browser.close();
    this.#site.close();
  }
}

/** sip.js in a page. Calls are named by their id, which `dial` and `ringing` return. */
export class BrowserPhone {
  readonly page: Page;
  /** What the page wrote into its console, as errors and warnings. */
  readonly problems: string[] = [];
  #seen = new Set<number>();
  #heard: number[] = [];

  constructor(page: Page) {
    this.page = page;
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) this.problems.push(message.text());
    });
    page.on("pageerror", (error) => this.problems.push(String(error)));
  }

  async start(options: PageOptions): Promise<void> {
    await this.#ask("start", options);
  }

  async events(): Promise<PageEvent[]> {
    return await this.#ask("events");
  }

  /** The next event of this type that nobody has waited for yet. */
  async next(type: PageEvent["type"], matches: (event: PageEvent) => boolean = () => true): Promise<PageEvent> {
    const deadline = Date.now() + patienceMs;
    for (;;) {
      const events = await this.events();
      const index = events.findIndex((event, at) => !this.#seen.has(at) && event.type === type && matches(event));
      if (index >= 0) {
        this.#seen.add(index);
        return events[index]!;
      }
      if (Date.now() > deadline)
        throw new Error(
          `The browser's phone tells no ${type}. It told ${JSON.stringify(events)}; its console: ${this.problems.join("\n")}`,
        );
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async registered(): Promise<void> {
    await this.next("registered");
  }

  /** A whole SIP URI. Returns as soon as the INVITE is sent. */
  async dial(target: string): Promise<string> {
    return await this.#ask("dial", target);
  }

  /** Waits until it rings; returns the call. */
  async ringing(): Promise<string> {
    return (await this.next("incoming")).id!;
  }

  async answer(): Promise<string> {
    const call = await this.ringing();
    await this.#ask("answer", call);
    return call;
  }

  async established(): Promise<void> {
    await this.next("answered");
  }

  async closed(): Promise<void> {
    await this.next("closed");
  }

  async decline(call: string): Promise<void> {
    await this.#ask("decline", call);
  }

  async hangUp(call: string): Promise<void> {
    await this.#ask("hangUp", call);
  }

  async hold(call: string): Promise<void> {
    await this.#ask("hold", call);
    await this.next("held", (event) => event.param === "true");
  }

  async resume(call: string): Promise<void> {
    await this.#ask("resume", call);
    await this.next("held", (event) => event.param === "false");
  }

  /** The camera too, in a call that runs. */
  async addVideo(call: string): Promise<void> {
    await this.#ask("addVideo", call);
  }

  /** The camera off, or on again, in a call that has pictures. */
  async showVideo(call: string, on: boolean): Promise<void> {
    await this.#ask("showVideo", call, on);
  }

  /** `sendrecv`, `sendonly`: its own picture only, `recvonly`: the other side's only. */
  async videoDirection(call: string): Promise<string | null> {
    return (await this.#ask("videoDirection", call)) as string | null;
  }

  /** The name and the number that it shows in a call. */
  async talksTo(call: string): Promise<string> {
    return await this.#ask("talksTo", call);
  }

  /** Pictures that it got so far in a call. */
  async pictures(call: string): Promise<number> {
    const reports = await this.figures(call);
    const video = reports.find((report) => report["type"] === "inbound-rtp" && report["kind"] === "video");
    return Number(video?.["framesDecoded"] ?? 0);
  }

  /** As when its network changed: a re-INVITE with new credentials. Resolves when it was answered. */
  async restartIce(call: string): Promise<void> {
    await this.#ask("restartIce", call);
  }

  /** RFC 4733 events. */
  async press(call: string, digits: string): Promise<void> {
    await this.#ask("press", call, digits);
  }

  async transfer(call: string, target: string): Promise<void> {
    await this.#ask("transfer", call, target);
  }

  /** With consultation: REFER with Replaces. */
  async transferTo(call: string, other: string): Promise<void> {
    await this.#ask("transferTo", call, other);
  }

  /** SIP MESSAGE. */
  async send(target: string, text: string): Promise<void> {
    await this.#ask("send", target, text);
  }

  async unregister(): Promise<void> {
    await this.#ask("unregister");
  }

  /** What WebRTC counts (RTCStatsReport). */
  async figures(call: string): Promise<Record<string, unknown>[]> {
    return await this.#ask("figures", call);
  }

  /** All that was heard since the last time that it was asked, with what is missing as silence. 16 kHz. */
  async heard(): Promise<Sound> {
    const samples = [...this.#heard, ...(await this.#ask<number[]>("heard"))];
    this.#heard = [];
    return { sampleRate: 16_000, samples: Int16Array.from(samples) };
  }

  /** Waits for so much. */
  async heardFor(seconds: number): Promise<Sound> {
    const deadline = Date.now() + patienceMs;
    while (this.#heard.length < seconds * 16_000) {
      this.#heard = this.#heard.concat(await this.#ask<number[]>("heard"));
      if (Date.now() > deadline) throw new Error(`The browser's phone did not hear ${seconds} s. ${this.problems.join("\n")}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return await this.heard();
  }

  async close(): Promise<void> {
    await this.page.context().close();
  }

  async #ask<T>(method: PageMethod, ...words: unknown[]): Promise<T> {
    const code = ({ method, words }: { method: string; words: unknown[] }): unknown =>
      (globalThis as unknown as { phone: Record<string, (...words: unknown[]) => unknown> }).phone[method]!(...words);
    await this.page.waitForFunction(() => "phone" in globalThis);
    return (await this.page.evaluate(code, { method, words })) as T;
  }
}

async function bundle(): Promise<string> {
  const entry = fileURLToPath(new URL("browserPage.ts", import.meta.url));
  const made = (await build({
    configFile: false,
    logLevel: "warn",
    build: { write: false, minify: false, lib: { entry, formats: ["es"], fileName: "phone" } },
  })) as Rolldown.RolldownOutput[];
  return made[0]!.output[0].code;
}
