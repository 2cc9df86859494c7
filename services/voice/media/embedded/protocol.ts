import type {
  BridgeOptions,
  ConferenceMember,
  LegMedia,
  MediaErrorCode,
  MediaEvent,
  PlaybackEnd,
  PlayOptions,
  PlaySource,
  QualityFigures,
  RecordingEnd,
  RecordOptions,
} from "../engine.ts";
import type { NegotiationOptions } from "../sdp/negotiation.ts";
import type { MemberChange } from "./room.ts";

/**
 * What the engine asks of a worker: parameters and result of each method. All of it is JSON, in lists, and done in its order: what is asked of a leg waits
 * until that is open.
 */
export interface WorkerMethods {
  legOpen: [{ call: string; leg: string }, null];
  legOffer: [{ leg: string; options: LegOptions }, string];
  legAnswer: [{ leg: string; sdp: string; options: LegOptions }, { sdp: string; media: LegMedia }];
  legAccept: [{ leg: string; sdp: string }, LegMedia];
  legRollback: [{ leg: string }, null];
  /** Its packets go past this worker, or come here again. */
  legAway: [{ leg: string; away: boolean }, null];
  legMute: [{ leg: string; muted: boolean }, null];
  legDtmf: [{ leg: string; digits: string; toneMs: number; gapMs: number }, null];
  legQuality: [{ leg: string }, QualityFigures];
  legClose: [{ leg: string }, null];
  bridge: [{ one: string; other: string; options: BridgeOptions }, null];
  unbridge: [{ leg: string }, null];
  play: [{ on: PlaceOf; id: string; source: PlaySource; options: PlayOptions }, null];
  playStop: [{ on: PlaceOf; id: string }, null];
  record: [{ on: PlaceOf; id: string; options: RecordOptions }, null];
  recordChange: [{ on: PlaceOf; id: string; change: "stop" | "pause" | "resume" }, null];
  roomOpen: [{ room: string; speakersEveryMs: number }, null];
  roomJoin: [{ room: string; leg: string; change: MemberChange }, null];
  roomLeave: [{ room: string; leg: string }, null];
  roomMembers: [{ room: string }, ConferenceMember[]];
  roomClose: [{ room: string }, null];
}

export type PlaceOf = { leg: string } | { room: string };
export type LegOptions = NegotiationOptions & { noMediaSeconds?: number };
export type WorkerMethod = keyof WorkerMethods;
export type ParametersOf<M extends WorkerMethod> = WorkerMethods[M][0];
export type ResultOf<M extends WorkerMethod> = WorkerMethods[M][1];

export interface WorkerRequest {
  id: number;
  method: WorkerMethod;
  parameters: unknown;
}

export type WorkerMessage =
  | { ready: true }
  | { id: number; result: unknown }
  | { id: number; error: { code: MediaErrorCode; message: string } }
  | { event: MediaEvent }
  | { played: string; end: PlaybackEnd }
  | { recorded: string; end: RecordingEnd };

/** The first message to a worker. */
export interface WorkerSetup {
  ports: readonly [number, number];
  listen: string;
  addresses: readonly string[];
}
