import { type Invitation, Inviter, Registerer, RegistererState, type Session, SessionState, UserAgent } from "sip.js";
import type { PhoneAccount } from "./account.ts";
import { cancelCause, causeOf, MicrophoneError, microphoneCause } from "./causes.ts";
import { withKnownChallenges } from "./challenges.ts";
import { chosenDevices, Microphone } from "./devices.ts";
import { CallMedia, OfferGaveWay } from "./media.ts";
import { Mixer } from "./mixer.ts";
import { type Counters, countersOf, figuresBetween, qualityOf } from "./quality.ts";
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
const expiresSeconds = 300;
const longestPauseMs = 10_000;

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
  readonly #registerer: Registerer;
  readonly #account: PhoneAccount;
  readonly #told: (event: PhoneEvent) => void;
  readonly #state: () => PhoneState;
  readonly #microphone = new Microphone();
  readonly #mixer = new Mixer();
  readonly #lines = new Map<string, Line>();
  readonly #medias = new WeakMap<Session, CallMedia>();
  readonly #timer: ReturnType<typeof setInterval>;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #pauseMs = 1000;
  #stopped = false;
  readonly #askServers: () => Promise<string[]>;
  #servers: string[];
  /** Since it was registered. */
  #attempts = 0;

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
    this.#askServers = options.askServers;
    this.#servers = account.servers;
    this.#agent = new UserAgent({
      uri: this.#address(account.userName),
      authorizationUsername: account.userName,
      authorizationPassword: account.password,
      displayName: account.name,
      instanceId: options.instance,
      transportOptions: { server: account.servers[0], keepAliveInterval: 25, connectionTimeout: 10 },
      logBuiltinEnabled: false,
      userAgentString: "Khmara console",
      sipExtensionReplaces: "Supported" as never,
      // Whoever calls hears how long it rings; the server ends it.
      noAnswerTimeout: 180,
      sessionDescriptionHandlerFactory: (session) => this.#mediaOf(session),
      delegate: {
        onInvite: (invitation) => this.#rings(invitation),
        onDisconnect: (error) => error && this.#lost(),
        onConnect: () => this.#register(),
      },
    });
    const { transport } = this.#agent;
    const take = transport.onMessage;
    transport.onMessage = (message) => take?.(withKnownChallenges(message));
    this.#registerer = new Registerer(this.#agent, { expires: expiresSeconds, regId: 1 });
    this.#registerer.stateChange.addListener((state) => {
      if (state === RegistererState.Registered) this.#tellRegistration("registered");
      if (state === RegistererState.Unregistered && this.#state().registration === "registered") this.#lost();
    });
    this.#timer = setInterval(() => void this.#measure(), qualityMs);
    addEventListener("online", this.#reconnect);
    addEventListener("offline", this.#offline);
  }

  start(): void {
    this.#tellRegistration("connecting");
    void this.#agent.start().catch(() => this.#lost());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    clearTimeout(this.#retry);
    removeEventListener("online", this.#reconnect);
    removeEventListener("offline", this.#offline);
    for (const line of this.#lines.values()) line.media.close();
    this.#microphone.release();
    await this.#registerer.unregister().catch(() => {});
    await this.#agent.stop().catch(() => {});
  }

  /** The picture of the other side and our own. */
  pictures(id: string): { remote: MediaStream; own: MediaStreamTrack | undefined } | undefined {
    const line = this.#lines.get(id);
    return line && { remote: line.media.remote, own: line.media.camera };
  }

  async run(step: Step): Promise<void> {
    if (step.kind === "invite") return this.#invite(step);
    if (!("id" in step) && step.kind !== "mix") return step.kind === "reconnect" ? this.#reconnect() : this.#changeDevices();
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
    if (status !== 491 || tries === 0) throw new Error(`The other side refused the change (${status})`);
    await new Promise((waited) => setTimeout(waited, 300 + Math.random() * 1800));
    await this.#negotiate(line, tries - 1);
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

  #register(): void {
    void this.#registerer
      .register({
        requestDelegate: {
          // After a line was cut the registration is renewed, which is no change of its state.
          onAccept: () => {
            this.#attempts = 0;
            this.#pauseMs = 1000;
            this.#tellRegistration("registered");
          },
          onReject: ({ message }) => {
            const refused = [401, 403, 404, 407].includes(message.statusCode ?? 0);
            this.#tellRegistration(refused ? "refused" : "lost");
            if (!refused) this.#retry = setTimeout(() => void this.#moveOn(), this.#pause());
          },
        },
      })
      .catch(() => this.#lost());
  }

  #lost(): void {
    if (this.#stopped) return;
    this.#tellRegistration("lost");
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#reconnect(), this.#pause());
  }

  /** The connection itself would notice only minutes later. */
  readonly #offline = (): void => this.#lost();

  /** Longer each time, until it is registered. */
  #pause(): number {
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(longestPauseMs, pauseMs * 2);
    return pauseMs;
  }

  readonly #reconnect = (): void => {
    clearTimeout(this.#retry);
    if (this.#stopped) return;
    if (this.#agent.isConnected()) this.#register();
    else void this.#connect().catch(() => this.#lost());
  };

  /** To the one that has the phone system now, as the cloud says; when that does not take us, to the next. */
  async #connect(): Promise<void> {
    this.#servers = await this.#askServers().catch(() => this.#servers);
    const server = this.#servers[this.#attempts++ % this.#servers.length];
    // sip.js has no way to change it, and reads it anew at each connection.
    const { configuration } = this.#agent.transport as unknown as { configuration: { server: string } };
    if (server !== undefined) configuration.server = server;
    await this.#agent.reconnect();
  }

  /** This server does not serve us any more, or not yet. Calls that run have to stay where they are. */
  async #moveOn(): Promise<void> {
    if (this.#lines.size > 0 || !this.#agent.isConnected()) return this.#reconnect();
    await this.#agent.transport.disconnect().catch(() => {});
    this.#reconnect();
  }

  #tellRegistration(registration: PhoneState["registration"]): void {
    if (!this.#stopped) this.#told({ kind: "registration", registration });
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
const isGlare = (error: Error) => error instanceof OfferGaveWay || /in progress|ongoing re-INVITE/i.test(error.message);
const agreed = (media: CallMedia) => ({ receivesVideo: media.receivesVideo, heldByPeer: media.heldByPeer });

async function setSink(sound: HTMLAudioElement, speaker: string): Promise<void> {
  if ("setSinkId" in sound) await sound.setSinkId(speaker).catch(() => {});
}
