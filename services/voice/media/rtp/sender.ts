import type { RtpPacket } from "./packet.ts";

/** What receivers see as one unbroken source, whatever it is made of: sequence and timestamps go on when what is passed on changes. */
export class RtpSender {
  readonly ssrc: number;
  clockRate = 8000;
  packets = 0;
  octets = 0;
  #sequence: number;
  #timestamp: number;
  #at = performance.now();
  #source: string | number | undefined;
  #sequenceOffset = 0;
  #timestampOffset = 0;
  readonly #emit: (packet: Omit<RtpPacket, "audioLevel">) => void;

  /** `emit` gets each packet, to be built and sent. */
  constructor(
    ssrc: number,
    random: { sequence: number; timestamp: number },
    emit: (packet: Omit<RtpPacket, "audioLevel">) => void,
  ) {
    this.ssrc = ssrc;
    this.#sequence = random.sequence;
    this.#timestamp = random.timestamp;
    this.#emit = emit;
  }

  /** Now, in timestamp units. */
  now(now: number): number {
    return (this.#timestamp + Math.round(((now - this.#at) / 1000) * this.clockRate)) >>> 0;
  }

  /** A packet of another leg. `source` tells one source from another. */
  relay(packet: RtpPacket, payloadType: number, source: string, now: number): void {
    const key = `${source}/${packet.ssrc}`;
    let marker = packet.marker;
    if (key !== this.#source) {
      this.#sequenceOffset = (this.#sequence + 1 - packet.sequence) & 0xffff;
      this.#timestampOffset = (this.now(now) - packet.timestamp) | 0;
      this.#source = key;
      marker = true;
    }
    const sequence = (packet.sequence + this.#sequenceOffset) & 0xffff;
    const timestamp = (packet.timestamp + this.#timestampOffset) >>> 0;
    // One that comes late must not set the count back.
    if (((sequence - this.#sequence) << 16) >> 16 > 0) {
      this.#sequence = sequence;
      this.#timestamp = timestamp;
      this.#at = now;
    }
    this.#send(payloadType, marker, sequence, timestamp, packet.payload);
  }

  /** Audio of our own: 20 ms after the last, or after however long nothing was sent. */
  generated(payload: Buffer, payloadType: number, now: number): void {
    const step = (this.clockRate * 20) / 1000;
    const gone = (this.now(now) - this.#timestamp) >>> 0;
    const fresh = this.#source !== "own" || gone > 5 * step;
    this.#source = "own";
    this.#timestamp = (this.#timestamp + (fresh && gone < 0x7fff_ffff ? Math.max(step, gone) : step)) >>> 0;
    this.#at = now;
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#send(payloadType, fresh, this.#sequence, this.#timestamp, payload);
  }

  /** An event's packet: its timestamp is that of the event's beginning. */
  event(payload: Buffer, payloadType: number, timestamp: number, marker: boolean): void {
    this.#source = "event";
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#send(payloadType, marker, this.#sequence, timestamp, payload);
  }

  /** The sequence number that the receiver of ours speaks of, as the source of it counts. */
  originalSequence(sequence: number): number {
    return (sequence - this.#sequenceOffset) & 0xffff;
  }

  #send(payloadType: number, marker: boolean, sequence: number, timestamp: number, payload: Buffer): void {
    this.packets++;
    this.octets += payload.length;
    this.#emit({ payloadType, marker, sequence, timestamp, ssrc: this.ssrc, payload });
  }
}
