import { type CodecName, MediaError, type MediaProfile, type Playback, type PlaySource } from "../media/engine.ts";
import type { HeaderInput, NameAddress, OutgoingCall, SipStack, SipUri, Way } from "../sip/ports.ts";
import { aborted, pause, unless } from "./abort.ts";
import type { Charge } from "./charges.ts";
import type { CallMedia } from "./media.ts";
import { as, Left, Party, type PartyEvents, type Who } from "./party.ts";

/** One place to ring. */
export interface Target extends Way {
  who: Who;
  target: string | SipUri;
  from: string;
  to?: string;
  headers?: HeaderInput;
  credentials?: { username: string; password: string } | undefined;
  profile: MediaProfile;
  /** Its address, as far as it is known: the offer names ours of its family. */
  toward?: string | undefined;
  /** In order of preference; absent: what the caller has first. */
  codecs?: readonly ("opus" | "g722" | "pcma" | "pcmu")[];
  /** No plain RTP where SRTP was refused. */
  onlyProfile?: boolean;
  /** Without any answer for so long nobody is there. */
  silenceMs?: number;
  digitsByInfo?: boolean;
  /** What it costs while it lasts. */
  charge?: Charge | undefined;
  /** Rings only after so long. */
  delaySeconds?: number;
  /** Called instead when this one did not take the call: the next of several carriers. */
  otherwise?: Target | undefined;
}

/** Why nobody answered; `busy` also when the phone was told to decline. */
export type Unanswered = "busy" | "no_answer" | "declined" | "unreachable" | "not_found" | "failed";

export type Dialled =
  | { party: Party }
  /** `moved`: where a phone said that it is to be called instead (RFC 3261 section 8.1.3.4), the best first. */
  | { party: undefined; why: Unanswered; status: number; moved?: readonly SipUri[] };

export interface DialOptions {
  stack: SipStack;
  media: CallMedia;
  /** Who hears that it rings. Absent: nobody yet. */
  caller: Party | undefined;
  ringSeconds: number;
  /** What a caller who is answered already hears. */
  ringback: PlaySource;
  /** It hears music already, or is told something. */
  quiet?: boolean;
  maxForwards?: number;
  /** A phone that names another place decides for all that ring: they are the same person's. */
  followsMoved?: boolean;
  events: PartyEvents;
  /** A call that another phone takes (pickup): called at the start, with what takes it. Returns what ends the offer. */
  offerPickup?(take: (by: Party) => void): () => void;
  /** Called at the start, with what rings one more of them. Returns what ends that. */
  joining?(ring: (target: Target) => void): () => void;
  /** Somebody may come who is not there yet: it rings though no phone does. */
  waits?: boolean;
  onRinging?(party: Party): void;
  /** A phone is called. */
  onParty?(party: Party): void;
}

const elsewhere = 'SIP;cause=200;text="Call completed elsewhere"';

/** Rings all targets until one answers. The others are told that the call was answered elsewhere. @throws the reason of `signal` */
export async function dial(targets: readonly Target[], options: DialOptions, signal: AbortSignal): Promise<Dialled> {
  const { caller } = options;
  const attempts: Attempt[] = [];
  const taken = Promise.withResolvers<Dialled>();
  const endPickup = options.offerPickup?.((by) => taken.resolve({ party: by }));
  const hearing = new CallerHears(options.quiet ? undefined : caller, options.ringback, targets.length === 1);
  const stop = new AbortController();
  const ends = new Ends(options.followsMoved === true, options.waits === true);
  const ring = (target: Target) => {
    if (stop.signal.aborted) return;
    const attempt = new Attempt(target, options, hearing, stop.signal);
    attempts.push(attempt);
    ends.add(attempt);
  };
  let answered: Party | undefined;
  let endJoining: (() => void) | undefined;
  try {
    for (const target of targets) ring(target);
    ends.begin();
    endJoining = options.joining?.(ring);
    if (options.waits && targets.length === 0) hearing.ringing();
    const late = pause(options.ringSeconds * 1000, stop.signal).then(
      (): Dialled => ({ party: undefined, why: "no_answer", status: 480 }),
    );
    late.catch(() => {});
    const result = await unless(signal, Promise.race([taken.promise, late, ends.first]));
    answered = result.party;
    return result;
  } finally {
    // With a reason: without one an error is made, with all of the stack.
    stop.abort(Left.gone);
    endPickup?.();
    endJoining?.();
    hearing.end();
    for (const attempt of attempts)
      if (attempt.party !== answered || answered === undefined) attempt.cancel(answered && elsewhere);
  }
}

