/**
 * The port of the media engines: what the switchboard asks of whatever moves and makes audio. Nothing here knows SIP or phone systems.
 *
 * A media call is a set of legs that are handled in one place; a leg is one party's media session (one SDP negotiation after the other). Legs may be
 * bridged or mixed across media calls: the engine ties the places together. All times are milliseconds or seconds as named, levels are dBm0
 * (ITU-T G.100.1: 0 dBm0 is 3.14 dB below the loudest sine that G.711 can carry).
 */

export type MediaProfile = "rtp" | "srtp" | "webrtc";
/** In the order in which they are preferred where nothing else decides. */
export type CodecName = "PCMU" | "PCMA" | "G722" | "opus";
/** Of our side, as in `a=sendrecv` (RFC 8866 section 6.7). */
export type MediaDirection = "sendrecv" | "sendonly" | "recvonly" | "inactive";

/** What an engine can do itself; the conformance suite skips what is not named. */
export type MediaCapability =
  | "webrtc"
  | "video"
  | "play"
  | "tones"
  | "record"
  | "conference"
  | "dtmf_send"
  | "dtmf_in_band"
  | "talking"
  | "quality"
  | "no_media"
  | "transcoding";

export interface MediaEngine {
  readonly kind: "embedded" | "rtpengine";
  readonly capabilities: ReadonlySet<MediaCapability>;
  /** A new media call, placed where there is least to do. `id` is for logs and figures, and unique among those that are open. */
  call(id: string): MediaCall;
  /** Both hear each other; whatever either was bridged with before is let go. Packets are passed on without decoding where both have the same codec. */
  bridge(one: MediaLeg, other: MediaLeg, options?: BridgeOptions): Promise<void>;
  /** The leg and its peer hear nothing of each other any longer. Nothing happens when it is in no bridge. */
  unbridge(leg: MediaLeg): Promise<void>;
  /** A conference room, with nobody in it. `id` as for calls. */
  conference(id: string, options?: ConferenceOptions): Conference;
  figures(): Promise<EngineFigures>;
  /** Events of all calls; returns how to stop listening. */
  onEvent(listener: (event: MediaEvent) => void): () => void;
  /** Ends all calls (cause `engine_closed`) and what the engine started. */
  close(): Promise<void>;
}

export interface MediaCall {
  readonly id: string;
  /** A leg without media yet: offer or answer comes next. The name is for logs and recordings. */
  leg(name?: string): MediaLeg;
  /** Events of this call's legs and of the call. */
  onEvent(listener: (event: MediaEvent) => void): () => void;
  /** Closes all its legs. Never fails; a second time does nothing. */
  close(): Promise<void>;
}

export interface MediaLeg {
  /** Unique in the engine. */
  readonly id: string;
  readonly call: MediaCall;
  /** What was agreed at last, or what the other side offered (before the answer: without codec); undefined before either. */
  readonly media: LegMedia | undefined;

  /**
   * Our SDP offer, also to negotiate anew (hold, resume, other codecs).
   * @throws MediaError no_ports, gone
   */
  offer(options?: OfferOptions): Promise<string>;
  /**
   * Reads an offer and tells what is in it, so that another leg can be offered the same codecs before this one is answered. Changes nothing that runs.
   * @throws MediaError not_acceptable (SIP 488), malformed (SIP 400)
   */
  consider(remoteOffer: string): Promise<LegMedia>;
  /**
   * Our SDP answer to the other side's offer, in the profile of that offer.
   * @throws MediaError not_acceptable, malformed, no_ports, gone
   */
  answer(remoteOffer: string, options?: AnswerOptions): Promise<string>;
  /**
   * The other side's answer to our last offer. May come several times (183, then 200, or from several forks): the last one holds.
   * @throws MediaError not_acceptable, malformed, gone
   */
  accept(remoteAnswer: string): Promise<LegMedia>;
  /** Our last offer was refused: what was agreed before holds on. */
  rollback(): Promise<void>;

  /**
   * Plays to the party of this leg, instead of what it would hear (or mixed with it, `over`). A new one stops the one that ran.
   * It begins when the leg can send. Never throws: see `done`.
   */
  play(source: PlaySource, options?: PlayOptions): Playback;
  /** Records this leg. Never throws: see `done`. */
  record(options: RecordOptions): Recording;
  /**
   * Sends digits (0-9 A-D * # and `,` for a pause of half a second): RFC 4733 when it was negotiated, else tones in the audio.
   * Resolves when the last was sent. @throws MediaError gone, malformed
   */
  sendDtmf(digits: string, options?: { toneMs?: number; gapMs?: number }): Promise<void>;
  /** What the party says is passed to nobody (`true`), without a word to it; events go on. */
  mute(muted: boolean): Promise<void>;
  /** Counted since the leg's beginning. */
  quality(): Promise<QualityFigures>;
  /** Frees its ports; ends its playback and recording. Never fails; a second time does nothing. */
  close(): Promise<void>;
}

