import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { freePort } from "../../../testing/ports.ts";
import { readWav, type Sound, writeWav } from "../prompts/wav.ts";
import { PhoneProcess, patienceMs } from "./phoneProcess.ts";
import { tone } from "./tones.ts";

export interface BaresipOptions {
  user: string;
  /** Without one it has no account at a server, and is called at `address`. */
  password?: string;
  /** Default 127.0.0.1. */
  domain?: string;
  /** `host:port` of the server; default: the domain. */
  server?: string;
  /** A name server, `address:port`: the server is then a name without a port, found by its SRV records. */
  dns?: string;
  /** Where it listens and sends from: 127.0.0.1, or ::1. */
  host?: "127.0.0.1" | "::1";
  /** Of digest; default: the user. */
  authUser?: string;
  displayName?: string;
  transport?: "udp" | "tcp" | "tls";
  /** Authority of the server's certificate; without it any is taken (Debian 12's baresip). */
  caFile?: string;
  /** Hz of the tone that it says; default 440. */
  toneHz?: number;
  /** What it says instead: WAV, 16 bit PCM, mono. At its end it is silent. */
  audioFile?: string;
  /** `sdes`: SRTP, mandatory; `dtls`: DTLS-SRTP. Default: plain RTP. */
  srtp?: "sdes" | "dtls";
  /** In this order; default PCMU, PCMA. Of: PCMU, PCMA, G722, opus. */
  codecs?: readonly string[];
  /** Default false: it rings until `answer()`. */
  autoAnswer?: boolean;
  /** Its SIP messages are in `output`. */
  traced?: boolean;
  /** Seconds a registration holds; default 600. */
  expires?: number;
  /** Whether it subscribes to messages (yes); refused by the other side, it would do so again and again without a pause. */
  hasMessageLamp?: boolean;
}

/** What baresip tells of a call, a registration or a digit. */
export interface BaresipEvent {
  type: string;
  class?: string;
  direction?: string;
  peeruri?: string;
  id?: string;
  param?: string;
}

const codecNames: Record<string, string> = {
  PCMU: "PCMU/8000/1",
  PCMA: "PCMA/8000/1",
  G722: "G722/16000/1",
  opus: "opus/48000/2",
};

/** The phone baresip, controlled over its own TCP door (netstrings of JSON). */
export class Baresip {
  /** Where it can be called without a server. */
  readonly address: string;
  readonly #process: PhoneProcess;
  readonly #control: Socket;
  readonly #events: BaresipEvent[] = [];
  readonly #all: BaresipEvent[] = [];
  readonly #answers = new Map<string, { ok: boolean; data: string }>();
  #token = 0;
  #buffer = Buffer.alloc(0);

