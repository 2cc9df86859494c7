import { randomBytes } from "node:crypto";
import type { EdgeFigures, EdgeLeg, MediaEdge } from "../embedded/edge.ts";
import { EmbeddedEngine } from "../embedded/engine.ts";
import { type MediaEngine, MediaError, type MediaProfile, type RtpengineOptions } from "../engine.ts";
import type { Bencoded } from "./bencode.ts";
import { RtpengineHost } from "./host.ts";

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
  /** Several voice processes may share a host, and one that died may have left calls there. */
  readonly #life = randomBytes(6).toString("hex");

  constructor(options: RtpengineOptions) {
    this.#hosts = options.hosts.map((address) => new RtpengineHost(address, options, (calls) => this.#lost(calls)));
  }

  async open(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.watch()));
  }

  check(): void {
    if (!this.#hosts.some(({ isUp }) => isUp)) throw nobodyAnswers();
  }

  async offerToParty(leg: EdgeLeg, sdp: string, profile: MediaProfile): Promise<string> {
    return await this.#turn("offer", leg, sdp, { "from-tag": "worker", ...outside(profile) });
  }

  async answerFromParty(leg: EdgeLeg, sdp: string): Promise<string> {
    return await this.#turn("answer", leg, sdp, { "from-tag": "worker", "to-tag": "party" });
  }

  async offerFromParty(leg: EdgeLeg, sdp: string): Promise<string> {
    const inside = { "transport-protocol": "RTP/AVP", ICE: "remove", "rtcp-mux": ["demux"] };
    return await this.#turn("offer", leg, sdp, { "from-tag": "party", ...inside });
  }

  async answerToParty(leg: EdgeLeg, sdp: string): Promise<string> {
    return await this.#turn("answer", leg, sdp, { "from-tag": "party", "to-tag": "worker" });
  }

  async forget({ id, call }: EdgeLeg): Promise<void> {
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
    // Once a source is known, others are not listened to.
    const flags = ["strict-source", ...((more.flags as string[] | undefined) ?? [])];
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