export interface OfferOptions {
  /** Default: `rtp`, and once negotiated what was used before. */
  profile?: MediaProfile;
  /** Default `sendrecv`. `sendonly` and `inactive` put the other side on hold. */
  direction?: MediaDirection;
  /** Only these, in this order. Default: all four. */
  codecs?: readonly CodecName[];
  /** The codecs of that leg first, so that nothing need be transcoded. */
  like?: MediaLeg;
  /** Also offer video; only for `webrtc`. Default false. */
  video?: boolean;
  /** Of the picture alone. Default: as `direction`. `recvonly` tells that we have none to show. */
  videoDirection?: MediaDirection;
  /** An address of the other side: the SDP names ours of its family (IPv4, IPv6). Default: the first advertised one. WebRTC legs name all as candidates. */
  toward?: string | undefined;
  /** Hear no media for so long: event `no_media`. Default 0: never. */
  noMediaSeconds?: number;
}

/** An answer names our address of the family that the offer names. */
export type AnswerOptions = Omit<OfferOptions, "profile" | "toward">;

/** What a leg has, as far as it is known. */
export interface LegMedia {
  profile: MediaProfile;
  /** The one that is used; undefined until both sides have spoken. */
  codec: CodecName | undefined;
  /** What the other side can, in its order. */
  codecs: readonly CodecName[];
  /** Digits come and go as RFC 4733 events. */
  telephoneEvent: boolean;
  /** Of our side. */
  direction: MediaDirection;
  /** The other side put us on hold: it listens to nothing, or sends music of its own. */
  heldByRemote: boolean;
  video: boolean;
  /** The other side shows a picture of its own. */
  showsVideo: boolean;
  /** It was told that we show one, and takes it. */
  seesVideo: boolean;
  /** Where the other side said that it is; packets may come from another place (RFC 4961). */
  remote: { address: string; port: number };
}

export interface BridgeOptions {
  /** Digits one party presses go on to the other (default), or come only as events. */
  dtmf?: "relay" | "absorb";
}

/** Audio at 8 or 16 kHz, mono, 16 bit PCM or G.711, in WAV. */
export type PlaySource =
  | { file: string; fromMs?: number }
  /** Music that goes round without end; all that hear the same file hear the same moment of it, as on a radio. */
  | { music: string; gainDb?: number }
  | { tone: ToneSpec }
  | { silenceMs: number }
  | { sequence: readonly PlaySource[] };

/** Segments one after the other: a country's ringing tone is [{ frequencies: [425], ms: 1000 }, { frequencies: [], ms: 4000 }] with `repeat`. */
export interface ToneSpec {
  segments: readonly { frequencies: readonly number[]; ms: number }[];
  /** Again and again, until stopped. Default false. */
  repeat?: boolean;
  /** Of each frequency. Default -13. */
  levelDbm0?: number;
}

export interface PlayOptions {
  /** Any of these digits ends it ("0123456789*#ABCD"). Default: none. */
  untilDtmf?: string;
  /** How often; 0 is without end. Default 1. */
  repeat?: number;
  /** Mixed with what the party hears otherwise. Default false: instead of it. */
  over?: boolean;
  gainDb?: number;
}

export interface Playback {
  readonly id: string;
  /** Never rejects. */
  readonly done: Promise<PlaybackEnd>;
  stop(): Promise<void>;
}

export interface PlaybackEnd {
  /** `failed`: a file could not be read, see `error`. `closed`: the leg, call or engine ended. */
  reason: "finished" | "dtmf" | "stopped" | "replaced" | "closed" | "failed";
  digit?: string;
  error?: string;
  playedMs: number;
}

export interface RecordOptions {
  /** Absolute; a file that is there is replaced. Its header is kept up to date every second, so it can be read whatever happens. */
  file: string;
  /** Of a leg: what its party says (default), or both it and what it hears, which is the recording of a bridge. Of a conference: always all. */
  what?: "received" | "both";
  /** Two channels: the party on the left, what it hears on the right. Default false. */
  stereo?: boolean;
  sampleRate?: 8000 | 16000;
  /** A tone of 1 kHz for 250 ms before it begins (voicemail): it is not in the recording. */
  beep?: boolean;
  maxSeconds?: number;
  /** Ends after so much silence of the party in one piece. Default 0: never. */
  silenceSeconds?: number;
  untilDtmf?: string;
}

export interface Recording {
  readonly id: string;
  /** Never rejects. */
  readonly done: Promise<RecordingEnd>;
  /** Leaves out what is said until `resume`. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  stop(): Promise<void>;
}

export interface RecordingEnd {
  reason: "stopped" | "max" | "silence" | "dtmf" | "closed" | "failed";
  digit?: string;
  error?: string;
  file: string;
  ms: number;
  /** Of it, how much was louder than -40 dBm0: a voicemail with less than half a second is empty. */
  talkedMs: number;
}

