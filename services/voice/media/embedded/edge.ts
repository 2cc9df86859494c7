import type { LegMedia, MediaProfile, QualityFigures } from "../engine.ts";

/** A leg, as far as an edge needs to know it: those of one call stay together. */
export interface EdgeLeg {
  readonly id: string;
  readonly call: { readonly id: string };
  readonly media: LegMedia | undefined;
}

/** Where something that moves packets is, and how it does. */
export interface EdgeFigures {
  host: string;
  port: number;
  /** It answers, and gets calls. */
  up: boolean;
  /** Of this process, now. */
  calls: number;
}

/**
 * Something between the parties and the workers that turns session descriptions, and so moves the packets at the public side. The workers then speak
 * plain RTP with it.
 */
export interface MediaEdge {
  /** @throws MediaError unreachable, while nothing answers: calls are better refused before somebody's phone rings */
  check(): void;
  /** From our offer in plain RTP to the one that the party gets. */
  offerToParty(leg: EdgeLeg, sdp: string, profile: MediaProfile, toward?: string): Promise<string>;
  answerFromParty(leg: EdgeLeg, sdp: string): Promise<string>;
  offerFromParty(leg: EdgeLeg, sdp: string): Promise<string>;
  answerToParty(leg: EdgeLeg, sdp: string): Promise<string>;
  forget(leg: EdgeLeg): Promise<void>;
  /** Whether packets can go from one party to the other without the workers: as they are, with digits told by `onDigit`. */
  joins(one: EdgeLeg, other: EdgeLeg): boolean;
  /** What the leg's party says goes to the party of `to` and no worker any longer; without `to` to the worker again. @throws MediaError */
  point(leg: EdgeLeg, to?: EdgeLeg): Promise<void>;
  /** Called with digits that parties press, once for each (RFC 4733). */
  onDigit(listener: (leg: string, digit: string, ms: number) => void): void;
  /** What it counted; the rest as it was `known` before. @throws MediaError */
  quality(leg: EdgeLeg, known: QualityFigures): Promise<QualityFigures>;
  /** Called with calls whose packets nobody moves any longer. */
  onLost(listener: (calls: readonly string[]) => void): void;
  figures(): readonly EdgeFigures[];
  close(): void;
}
