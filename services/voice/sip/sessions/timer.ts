/**
 * Session timers: RFC 4028. Both sides agree who asks now and then whether the call is still there. Where the other one knows no timers we ask alone
 * (section 7.2), and more often: nobody but us would ever see that it is gone.
 */
import type { HeaderLine } from "../build.ts";
import type { Message, RequestMessage, ResponseMessage } from "../message.ts";
import { parseParams } from "../uri.ts";

interface Expiry {
  seconds: number;
  refresher: "uac" | "uas" | undefined;
}

const maximumSeconds = 86_400;
/** How often one without timers is asked. */
const aloneSeconds = 300;

interface Actions {
  /** Half of the agreed time is over. */
  refresh(): void;
  /** Nobody refreshed. */
  expired(): void;
  /** Nothing is agreed: ask whether it is there, and `askAgain` after that. */
  ask(): void;
}

export class SessionTimer {
  readonly #actions: Actions;
  /** Seconds; 0: off. */
  readonly #wanted: number;
  #minimum: number;
  #timer: NodeJS.Timeout | undefined;
  #endsAt = 0;
  #ended = false;

  constructor(options: { wanted: number; minimum: number }, actions: Actions) {
    this.#wanted = options.wanted;
    this.#minimum = options.minimum;
    this.#actions = actions;
  }

  /** For an INVITE or UPDATE of ours. A refresher goes on being the one (section 7.4). */
  requestHeaders(): HeaderLine[] {
    if (this.#wanted === 0) return [];
    const seconds = Math.max(this.#wanted, this.#minimum);
    const refresher = this.#role === undefined ? "" : `;refresher=${this.#role === "us" ? "uac" : "uas"}`;
    return [
      ["Session-Expires", `${seconds}${refresher}`],
      ["Min-SE", String(this.#minimum)],
    ];
  }

  #role: "us" | "them" | undefined;

  /** A request of theirs asks for less than we bear: answer 422 with this header. */
  tooSmall(request: RequestMessage): HeaderLine | undefined {
    const expiry = expiryOf(request);
    if (this.#wanted === 0 || !expiry || expiry.seconds >= this.#minimum || !request.lists("supported", "timer"))
      return undefined;
    return ["Min-SE", String(this.#minimum)];
  }

  /** Headers of our 2xx to an INVITE or UPDATE of theirs; starts the clock. */
  agree(request: RequestMessage): HeaderLine[] {
    const canTimer = request.lists("supported", "timer") || request.lists("require", "timer");
    if (this.#wanted === 0) return [];
    if (!canTimer) {
      this.askAgain();
      return [];
    }
    const asked = expiryOf(request);
    const seconds = Math.max(Math.min(asked?.seconds ?? this.#wanted, this.#wanted), this.#minimum, minimumOf(request));
    const refresher = asked?.refresher ?? "uac";
    this.#start(seconds, refresher === "uas" ? "us" : "them");
    const expires: HeaderLine = ["Session-Expires", `${seconds};refresher=${refresher}`];
    return refresher === "uac" ? [["Require", "timer"], expires] : [expires];
  }

  /** From their 2xx to an INVITE or UPDATE of ours. */
  agreed(response: ResponseMessage): void {
    const expiry = expiryOf(response);
    if (this.#wanted === 0) return;
    if (!expiry) {
      this.askAgain();
      return;
    }
    this.#start(Math.max(expiry.seconds, 1), expiry.refresher === "uas" ? "them" : "us");
  }

  /** From a 422: what they bear. False: it says nothing new. */
  raise(response: ResponseMessage): boolean {
    const asked = minimumOf(response);
    if (asked <= this.#minimum || asked > maximumSeconds) return false;
    this.#minimum = asked;
    return true;
  }

  #start(seconds: number, role: "us" | "them"): void {
    if (this.#ended) return;
    this.#role = role;
    clearTimeout(this.#timer);
    this.#endsAt = performance.now() + seconds * 1000;
    // Section 10: half time for refreshing, and a little before the end for giving up.
    const ms = role === "us" ? (seconds * 1000) / 2 : (seconds - Math.min(32, seconds / 3)) * 1000;
    this.#timer = setTimeout(() => (role === "us" ? this.#actions.refresh() : this.#actions.expired()), ms);
  }

  /** The other one refused our refresh: again, before its time is over, as long as there is time. */
  retry(): void {
    const left = this.#endsAt - performance.now();
    if (left < 10_000) this.#start(left / 1000, "them");
    else this.#timer = setTimeout(() => this.#actions.refresh(), left / 2);
  }

  /** Of one that agreed to nothing. */
  askAgain(ms = 1000 * Math.min(this.#wanted / 2, aloneSeconds)): void {
    if (this.#ended) return;
    this.#role = undefined;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#actions.ask(), ms);
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }
}

function expiryOf(message: Message): Expiry | undefined {
  const value = message.header("session-expires");
  const match = value === undefined ? null : /^\s*(\d{1,9})\s*(;.*)?$/.exec(value);
  if (!match) return undefined;
  const refresher = parseParams(match[2] ?? "")?.["refresher"];
  const named = typeof refresher === "string" ? refresher.toLowerCase() : undefined;
  return { seconds: Number(match[1]), refresher: named === "uac" || named === "uas" ? named : undefined };
}

function minimumOf(message: Message): number {
  const value = Number.parseInt(message.header("min-se") ?? "", 10);
  return Number.isFinite(value) && value > 0 && value <= maximumSeconds ? value : 0;
}
