import { buildFeedback, type RtcpPart } from "../rtp/rtcp.ts";
import type { RtpSender } from "../rtp/sender.ts";

/** One side of two whose video is passed on as it is. */
export interface VideoSide {
  id: string;
  sender: RtpSender;
  /** Of what this side sends us. */
  sourceSsrc: number | undefined;
  sendRtcp(packet: Buffer): void;
}

const pictureLoss = 1;
const fullIntra = 4;
const bandwidth = 15;

/** Asks `side` for a whole picture (RFC 4585 section 6.3.1). */
export function askForPicture(side: VideoSide): void {
  if (side.sourceSsrc === undefined) return;
  side.sendRtcp(buildFeedback(206, pictureLoss, side.sender.ssrc, side.sourceSsrc, Buffer.alloc(0)));
}

/** What `from` says about the video that it gets goes to `to`, who sends it: in its own numbers. */
export function passFeedback(part: Extract<RtcpPart, { type: "feedback" }>, from: VideoSide, to: VideoSide): void {
  const ssrc = to.sourceSsrc;
  if (ssrc === undefined) return;
  const body = Buffer.from(part.body);
  if (part.kind === 205) {
    // Generic NACK: the packets that are asked for again, as their sender counted them.
    if (part.format !== 1 || part.mediaSsrc !== from.sender.ssrc) return;
    for (let at = 0; at + 4 <= body.length; at += 4) body.writeUInt16BE(from.sender.originalSequence(body.readUInt16BE(at)), at);
    to.sendRtcp(buildFeedback(205, 1, to.sender.ssrc, ssrc, body));
  } else if (part.format === pictureLoss) askForPicture(to);
  else if (part.format === fullIntra) {
    for (let at = 0; at + 8 <= body.length; at += 8) body.writeUInt32BE(ssrc, at);
    to.sendRtcp(buildFeedback(206, fullIntra, to.sender.ssrc, 0, body));
  } else if (part.format === bandwidth && body.toString("latin1", 0, 4) === "REMB") {
    for (let at = 8; at + 4 <= body.length; at += 4) body.writeUInt32BE(ssrc, at);
    to.sendRtcp(buildFeedback(206, bandwidth, to.sender.ssrc, 0, body));
  }
}
