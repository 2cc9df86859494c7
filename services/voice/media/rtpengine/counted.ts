import type { QualityFigures } from "../engine.ts";
import { qualityFigures } from "../rtp/quality.ts";
import type { Bencoded } from "./bencode.ts";

interface Stream {
  /** As it was learnt from packets. */
  endpoint?: { address?: string; port?: number };
  SSRC?: number;
  stats?: { packets?: number };
}
interface Answer {
  tags?: { [tag: string]: { medias?: { streams?: Stream[] }[] } };
  SSRC?: { [ssrc: string]: { "average MOS"?: Average } };
}
/** Jitter in milliseconds, the round trip in microseconds, loss in percent. */
interface Average {
  jitter?: number;
  "round-trip time"?: number;
  "packet loss"?: number;
}

const streamsOf = ({ tags }: Answer, tag: string): Stream[] => tags?.[tag]?.medias?.[0]?.streams ?? [];

/** Where the packets of a leg's party come from, as the answer to `query` has it. */
export function placeOf(answer: { [key: string]: Bencoded }): { address: string; port: number; rtcpPort: number } | undefined {
  const [rtp, rtcp] = streamsOf(answer as Answer, "party").map(({ endpoint }) => endpoint);
  if (!rtp?.address || !rtp.port) return undefined;
  return { address: rtp.address, port: rtp.port, rtcpPort: rtcp?.port ?? rtp.port + 1 };
}

/** From the answer to `query`: packets are rtpengine's count from the leg's beginning on; loss, jitter and round trip only where the parties report them (RTCP). */
export function countedBy(answer: { [key: string]: Bencoded }, known: QualityFigures): QualityFigures {
  const [party] = streamsOf(answer as Answer, "party");
  const [worker] = streamsOf(answer as Answer, "worker");
  const { SSRC } = answer as Answer;
  const average = SSRC?.[String(party?.SSRC)]?.["average MOS"];
  return qualityFigures({
    received: party?.stats?.packets ?? known.packetsReceived,
    sent: worker?.stats?.packets ?? known.packetsSent,
    lossReceived: average?.["packet loss"] === undefined ? known.lossReceived : average["packet loss"] / 100,
    lossSent: known.lossSent,
    jitterMs: average?.jitter ?? known.jitterMs,
    roundTripMs: average?.["round-trip time"] === undefined ? known.roundTripMs : average["round-trip time"] / 1000,
  });
}
