import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../../../testing/ports.ts";
import { readWav, type Sound, writeWav } from "../prompts/wav.ts";
import { PhoneProcess, patienceMs } from "./phoneProcess.ts";
import { tone } from "./tones.ts";

export interface LinphoneOptions {
  user: string;
  /** Without one it has no account at a server, and is called at `address`. */
  password?: string;
  /** Default 127.0.0.1. */
  domain?: string;
  /** `host:port` of the server; default: the domain. */
  server?: string;
  transport?: "udp" | "tcp";
  /** Hz of the tone that it says, default 440. */
  toneHz?: number;
  audioFile?: string;
  /** SDES, optional: it offers and takes SRTP. Default: plain RTP. */
  srtp?: boolean;
  /** Seconds; default 600. */
  expires?: number;
}

/** The phone linphone on its command line. It is the one that transfers with consultation. */
export class Linphone {
  readonly address: string;
  readonly #process: PhoneProcess;
  #read = 0;
  #files = 0;

  constructor(address: string, process: PhoneProcess) {
    this.address = address;
    this.#process = process;
  }

  get output(): string {
    return this.#process.output;
  }

  /** Any of its commands (`help`, `help advanced`). */
  command(line: string): void {
    this.#process.write(line);
  }

  /** Waits for words in what it writes from now on, or wrote since the last time that somebody waited. */
  async next(pattern: RegExp): Promise<RegExpExecArray> {
    return await this.#process.until(`linphone writes ${pattern}`, () => {
      const found = pattern.exec(this.output.slice(this.#read));
      if (found === null) return undefined;
      this.#read += found.index + found[0].length;
      return found;
    });
  }

  /** It says nothing of it by itself. */
  async registered(): Promise<void> {
    for (const deadline = Date.now() + patienceMs; Date.now() < deadline; ) {
      this.command("status register");
      const [, state] = await this.next(/registered(=-?\d|, identity=)/);
      if (state === ", identity=") return;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error(`linphone does not register. It wrote:\n${this.output.slice(-4000)}`);
  }

  dial(target: string): void {
    this.command(`call ${target}`);
  }

  /** Waits until it rings. Returns the number that the call has here. */
  async ringing(): Promise<number> {
    return Number((await this.next(/Receiving new incoming call from .*?, assigned id (\d+)/))[1]);
  }

  async answer(): Promise<number> {
    const call = await this.ringing();
    this.command(`answer ${call}`);
    await this.established();
    return call;
  }

  /** Returns the number that the call has here. */
  async established(): Promise<number> {
    return Number((await this.next(/Call (\d+) with .* connected/))[1]);
  }

  async closed(): Promise<void> {
    await this.next(/Call (\d+) with .* (ended|error)/);
  }

  hangUp(call: number | "all" = "all"): void {
    this.command(`terminate ${call}`);
  }

  hold(): void {
    this.command("pause");
  }

  resume(call: number): void {
    this.command(`resume ${call}`);
  }

  /** Blind, by REFER. */
  transfer(call: number, target: string): void {
    this.command(`transfer ${call} ${target}`);
  }

  /** With consultation: REFER with Replaces, of a call to whom another call goes. */
  transferTo(call: number, other: number): void {
    this.command(`transfer ${call} --to-call ${other}`);
  }

  /** RFC 4733 events. */
  async press(digits: string): Promise<void> {
    for (const digit of digits) {
      this.command(digit);
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
  }

  /** A message to somebody (SIP MESSAGE). */
  say(target: string, text: string): void {
    this.command(`chat ${target} "${text}"`);
  }

  /**
   * What it hears from now on goes into a file of its own, in the call that runs or else in the next one. Returns how to read it: complete once
   * the call has ended or `hear` was called again. Linphone's own clock makes gaps of up to 80 ms in it.
   */
  async hear(): Promise<() => Promise<Sound>> {
    this.#files += 1;
    const file = join(this.#process.folder, "heard", `${this.#files}.wav`);
    this.command(`record ${file}`);
    return async () => await soundOf(file);
  }

  async kill(): Promise<void> {
    await this.#process.kill();
  }

  async close(): Promise<void> {
    await this.#process.close();
  }
}

/** Waits until the file is written: linphone writes its beginning at last. */
async function soundOf(file: string): Promise<Sound> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const sound = await readFile(file)
      .then(readWav)
      .catch(() => undefined);
    if (sound !== undefined) return sound;
    if (Date.now() > deadline) throw new Error(`linphone does not end ${file}; has its call ended?`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Starts linphone; close it when the test is done. It needs Debian's linphone-cli (`phoneTools` of tools/test-tools.ts). */
export async function startLinphone(options: LinphoneOptions): Promise<Linphone> {
  const port = await freePort();
  const process = await PhoneProcess.start(
    "linphone",
    (folder) => prepare(folder, options, port),
    (folder) => ["linphonec", "-C", "-c", join(folder, "linphonerc")],
  );
  const phone = new Linphone(`sip:${options.user}@127.0.0.1:${port}`, process);
  await phone.next(/linphonec> /).catch(async (error: unknown) => {
    await process.close();
    throw error;
  });
  phone.command("soundcard use files");
  phone.command(`play ${options.audioFile ?? join(process.folder, "says.wav")}`);
  return phone;
}

async function prepare(folder: string, options: LinphoneOptions, port: number): Promise<void> {
  await mkdir(join(folder, "heard"));
  // It keeps its database there.
  await mkdir(join(folder, ".local", "share", "linphone"), { recursive: true });
  if (options.audioFile === undefined)
    await writeFile(join(folder, "says.wav"), writeWav(tone([options.toneHz ?? 440], 300, { sampleRate: 16_000 })));
  await writeFile(join(folder, "linphonerc"), configuration(options, port));
}

function configuration(options: LinphoneOptions, port: number): string {
  const domain = options.domain ?? "127.0.0.1";
  const identity = `sip:${options.user}@${domain}`;
  const server = `<sip:${options.server ?? domain};transport=${options.transport ?? "udp"}>`;
  const sections: Record<string, Record<string, string | number>> = {
    sip: {
      sip_port: port,
      sip_tcp_port: port,
      sip_tls_port: 0,
      bind_address: "127.0.0.1",
      contact: `sip:${options.user}@127.0.0.1`,
      guess_hostname: 0,
      use_ipv6: 0,
      // Else it turns IPv6 on again at its first start.
      ipv6_migration_done: 1,
      use_info: 0,
      use_rfc2833: 1,
      inc_timeout: 600,
      media_encryption: options.srtp === true ? "srtp" : "none",
      default_proxy: 0,
    },
    rtp: { audio_rtp_port: "32000-39999" },
    sound: { echocancellation: 0 },
    video: { enabled: 0, capture: 0, display: 0 },
    net: { firewall_policy: 0 },
  };
  if (options.password !== undefined) {
    sections["proxy_0"] = {
      reg_proxy: server,
      reg_route: server,
      reg_identity: identity,
      reg_expires: options.expires ?? 600,
      reg_sendregister: 1,
      publish: 0,
    };
    sections["auth_info_0"] = { username: options.user, userid: options.user, passwd: options.password, domain };
  }
  const lines = Object.entries(sections).map(
    ([name, entries]) =>
      `[${name}]\n${Object.entries(entries)
        .map(([key, value]) => `${key}=${value}\n`)
        .join("")}`,
  );
  return lines.join("\n");
}
