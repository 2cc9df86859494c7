import type { CodecName } from "../engine.ts";
import { eventFor } from "../sdp/negotiation.ts";
import { type RemoteDescription, readRemote } from "../sdp/remote.ts";

/** Session descriptions of a leg behind rtpengine. */
export interface Agreed {
  party: string | undefined;
  worker: string | undefined;
  /** What the worker was told: where rtpengine is for it. */
  inside: string | undefined;
  /** Waits for its answer. */
  offered: string | undefined;
  offeredInside: string | undefined;
}

/** Whether all four sides call the same codec and its digits by the same numbers, as rtpengine changes none. */
export function passesAsIs(codec: CodecName, legs: readonly (Partial<Agreed> | undefined)[]): boolean {
  const numbers = legs.flatMap((leg) => [leg?.party, leg?.worker]).map((sdp) => (sdp ? numbersOf(codec, readRemote(sdp)) : ""));
  return numbers[0] !== "" && new Set(numbers).size === 1;
}

function numbersOf(codec: CodecName, said: RemoteDescription): string {
  const audio = said.codecs.find(({ name }) => name === codec);
  const event = eventFor(said, codec);
  return audio && event ? `${audio.payloadType} ${event.payloadType} ${event.rate}` : "";
}

/** The same from another place. */
export function sentTo(
  sdp: string,
  { address, port, rtcpPort }: Pick<RemoteDescription, "address" | "port" | "rtcpPort">,
): string {
  const family = address.includes(":") ? "IP6" : "IP4";
  return sdp
    .replace(/^m=audio \d+/m, `m=audio ${port}`)
    .replaceAll(/^c=IN IP[46] .*$/gm, `c=IN ${family} ${address}`)
    .replace(/^a=rtcp:\d+.*$/m, `a=rtcp:${rtcpPort}`);
}
