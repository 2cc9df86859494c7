import { randomBytes, randomInt } from "node:crypto";
import { isIP } from "node:net";
import { clockRates } from "../codecs/codec.ts";
import { type CodecName, type LegMedia, type MediaDirection, MediaError, type MediaProfile } from "../engine.ts";
import { masterKeyBytes, type SrtpSuite } from "../rtp/srtp.ts";
import { type LocalDescription, writeLocal } from "./local.ts";
import { type RemoteDescription, readRemote } from "./remote.ts";

/** As the options of the port, with `like` already resolved to codecs. */
export interface NegotiationOptions {
  profile?: MediaProfile;
  direction?: MediaDirection;
  codecs?: readonly CodecName[];
  prefer?: readonly CodecName[];
  /** Payload types of the party that this one will be bridged with. */
  numbers?: PayloadNumbers;
  video?: boolean;
  videoDirection?: MediaDirection;
  toward?: string | undefined;
  /** The address in the SDP, whatever else is said. */
  advertise?: string;
}

/** Payload types by codec or `event/RATE`. */
export type PayloadNumbers = readonly (readonly [name: string, number: number])[];

export const numbersOf = ({ codecs, events }: Pick<RemoteDescription, "codecs" | "events">): PayloadNumbers => [
  ...codecs.map(({ name, payloadType }) => [name, payloadType] as const),
  ...events.map(({ rate, payloadType }) => [`event/${rate}`, payloadType] as const),
];

/** What both sides said, as the transport and the streams need it. */
export interface Agreement {
  remote: RemoteDescription;
  profile: MediaProfile;
  codec: { name: CodecName; send: number; receive: number };
  event: { send: number; receive: number; rate: number } | undefined;
  direction: MediaDirection;
  rtcpMux: boolean;
  srtp: { suite: SrtpSuite; send: Buffer; receive: Buffer } | undefined;
  audioLevelId: number | undefined;
  video: { name: string; send: number; receive: number; direction: MediaDirection } | undefined;
}

export interface IceCredentials {
  user: string;
  password: string;
}

export const allCodecs: readonly CodecName[] = ["PCMU", "PCMA", "G722", "opus"];

export const sends = (direction: MediaDirection): boolean => direction === "sendrecv" || direction === "sendonly";
export const receives = (direction: MediaDirection): boolean => direction === "sendrecv" || direction === "recvonly";

const directionFrom = (send: boolean, receive: boolean): MediaDirection =>
  send ? (receive ? "sendrecv" : "sendonly") : receive ? "recvonly" : "inactive";

/** What is left of what we want when the other side wants `remote`. */
const meet = (ours: MediaDirection, remote: MediaDirection): MediaDirection =>
  directionFrom(sends(ours) && receives(remote), receives(ours) && sends(remote));

const videoDirection = (options: NegotiationOptions): MediaDirection => options.videoDirection ?? options.direction ?? "sendrecv";