export interface ConferenceOptions {
  /** How often `speakers` comes while somebody speaks. Default 500. */
  speakersEveryMs?: number;
}

export interface Conference {
  readonly id: string;
  /** A leg in a bridge or another conference leaves that first. */
  join(leg: MediaLeg, options?: MemberOptions): Promise<void>;
  change(leg: MediaLeg, options: MemberOptions): Promise<void>;
  leave(leg: MediaLeg): Promise<void>;
  members(): Promise<readonly ConferenceMember[]>;
  /** To all, mixed with what they say. */
  play(source: PlaySource, options?: Omit<PlayOptions, "untilDtmf" | "over">): Playback;
  record(options: Omit<RecordOptions, "what" | "stereo" | "beep" | "untilDtmf">): Recording;
  onEvent(listener: (event: MediaEvent) => void): () => void;
  /** All leave; their legs go on. */
  close(): Promise<void>;
}

export interface MemberOptions {
  /** Not heard by others. */
  muted?: boolean;
  /** Hears nothing of the conference. */
  deafened?: boolean;
  /** Heard by these only (a supervisor's whisper); `null`: by all. */
  heardBy?: readonly MediaLeg[] | null;
}

export interface ConferenceMember {
  leg: string;
  muted: boolean;
  deafened: boolean;
  talking: boolean;
  /** Of the last 200 ms; -100 is silence. */
  levelDbm0: number;
}

export interface QualityFigures {
  packetsReceived: number;
  packetsSent: number;
  /** Of what should have come, 0 to 1 (RFC 3550 section 6.4.1). */
  lossReceived: number;
  /** Of what we sent, as the other side reports it; undefined when it does not. */
  lossSent: number | undefined;
  jitterMs: number;
  roundTripMs: number | undefined;
  /** Estimate by the E-model (ITU-T G.107), 1 to 4.5, of the worse direction. */
  mos: number;
}

export interface EngineFigures {
  /** rtpengine hosts; none of the embedded engine. */
  hosts: readonly { host: string; port: number; up: boolean; calls: number }[];
  workers: readonly { pid: number | undefined; calls: number; legs: number; conferences: number }[];
}

export type MediaEvent =
  /** Of a bridge with `relay` also. `ms` is the length so far for `in_band`. */
  | { type: "dtmf"; call: string; leg: string; digit: string; by: "rfc4733" | "in_band"; ms: number }
  /** WebRTC: ICE and DTLS are done. Others: the first packet came. */
  | { type: "connected"; call: string; leg: string }
  /** WebRTC: DTLS failed, or the certificate is not that of the SDP. The leg is of no use. */
  | { type: "failed"; call: string; leg: string; reason: string }
  | { type: "no_media"; call: string; leg: string; seconds: number }
  | { type: "media_again"; call: string; leg: string }
  | { type: "talking"; call: string; leg: string; talking: boolean }
  /** Every five seconds while media flows. */
  | { type: "quality"; call: string; leg: string; quality: QualityFigures }
  | { type: "speakers"; conference: string; speakers: readonly { leg: string; levelDbm0: number }[] }
  /** Its legs are gone. Calls that the switchboard closed itself do not say so. */
  | { type: "call_ended"; call: string; cause: "worker_died" | "engine_closed" | "engine_unreachable" }
  | { type: "conference_ended"; conference: string; cause: "worker_died" | "engine_closed" };

export type MediaErrorCode = "not_acceptable" | "malformed" | "no_ports" | "gone" | "unsupported" | "unreachable";

export class MediaError extends Error {
  readonly code: MediaErrorCode;
  constructor(code: MediaErrorCode, message: string) {
    super(message);
    this.name = "MediaError";
    this.code = code;
  }
}

export interface EmbeddedOptions {
  kind: "embedded";
  /** Processes, each for its share of the calls. Default: one per processor. */
  workers?: number;
  /** UDP ports of legs, both ends included; RTP on even ones. */
  ports: readonly [number, number];
  /** Where sockets are bound. Default 0.0.0.0; "::" is for IPv4 and IPv6. */
  listen?: string;
  /** What is written into SDP: the server's public addresses, one of each family at most. */
  advertised: readonly string[];
  log?: (line: { level: "info" | "warn" | "error"; message: string; [key: string]: unknown }) => void;
}

/** Where its ng protocol listens (UDP). */
export interface RtpengineAddress {
  host: string;
  port: number;
}

export interface RtpengineOptions {
  kind: "rtpengine";
  /** Calls are spread over those that answer. */
  hosts: readonly RtpengineAddress[];
  /** How often each is asked whether it is there. Default 1000. */
  askMs?: number;
  /** For what rtpengine cannot do itself: see README.md. */
  embedded: EmbeddedOptions;
}

export type EngineOptions = EmbeddedOptions | RtpengineOptions;