/** How those that ring end: the first that answers, or the most telling reason when none does. */
class Ends {
  readonly first: Promise<Dialled>;
  private readonly resolve: (end: Dialled) => void;
  private readonly reasons: Extract<Dialled, { party: undefined }>[] = [];
  private readonly followsMoved: boolean;
  private readonly waits: boolean;
  private running = 0;
  /** All that are there at the start have been added. */
  private begun = false;

  constructor(followsMoved: boolean, waits: boolean) {
    const { promise, resolve } = Promise.withResolvers<Dialled>();
    this.first = promise;
    this.resolve = resolve;
    this.followsMoved = followsMoved;
    this.waits = waits;
  }

  add(attempt: Attempt): void {
    this.running++;
    void attempt.end.then((end) => {
      this.running--;
      if (end.party) return this.resolve(end);
      this.reasons.push(end);
      // RFC 3261 section 16.7: nobody anywhere wants this call.
      if (end.status >= 600 || (this.followsMoved && end.moved)) this.resolve(end);
      this.look();
    });
  }

  begin(): void {
    this.begun = true;
    this.look();
  }

  private look(): void {
    const nobody = this.reasons.every(({ why }) => why === "unreachable");
    if (!this.begun || this.running > 0 || (this.waits && nobody)) return;
    this.resolve(mostTelling(this.reasons) ?? { party: undefined, why: "unreachable", status: 480 });
  }
}

const telling: Unanswered[] = ["declined", "busy", "no_answer", "failed", "not_found", "unreachable"];
const mostTelling = (reasons: Extract<Dialled, { party: undefined }>[]): Dialled | undefined =>
  reasons.toSorted((a, b) => telling.indexOf(a.why) - telling.indexOf(b.why))[0];

/** By their q (RFC 3261 section 20.10); without one it is 1. */
const bestFirst = (contacts: readonly NameAddress[]): SipUri[] =>
  contacts.toSorted((a, b) => Number(b.params["q"] ?? 1) - Number(a.params["q"] ?? 1)).map(({ uri }) => uri);

/** A carrier that answers so did not take the call: the next one may. 404 or 486 is an answer about the one who was called. */
export const triesNext = (status: number): boolean =>
  (status >= 500 && status < 600) || [401, 402, 403, 407, 408, 430, 488].includes(status);

const refusesMedia = new Set([406, 415, 488, 606]);

/** A phone on TLS may have no SRTP, and one without TLS may take nothing else. */
function otherProfile({ profile, onlyProfile, who }: Target): MediaProfile | undefined {
  if (profile === "srtp") return onlyProfile ? undefined : "rtp";
  return profile === "rtp" && who.deviceId !== undefined ? "srtp" : undefined;
}

/** A 200 may leave the answer away when an answer before it had it. @throws MediaError not_acceptable */
async function described({ remoteSdp }: OutgoingCall): Promise<void> {
  if (remoteSdp === undefined) throw new MediaError("not_acceptable", "It answers without a description of its media.");
}

function reasonOf(status: number): Unanswered {
  // Whoever says where else they are does not take it here.
  if (status >= 300 && status < 400) return "declined";
  if (status === 486 || status === 600) return "busy";
  if (status === 603 || status === 403) return "declined";
  if (status === 404 || status === 410 || status === 484 || status === 604) return "not_found";
  if (status === 480 || status === 487) return "no_answer";
  if (status === 408 || status === 430 || status === 503) return "unreachable";
  return "failed";
}

/** What the caller hears while it rings: what the one place sends that is called, else that it rings. */
class CallerHears {
  private readonly caller: Party | undefined;
  private readonly ringback: PlaySource;
  private readonly single: boolean;
  private playback: Playback | undefined;
  private over = false;
  private bridged = false;

  constructor(caller: Party | undefined, ringback: PlaySource, single: boolean) {
    this.caller = caller;
    this.ringback = ringback;
    this.single = single;
  }

  ringing(): void {
    if (this.over || this.bridged || !this.caller) return;
    if (!this.caller.isAnswered) this.caller.ring();
    else this.playback ??= this.caller.play(this.ringback, { repeat: 0 });
  }

  async early(party: Party): Promise<void> {
    const { caller } = this;
    if (this.over || this.bridged || !this.single || !caller) return this.ringing();
    this.bridged = true;
    await this.playback?.stop();
    await caller.early(party.leg);
    if (!this.over) await party.media.engine.bridge(caller.leg, party.leg);
  }

