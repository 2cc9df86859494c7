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
  const [one, other] = legs.map((leg) => agreedNumbers(codec, leg));
  return one !== undefined && one === other;
}

/** Undefined: the party and its worker name them by different numbers, or there are no digits. Whoever offered may have named more than was taken. */
function agreedNumbers(codec: CodecName, leg: Partial<Agreed> | undefined): string | undefined {
  if (!leg?.party || !leg.worker) return undefined;
  const [party, worker] = [readRemote(leg.party), readRemote(leg.worker)];
  const rates = new Set(party.events.map(({ rate }) => rate)).intersection(new Set(worker.events.map(({ rate }) => rate)));
  const [ours, theirs] = [party, worker].map(({ codecs, events }) => {
    const audio = codecs.find(({ name }) => name === codec);
    const event = eventFor({ events: events.filter(({ rate }) => rates.has(rate)) }, codec);
    return audio && event && `${audio.payloadType} ${event.payloadType} ${event.rate}`;
  });
  return ours === theirs ? ours : undefined;
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
