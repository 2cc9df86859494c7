import type { CodecName, MediaDirection, MediaProfile } from "../engine.ts";
import type { SrtpSuite } from "../rtp/srtp.ts";

/** What we write into a session description of ours. */
export interface LocalDescription {
  session: string;
  version: number;
  /** For c=; ICE candidates name all. */
  address: string;
  addresses: readonly string[];
  port: number;
  profile: MediaProfile;
  /** As the offer has it (RTP/AVPF, say), in an answer to it. */
  protocol: string | undefined;
  codecs: readonly { name: CodecName; payloadType: number }[];
  events: readonly { payloadType: number; rate: number }[];
  direction: MediaDirection;
  rtcpMux: boolean;
  ssrc: number;
  videoSsrc: number;
  cname: string;
  crypto: readonly { tag: string; suite: SrtpSuite; key: Buffer }[];
  /** None in an answer to a phone that knows no ICE. */
  ice: { user: string; password: string } | undefined;
  fingerprint: string;
  /** For SRTP: DTLS is offered beside keys in the SDP. */
  setup: "actpass" | "passive" | undefined;
  audioLevelId: number | undefined;
  video:
    | { codecs: readonly { name: string; payloadType: number; format: string | undefined }[]; direction: MediaDirection }
    | undefined;
  /** Each m-line in its order. */
  lines: readonly {
    kind: "audio" | "video" | "refused";
    mid: string | undefined;
    refused?: { kind: string; protocol: string; format: string };
  }[];
}

const protocols: Record<MediaProfile, string> = { rtp: "RTP/AVP", srtp: "RTP/SAVP", webrtc: "UDP/TLS/RTP/SAVPF" };
const rates: Record<CodecName, string> = { PCMU: "8000", PCMA: "8000", G722: "8000", opus: "48000/2" };
const family = (address: string): string => (address.includes(":") ? "IP6" : "IP4");

export function writeLocal(local: LocalDescription): string {
  const bundled = local.lines.filter((line) => line.kind !== "refused" && line.mid !== undefined).map((line) => line.mid);
  const webrtc = local.profile === "webrtc";
  const lines = [
    "v=0",
    `o=- ${local.session} ${local.version} IN ${family(local.address)} ${local.address}`,
    "s=-",
    `c=IN ${family(local.address)} ${local.address}`,
    "t=0 0",
    ...(webrtc && bundled.length > 0 ? [`a=group:BUNDLE ${bundled.join(" ")}`] : []),
    ...(webrtc && local.ice ? ["a=ice-lite"] : []),
    ...(webrtc ? ["a=msid-semantic: WMS *"] : []),
  ];
  for (const line of local.lines) {
    if (line.kind === "audio") lines.push(...audioLines(local, line.mid));
    else if (line.kind === "video") lines.push(...videoLines(local, line.mid));
    else lines.push(...refusedLines(line));
  }
  return `${lines.join("\r\n")}\r\n`;
}

function refusedLines(line: LocalDescription["lines"][number]): string[] {
  const { kind, protocol, format } = line.refused!;
  return [`m=${kind} 0 ${protocol} ${format}`, ...(line.mid === undefined ? [] : [`a=mid:${line.mid}`]), "a=inactive"];
}

function audioLines(local: LocalDescription, mid: string | undefined): string[] {
  const formats = [...local.codecs, ...local.events].map((each) => each.payloadType);
  return [
    `m=audio ${local.port} ${local.protocol ?? protocols[local.profile]} ${formats.join(" ")}`,
    ...transportLines(local, mid),
    ...local.codecs.flatMap((codec) => [
      `a=rtpmap:${codec.payloadType} ${codec.name}/${rates[codec.name]}`,
      ...(codec.name === "opus" ? [`a=fmtp:${codec.payloadType} minptime=10;useinbandfec=1;maxplaybackrate=16000`] : []),
    ]),
    ...local.events.flatMap((event) => [
      `a=rtpmap:${event.payloadType} telephone-event/${event.rate}`,
      `a=fmtp:${event.payloadType} 0-15`,
    ]),
    "a=ptime:20",
    ...(local.audioLevelId === undefined ? [] : [`a=extmap:${local.audioLevelId} urn:ietf:params:rtp-hdrext:ssrc-audio-level`]),
    ...local.crypto.map(({ tag, suite, key }) => `a=crypto:${tag} ${suite} inline:${key.toString("base64")}`),
    ...sourceLines(local, local.ssrc, "audio"),
    `a=${local.direction}`,
  ];
}

function videoLines(local: LocalDescription, mid: string | undefined): string[] {
  const video = local.video!;
  return [
    `m=video ${local.port} ${local.protocol ?? protocols[local.profile]} ${video.codecs.map((codec) => codec.payloadType).join(" ")}`,
    ...transportLines(local, mid),
    ...video.codecs.flatMap((codec) => [
      `a=rtpmap:${codec.payloadType} ${codec.name}/90000`,
      ...(codec.format === undefined ? [] : [`a=fmtp:${codec.payloadType} ${codec.format}`]),
      ...["ccm fir", "nack", "nack pli", "goog-remb"].map((kind) => `a=rtcp-fb:${codec.payloadType} ${kind}`),
    ]),
    ...sourceLines(local, local.videoSsrc, "video"),
    `a=${video.direction}`,
  ];
}

function sourceLines(local: LocalDescription, ssrc: number, kind: string): string[] {
  const named = [`a=ssrc:${ssrc} cname:${local.cname}`];
  return local.profile === "webrtc" ? [`a=msid:${local.cname} ${kind}`, ...named] : named;
}

function transportLines(local: LocalDescription, mid: string | undefined): string[] {
  const common = [`c=IN ${family(local.address)} ${local.address}`, ...(mid === undefined ? [] : [`a=mid:${mid}`])];
  const dtls = local.setup === undefined ? [] : [`a=fingerprint:sha-256 ${local.fingerprint}`, `a=setup:${local.setup}`];
  if (local.profile !== "webrtc") {
    const isOffered = local.setup === "actpass";
    return [
      ...common,
      ...(local.rtcpMux ? ["a=rtcp-mux"] : []),
      ...(local.rtcpMux && !isOffered ? [] : [`a=rtcp:${local.port + 1}`]),
      ...(isOffered ? dtls : []),
    ];
  }
  return [...common, "a=rtcp-mux", `a=rtcp:${local.port}`, ...(local.ice ? iceLines(local, local.ice) : []), ...dtls];
}

function iceLines({ addresses, port }: LocalDescription, { user, password }: { user: string; password: string }): string[] {
  return [
    `a=ice-ufrag:${user}`,
    `a=ice-pwd:${password}`,
    // RFC 8445 section 5.1.2: host candidates, the first address preferred.
    ...addresses.map(
      (address, i) => `a=candidate:${i + 1} 1 udp ${126 * 2 ** 24 + (65_535 - i) * 256 + 255} ${address} ${port} typ host`,
    ),
    "a=end-of-candidates",
  ];
}
