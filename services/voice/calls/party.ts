import {
  MediaError,
  type MediaEvent,
  type MediaLeg,
  type Playback,
  type PlayOptions,
  type PlaySource,
  type QualityFigures,
} from "../media/engine.ts";
import type { HeaderInput, IncomingCall, IncomingOffer, IncomingRefer, OutgoingCall, SessionEnd } from "../sip/ports.ts";
import { aborted, unless } from "./abort.ts";
import type { Call } from "./call.ts";
import type { Charge, Spent } from "./charges.ts";
import { Digits } from "./digits.ts";
import type { CallMedia } from "./media.ts";

/** Who is at the other end of a leg, as the others see it. */
export interface Who {
  /** What others call to reach it: an extension, or a number with its +. Absent: it hides. */
  number: string | undefined;
  name: string | undefined;
  extensionId?: string | undefined;
  deviceId?: string | undefined;
  trunkId?: string | undefined;
  /** Of the trunk by which somebody outside was called: for the record, and nobody's name. */
  trunkName?: string | undefined;
}

export interface PartyEvents {
  onRefer?(party: Party, refer: IncomingRefer): void;
  onEnded?(party: Party, end: SessionEnd): void;
  onError(error: unknown, during: string): void;
}

/** In the codecs of that leg, and with a picture if it has one: one that it does not show is not promised. */
export const as = (like: MediaLeg | undefined) =>
  like ? { like, video: like.media?.video === true, videoDirection: pictureOf(like.media?.showsVideo === true) } : {};
const pictureOf = (shows: boolean) => (shows ? ("sendrecv" as const) : ("recvonly" as const));

type AnySession = IncomingCall | OutgoingCall;

/** Why a script of a party ended: another one took it, or it is gone. One of each for all calls: where it was made says nothing. */
export class Left extends Error {
  static readonly taken = new Left("taken");
  static readonly gone = new Left("gone");
  readonly because: "taken" | "gone";
  private constructor(because: "taken" | "gone") {
    super(`The party was ${because}.`);
    this.because = because;
  }
}

/**
 * One phone in a call: its SIP session, its media, and who may say what happens to it. Whoever takes it (`take`) has it until somebody else does or it
 * hangs up; their signal is aborted then.
 */
export class Party {
  readonly who: Who;
  readonly session: AnySession;
  readonly leg: MediaLeg;
  readonly digits = new Digits();
  readonly events: PartyEvents;
  readonly startedAt = new Date();
  answeredAt: Date | undefined;
  endedAt: Date | undefined;
  /** What it costs from its answer to its end, in whatever calls it is. */
  readonly charge: Charge | undefined;
  isWatched = false;
  /** It was ended because nothing is left to spend. */
  spent: Spent | undefined;
  /** The one that it is in now. */
  call: Call | undefined;
  /** Whom it talks to. */
  peer: Party | undefined;
  end: SessionEnd | undefined;
  /** As last heard. */
  quality: QualityFigures | undefined;
  /** The other phone put us on hold. */
  held = false;
  /** A new offer of it is being answered. */
  private negotiating = false;
  onHold: ((held: boolean) => void) | undefined;
  /** It takes digits as SIP INFO (RFC 6086), and none in its media: some providers do. */
  readonly digitsByInfo: boolean;
  /** Whom its phone shows, as it was last told: a name and an address. */
  private shown: string | undefined;
  readonly media: CallMedia;
  private control: AbortController | undefined;
  private readonly goneController = new AbortController();
  /** Our answer to an INVITE, once it was made: it must not change between 183 and 200. */
  private localAnswer: string | undefined;
  private readonly unlisten: () => void;

  constructor(options: {
    who: Who;
    session: AnySession;
    leg: MediaLeg;
    media: CallMedia;
    events: PartyEvents;
    charge?: Charge | undefined;
    /** The From of its INVITE, where that is ours. */
    shown?: string;
    digitsByInfo?: boolean;
  }) {
    this.who = options.who;
    this.shown = options.shown;
    this.digitsByInfo = options.digitsByInfo ?? false;
    this.charge = options.charge;
    this.session = options.session;
    this.leg = options.leg;
    this.media = options.media;
    this.events = options.events;
    const { session, leg } = this;
    session.data = this;
    this.unlisten = leg.call.onEvent((event) => this.heard(event));
    const common = session as IncomingCall;
    common.on("offer", (offer) => void this.negotiate(offer).catch((error) => this.failed(offer, error)));
    common.on("dtmf", (digit, durationMs) => {
      this.digits.push(digit);
      // Media did not carry it.
      void this.peer?.sendDigits(digit, Math.min(Math.max(durationMs, 70), 500)).catch(() => {});
    });
    common.on("refer", (refer) => (this.events.onRefer ? this.events.onRefer(this, refer) : refer.reject(603)));
    common.on("ended", (end) => void this.over(end));
  }

