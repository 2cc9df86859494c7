// Runs in the page of a browser phone; bundled and served by browserPhone.ts, and type-checked with the console (it needs the types of a browser).
import { type Message, type Session, UserAgent } from "sip.js";
import {
  defaultSessionDescriptionHandlerFactory,
  SessionManager,
  type SessionManagerOptions,
} from "sip.js/lib/platform/web/index.js";
import type { PageEvent, PageMethod, PageOptions } from "./browserPageTypes.ts";

const context = new AudioContext({ sampleRate: 16_000 });
const events: PageEvent[] = [];
const heard: Float32Array[] = [];
const sessions = new Map<string, Session>();
let manager: SessionManager;
let toneHz = 440;

/** Keeps all that comes in, at 16 kHz. */
async function makeRecorder(): Promise<AudioNode> {
  const code = `registerProcessor("recorder", class extends AudioWorkletProcessor {
    process([input]) { if (input[0] !== undefined) this.port.postMessage(input[0].slice()); return true; } });`;
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  const recorder = new AudioWorkletNode(context, "recorder", { channelCount: 1, channelCountMode: "explicit" });
  recorder.port.onmessage = ({ data }) => heard.push(data);
  recorder.connect(context.destination);
  return recorder;
}

/** The microphone is a tone, and the camera a picture that moves. */
async function say(constraints: MediaStreamConstraints): Promise<MediaStream> {
  const oscillator = new OscillatorNode(context, { frequency: toneHz });
  const level = new GainNode(context, { gain: 10 ** (-9 / 20) });
  const end = new MediaStreamAudioDestinationNode(context);
  oscillator.connect(level).connect(end);
  oscillator.start();
  if (!constraints.video) return end.stream;
  const canvas = document.createElement("canvas");
  canvas.width = 320;
  canvas.height = 240;
  const drawing = canvas.getContext("2d")!;
  setInterval(() => {
    drawing.fillStyle = `hsl(${(performance.now() / 20) % 360} 80% 50%)`;
    drawing.fillRect(0, 0, 320, 240);
  }, 50);
  return new MediaStream([...end.stream.getTracks(), ...canvas.captureStream(20).getTracks()]);
}

function listen(session: Session, recorder: AudioNode): void {
  const stream = manager.getRemoteMediaStream(session);
  if (stream === undefined) return;
  // Chromium gives Web Audio nothing of a stream that no element plays.
  const player = new Audio();
  player.muted = true;
  player.srcObject = stream;
  void player.play();
  context.createMediaStreamSource(stream).connect(recorder);
}

function named(id: string): Session {
  const session = sessions.get(id);
  if (session === undefined) throw new Error(`No call ${id}.`);
  return session;
}

const connectionOf = (id: string): RTCPeerConnection =>
  (named(id).sessionDescriptionHandler as unknown as { peerConnection: RTCPeerConnection }).peerConnection;

function pictureOf(id: string): RTCRtpTransceiver {
  const found = connectionOf(id)
    .getTransceivers()
    .find(({ receiver }) => receiver.track.kind === "video");
  if (found === undefined) throw new Error("The call has no pictures.");
  return found;
}

