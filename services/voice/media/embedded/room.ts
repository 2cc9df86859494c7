import type { ConferenceMember, MediaEvent } from "../engine.ts";
import type { Leg } from "./leg.ts";
import type { RunningPlayback } from "./playback.ts";
import type { RunningRecording } from "./recorder.ts";

interface Member {
  leg: Leg;
  muted: boolean;
  deafened: boolean;
  /** Legs that hear it; undefined: all. */
  heardBy: ReadonlySet<string> | undefined;
}

export interface MemberChange {
  muted?: boolean | undefined;
  deafened?: boolean | undefined;
  heardBy?: readonly string[] | null | undefined;
}

const samples = 320;
const clip = (value: number): number => Math.max(-32_768, Math.min(32_767, value));

/** A conference: everyone hears the sum of the others. */
export class Room {
  readonly id: string;
  readonly members = new Map<string, Member>();
  readonly recordings = new Set<RunningRecording>();
  playback: RunningPlayback | undefined;
  readonly #emit: (event: MediaEvent) => void;
  readonly #everyMs: number;
  /** Of all that everyone hears. */
  readonly #sum = new Int32Array(samples);
  /** Nobody's own part is in it: the same for all that say nothing. */
  #shared: Int16Array | undefined;
  #nextSpeakers = 0;
  #spoke = false;

  constructor(id: string, speakersEveryMs: number, emit: (event: MediaEvent) => void) {
    this.id = id;
    this.#everyMs = speakersEveryMs;
    this.#emit = emit;
  }

  join(leg: Leg, change: MemberChange): void {
    leg.unbridge();
    if (leg.room !== this) leg.room?.leave(leg);
    leg.room = this;
    const member = this.members.get(leg.id) ?? { leg, muted: false, deafened: false, heardBy: undefined };
    if (change.muted !== undefined) member.muted = change.muted;
    if (change.deafened !== undefined) member.deafened = change.deafened;
    if (change.heardBy !== undefined) member.heardBy = change.heardBy === null ? undefined : new Set(change.heardBy);
    this.members.set(leg.id, member);
  }

  leave(leg: Leg): void {
    this.members.delete(leg.id);
    if (leg.room === this) leg.room = undefined;
  }

  tick(now: number): void {
    this.#sum.fill(0);
    let any = false;
    for (const { leg, muted, heardBy } of this.members.values()) {
      if (!leg.said || muted || leg.muted || heardBy) continue;
      any = true;
      for (let i = 0; i < samples; i++) this.#sum[i]! += leg.said[i]!;
    }
    const played = this.playback?.next();
    if (played) for (let i = 0; i < samples; i++) this.#sum[i]! += played[i]!;
    this.#shared = any || played ? Int16Array.from(this.#sum, clip) : undefined;
    for (const recording of this.recordings) recording.frame(this.#shared, undefined);
    if (now >= this.#nextSpeakers) this.#speakers(now);
  }

  /** What this member hears in this tick. */
  mixFor(leg: Leg): Int16Array | undefined {
    const member = this.members.get(leg.id);
    if (!member || member.deafened) return undefined;
    const own = leg.said && !member.muted && !leg.muted && !member.heardBy ? leg.said : undefined;
    const whispers = [...this.members.values()].filter((each) => each.heardBy?.has(leg.id) && each.leg.said && !each.muted);
    if (!own && whispers.length === 0) return this.#shared;
    const out = new Int16Array(samples);
    for (let i = 0; i < samples; i++) {
      let sum = this.#sum[i]! - (own ? own[i]! : 0);
      for (const each of whispers) sum += each.leg.said![i]!;
      out[i] = clip(sum);
    }
    return out;
  }

  list(): ConferenceMember[] {
    return [...this.members.values()].map(({ leg, muted, deafened }) => ({
      leg: leg.id,
      muted,
      deafened,
      talking: leg.activity.talking,
      levelDbm0: Math.round(leg.activity.level),
    }));
  }

  close(): void {
    for (const { leg } of [...this.members.values()]) this.leave(leg);
    this.playback?.end({ reason: "closed" });
    for (const recording of [...this.recordings]) recording.end({ reason: "closed" });
  }

  #speakers(now: number): void {
    this.#nextSpeakers = now + this.#everyMs;
    const speakers = [...this.members.values()]
      .filter(({ leg, muted }) => leg.activity.talking && !muted && !leg.muted)
      .map(({ leg }) => ({ leg: leg.id, levelDbm0: Math.round(leg.activity.level) }))
      .sort((a, b) => b.levelDbm0 - a.levelDbm0);
    if (speakers.length > 0 || this.#spoke) this.#emit({ type: "speakers", conference: this.id, speakers });
    this.#spoke = speakers.length > 0;
  }
}