  constructor(address: string, process: PhoneProcess, control: Socket) {
    this.address = address;
    this.#process = process;
    this.#control = control;
    control.on("data", (data: Buffer) => this.#read(data));
    control.on("error", () => {});
  }

  /** All that it has told so far, the first first. */
  get events(): readonly BaresipEvent[] {
    return this.#all;
  }

  get output(): string {
    return this.#process.output;
  }

  /** The next event of this type that nobody has waited for yet, perhaps one that came already. */
  async next(type: string, matches: (event: BaresipEvent) => boolean = () => true): Promise<BaresipEvent> {
    return await this.#process.until(`baresip tells ${type}`, () => {
      const index = this.#events.findIndex((event) => event.type === type && matches(event));
      return index < 0 ? undefined : this.#events.splice(index, 1)[0];
    });
  }

  /** Events that came until now are of no interest. */
  forget(): void {
    this.#events.length = 0;
  }

  /** Any of baresip's long commands (`/help` lists them). Returns what it printed. @throws when it says that it could not */
  async command(command: string, params = ""): Promise<string> {
    this.#token += 1;
    const token = `t${this.#token}`;
    const json = JSON.stringify({ command, params, token });
    this.#control.write(`${Buffer.byteLength(json)}:${json},`);
    const { ok, data } = await this.#process.until(`baresip does ${command}`, () => this.#answers.get(token));
    this.#answers.delete(token);
    if (!ok) throw new Error(`baresip ${command} ${params}: ${data}`);
    return data;
  }

  async registered(): Promise<void> {
    // Not by an event: a server that answers quickly is done before our control connection is there.
    await this.#process.until("baresip registers", () => (/\(REGISTER_OK\)/.test(this.output) ? true : undefined));
  }

  /** A number or a whole SIP URI. Returns as soon as it is called: wait for CALL_RINGING, CALL_ESTABLISHED, CALL_CLOSED. */
  async dial(target: string): Promise<void> {
    await this.command("dial", target);
  }

  /** Waits until it rings, and answers. */
  async answer(): Promise<BaresipEvent> {
    const call = await this.next("CALL_INCOMING");
    await this.command("accept");
    return call;
  }

  async established(): Promise<BaresipEvent> {
    return await this.next("CALL_ESTABLISHED");
  }

  /** Waits until a call has ended. `param` tells why. */
  async closed(): Promise<BaresipEvent> {
    return await this.next("CALL_CLOSED");
  }

  /** Also refuses a call that rings (486). */
  async hangUp(): Promise<void> {
    await this.command("hangup");
  }

  async hold(): Promise<void> {
    await this.command("hold");
  }

  async resume(): Promise<void> {
    await this.command("resume");
  }

  /** Blind, by REFER. Debian 12's baresip knows no attended transfer: see `linphone.ts`. */
  async transfer(target: string): Promise<void> {
    await this.command("transfer", target);
  }

  /** RFC 4733 events, one after the other. */
  async press(digits: string): Promise<void> {
    for (const digit of digits) {
      await this.command("sndcode", digit);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  /** The digit that the other side pressed next. */
  async pressed(): Promise<string> {
    return (await this.next("CALL_DTMF_START")).param ?? "";
  }

  /** How many calls there are now. */
  async calls(): Promise<number> {
    const text = await this.command("listcalls");
    return Number(/Active calls \((\d+)\)/.exec(text)?.[1] ?? 0);
  }

  /**
   * What it has heard: each call's sound, the oldest first, up to now when the call goes on. Packets that never came leave no gap. Debian 12's baresip
   * stops recording (not hearing) when it is told to send or receive no more, and does not begin again: use linphone or a browser for what is heard after a hold.
   */
  async heard(): Promise<Sound[]> {
    const names = (await readdir(this.#process.folder)).filter((name) => name.endsWith("-dec.wav")).sort();
    return await Promise.all(names.map(async (name) => readWav(await readFile(join(this.#process.folder, name)))));
  }

  /** Waits until the last call's sound is as wanted: at least `seconds` of it. */
  async heardFor(seconds: number): Promise<Sound> {
    const deadline = Date.now() + patienceMs;
    for (;;) {
      const sound = (await this.heard().catch(() => [])).at(-1);
      if (sound !== undefined && sound.samples.length >= seconds * sound.sampleRate) return sound;
      if (Date.now() > deadline) throw new Error(`baresip did not hear ${seconds} s. It wrote:\n${this.output.slice(-4000)}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** As if somebody pulled the plug: it takes leave of nobody. */
  async kill(): Promise<void> {
    this.#control.destroy();
    await this.#process.kill();
  }

  async close(): Promise<void> {
    this.#control.destroy();
    await this.#process.close();
  }

  #read(data: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, data]);
    for (;;) {
      const colon = this.#buffer.indexOf(":");
      const length = Number(this.#buffer.subarray(0, Math.max(0, colon)).toString());
      if (colon < 0 || this.#buffer.length < colon + length + 2) break;
      const message = JSON.parse(this.#buffer.subarray(colon + 1, colon + 1 + length).toString());
      this.#buffer = this.#buffer.subarray(colon + length + 2);
      if (message.event === true) {
        this.#events.push(message);
        this.#all.push(message);
      } else this.#answers.set(String(message.token), { ok: message.ok === true, data: String(message.data ?? "") });
    }
    this.#process.look();
  }
}

/** Starts baresip; close it when the test is done. It needs Debian's baresip-core (`phoneTools` of tools/test-tools.ts). */
export async function startBaresip(options: BaresipOptions): Promise<Baresip> {
  for (let tries = 1; ; tries++) {
    const [sip, control] = [await freePort(), await freePort()];
    const process = await PhoneProcess.start(
      "baresip",
      (folder) => prepare(folder, options, sip, control),
      (folder) => ["baresip", "-v", ...(options.traced === true ? ["-s"] : []), "-f", folder],
    );
    const socket = await door(process, control);
    // Another phone took the port in the same moment, and is at the door that we know.
    const isOurs = socket !== undefined && (await ready(process));
    if (socket !== undefined && isOurs)
      return new Baresip(
        `sip:${options.user}@${bracketed(options)}:${sip};transport=${options.transport ?? "udp"}`,
        process,
        socket,
      );
    const { output } = process;
    socket?.destroy();
    await process.close();
    if (tries === 3) throw new Error(`baresip does not start:\n${output}`);
  }
}

const bracketed = ({ host = "127.0.0.1" }: BaresipOptions): string => (host === "::1" ? "[::1]" : host);

/** It listens where it was told to. */
const ready = (process: PhoneProcess): Promise<boolean> =>
  process
    .until("baresip is ready", () => (process.output.includes("baresip is ready") ? true : undefined))
    .then(() => !process.output.includes("failed to listen"))
    .catch(() => false);

/** Its control connection; undefined when the phone ended, perhaps as somebody took its port. */
async function door(process: PhoneProcess, port: number): Promise<Socket | undefined> {
  const deadline = Date.now() + patienceMs;
  while (process.running && Date.now() < deadline) {
    const socket = connect(port, "127.0.0.1");
    const connected = await Promise.race([
      once(socket, "connect").then(() => true),
      once(socket, "close").then(() => false),
    ]).catch(() => false);
    if (connected) return socket;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return undefined;
}

async function prepare(folder: string, options: BaresipOptions, sip: number, control: number): Promise<void> {
  const file = options.audioFile ?? join(folder, "says.wav");
  if (options.audioFile === undefined) await writeFile(file, writeWav(tone([options.toneHz ?? 440], 300)));
  const { sampleRate } = readWav(await readFile(file));
  await writeFile(join(folder, "config"), configuration(folder, file, sampleRate, options, sip, control));
  await writeFile(join(folder, "accounts"), `${account(options)}\n`);
  await writeFile(join(folder, "contacts"), "");
}

function configuration(
  folder: string,
  file: string,
  sampleRate: number,
  options: BaresipOptions,
  sip: number,
  control: number,
): string {
  // Nobody hears the player; without one baresip would not decode. Files need a device that runs at their own rate.
  const lines = [
    `sip_listen ${bracketed(options)}:${sip}`,
    ...(options.caFile === undefined ? [] : [`sip_cafile ${options.caFile}`]),
    `net_interface ${options.host ?? "127.0.0.1"}`,
    ...(options.host === "::1" ? ["net_af ipv6"] : []),
    ...(options.dns === undefined ? [] : [`dns_server ${options.dns}`]),
    "call_local_timeout 600",
    "call_max_calls 10",
    `audio_source aufile,${file}`,
    "audio_player aubridge,player",
    "audio_alert aubridge,alert",
    `ausrc_srate ${sampleRate}`,
    `auplay_srate ${sampleRate}`,
    "ausrc_channels 1",
    "auplay_channels 1",
    "rtp_ports 22000-31998",
    "jitter_buffer_delay 5-10",
    ...(options.srtp === "dtls" ? ["rtcp_mux yes"] : []),
    "module_path /usr/lib/baresip/modules",
    ...["g711", "g722", "opus", "aufile", "aubridge", "sndfile", "srtp", "dtls_srtp", "stun"].map((name) => `module ${name}.so`),
    `snd_path ${folder}`,
    ...["uuid", "account"].map((name) => `module_tmp ${name}.so`),
    ...["menu", "ctrl_tcp", "presence"].map((name) => `module_app ${name}.so`),
    ...(options.hasMessageLamp === false ? [] : ["module_app mwi.so"]),
    `ctrl_tcp_listen 127.0.0.1:${control}`,
    "menu_bell no",
    "statmode_default off",
  ];
  return `${lines.join("\n")}\n`;
}

function account(options: BaresipOptions): string {
  const transport = options.transport ?? "udp";
  const name = options.displayName === undefined ? "" : `"${options.displayName}" `;
  const registers = options.password !== undefined;
  const codecs = (options.codecs ?? ["PCMU", "PCMA"]).map((codec) => codecNames[codec] ?? codec);
  const parameters = [
    registers ? `auth_user=${options.authUser ?? options.user};auth_pass=${options.password}` : "",
    options.server === undefined ? "" : `outbound="sip:${options.server};transport=${transport}"`,
    `regint=${registers ? (options.expires ?? 600) : 0}`,
    `answermode=${options.autoAnswer === true ? "auto" : "manual"}`,
    `audio_codecs=${codecs.join(",")}`,
    options.srtp === undefined ? "" : `mediaenc=${options.srtp === "sdes" ? "srtp-mand" : "dtls_srtp"}`,
  ];
  const address = `${name}<sip:${options.user}@${options.domain ?? bracketed(options)};transport=${transport}>`;
  return [address, ...parameters.filter((parameter) => parameter !== "")].join(";");
}