const phone = {
  async start(options: PageOptions): Promise<void> {
    toneHz = options.toneHz;
    await context.resume();
    const recorder = await makeRecorder();
    const note = (type: PageEvent["type"], session?: Session, param?: string): void => {
      events.push({ type, ...(session === undefined ? {} : { id: session.id }), ...(param === undefined ? {} : { param }) });
    };
    const settings: SessionManagerOptions = {
      aor: options.aor,
      media: { constraints: { audio: true, video: options.video } },
      sendDTMFUsingSessionDescriptionHandler: true,
      maxSimultaneousSessions: 10,
      reconnectionAttempts: 100,
      reconnectionDelay: 1,
      registrationRetry: true,
      registrationRetryInterval: 1,
      userAgentOptions: {
        authorizationUsername: options.user,
        authorizationPassword: options.password,
        ...(options.displayName === undefined ? {} : { displayName: options.displayName }),
        sessionDescriptionHandlerFactory: defaultSessionDescriptionHandlerFactory(say),
        sessionDescriptionHandlerFactoryOptions: { iceGatheringTimeout: 1000 },
        logLevel: "warn",
      },
      delegate: {
        onRegistered: () => note("registered"),
        onUnregistered: () => note("unregistered"),
        onServerConnect: () => note("connected"),
        onServerDisconnect: () => note("disconnected"),
        onCallCreated: (session) => {
          sessions.set(session.id, session);
          note("created", session);
        },
        onCallReceived: (session) => note("incoming", session, session.remoteIdentity.uri.toString()),
        onCallAnswered: (session) => {
          listen(session, recorder);
          note("answered", session);
        },
        onCallHold: (session, held) => note("held", session, String(held)),
        onCallDTMFReceived: (session, digit) => note("digit", session, digit),
        onCallHangup: (session) => {
          sessions.delete(session.id);
          note("closed", session);
        },
        onMessageReceived: (message: Message) => {
          note("message", undefined, message.request.body);
          void message.accept();
        },
      },
    };
    manager = new SessionManager(options.server, settings);
    await manager.connect();
    if (options.password !== "") await manager.register();
  },
  events: (): PageEvent[] => events,
  dial: async (target: string): Promise<string> => (await manager.call(target)).id,
  answer: async (id: string): Promise<void> => await manager.answer(named(id)),
  decline: async (id: string): Promise<void> => await manager.decline(named(id)),
  hangUp: async (id: string): Promise<void> => await manager.hangup(named(id)),
  hold: async (id: string): Promise<void> => await manager.hold(named(id)),
  resume: async (id: string): Promise<void> => await manager.unhold(named(id)),
  /** The camera too, in a call that runs. */
  addVideo: async (id: string): Promise<void> => {
    await named(id).invite({ sessionDescriptionHandlerOptions: { constraints: { audio: true, video: true } } as object });
  },
  /** The camera off or on again, in a call with pictures; the other side's picture may go on. */
  showVideo: async (id: string, on: boolean): Promise<void> => {
    pictureOf(id).direction = on ? "sendrecv" : "recvonly";
    // Both sides may want a change at once (RFC 3261 section 14.1).
    for (;;) {
      const status = await new Promise<number>((done) => {
        named(id)
          .invite({ requestDelegate: { onAccept: () => done(200), onReject: ({ message }) => done(message.statusCode ?? 500) } })
          .catch(() => done(491));
      });
      if (status !== 491) return;
      await new Promise((waited) => setTimeout(waited, 300 + Math.random() * 1700));
    }
  },
  /** What both sides agreed on of pictures: `sendrecv`, `sendonly`: ours only, `recvonly`: theirs only. */
  videoDirection: async (id: string): Promise<string | null> => pictureOf(id).currentDirection,
  /** Whom it shows: the name and the user of the address, as the server says, else what was dialled. */
  talksTo: (id: string): string => {
    const session = named(id);
    const { displayName, uri } = session.assertedIdentity ?? session.remoteIdentity;
    return `${displayName} ${uri.user}`;
  },
  /** As when its network changed. */
  restartIce: async (id: string): Promise<void> => {
    connectionOf(id).restartIce();
    await new Promise<void>((done, refused) => {
      const requestDelegate = { onAccept: () => done(), onReject: () => refused(new Error("The re-INVITE was refused.")) };
      named(id).invite({ requestDelegate }).catch(refused);
    });
  },
  press: async (id: string, digits: string): Promise<void> => {
    for (const digit of digits) await manager.sendDTMF(named(id), digit);
  },
  transfer: async (id: string, target: string): Promise<void> => await manager.transfer(named(id), target),
  transferTo: async (id: string, other: string): Promise<void> => await manager.transfer(named(id), named(other)),
  send: async (target: string, text: string): Promise<void> => {
    if (UserAgent.makeURI(target) === undefined) throw new Error(`${target} is no SIP URI.`);
    await manager.message(target, text);
  },
  unregister: async (): Promise<void> => await manager.unregister(),
  /** 16 bit, 16 kHz: all that was heard since the last time. */
  heard(): number[] {
    const samples: number[] = [];
    for (const part of heard.splice(0))
      for (const value of part) samples.push(Math.max(-32768, Math.min(32767, Math.round(value * 32767))));
    return samples;
  },
  /** What WebRTC counts, by type of report. */
  async figures(id: string): Promise<Record<string, unknown>[]> {
    return [...(await connectionOf(id).getStats()).values()];
  },
};

Object.assign(window, { phone: phone satisfies Record<PageMethod, unknown> });