  /** Aborted when it hung up, with the reason `Left`. */
  get gone(): AbortSignal {
    return this.goneController.signal;
  }

  get isAnswered(): boolean {
    return this.answeredAt !== undefined;
  }

  /** It can be told something: it has answered, or has our media before that. */
  get hears(): boolean {
    return !this.gone.aborted && (this.isAnswered || this.localAnswer !== undefined);
  }

  /** Ends the hold of whoever has it. */
  take(): AbortSignal {
    this.control?.abort(Left.taken);
    const control = new AbortController();
    if (this.gone.aborted) control.abort(this.gone.reason);
    this.control = control;
    return control.signal;
  }

  /** Takes it, does the work, and hangs up at its end, unless it was taken meanwhile. Never rejects. */
  async run(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const signal = this.take();
    try {
      await work(signal);
    } catch (error) {
      if (!signal.aborted) this.events.onError(error, "the call's script");
    } finally {
      if (!signal.aborted) this.hangUp();
    }
  }

  /** 180; once answered the phone is told nothing. */
  ring(headers?: HeaderInput): void {
    if (this.session.direction === "incoming" && !this.isAnswered && !this.gone.aborted && this.localAnswer === undefined)
      this.session.progress(180, { headers: { ...this.identity(), ...headers } });
  }

  /** What it hears before the call is answered: 183 with our media. */
  async early(like?: MediaLeg): Promise<void> {
    const { session } = this;
    if (session.direction !== "incoming" || this.isAnswered || this.gone.aborted || session.request.sdp === undefined) return;
    if (this.localAnswer !== undefined) return;
    this.localAnswer = await this.leg.answer(session.request.sdp, as(like));
    if (!this.gone.aborted) session.progress(183, { sdp: this.localAnswer, headers: this.identity() });
  }

  /** Nothing happens when it was answered before. @throws Left, MediaError */
  async answer(like?: MediaLeg): Promise<void> {
    const { session } = this;
    if (session.direction !== "incoming" || this.isAnswered) return;
    this.gone.throwIfAborted();
    this.answeredAt = new Date();
    const offer = session.request.sdp;
    if (offer !== undefined) {
      const sdp = this.localAnswer ?? (await this.leg.answer(offer, as(like)));
      this.gone.throwIfAborted();
      session.answer({ sdp, headers: this.identity() });
      return;
    }
    const sdp = await this.leg.offer({ ...as(like), toward: session.source?.address });
    const acknowledged = new Promise<string | undefined>((resolve) => session.once("acknowledged", resolve));
    session.answer({ sdp, headers: this.identity() });
    await this.acceptLate(await unless(this.gone, acknowledged));
  }

  /** The ACK must have the answer to an offer of ours (RFC 3261 section 13.2.2.4); without one that we can take there is no call. @throws Left */
  private async acceptLate(answer: string | undefined): Promise<void> {
    try {
      if (answer !== undefined) {
        await this.leg.accept(answer);
        return;
      }
    } catch (error) {
      if (!(error instanceof MediaError)) throw error;
    }
    this.hangUp(488, 'SIP;cause=488;text="Not Acceptable Here"');
    this.gone.throwIfAborted();
  }

  /**
   * Whom its phone is to show, as a name and address: told with the answers to its call, or at once where it talks already (connected line). Nobody outside is told
   * who is who inside.
   */
  show(address: string): void {
    if (this.who.trunkId !== undefined || address === this.shown) return;
    this.shown = address;
    if (this.session.state === "confirmed") void this.tellIdentity();
  }

