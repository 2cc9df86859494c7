import type { EdgeFigures } from "../embedded/edge.ts";
import { MediaError, type RtpengineAddress, type RtpengineOptions } from "../engine.ts";
import type { Bencoded } from "./bencode.ts";
import { NgClient } from "./ng.ts";
import { NgNotices } from "./notices.ts";

/** One rtpengine: asked how it does again and again, so that nobody is sent to one that is gone. */
export class RtpengineHost {
  readonly #address: RtpengineAddress;
  readonly #ng: NgClient;
  readonly #log: RtpengineOptions["embedded"]["log"];
  readonly #lost: (calls: readonly string[]) => void;
  readonly #notices: NgNotices;
  readonly #askMs: number;
  /** Legs by their call. */
  readonly #calls = new Map<string, Set<string>>();
  #isUp = false;
  #isKnown = false;
  /** Seconds: less than before means that it began anew, and knows nothing of what was there. */
  #uptime = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(
    address: RtpengineAddress,
    options: RtpengineOptions,
    told: { lost: (calls: readonly string[]) => void; pressed: (id: string, digit: string, ms: number) => void },
  ) {
    this.#address = { host: address.host, port: address.port };
    this.#ng = new NgClient(address.host, address.port);
    this.#log = options.embedded.log;
    this.#lost = told.lost;
    this.#notices = new NgNotices(this.#address, told.pressed);
    this.#askMs = options.askMs ?? 1000;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** As events, while nobody but it hears them. */
  get tellsDigits(): boolean {
    return this.#notices.isOpen;
  }

  get calls(): number {
    return this.#calls.size;
  }

  has(call: string): boolean {
    return this.#calls.has(call);
  }

  get figures(): EdgeFigures {
    return { ...this.#address, up: this.#isUp, calls: this.#calls.size };
  }

  /** Asks now, and from then on. Never rejects. */
  async watch(): Promise<void> {
    try {
      const { statistics } = await this.#ng.ask("statistics");
      this.#answered(uptimeOf(statistics));
    } catch (error) {
      if (error instanceof MediaError) this.#silent(error);
      else throw error;
    }
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.watch(), this.#askMs);
  }

  /** Remembers the leg. @throws MediaError unreachable, not_acceptable */
  async turn(
    command: "offer" | "answer",
    call: string,
    leg: string,
    parameters: { [key: string]: Bencoded },
  ): Promise<{ [key: string]: Bencoded }> {
    const known = this.#calls.get(call);
    const legs = known ?? new Set();
    this.#calls.set(call, legs.add(leg));
    try {
      return await this.#ng.ask(command, parameters);
    } catch (error) {
      if (error instanceof MediaError && error.code === "unreachable") {
        // Nothing of this call was ever there: it is not lost, and may go elsewhere.
        if (!known && legs.size === 1) this.#calls.delete(call);
        this.#silent(error);
      }
      throw error;
    }
  }

  /** What is known of a call's streams, as of the ng protocol's `query`. @throws MediaError unreachable, not_acceptable */
  async query(id: string): Promise<{ [key: string]: Bencoded }> {
    return await this.#ng.ask("query", { "call-id": id });
  }

  /** Nothing happens when it is not known here, as after it was lost. */
  async forget(call: string, leg: string, parameters: { [key: string]: Bencoded }): Promise<void> {
    const legs = this.#calls.get(call);
    if (!legs?.delete(leg)) return;
    if (legs.size === 0) this.#calls.delete(call);
    await this.#ng.ask("delete", parameters);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#ng.close();
    this.#notices.close();
  }

  #answered(uptime: number): void {
    if (this.#isClosed) return;
    if (uptime < this.#uptime) this.#loseAll("rtpengine began anew; its calls are lost.");
    this.#uptime = uptime;
    if (!this.#isUp && this.#isKnown) this.#log?.({ level: "info", message: "rtpengine answers again.", ...this.#address });
    this.#isUp = true;
    this.#isKnown = true;
  }

  #silent(error: MediaError): void {
    if (this.#isClosed || (this.#isKnown && !this.#isUp)) return;
    this.#isUp = false;
    this.#isKnown = true;
    this.#loseAll(error.message);
  }

  #loseAll(message: string): void {
    const calls = [...this.#calls.keys()];
    this.#calls.clear();
    this.#log?.({ level: "error", message, ...this.#address, calls: calls.length });
    this.#lost(calls);
  }
}

function uptimeOf(statistics: Bencoded | undefined): number {
  const total = (statistics as { totalstatistics?: { uptime?: string | number } } | undefined)?.totalstatistics;
  return Number(total?.uptime ?? 0);
}
