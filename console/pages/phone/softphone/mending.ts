import { type Session, SessionState, type UserAgent } from "sip.js";
import { cut, isAnswered } from "./connection.ts";
import type { CallMedia } from "./media.ts";

/** Wi-Fi that is weak for a moment comes back by itself. */
const graceMs = 1500;
const againMs = 3000;

interface Torn {
  session: Session;
  media: CallMedia;
}

/**
 * Calls whose network changed: sound takes another way when both sides agree on it anew (ICE restart, RFC 8445 section 2.4), which needs the phone
 * system to be reached first. It is tried until it works or the call is over.
 */
export class Mending<Line extends Torn> {
  readonly #agent: UserAgent;
  readonly #agreeAnew: (line: Line) => Promise<void>;
  readonly #torn = new Set<Line>();
  #again: ReturnType<typeof setTimeout> | undefined;
  #isTrying = false;

  constructor(agent: UserAgent, agreeAnew: (line: Line) => Promise<void>) {
    this.#agent = agent;
    this.#agreeAnew = agreeAnew;
  }

  /** The state of its connection is another one. */
  changed(line: Line): void {
    const { connection } = line.media;
    if (connection.connectionState === "failed") this.tear([line]);
    if (connection.connectionState !== "disconnected") return;
    setTimeout(() => connection.connectionState === "disconnected" && this.tear([line]), graceMs);
  }

  /** These have to be agreed on anew, as soon as that can be done. */
  tear(lines: Iterable<Line>): void {
    for (const line of lines) this.#torn.add(line);
    void this.try();
  }

  /** Now is a good moment. Never rejects. */
  async try(): Promise<void> {
    if (this.#isTrying) return;
    this.#isTrying = true;
    clearTimeout(this.#again);
    try {
      await this.#mend();
    } finally {
      this.#isTrying = false;
      for (const line of this.#torn) if (line.session.state === SessionState.Terminated) this.#torn.delete(line);
      if (this.#torn.size > 0) this.#again = setTimeout(() => void this.try(), againMs);
    }
  }

  async #mend(): Promise<void> {
    const lines = [...this.#torn].filter(({ session }) => session.state === SessionState.Established);
    if (lines.length === 0 || !this.#agent.isConnected()) return;
    // An offer that gets no answer would end the call.
    if (!(await isAnswered(this.#agent))) return cut(this.#agent);
    for (const line of lines) {
      line.media.connection.restartIce();
      const isDone = await this.#agreeAnew(line).then(
        () => true,
        () => false,
      );
      if (isDone) this.#torn.delete(line);
    }
  }

  stop(): void {
    clearTimeout(this.#again);
    this.#torn.clear();
  }
}