  /** RFC 3325, in answers and in UPDATE too (RFC 5876); many desk phones read Remote-Party-ID alone. */
  private identity(): HeaderInput {
    const { shown, session } = this;
    if (shown === undefined || this.who.trunkId !== undefined) return {};
    const party = session.direction === "incoming" ? "called" : "calling";
    return { "P-Asserted-Identity": shown, "Remote-Party-ID": `${shown};party=${party};privacy=off;screen=yes` };
  }

  /** By UPDATE; browsers know only a new offer. Other phones without UPDATE go on showing whom they dialled: not all of them bear an offer. Never rejects. */
  private async tellIdentity(): Promise<void> {
    const { session, leg } = this;
    try {
      if (session.peer.allows("UPDATE")) await session.update({ headers: this.identity() });
      else if (leg.media?.profile === "webrtc" && !this.held) {
        const { video = false, seesVideo = false } = leg.media;
        const offer = () => leg.offer({ like: leg, video, videoDirection: pictureOf(seesVideo) });
        await this.offerAnew(offer, () => void this.tellIdentity(), this.identity());
      }
    } catch (error) {
      this.events.onError(error, "telling a phone whom it talks to");
    }
  }

  /** An offer of ours in the call. It may be refused: then all stays as it was. `again` is called after a while when both sides wanted a change at once. */
  private async offerAnew(offer: () => Promise<string>, again: () => void, headers: HeaderInput = {}): Promise<boolean> {
    const { status, sdp: answer, againMs } = await this.session.reinvite({ sdp: offer, headers });
    if (status < 300 && answer !== undefined) {
      await this.leg.accept(answer);
      return true;
    }
    if (this.gone.aborted) return false;
    await this.leg.rollback();
    if (againMs !== undefined) setTimeout(() => !this.gone.aborted && again(), againMs).unref();
    return false;
  }

  /** Before an answer `status` is what it gets; after it, it is hung up. Harmless when it is over. */
  hangUp(status = 480, reason?: string): void {
    if (this.gone.aborted) return;
    const { session } = this;
    if (session.direction === "incoming" && !this.isAnswered)
      session.reject(status, reason ? { headers: { Reason: reason } } : {});
    else session.hangUp(reason ? { reason } : {});
  }

  /** Starts a playback; the party is answered or has early media already. */
  play(source: PlaySource, options?: PlayOptions): Playback {
    return this.leg.play(source, options);
  }

  /** Plays to the end, or until a digit. @throws Left (the signal's reason) */
  async listen(source: PlaySource, signal: AbortSignal, options?: PlayOptions): Promise<void> {
    const playback = this.play(source, options);
    try {
      await unless(signal, playback.done);
    } finally {
      if (signal.aborted) void playback.stop();
    }
  }