  end(): void {
    this.over = true;
    void this.playback?.stop();
  }
}

/** One place that rings. */
class Attempt {
  party: Party | undefined;
  readonly end: Promise<Dialled>;
  private readonly target: Target;
  private readonly options: DialOptions;
  private readonly hearing: CallerHears;
  private canceled = false;

  constructor(target: Target, options: DialOptions, hearing: CallerHears, stop: AbortSignal) {
    this.target = target;
    this.options = options;
    this.hearing = hearing;
    this.end = this.ring(stop).catch((error): Dialled => {
      if (!this.canceled) options.events.onError(error, "ringing a phone");
      return { party: undefined, why: "failed", status: 500 };
    });
  }

  /** Harmless when it is over. */
  cancel(reason: string | undefined): void {
    this.canceled = true;
    this.party?.session.hangUp({ reason });
  }

  private async way(target: Target): Promise<Dialled> {
    const first = await this.attempt(target);
    const profile = otherProfile(target);
    if (first.party || profile === undefined || !refusesMedia.has(first.status) || this.canceled) return first;
    return this.attempt({ ...target, profile });
  }

  /** One way after the other, as long as the one before did not take the call. */
  private async ring(stop: AbortSignal): Promise<Dialled> {
    if (this.target.delaySeconds) await pause(this.target.delaySeconds * 1000, stop);
    let next: Target | undefined = this.target;
    for (;;) {
      const result = await this.way(next);
      next = next.otherwise;
      if (result.party || next === undefined || this.canceled || !triesNext(result.status)) return result;
    }
  }

  private async attempt(target: Target): Promise<Dialled> {
    const { stack, media, caller, events } = this.options;
    const {
      who,
      profile,
      toward,
      codecs,
      charge,
      digitsByInfo = false,
      delaySeconds: _,
      onlyProfile: __,
      otherwise: ___,
      ...rest
    } = target;
    const leg = media.leg(who.number ?? "phone");
    let sdp: string;
    try {
      sdp = await leg.offer({
        profile,
        toward,
        ...as(caller?.leg),
        ...(codecs ? { codecs: codecs.map((codec) => (codec === "opus" ? codec : (codec.toUpperCase() as CodecName))) } : {}),
      });
    } catch (error) {
      await media.close(leg);
      throw error;
    }
    if (this.canceled) {
      await media.close(leg);
      return { party: undefined, why: "no_answer", status: 487 };
    }
    const { maxForwards } = this.options;
    const session = stack.call({ ...rest, sdp, ...(maxForwards === undefined ? {} : { maxForwards }) });
    const party = new Party({ who, session, leg, media, events, charge, shown: target.from, digitsByInfo });
    this.party = party;
    this.options.onParty?.(party);
    return this.outcome(party, session);
  }

  private async outcome(party: Party, session: OutgoingCall): Promise<Dialled> {
    const { promise, resolve, reject } = Promise.withResolvers<Dialled>();
    let rang = false;
    /** Its media are none of ours: its fault, as long as it is that. */
    const unusable = (error: unknown): void => {
      session.hangUp({ reason: 'SIP;cause=488;text="Not Acceptable Here"' });
      if (error instanceof MediaError) resolve({ party: undefined, why: "failed", status: 502 });
      else reject(error);
    };
    session.on("progress", ({ status, sdp }) => {
      if (status >= 180 && !rang) {
        rang = true;
        this.options.onRinging?.(party);
      }
      if (sdp !== undefined)
        party.leg
          .accept(sdp)
          .then(() => this.hearing.early(party))
          .catch(unusable);
      else if (status === 180) this.hearing.ringing();
    });
    session.on("answered", ({ sdp }) => {
      party.answeredAt = new Date();
      const accepted = sdp === undefined ? described(session) : party.leg.accept(sdp);
      accepted
        .then(() => resolve({ party }))
        .catch((error) => {
          // It answered and hung up at once: whoever called it was answered.
          if (party.gone.aborted) return resolve({ party });
          unusable(error);
        });
    });
    session.on("refused", ({ status, contacts }) => {
      const moved = status >= 300 && status < 400 && contacts.length > 0 ? { moved: bestFirst(contacts) } : {};
      resolve({ party: undefined, why: reasonOf(status), status, ...moved });
    });
    void aborted(party.gone).then(() =>
      resolve(party.isAnswered ? { party } : { party: undefined, why: "failed", status: party.end?.status ?? 500 }),
    );
    return promise;
  }
}
