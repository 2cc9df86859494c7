import type { MediaEdge } from "../embedded/edge.ts";
import { EmbeddedEngine } from "../embedded/engine.ts";
import { type MediaEngine, MediaError, type MediaProfile, type RtpengineOptions } from "../engine.ts";
import type { Bencoded } from "./bencode.ts";
import { NgClient } from "./ng.ts";

const transports: Record<MediaProfile, string> = { rtp: "RTP/AVP", srtp: "RTP/SAVP", webrtc: "UDP/TLS/RTP/SAVPF" };

/** @throws MediaError unreachable */
export async function openRtpengine(options: RtpengineOptions): Promise<MediaEngine> {
  const ng = new NgClient(options.host, options.port);
  try {
    await ng.ask("ping");
  } catch (error) {
    ng.close();
    throw error;
  }
  return new EmbeddedEngine(options.embedded, new RtpengineEdge(ng));
}

/** One rtpengine call for each leg: the party on one side, our worker in plain RTP on the other. */
class RtpengineEdge implements MediaEdge {
  readonly #ng: NgClient;

  constructor(ng: NgClient) {
    this.#ng = ng;
  }

  async offerToParty(leg: string, sdp: string, profile: MediaProfile): Promise<string> {
    return await this.#turn("offer", leg, sdp, { "from-tag": "worker", ...outside(profile) });
  }

  async answerFromParty(leg: string, sdp: string): Promise<string> {
    return await this.#turn("answer", leg, sdp, { "from-tag": "worker", "to-tag": "party" });
  }

  async offerFromParty(leg: string, sdp: string): Promise<string> {
    const inside = { "transport-protocol": "RTP/AVP", ICE: "remove", "rtcp-mux": ["demux"] };
    return await this.#turn("offer", leg, sdp, { "from-tag": "party", ...inside });
  }

  async answerToParty(leg: string, sdp: string): Promise<string> {
    return await this.#turn("answer", leg, sdp, { "from-tag": "party", "to-tag": "worker" });
  }

  async forget(leg: string): Promise<void> {
    await this.#ng.ask("delete", { "call-id": leg, "delete-delay": 0 });
  }

  close(): void {
    this.#ng.close();
  }

  async #turn(command: "offer" | "answer", leg: string, sdp: string, more: { [key: string]: Bencoded }): Promise<string> {
    const replace = ["origin", "session-connection"];
    // Once a source is known, others are not listened to.
    const flags = ["strict-source", ...((more.flags as string[] | undefined) ?? [])];
    const answer = await this.#ng.ask(command, { "call-id": leg, sdp, replace, ...more, flags });
    if (typeof answer.sdp !== "string") throw new MediaError("not_acceptable", "rtpengine gave no session description.");
    return answer.sdp;
  }
}

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
