import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { type Sound, writeWav } from "../services/voice/prompts/wav.ts";
import { findTone, tone } from "../services/voice/testing/tones.ts";

const patienceMs = 90_000;
const sampleRate = 16_000;

/** Keeps what all calls of the page are heard saying, mixed, with silence where nothing comes. */
const recorder = `{
  const Usual = RTCPeerConnection;
  window.connections = [];
  window.heard = [];
  let node;
  const open = async () => {
    const context = new AudioContext({ sampleRate: ${sampleRate} });
    const code = 'registerProcessor("recorder", class extends AudioWorkletProcessor {'
      + ' process([input]) { this.port.postMessage(input[0] ? input[0].slice() : new Float32Array(128)); return true; } });';
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
    const made = new AudioWorkletNode(context, "recorder", { channelCount: 1, channelCountMode: "explicit" });
    made.port.onmessage = ({ data }) => { for (const value of data) window.heard.push(Math.max(-32768, Math.min(32767, Math.round(value * 32767)))); };
    made.connect(context.destination);
    return { context, made };
  };
  window.RTCPeerConnection = class extends Usual {
    constructor(...given) {
      super(...given);
      window.connections.push(this);
      this.addEventListener("track", async ({ track }) => {
        if (track.kind !== "audio") return;
        node ??= open();
        const { context, made } = await node;
        context.createMediaStreamSource(new MediaStream([track])).connect(made);
      });
    }
  };
}`;

/** A Chromium whose microphone is a tone (Hz), which its owner gives as a file; with three cameras. */
export async function browserSaying(toneHz: number, folder: string): Promise<Browser> {
  const file = join(folder, `${toneHz}.wav`);
  writeFileSync(file, writeWav(tone([toneHz], 120, { sampleRate: 48_000 })));
  return await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--use-fake-device-for-media-stream=device-count=3",
      `--use-file-for-fake-audio-capture=${file}`,
      "--use-fake-ui-for-media-stream",
      "--autoplay-policy=no-user-gesture-required",
      // Names of .local need a service that this machine may lack.
      "--disable-features=WebRtcHideLocalIpsWithMdns",
    ],
  });
}

/** Somebody at the console with its phone: what they press, and what they hear. */
export class ConsolePhone {
  readonly page: Page;

  private constructor(page: Page) {
    this.page = page;
  }

  /** Signed in, at the console's first page. */
  static async open(browser: Browser, url: string, who: { email: string; password: string }): Promise<ConsolePhone> {
    // The recorder is of the test: the console itself lets no such script in.
    const context = await browser.newContext({
      baseURL: url,
      viewport: { width: 1280, height: 900 },
      permissions: ["microphone", "camera", "notifications"],
      locale: "en",
      bypassCSP: true,
    });
    context.setDefaultTimeout(patienceMs);
    await context.addInitScript(recorder);
    // A tone that never ends is noise to whatever takes noise away.
    await context.addInitScript(`localStorage.getItem("khmara.phone.devices") ??
      localStorage.setItem("khmara.phone.devices", '{"noiseSuppression":false}')`);
    const response = await context.request.post("/api/v1/sessions", { data: who });
    if (response.status() !== 201) throw new Error(`sign-in: ${response.status()} ${await response.text()}`);
    const page = await context.newPage();
    await page.goto("/");
    return new ConsolePhone(page);
  }

  get panel() {
    return this.page.getByRole("complementary", { name: "Phone", exact: true });
  }
  get incoming() {
    return this.page.getByRole("region", { name: /^Call from/ });
  }

  async ready(): Promise<void> {
    await this.page.getByRole("button", { name: "Phone: Ready" }).waitFor();
  }

  async open(): Promise<void> {
    if ((await this.panel.count()) === 0) await this.page.getByRole("button", { name: "Phone: Ready" }).click();
    await this.panel.waitFor();
  }

  async press(name: string): Promise<void> {
    await this.panel.getByRole("button", { name, exact: true }).click();
  }

  async write(number: string): Promise<void> {
    await this.panel.getByRole("textbox", { name: "Name or number" }).fill(number);
  }

  async call(number: string, button = "Call"): Promise<void> {
    await this.open();
    await this.write(number);
    await this.press(button);
  }

  async answer(button = "Answer"): Promise<void> {
    await this.incoming.getByRole("button", { name: button, exact: true }).click();
  }

  /** A call is answered. */
  async speaks(): Promise<void> {
    await this.panel.getByRole("button", { name: "Mute", exact: true }).waitFor();
  }

  async says(words: string): Promise<void> {
    await this.panel.getByText(words).first().waitFor();
  }

  async idle(): Promise<void> {
    await this.panel.getByRole("textbox", { name: "Name or number" }).waitFor();
  }

  /** What is heard from now on for so long. */
  async heard(seconds: number): Promise<Sound> {
    await this.page.evaluate("window.heard.length = 0");
    const count = Math.round(seconds * sampleRate);
    await this.page.waitForFunction(`window.heard.length >= ${count}`, undefined, { polling: 200 });
    const samples = await this.page.evaluate<number[]>(`window.heard.slice(0, ${count})`);
    return { sampleRate, samples: Int16Array.from(samples) };
  }

  /** Two seconds of this tone without a gap that one would hear, and not of the others. A machine that is busy gets several tries. */
  async hears(toneHz: number, notHz: readonly number[] = []): Promise<void> {
    let last = "";
    for (const deadline = Date.now() + patienceMs; Date.now() < deadline; ) {
      const sound = await this.heard(2);
      const { heardMs, level, gaps } = findTone(sound, toneHz);
      const others = notHz.filter((other) => findTone(sound, other).heardMs > 200);
      if (heardMs >= 1880 && level > -35 && gaps.length === 0 && others.length === 0) return;
      last = JSON.stringify({ toneHz, heardMs, level, gaps, others });
    }
    throw new Error(`Not heard as it should be: ${last}`);
  }
}