  /** Presses keys at it, one after the other. @throws MediaError */
  async sendDigits(digits: string, toneMs = 120): Promise<void> {
    if (!this.digitsByInfo) return this.leg.sendDtmf(digits, { toneMs });
    for (const digit of digits.replace(/[^\d*#A-D]/gi, ""))
      await this.session.info({ type: "application/dtmf-relay", content: `Signal=${digit}\r\nDuration=${toneMs}\r\n` });
  }

  private heard(event: MediaEvent): void {
    if (event.type === "call_ended") {
      if (this.call) this.call.endReason ??= "The media process of the call ended.";
      this.session.hangUp({ reason: 'Q.850;cause=41;text="Temporary failure"', cause: "failed" });
      return;
    }
    if (!("leg" in event) || event.leg !== this.leg.id) return;
    if (event.type === "dtmf") {
      this.digits.push(event.digit);
      // The bridge of one that takes none in its media passes none on.
      if (this.digitsByInfo || this.peer?.digitsByInfo) void this.peer?.sendDigits(event.digit).catch(() => {});
    }
    if (event.type === "quality") this.quality = event.quality;
    if (event.type === "failed" || event.type === "no_media") this.hangUp(480, 'Q.850;cause=41;text="No media"');
  }

  private async negotiate(offer: IncomingOffer): Promise<void> {
    if (offer.sdp === undefined) {
      const sdp = await this.leg.offer(as(this.leg));
      const { session } = this;
      (session as IncomingCall).once("acknowledged", (answer) => {
        if (answer !== undefined)
          void this.leg
            .accept(answer)
            .then(() => this.changed())
            .catch((error) => this.events.onError(error, "a re-INVITE without an offer"));
      });
      offer.answer(sdp);
      return;
    }
    this.negotiating = true;
    try {
      const { video, showsVideo } = await this.leg.consider(offer.sdp);
      if (video && showsVideo) await this.peer?.showVideo(true);
      offer.answer(await this.leg.answer(offer.sdp, as(this.peer?.leg)));
    } finally {
      this.negotiating = false;
    }
    this.changed();
    // Both may have changed at once; whoever turned the camera off does not wait until the other one knows.
    const { peer } = this;
    void peer?.seesPictureOf(this);
    if (peer) void this.seesPictureOf(peer);
  }

  /** A hold ends again, and its picture comes back: it is not told. Never rejects. */
  private async seesPictureOf({ leg: { media } }: Party): Promise<void> {
    if (!media || (media.heldByRemote && !media.showsVideo)) return;
    await this.showVideo(media.showsVideo).catch((error) => this.events.onError(error, "telling of a picture"));
  }

  /** A browser is told that the other one shows a picture, or none any more. It may refuse: then all stays as it was. */
  private async showVideo(shows: boolean): Promise<void> {
    const { media } = this.leg;
    // Two that begin at once would wait for each other.
    if (media?.profile !== "webrtc" || this.held || this.negotiating || this.session.state !== "confirmed") return;
    if (media.seesVideo === shows || (!shows && !media.video) || media.heldByRemote) return;
    const offer = () => this.leg.offer({ like: this.leg, video: true, videoDirection: pictureOf(shows) });
    // By then it may be another picture, or another one whose picture it is.
    const isTaken = await this.offerAnew(offer, () => void (this.peer && this.seesPictureOf(this.peer)));
    if (!isTaken) return;
    // Its camera may have gone on or off meanwhile: then the answer says so.
    void this.peer?.seesPictureOf(this);
  }

  private changed(): void {
    const held = this.leg.media?.heldByRemote ?? false;
    if (held === this.held) return;
    this.held = held;
    this.onHold?.(held);
  }

  private failed(offer: IncomingOffer, error: unknown): void {
    if (!(error instanceof MediaError)) this.events.onError(error, "a re-INVITE");
    offer.reject(error instanceof MediaError && error.code === "malformed" ? 400 : 488);
  }

  private async over(end: SessionEnd): Promise<void> {
    this.end = end;
    this.endedAt = new Date();
    this.unlisten();
    this.goneController.abort(Left.gone);
    this.control?.abort(Left.gone);
    try {
      this.events.onEnded?.(this, end);
    } finally {
      await this.media.close(this.leg);
    }
  }
}

/**
 * Two parties talk until one of them hangs up or is taken. `one` belongs to the caller of this, by `signal`; `other` is taken here, and hung up if it is
 * still ours at the end. @throws the reason of `signal`
 */
export async function talk(one: Party, other: Party, signal: AbortSignal, music: PlaySource): Promise<"hung_up" | "taken"> {
  const held = other.take();
  one.peer = other;
  other.peer = one;
  const playbacks = new Map<Party, Playback>();
  const onHold = (to: Party) => (isHeld: boolean) => {
    void playbacks.get(to)?.stop();
    playbacks.delete(to);
    if (isHeld) playbacks.set(to, to.play(music, { repeat: 0 }));
  };
  try {
    one.onHold = onHold(other);
    other.onHold = onHold(one);
    await unless(signal, bridgeUnless(held, one, other));
    await unless(signal, aborted(held));
    return other.gone.aborted ? "hung_up" : "taken";
  } finally {
    for (const party of [one, other]) {
      if (party.peer === one || party.peer === other) party.peer = undefined;
      party.onHold = undefined;
      void playbacks.get(party)?.stop();
    }
    if (!held.aborted) other.hangUp();
  }
}

/** Who hangs up in the moment of answering has no media any more: that is the end of a conversation, and no fault. */
async function bridgeUnless(held: AbortSignal, one: Party, other: Party): Promise<void> {
  try {
    if (held.aborted) return;
    await one.media.engine.bridge(one.leg, other.leg, one.digitsByInfo || other.digitsByInfo ? { dtmf: "absorb" } : {});
  } catch (error) {
    if (!held.aborted) throw error;
  }
}
