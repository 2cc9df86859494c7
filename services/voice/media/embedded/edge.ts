import type { MediaProfile } from "../engine.ts";

/**
 * Something between the parties and the workers that turns session descriptions, and so moves the packets at the public side. The workers then speak
 * plain RTP with it.
 */
export interface MediaEdge {
  /** From our offer in plain RTP to the one that the party gets. */
  offerToParty(leg: string, sdp: string, profile: MediaProfile): Promise<string>;
  answerFromParty(leg: string, sdp: string): Promise<string>;
  offerFromParty(leg: string, sdp: string): Promise<string>;
  answerToParty(leg: string, sdp: string): Promise<string>;
  forget(leg: string): Promise<void>;
  close(): void;
}
