import { type Invitation, Inviter, type Session, SessionState, UserAgent } from "sip.js";
import type { PhoneAccount } from "./account.ts";
import { cancelCause, causeOf, MicrophoneError, microphoneCause } from "./causes.ts";
import { withKnownChallenges } from "./challenges.ts";
import { chosenDevices, Microphone } from "./devices.ts";
import { CallMedia, OfferGaveWay } from "./media.ts";
import { Mending } from "./mending.ts";
import { Mixer } from "./mixer.ts";
import { type Counters, countersOf, figuresBetween, qualityOf } from "./quality.ts";
import { Registration } from "./registration.ts";
import {
  type Cause,
  isLive,
  mostCalls,
  type Peer,
  type PhoneEvent,
  type PhoneState,
  type Step,
  type StepOfCall,
} from "./state.ts";

const qualityMs = 3000;

interface Line {
  id: string;
  session: Session;
  media: CallMedia;
  sound: HTMLAudioElement;
  /** Known before sip.js says only that it is over. */
  cause?: Cause;
  counters?: Counters;
}

/** The phone itself: SIP over WebSocket (RFC 7118) with sip.js, sound and pictures with WebRTC. It does steps and tells events. */
export class PhoneEngine {
  readonly #agent: UserAgent;
  readonly #registration: Registration;
  readonly #account: PhoneAccount;
  readonly #told: (event: PhoneEvent) => void;
  readonly #state: () => PhoneState;
  readonly #microphone = new Microphone();
  readonly #mixer = new Mixer();
  readonly #lines = new Map<string, Line>();
  readonly #medias = new WeakMap<Session, CallMedia>();
  readonly #mending: Mending<Line>;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(options: {
    account: PhoneAccount;
    askServers: () => Promise<string[]>;
    instance: string;
    told: (event: PhoneEvent) => void;
    state: () => PhoneState;
  }) {
    this.#account = options.account;
    this.#told = options.told;
    this.#state = options.state;
    const { account } = options;
    this.#agent = new UserAgent({
      uri: this.#address(account.userName),
      authorizationUsername: account.userName,
      authorizationPassword: account.password,
      displayName: account.name,
      instanceId: options.instance,
      transportOptions: { server: account.servers[0], connectionTimeout: 10 },
      logBuiltinEnabled: false,
      userAgentString: "Khmara console",
      sipExtensionReplaces: "Supported" as never,
      // Whoever calls hears how long it rings; the server ends it.
      noAnswerTimeout: 180,
      sessionDescriptionHandlerFactory: (session) => this.#mediaOf(session),
      delegate: {
        onInvite: (invitation) => this.#rings(invitation),
        onDisconnect: (error) => {
          if (error === undefined) return;
          this.#registration.cutOff();
          this.#mending.tear(this.#lines.values());
        },
        onConnect: () => {
          this.#registration.register();
          void this.#mending.try();
        },
      },
    });
    const { transport } = this.#agent;
    const take = transport.onMessage;
    transport.onMessage = (message) => take?.(withKnownChallenges(message));
    this.#registration = new Registration({
      agent: this.#agent,
      servers: account.servers,
      askServers: options.askServers,
      told: (registration) => this.#told({ kind: "registration", registration }),
      isRegistered: () => this.#state().registration === "registered",
      hasCalls: () => this.#lines.size > 0,
    });
    this.#mending = new Mending(this.#agent, (line) => this.#agreeAnew(line));
    this.#timer = setInterval(() => void this.#measure(), qualityMs);
  }

  start(): void {
    this.#registration.start();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#mending.stop();
    for (const line of this.#lines.values()) line.media.close();
    this.#microphone.release();
    await this.#registration.stop();
    await this.#agent.stop().catch(() => {});
  }

  /** The picture of the other side and our own. */
  pictures(id: string): { remote: MediaStream; own: MediaStreamTrack | undefined } | undefined {
    const line = this.#lines.get(id);
    return line && { remote: line.media.remote, own: line.media.camera };
  }

  async run(step: Step): Promise<void> {
    if (step.kind === "invite") return this.#invite(step);
    if (!("id" in step) && step.kind !== "mix")
      return await (step.kind === "reconnect" ? this.#registration.reconnect() : this.#changeDevices());
    if (step.kind === "mix") return this.#mix(step.ids);
    if (step.kind === "show") return this.#told({ kind: "shown", id: step.id });
    const line = this.#lines.get(step.id);
    if (line) await this.#ofLine(line, step);
  }

  async #ofLine(line: Line, step: StepOfCall): Promise<void> {
    const { session, media } = line;
    switch (step.kind) {
      case "accept":
        return this.#accept(line, step.video);
      case "reject":
        line.cause = "declined";
        await (session as Invitation).reject({ statusCode: 603 });
        return;
      case "cancel":
        line.cause = "cancelled";
        await (session as Inviter).cancel();
        return;
      case "bye":
        line.cause = "ended";
        await session.bye();
        return;
      case "setMuted":
        media.setMuted(step.muted);
        return this.#changed(line, { muted: step.muted });
      case "sendTones":
        if (!session.sessionDescriptionHandler?.sendDtmf(step.tones)) await this.#tonesByInfo(session, step.tones);
        return;
      case "setHold":
        return this.#hold(line, step.held);
      case "setVideo":
        return this.#video(line, step.on);
      case "refer":
        return this.#refer(line, this.#address(step.to));
      case "referTo": {
        const other = this.#lines.get(step.other);
        if (other) await this.#refer(line, other.session);
        return;
      }
    }
  }

  async #invite(step: Extract<Step, { kind: "invite" }>): Promise<void> {
    const session = new Inviter(this.#agent, this.#address(step.number), { earlyMedia: true });
    const media = this.#mediaOf(session);
    const line = this.#add(session, media, {
      direction: "out",
      peer: { number: step.number },
      ...(step.consultsFor ? { consultsFor: step.consultsFor } : {}),
    });
    try {
      await media.prepare();
    } catch (error) {
      return this.#over(line, microphoneCause(error));
    }
    const withoutPicture = step.video && (await this.#pictureOf(media));
    if (step.video) this.#changed(line, { sendsVideo: !withoutPicture });
    await session.invite({
      requestDelegate: {
        onProgress: () => {
          this.#changed(line, this.#known(line));
          this.#told({ kind: "progress", id: line.id });
        },
        onAccept: () => this.#changed(line, this.#known(line)),
        onReject: ({ message }) => {
          line.cause ??= causeOf(message.statusCode ?? 500);
        },
      },
    });
    if (withoutPicture) throw withoutPicture;
  }

  /** Why there is no picture of ours, which is no reason not to speak; undefined when there is one. */
  async #pictureOf(media: CallMedia): Promise<Error | undefined> {
    try {
      await media.setCamera(true);
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  #rings(invitation: Invitation): void {
    if (this.#state().calls.filter(isLive).length >= mostCalls) {
      void invitation.reject({ statusCode: 486 });
      return;
    }
    const media = this.#mediaOf(invitation);
    const { uri, displayName } = invitation.assertedIdentity ?? invitation.remoteIdentity;
    const video = /^m=video [1-9]/m.test(invitation.request.body);
    const line = this.#add(invitation, media, {
      direction: "in",
      peer: peerOf(uri.user ?? "", displayName),
      receivesVideo: video,
    });
    invitation.delegate = {
      ...invitation.delegate,
      onCancel: ({ request }) => {
        line.cause = cancelCause(request.getHeader("Reason"));
      },
    };
  }

  async #accept(line: Line, video: boolean): Promise<void> {
    try {
      await line.media.prepare();
    } catch (error) {
      throw new MicrophoneError("No microphone to answer with", { cause: error });
    }
    const withoutPicture = video && (await this.#pictureOf(line.media));
    await (line.session as Invitation).accept();
    this.#changed(line, { sendsVideo: video && !withoutPicture });
    if (withoutPicture) throw withoutPicture;
  }

  #add(session: Session, media: CallMedia, call: Omit<Extract<PhoneEvent, { kind: "added" }>, "kind" | "id" | "at">): Line {
    const id = crypto.randomUUID();
    const sound = new Audio();
    sound.autoplay = true;
    sound.srcObject = media.remote;
    void setSink(sound, chosenDevices().speaker);
    const line: Line = { id, session, media, sound };
    this.#lines.set(id, line);
    this.#told({ kind: "added", id, at: Date.now(), ...call });
    media.onRemote = () => {
      void sound.play().catch(() => {});
      if (session.state === SessionState.Established)
        this.#changed(line, { receivesVideo: media.receivesVideo, heldByPeer: media.heldByPeer });
      else if (session instanceof Inviter) this.#changed(line, { earlyMedia: media.hasRemote });
    };
    media.connection.onconnectionstatechange = () => {
      const { connectionState } = media.connection;
      if (connectionState === "connected") this.#changed(line, { interrupted: false });
      if (connectionState === "disconnected" || connectionState === "failed") this.#changed(line, { interrupted: true });
      this.#mending.changed(line);
    };
    session.delegate = {
      // Another picture, a hold, or somebody else: the other side was transferred.
      onInvite: () => this.#changed(line, { ...agreed(media), ...this.#known(line) }),
      // The phone system transfers by itself. Nobody else has this browser call somebody, which sip.js would do unasked.
      onRefer: (referral) => void referral.reject({ statusCode: 603 }),
    };
    session.stateChange.addListener((state) => {
      if (state === SessionState.Established) {
        this.#told({ kind: "answered", id, at: Date.now() });
        this.#changed(line, agreed(media));
      }
      // sip.js tells the end before the answer that brought it.
      if (state === SessionState.Terminated) queueMicrotask(() => this.#over(line, line.cause ?? "ended"));
    });
    return line;
  }

  /** Made before sip.js asks for it: the microphone is there before anybody is called. */
  #mediaOf(session: Session): CallMedia {
    const media = this.#medias.get(session) ?? new CallMedia(this.#microphone, this.#account.iceServers);
    this.#medias.set(session, media);
    return media;
  }

  #over(line: Line, cause: Cause): void {
    if (!this.#lines.delete(line.id)) return;
    line.media.close();
    line.sound.srcObject = null;
    const merged = this.#state().calls.filter((call) => call.merged && call.id !== line.id);
    this.#told({ kind: "ended", id: line.id, at: Date.now(), cause });
    if (this.#state().calls.some((call) => call.merged)) void this.#mix(merged.map(({ id }) => id));
    if (this.#lines.size === 0) this.#microphone.release();
  }

  /** Who it is, as the phone system knows them. */
  #known({ id, session }: Line): { peer?: Peer } {
    const asserted = session.assertedIdentity;
    const known = asserted && peerOf(asserted.uri.user ?? "", asserted.displayName);
    const before = this.#state().calls.find((call) => call.id === id)?.peer;
    return known && (known.number !== before?.number || known.name !== before.name) ? { peer: known } : {};
  }

  async #hold(line: Line, held: boolean): Promise<void> {
    if (line.media.held === held) return;
    line.media.held = held;
    try {
      await this.#negotiate(line);
      this.#changed(line, { held });
    } catch (error) {
      line.media.held = !held;
      throw error;
    }
  }

  async #video(line: Line, on: boolean): Promise<void> {
    await line.media.setCamera(on);
    await this.#negotiate(line);
    this.#changed(line, { sendsVideo: on, ...agreed(line.media) });
  }

  /** A re-INVITE, done when it is answered; when both sides wanted one at once (491) it is tried again (RFC 3261 section 14.1). */
  async #negotiate(line: Line, tries = 3): Promise<void> {
    const status = await new Promise<number>((done, fail) => {
      if (line.media.answering) return done(491);
      line.session
        .invite({
          requestDelegate: { onAccept: () => done(200), onReject: ({ message }) => done(message.statusCode ?? 500) },
        })
        .catch((error: Error) => (isGlare(error) ? done(491) : fail(error)));
    });
    if (status < 300) return;
    if (status !== 491 || tries === 0) throw new Refused(status);
    await new Promise((waited) => setTimeout(waited, 300 + Math.random() * 1800));
    await this.#negotiate(line, tries - 1);
  }

  /** For sound that was interrupted. */
  async #agreeAnew(line: Line): Promise<void> {
    try {
      await this.#negotiate(line);
    } catch (error) {
      // It ended there while we could not be told.
      if (error instanceof Refused && error.status === 481) await line.session.bye();
      throw error;
    }
  }

  async #refer(line: Line, to: Parameters<Session["refer"]>[0]): Promise<void> {
    this.#changed(line, { transfer: "asked" });
    await line.session.refer(to, {
      onNotify: (notification) => {
        void notification.accept();
        const status = Number(/^SIP\/2\.0 (\d{3})/.exec(notification.request.body)?.[1] ?? 0);
        if (status >= 300) this.#changed(line, { transfer: "failed" });
        if (status >= 200 && status < 300) {
          line.cause = "transferred";
          if (line.session.state === SessionState.Established) void line.session.bye();
        }
      },
      requestDelegate: { onReject: () => this.#changed(line, { transfer: "failed" }) },
    });
  }

  async #tonesByInfo(session: Session, tones: string): Promise<void> {
    for (const tone of tones)
      await session.info({
        requestOptions: {
          body: {
            contentDisposition: "render",
            contentType: "application/dtmf-relay",
            content: `Signal=${tone}\r\nDuration=120`,
          },
        },
      });
  }

  async #mix(ids: readonly string[]): Promise<void> {
    const wanted = ids.length < 2 ? [] : ids;
    const medias = new Map(wanted.flatMap((id) => (this.#lines.get(id) ? [[id, (this.#lines.get(id) as Line).media]] : [])));
    await this.#mixer.mix(medias);
    this.#told({ kind: "merged", ids: wanted });
  }

  async #changeDevices(): Promise<void> {
    this.#microphone.release();
    for (const { media, sound } of this.#lines.values()) {
      await media.changeMicrophone();
      await setSink(sound, chosenDevices().speaker);
    }
    const merged = this.#state().calls.filter((call) => call.merged);
    if (merged.length > 0) await this.#mix(merged.map(({ id }) => id));
  }

  async #measure(): Promise<void> {
    for (const line of this.#lines.values()) {
      if (line.session.state !== SessionState.Established) continue;
      const now = countersOf(await line.media.connection.getStats());
      const figures = line.counters && figuresBetween(line.counters, now);
      line.counters = now;
      if (figures) this.#changed(line, { quality: qualityOf(figures) });
    }
  }

  #changed(line: Line, change: Extract<PhoneEvent, { kind: "changed" }>["change"]): void {
    this.#told({ kind: "changed", id: line.id, change });
  }

  #address(to: string) {
    const address = to.includes("@") ? to : `${encodeURIComponent(to)}@${this.#account.domain}`;
    const uri = UserAgent.makeURI(`sip:${address}`);
    if (uri === undefined) throw new Error(`${to} is no address to call`);
    return uri;
  }
}

const peerOf = (user: string, name: string | undefined): Peer => {
  const number = decodeURIComponent(user);
  return name && name !== number ? { number, name } : { number };
};
class Refused extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`The other side refused the change (${status})`);
    this.status = status;
  }
}
const isGlare = (error: Error) => error instanceof OfferGaveWay || /in progress|ongoing re-INVITE/i.test(error.message);
const agreed = (media: CallMedia) => ({ receivesVideo: media.receivesVideo, heldByPeer: media.heldByPeer });

async function setSink(sound: HTMLAudioElement, speaker: string): Promise<void> {
  if ("setSinkId" in sound) await sound.setSinkId(speaker).catch(() => {});
}
