import { randomBytes } from "node:crypto";
import type { EdgeFigures, EdgeLeg, MediaEdge } from "../embedded/edge.ts";
import { EmbeddedEngine } from "../embedded/engine.ts";
import { type MediaEngine, MediaError, type MediaProfile, type QualityFigures, type RtpengineOptions } from "../engine.ts";
import { readRemote } from "../sdp/remote.ts";
import type { Bencoded } from "./bencode.ts";
import { countedBy, placeOf } from "./counted.ts";
import { RtpengineHost } from "./host.ts";
import { type Agreed, passesAsIs, sentTo } from "./passing.ts";

const transports: Record<MediaProfile, string> = { rtp: "RTP/AVP", srtp: "RTP/SAVP", webrtc: "UDP/TLS/RTP/SAVPF" };

/** Hosts that do not answer are left out until they do; the engine opens without any. */
export async function openRtpengine(options: RtpengineOptions): Promise<MediaEngine> {
  const edge = new RtpengineEdge(options);
  await edge.open();
  return new EmbeddedEngine(options.embedded, edge);
}

/** One rtpengine call for each leg: the party on one side, our worker in plain RTP on the other. All legs of a call are at one host. */
class RtpengineEdge implements MediaEdge {
  readonly #hosts: readonly RtpengineHost[];
  readonly #hostOf = new Map<string, RtpengineHost>();
  readonly #listeners: ((calls: readonly string[]) => void)[] = [];
  /** What was said of each leg at last, by its party and by its worker; what is offered counts when it was answered. */
  readonly #agreed = new Map<string, Partial<Agreed>>();
  readonly #digitListeners: ((leg: string, digit: string, ms: number) => void)[] = [];
  /** Several voice processes may share a host, and one that died may have left calls there. */
  readonly #life = randomBytes(6).toString("hex");

  readonly #inside: { [key: string]: Bencoded };

  constructor(options: RtpengineOptions) {
    const workers = familyOf(options.embedded.advertised[0] ?? "");
    this.#inside = { "transport-protocol": "RTP/AVP", ICE: "remove", "rtcp-mux": ["demux"], ...workers };
    const told = {
      lost: (calls: readonly string[]) => this.#lost(calls),
      pressed: (id: string, digit: string, ms: number) => this.#pressed(id, digit, ms),
    };
    this.#hosts = options.hosts.map((address) => new RtpengineHost(address, options, told));
  }

