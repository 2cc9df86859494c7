import { type CodecName, type MediaDirection, MediaError, type MediaProfile } from "../engine.ts";
import type { SrtpSuite } from "../rtp/srtp.ts";
import { attribute, attributes, parseSdp, type Sdp, type SdpMedia } from "./sdp.ts";

/** What the other side's session description says, as far as it concerns us. */
export interface RemoteDescription {
  /** Kind and mid of each m-line, as an answer has to repeat them. */
  lines: { kind: string; mid: string | undefined; protocol: string; format: string }[];
  audioLine: number;
  videoLine: number | undefined;
  profile: MediaProfile;
  address: string;
  port: number;
  rtcpPort: number;
  rtcpMux: boolean;
  bundle: boolean;
  codecs: { name: CodecName; payloadType: number }[];
  events: { payloadType: number; rate: number }[];
  /** Its number for comfort noise at 8 kHz, when it takes that (RFC 3389). */
  comfortNoise: number | undefined;
  direction: MediaDirection;
  crypto: { tag: string; suite: SrtpSuite; key: Buffer }[];
  fingerprints: { hash: string; value: string }[];
  setup: string | undefined;
  iceUser: string | undefined;
  audioLevelId: number | undefined;
  video: RemoteVideo | undefined;
}

export interface RemoteVideo {
  codecs: { name: "VP8" | "H264"; payloadType: number; format: string | undefined }[];
  direction: MediaDirection;
}

const audioLevelUri = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

/** @throws MediaError malformed, not_acceptable */
export function readRemote(text: string): RemoteDescription {
  const sdp = parseSdp(text);
  const audioLine = sdp.media.findIndex(
    (media) => media.kind === "audio" && media.port !== 0 && profileOf(sdp, media) !== undefined,
  );
  if (audioLine === -1)
    throw new MediaError("not_acceptable", "There is no audio in RTP/AVP, RTP/SAVP or UDP/TLS/RTP/SAVPF that we could take.");
  const audio = sdp.media[audioLine]!;
  const profile = profileOf(sdp, audio)!;
  const codecs = audioCodecs(audio);
  const { port, rtcpPort } = ports(audio);
  const video = sdp.media.findIndex((media) => media.kind === "video" && media.port !== 0 && profileOf(sdp, media) === "webrtc");
  return {
    lines: sdp.media.map((media) => ({
      kind: media.kind,
      mid: attribute(sdp, media, "mid"),
      protocol: media.protocol,
      format: media.formats[0]!,
    })),
    audioLine,
    videoLine: video === -1 ? undefined : video,
    profile,
    address: audio.address,
    port,
    rtcpPort,
    rtcpMux: attribute(sdp, audio, "rtcp-mux") !== undefined,
    bundle: sdp.attributes.some((each) => each.name === "group" && each.value.startsWith("BUNDLE")),
    ...codecs,
    direction: directionOf(sdp, audio),
    crypto: readCrypto(audio),
    fingerprints: readFingerprints(sdp, audio),
    setup: attribute(sdp, audio, "setup"),
    iceUser: attribute(sdp, audio, "ice-ufrag"),
    audioLevelId: extensionId(audio, audioLevelUri),
    video: video === -1 ? undefined : { codecs: videoCodecs(sdp.media[video]!), direction: directionOf(sdp, sdp.media[video]!) },
  };
}

function profileOf(sdp: Sdp, media: SdpMedia): MediaProfile | undefined {
  const hasKeys = /^RTP\/SAVPF?$/.test(media.protocol) && readCrypto(media).length > 0;
  const hasIce = attribute(sdp, media, "ice-ufrag") !== undefined;
  if (/^(UDP\/TLS\/)?RTP\/SAVPF?$/.test(media.protocol) && attribute(sdp, media, "fingerprint") !== undefined)
    return hasKeys && !hasIce ? "srtp" : "webrtc";
  if (hasKeys) return "srtp";
  return /^RTP\/AVPF?$/.test(media.protocol) ? "rtp" : undefined;
}

function directionOf(sdp: Sdp, media: SdpMedia): MediaDirection {
  const names: readonly MediaDirection[] = ["sendrecv", "sendonly", "recvonly", "inactive"];
  const said = names.find((name) => attribute(sdp, media, name) !== undefined) ?? "sendrecv";
  // RFC 3264 section 8.4: how it was said once. Browsers write it while they know no address of theirs yet.
  if (media.address !== "0.0.0.0" || profileOf(sdp, media) === "webrtc") return said;
  return said === "recvonly" || said === "inactive" ? "inactive" : "sendonly";
}