/** A leg's side of SDP offer and answer (RFC 3264). Knows no sockets. */
export class Negotiation {
  readonly #fixed: { addresses: readonly string[]; port: number; fingerprint: string; ssrc: number; videoSsrc: number };
  readonly #session = String(randomInt(1, 2 ** 47));
  readonly #cname = `${randomInt(2 ** 47).toString(36)}${randomInt(2 ** 47).toString(36)}`;
  #version = 0;
  #address: string;
  /** Most phones know no ICE: made when it is asked for. */
  #iceNow: IceCredentials | undefined;
  #iceBefore: IceCredentials | undefined;
  #remoteIce: string | undefined;
  readonly #keys = new Map<SrtpSuite, Buffer>();
  /** Payload types that were said once mean the same to the end. */
  readonly #numbers = new Map<string, number>([
    ["PCMU", 0],
    ["PCMA", 8],
    ["G722", 9],
    ["opus", 111],
    ["event/8000", 101],
    ["event/48000", 110],
    ["VP8", 96],
    ["H264", 98],
  ]);
  #lines: LocalDescription["lines"] = [];
  #offered: LocalDescription | undefined;
  #agreed: Agreement | undefined;

  constructor(fixed: { addresses: readonly string[]; port: number; fingerprint: string; ssrc: number; videoSsrc: number }) {
    this.#fixed = fixed;
    this.#address = fixed.addresses[0]!;
  }

  /** Those that hold, and those before them: a browser that changes to new ones asks with either until it has read our answer, and some of it after that. */
  get ice(): readonly IceCredentials[] {
    return this.#iceBefore ? [this.#ice, this.#iceBefore] : [this.#ice];
  }

  get #ice(): IceCredentials {
    this.#iceNow ??= newIce();
    return this.#iceNow;
  }

  get agreed(): Agreement | undefined {
    return this.#agreed;
  }

  offer(options: NegotiationOptions): string {
    const profile = options.profile ?? this.#agreed?.profile ?? this.#offered?.profile ?? "rtp";
    const codecs = this.#order(options);
    const video = options.video === true && profile === "webrtc";
    if (!this.#agreed && !this.#offered) this.#take(options.numbers ?? []);
    if (this.#lines.length === 0) this.#lines = [{ kind: "audio", mid: profile === "webrtc" ? "0" : undefined }];
    this.#lines = withVideo(this.#lines, video);
    // Phones have keys in their SDP or do DTLS: which one it is, their answer tells.
    const both = profile === "srtp" && !this.#agreed;
    const local: LocalDescription = {
      ...this.#base(options, profile),
      protocol: undefined,
      codecs: codecs.map((name) => ({ name, payloadType: this.#numbers.get(name)! })),
      events: (codecs.includes("opus") ? [8000, 48_000] : [8000]).map((rate) => this.#event(rate)),
      direction: options.direction ?? "sendrecv",
      rtcpMux: profile === "webrtc" || both || this.#agreed?.rtcpMux === true,
      crypto:
        profile === "srtp" ? [this.#crypto("1", "AES_CM_128_HMAC_SHA1_80"), this.#crypto("2", "AES_CM_128_HMAC_SHA1_32")] : [],
      setup: profile === "rtp" ? undefined : this.#agreed ? "passive" : "actpass",
      audioLevelId: profile === "webrtc" ? (this.#agreed?.audioLevelId ?? 1) : undefined,
      video: video
        ? {
            codecs: [
              { name: "VP8", payloadType: this.#numbers.get("VP8")!, format: undefined },
              {
                name: "H264",
                payloadType: this.#numbers.get("H264")!,
                format: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
              },
            ],
            direction: videoDirection(options),
          }
        : undefined,
    };
    this.#offered = local;
    return writeLocal(local);
  }

  /** @throws MediaError malformed, not_acceptable */
  answer(text: string, options: NegotiationOptions): { sdp: string; agreed: Agreement } {
    const remote = readRemote(text);
    for (const codec of remote.codecs) this.#numbers.set(codec.name, codec.payloadType);
    for (const event of remote.events) this.#numbers.set(`event/${event.rate}`, event.payloadType);
    const codec = this.#order(options)
      .map((name) => remote.codecs.find((each) => each.name === name))
      .find((each) => each !== undefined);
    if (!codec) throw noCodec();
    checkSetup(remote);
    // Other credentials are another ICE session, and need others of ours too (RFC 8445 section 2.4).
    if (this.#remoteIce !== undefined && remote.iceUser !== this.#remoteIce) {
      this.#iceBefore = this.#ice;
      this.#iceNow = newIce();
    }
    this.#remoteIce = remote.iceUser;
    const event = eventFor(remote, codec.name);
    const direction = meet(options.direction ?? "sendrecv", remote.direction);
    const crypto = remote.crypto[0];
    // The one that every browser has (RFC 7742 section 5): pictures are passed on as they are, so both sides need the same.
    const pictures = remote.video?.codecs ?? [];
    const video = options.video ? (pictures.find(({ name }) => name === "VP8") ?? pictures[0]) : undefined;
    const shown = video ? meet(videoDirection(options), remote.video!.direction) : "inactive";
    if (video) this.#numbers.set(video.name, video.payloadType);
    this.#lines = remote.lines.map(({ kind, mid, protocol, format }, i) => {
      if (i === remote.audioLine) return { kind: "audio", mid };
      if (video && i === remote.videoLine) return { kind: "video", mid };
      return { kind: "refused", mid, refused: { kind, protocol, format } };
    });
    const ours = crypto ? this.#crypto(crypto.tag, crypto.suite) : undefined;
    const local: LocalDescription = {
      ...this.#base({ ...options, toward: remote.address }, remote.profile),
      ice: remote.iceUser === undefined ? undefined : this.#ice,
      protocol: remote.lines[remote.audioLine]!.protocol,
      codecs: [codec],
      events: event ? [event] : [],
      direction,
      rtcpMux: remote.rtcpMux,
      crypto: ours ? [ours] : [],
      setup: remote.profile === "webrtc" ? "passive" : undefined,
      audioLevelId: remote.audioLevelId,
      video: video ? { codecs: [video], direction: shown } : undefined,
    };
    this.#offered = undefined;
    this.#agreed = {
      remote,
      profile: remote.profile,
      codec: { name: codec.name, send: codec.payloadType, receive: codec.payloadType },
      event: event && { send: event.payloadType, receive: event.payloadType, rate: event.rate },
      direction,
      rtcpMux: remote.rtcpMux,
      srtp: crypto && ours && { suite: crypto.suite, send: ours.key, receive: crypto.key },
      audioLevelId: remote.audioLevelId,
      video: video && { name: video.name, send: video.payloadType, receive: video.payloadType, direction: shown },
    };
    return { sdp: writeLocal(local), agreed: this.#agreed };
  }

  /** @throws MediaError malformed, not_acceptable */
  accept(text: string): Agreement {
    const offered = this.#offered;
    if (!offered) throw new MediaError("not_acceptable", "There is no offer that this could be the answer to.");
    const remote = readRemote(text);
    const hasDtls = offered.profile === "srtp" && offered.setup === "actpass" && remote.profile === "webrtc";
    if (remote.profile !== offered.profile && !hasDtls)
      throw new MediaError("not_acceptable", `The answer is for ${remote.profile}, the offer was for ${offered.profile}.`);
    checkSetup(remote);
    const codec = remote.codecs.find((each) => offered.codecs.some(({ name }) => name === each.name));
    if (!codec) throw new MediaError("not_acceptable", "The answer has none of the codecs of the offer.");
    const event = eventFor(remote, codec.name);
    const crypto = remote.crypto.find((each) =>
      offered.crypto.some(({ tag, suite }) => tag === each.tag && suite === each.suite),
    );
    if (remote.profile === "srtp" && !crypto) throw new MediaError("not_acceptable", "The answer has no key for SRTP.");
    const video = remote.video?.codecs.find((each) => offered.video?.codecs.some(({ name }) => name === each.name));
    this.#remoteIce = remote.iceUser;
    this.#agreed = {
      remote,
      profile: remote.profile,
      codec: { name: codec.name, send: codec.payloadType, receive: this.#numbers.get(codec.name)! },
      event: event && { send: event.payloadType, receive: this.#numbers.get(`event/${event.rate}`)!, rate: event.rate },
      direction: meet(offered.direction, remote.direction),
      rtcpMux: offered.rtcpMux && remote.rtcpMux,
      srtp: crypto && { suite: crypto.suite, send: this.#keys.get(crypto.suite)!, receive: crypto.key },
      audioLevelId: remote.audioLevelId === offered.audioLevelId ? offered.audioLevelId : undefined,
      video: video && {
        name: video.name,
        send: video.payloadType,
        receive: this.#numbers.get(video.name)!,
        direction: meet(offered.video!.direction, remote.video!.direction),
      },
    };
    return this.#agreed;
  }

  rollback(): void {
    this.#offered = undefined;
  }

  /** Packets then pass as they are, without a worker between. Only numbers that are free to choose: RFC 3551 section 6. */
  #take(numbers: PayloadNumbers): void {
    for (const [name, number] of numbers) {
      const ours = this.#numbers.get(name);
      if (ours === undefined || ours < 96 || number < 96) continue;
      for (const [other, theirs] of this.#numbers) if (theirs === number) this.#numbers.set(other, ours);
      this.#numbers.set(name, number);
    }
  }

  #order(options: NegotiationOptions): CodecName[] {
    const allowed = options.codecs ?? allCodecs;
    const first = (options.prefer ?? []).filter((name) => allowed.includes(name));
    return [...new Set([...first, ...allowed])];
  }

  #event(rate: number): { payloadType: number; rate: number } {
    return { payloadType: this.#numbers.get(`event/${rate}`)!, rate };
  }

  #crypto(tag: string, suite: SrtpSuite): { tag: string; suite: SrtpSuite; key: Buffer } {
    const key = this.#keys.get(suite) ?? randomBytes(masterKeyBytes);
    this.#keys.set(suite, key);
    return { tag, suite, key };
  }

  #base(options: NegotiationOptions, profile: MediaProfile) {
    const { addresses, port, fingerprint, ssrc, videoSsrc } = this.#fixed;
    const ofItsFamily = addresses.find((address) => isIP(address) === isIP(options.toward ?? ""));
    this.#address = options.advertise ?? ofItsFamily ?? this.#address;
    return {
      session: this.#session,
      version: ++this.#version,
      address: this.#address,
      addresses: [...new Set([this.#address, ...addresses])],
      port,
      profile,
      ssrc,
      videoSsrc,
      cname: this.#cname,
      ice: profile !== "webrtc" || (this.#agreed && this.#agreed.remote.iceUser === undefined) ? undefined : this.#ice,
      fingerprint,
      lines: this.#lines,
    };
  }
}

const noCodec = () =>
  new MediaError("not_acceptable", "The other side offers none of PCMU, PCMA, G722 and opus that are allowed here.");

function checkSetup(remote: RemoteDescription): void {
  if (remote.profile !== "webrtc") return;
  if (remote.setup === "passive")
    throw new MediaError("not_acceptable", "The other side must be the DTLS client (a=setup:active or actpass).");
  if (!remote.rtcpMux) throw new MediaError("not_acceptable", "DTLS-SRTP needs a=rtcp-mux here.");
}

/** Whether `answer` could take it: before anybody rings for it. @throws MediaError not_acceptable */
export function checkOffer(remote: RemoteDescription, options: { hasEdge: boolean }): void {
  if (remote.codecs.length === 0) throw noCodec();
  // An edge before us does the DTLS.
  if (!options.hasEdge) checkSetup(remote);
}

function withVideo(lines: LocalDescription["lines"], video: boolean): LocalDescription["lines"] {
  if (video && lines.some((line) => line.kind === "video")) return lines;
  if (video) return [...lines, { kind: "video", mid: String(lines.length) }];
  const refused = { kind: "video", protocol: "UDP/TLS/RTP/SAVPF", format: "96" };
  return lines.map((line) => (line.kind === "video" ? { kind: "refused", mid: line.mid, refused } : line));
}

/** The telephone-events that go with a codec. */
export function eventFor(remote: Pick<RemoteDescription, "events">, codec: CodecName) {
  return remote.events.find((event) => event.rate === clockRates[codec]) ?? remote.events.find((event) => event.rate === 8000);
}

const newIce = (): IceCredentials => ({
  user: randomBytes(6).toString("base64url"),
  password: randomBytes(18).toString("base64url"),
});

/** For the port. `agreed` is missing while there is only an offer. */
export function legMedia(remote: RemoteDescription, agreed: Agreement | undefined): LegMedia {
  return {
    profile: remote.profile,
    codec: agreed?.codec.name,
    codecs: remote.codecs.map((codec) => codec.name),
    telephoneEvent: agreed ? agreed.event !== undefined : remote.events.length > 0,
    direction: agreed?.direction ?? meet("sendrecv", remote.direction),
    heldByRemote: remote.direction === "sendonly" || remote.direction === "inactive",
    video: agreed ? agreed.video !== undefined : (remote.video?.codecs.length ?? 0) > 0,
    showsVideo: remote.video !== undefined && (!agreed || agreed.video !== undefined) && sends(remote.video.direction),
    seesVideo: agreed?.video !== undefined && sends(agreed.video.direction),
    remote: { address: remote.address, port: remote.port },
  };
}