  async open(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.watch()));
  }

  check(): void {
    if (!this.#hosts.some(({ isUp }) => isUp)) throw nobodyAnswers();
  }

  async offerToParty(leg: EdgeLeg, sdp: string, profile: MediaProfile, toward?: string): Promise<string> {
    this.#said(leg, { offered: sdp });
    const family = toward === undefined ? {} : familyOf(toward);
    return await this.#turn("offer", leg, sdp, { "from-tag": "worker", ...outside(profile), ...family });
  }

  async answerFromParty(leg: EdgeLeg, sdp: string): Promise<string> {
    this.#said(leg, { party: sdp });
    const inside = await this.#turn("answer", leg, sdp, { "from-tag": "worker", "to-tag": "party" });
    this.#said(leg, { worker: this.#agreed.get(leg.id)?.offered, inside });
    return inside;
  }

  async offerFromParty(leg: EdgeLeg, sdp: string): Promise<string> {
    this.#said(leg, { offered: sdp });
    const answer = await this.#turn("offer", leg, sdp, { "from-tag": "party", ...this.#inside });
    this.#said(leg, { offeredInside: answer });
    return answer;
  }

  async answerToParty(leg: EdgeLeg, sdp: string): Promise<string> {
    const told = await this.#turn("answer", leg, sdp, { "from-tag": "party", "to-tag": "worker" });
    const { offered, offeredInside } = this.#agreed.get(leg.id) ?? {};
    this.#said(leg, { party: offered, inside: offeredInside, worker: sdp });
    return told;
  }

  joins(one: EdgeLeg, other: EdgeLeg): boolean {
    const codec = one.media?.codec;
    // What rtpengine knows of a browser's ICE does not outlive what `point` does.
    if ([one, other].some(({ media }) => media?.profile === "webrtc")) return false;
    const host = this.#hostOf.get(one.call.id);
    if (!codec || codec !== other.media?.codec || !host?.tellsDigits || this.#hostOf.get(other.call.id) !== host) return false;
    return passesAsIs(codec, [this.#agreed.get(one.id), this.#agreed.get(other.id)]);
  }

  /**
   * As if the party offered again what it said before, and the worker answered from another place: rtpengine's own, where the other leg's worker would be. The
   * party is told nothing, as nothing of what it knows changes.
   */
  async point(leg: EdgeLeg, to?: EdgeLeg): Promise<void> {
    const { party, worker } = this.#agreed.get(leg.id) ?? {};
    const there = to && this.#agreed.get(to.id)?.inside;
    if (!party || !worker || (to && !there)) throw new MediaError("gone", "This leg has no media.");
    const flags = { flags: ["port-latching"] };
    // Whoever sends first after an offer would be taken for the party: it is where it is, which need not be where it said.
    const learnt = placeOf(await this.#place(leg.call.id).query(this.#idOf(leg.id)));
    const offer = learnt ? sentTo(party, learnt) : party;
    await this.#turn("offer", leg, offer, { "from-tag": "party", ...this.#inside, flags: ["port-latching", "asymmetric"] });
    const answer = there ? sentTo(worker, readRemote(there)) : worker;
    await this.#turn("answer", leg, answer, { "from-tag": "party", "to-tag": "worker", ...flags });
  }

  onDigit(listener: (leg: string, digit: string, ms: number) => void): void {
    this.#digitListeners.push(listener);
  }

  async quality(leg: EdgeLeg, known: QualityFigures): Promise<QualityFigures> {
    const host = this.#hostOf.get(leg.call.id);
    return host ? countedBy(await host.query(this.#idOf(leg.id)), known) : known;
  }

  async forget({ id, call }: EdgeLeg): Promise<void> {
    this.#agreed.delete(id);
    const host = this.#hostOf.get(call.id);
    if (!host) return;
    const forgetting = host.forget(call.id, id, { "call-id": this.#idOf(id), "delete-delay": 0 });
    if (!host.has(call.id)) this.#hostOf.delete(call.id);
    await forgetting;
  }

  onLost(listener: (calls: readonly string[]) => void): void {
    this.#listeners.push(listener);
  }

  figures(): readonly EdgeFigures[] {
    return this.#hosts.map(({ figures }) => figures);
  }

  close(): void {
    for (const host of this.#hosts) host.close();
  }

  #idOf(leg: string): string {
    return `${this.#life}-${leg}`;
  }

  #said(leg: EdgeLeg, what: Partial<Agreed>): void {
    this.#agreed.set(leg.id, { ...this.#agreed.get(leg.id), ...what });
  }

  /** Other voice processes hear of it too. */
  #pressed(id: string, digit: string, ms: number): void {
    const prefix = `${this.#life}-`;
    if (id.startsWith(prefix)) for (const listener of this.#digitListeners) listener(id.slice(prefix.length), digit, ms);
  }

  #lost(calls: readonly string[]): void {
    for (const call of calls) this.#hostOf.delete(call);
    for (const listener of this.#listeners) listener(calls);
  }

  /** Where the call is; a new one goes where there is least to do. @throws MediaError unreachable */
  #place(call: string): RtpengineHost {
    const known = this.#hostOf.get(call);
    if (known) return known;
    const [best] = this.#hosts.filter(({ isUp }) => isUp).toSorted((a, b) => a.calls - b.calls);
    if (!best) throw nobodyAnswers();
    this.#hostOf.set(call, best);
    return best;
  }

  async #turn(command: "offer" | "answer", leg: EdgeLeg, sdp: string, more: { [key: string]: Bencoded }): Promise<string> {
    const replace = ["origin", "session-connection"];
    // Once a source is known, others are not listened to; a browser sends from another address whenever it finds a better one (ICE), and SRTP proves who it is.
    const strict = hasIce(this.#agreed.get(leg.id)) ? [] : ["strict-source"];
    const flags = [...strict, ...((more.flags as string[] | undefined) ?? [])];
    const parameters = { "call-id": this.#idOf(leg.id), sdp, replace, ...more, flags };
    for (;;) {
      const host = this.#place(leg.call.id);
      try {
        const answer = await host.turn(command, leg.call.id, leg.id, parameters);
        if (typeof answer.sdp !== "string") throw new MediaError("not_acceptable", "rtpengine gave no session description.");
        return answer.sdp;
      } catch (error) {
        const isGone = error instanceof MediaError && error.code === "unreachable";
        // One that had something there was lost, and is known no longer; of a new one another host may have a try.
        if (!isGone || this.#hostOf.get(leg.call.id) !== host) throw error;
        this.#hostOf.delete(leg.call.id);
      }
    }
  }
}

/** Without it rtpengine speaks with one side in the other's. */
const familyOf = (address: string) => ({ "address-family": address.includes(":") ? "IP6" : "IP4" });

const hasIce = ({ offered, party }: Partial<Agreed> = {}): boolean =>
  [offered, party].some((sdp) => sdp !== undefined && readRemote(sdp).iceUser !== undefined);

const nobodyAnswers = () => new MediaError("unreachable", "No rtpengine answers: see --rtpengine.");

function outside(profile: MediaProfile): { [key: string]: Bencoded } {
  const transport = { "transport-protocol": transports[profile] };
  if (profile !== "webrtc") return { ...transport, ICE: "remove" };
  return {
    ...transport,
    ICE: "force",
    "rtcp-mux": ["offer", "require"],
    SDES: ["off"],
    flags: ["generate-mid", "trust-address"],
  };
}