function ports(media: SdpMedia): { port: number; rtcpPort: number } {
  const rtcp = Number.parseInt(attributes(media, "rtcp")[0] ?? "", 10);
  return { port: media.port, rtcpPort: rtcp > 0 && rtcp < 65_536 ? rtcp : media.port + 1 };
}

/** RFC 3551's numbers that need no rtpmap. */
const fixed: Record<string, string> = { "0": "PCMU/8000", "8": "PCMA/8000", "9": "G722/8000", "13": "CN/8000" };

function rtpmap(media: SdpMedia): Map<string, string> {
  const map = new Map<string, string>();
  for (const format of media.formats) if (fixed[format]) map.set(format, fixed[format]);
  for (const line of attributes(media, "rtpmap")) {
    const [format, encoding] = line.split(/\s+/);
    if (format && encoding) map.set(format, encoding);
  }
  return map;
}

function audioCodecs(media: SdpMedia) {
  const map = rtpmap(media);
  const codecs: RemoteDescription["codecs"] = [];
  const events: RemoteDescription["events"] = [];
  let comfortNoise: number | undefined;
  for (const format of media.formats) {
    const [encoding = "", rate = "8000"] = (map.get(format) ?? "").split("/");
    const payloadType = Number(format);
    const name = ({ pcmu: "PCMU", pcma: "PCMA", g722: "G722", opus: "opus" } as const)[encoding.toLowerCase()];
    if (name && !codecs.some((codec) => codec.name === name)) codecs.push({ name, payloadType });
    if (encoding.toLowerCase() === "telephone-event") events.push({ payloadType, rate: Number(rate) });
    if (encoding.toLowerCase() === "cn" && rate === "8000") comfortNoise ??= payloadType;
  }
  return { codecs, events, comfortNoise };
}

function videoCodecs(media: SdpMedia): RemoteVideo["codecs"] {
  const map = rtpmap(media);
  const codecs: RemoteVideo["codecs"] = [];
  for (const format of media.formats) {
    const encoding = (map.get(format) ?? "").split("/")[0]!.toUpperCase();
    const parameters = attributes(media, "fmtp")
      .find((line) => line.startsWith(`${format} `))
      ?.slice(format.length + 1);
    if (encoding === "VP8") codecs.push({ name: "VP8", payloadType: Number(format), format: parameters });
    // Of the many that browsers offer, the one that all have: constrained baseline in fragments.
    if (encoding === "H264" && /packetization-mode=1/.test(parameters ?? "") && /profile-level-id=42[eE]0/.test(parameters ?? ""))
      codecs.push({ name: "H264", payloadType: Number(format), format: parameters });
  }
  return codecs;
}

/** Keys with an MKI, or with session parameters that change the cipher, are none that we could use (RFC 4568 sections 6.1 and 6.3). */
function readCrypto(media: SdpMedia): RemoteDescription["crypto"] {
  const found: RemoteDescription["crypto"] = [];
  for (const line of attributes(media, "crypto")) {
    const match =
      /^(\d+)\s+(AES_CM_128_HMAC_SHA1_(?:80|32))\s+inline:([A-Za-z0-9+/=]+)(\|[^\s:]+)?\s*(FEC_ORDER\S+|WSH\S+|\s)*$/.exec(line);
    const key = Buffer.from(match?.[3] ?? "", "base64");
    if (match && key.length === 30) found.push({ tag: match[1]!, suite: match[2] as SrtpSuite, key });
  }
  return found;
}

function readFingerprints(sdp: Sdp, media: SdpMedia): RemoteDescription["fingerprints"] {
  const lines = attributes(media, "fingerprint");
  const all = lines.length > 0 ? lines : sdp.attributes.filter((each) => each.name === "fingerprint").map((each) => each.value);
  return all.map((line) => {
    const [hash = "", value = ""] = line.trim().split(/\s+/);
    return { hash, value };
  });
}

function extensionId(media: SdpMedia, uri: string): number | undefined {
  for (const line of attributes(media, "extmap")) {
    const [id, name] = line.split(/\s+/);
    const number = Number.parseInt(id ?? "", 10);
    if (name === uri && number > 0 && number < 15) return number;
  }
  return undefined;
}
