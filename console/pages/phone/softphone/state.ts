/**
 * The softphone as a machine: what is known of it, what happens to it, and what a person may do. It knows neither SIP nor the browser, so that
 * every rule (one voice at a time, who is put on hold for whom) is tested without either.
 */

/** A call waits, is put through, speaks, and is over; the last is kept a moment to say why. */
export type CallState = "ringing" | "calling" | "progress" | "active" | "ended";
export type Registration = "off" | "connecting" | "registered" | "lost" | "refused";
export type Quality = "good" | "fair" | "poor";
export type Cause =
  | "ended"
  | "cancelled"
  | "missed"
  | "declined"
  | "elsewhere"
  | "busy"
  | "no_answer"
  | "unreachable"
  | "not_found"
  | "not_allowed"
  | "no_credit"
  | "no_microphone"
  | "microphone_refused"
  | "microphone_busy"
  | "transferred"
  | "failed";

export interface Peer {
  number: string;
  name?: string;
}

export interface PhoneCall {
  id: string;
  direction: "in" | "out";
  peer: Peer;
  state: CallState;
  /** Put on hold by us. */
  held: boolean;
  heldByPeer: boolean;
  muted: boolean;
  /** Nothing gets through now: the network of one side is gone, or changed. */
  interrupted: boolean;
  /** Sound of the other side before the answer: its own ringing, an announcement. */
  earlyMedia: boolean;
  /** It speaks in the conference of this browser. */
  merged: boolean;
  /** Which pictures flow. */
  sendsVideo: boolean;
  receivesVideo: boolean;
  /** The call that will be handed over to the person of this one. */
  consultsFor?: string;
  /** A transfer that was asked for: how it goes. */
  transfer?: "asked" | "failed";
  /** Milliseconds since 1970. */
  startedAt: number;
  answeredAt?: number;
  endedAt?: number;
  cause?: Cause;
  quality?: Quality;
}

export interface PhoneState {
  registration: Registration;
  /** Oldest first. */
  calls: readonly PhoneCall[];
  /** The call that the panel shows large. */
  shown?: string;
}

export const idle: PhoneState = { registration: "off", calls: [] };

/** More than that nobody keeps apart by ear. */
export const mostCalls = 5;

export type PhoneEvent =
  | { kind: "registration"; registration: Registration }
  | { kind: "added"; id: string; direction: "in" | "out"; peer: Peer; at: number; receivesVideo?: boolean; consultsFor?: string }
  | { kind: "progress"; id: string }
  | { kind: "answered"; id: string; at: number }
  | { kind: "ended"; id: string; at: number; cause: Cause }
  | { kind: "forgotten"; id: string }
  | { kind: "shown"; id: string }
  | { kind: "merged"; ids: readonly string[] }
  | { kind: "changed"; id: string; change: CallChange };

export type CallChange = Partial<
  Pick<
    PhoneCall,
    | "peer"
    | "held"
    | "heldByPeer"
    | "muted"
    | "interrupted"
    | "earlyMedia"
    | "sendsVideo"
    | "receivesVideo"
    | "transfer"
    | "quality"
  >
>;

const next: Record<"progress" | "answered" | "ended", { from: readonly CallState[]; to: CallState }> = {
  progress: { from: ["calling"], to: "progress" },
  answered: { from: ["ringing", "calling", "progress"], to: "active" },
  ended: { from: ["ringing", "calling", "progress", "active"], to: "ended" },
};

/** What is known after something has happened; what cannot happen in the state of now changes nothing. */
export function after(state: PhoneState, event: PhoneEvent): PhoneState {
  switch (event.kind) {
    case "registration":
      return { ...state, registration: event.registration };
    case "added":
      return added(state, event);
    case "merged":
      return { ...state, calls: state.calls.map((call) => ({ ...call, merged: event.ids.includes(call.id) })) };
    case "shown":
      return state.calls.some(({ id }) => id === event.id) ? { ...state, shown: event.id } : state;
    case "forgotten": {
      const calls = state.calls.filter(({ id, state: now }) => id !== event.id || now !== "ended");
      return withShown({ ...state, calls });
    }
    case "changed":
      return changed(state, event.id, () => event.change);
    case "progress":
      return moved(state, event.id, "progress", {});
    case "answered":
      return withShown(moved(state, event.id, "answered", { answeredAt: event.at }), event.id);
    case "ended":
      return withShown(moved(state, event.id, "ended", { endedAt: event.at, cause: event.cause, merged: false, held: false }));
  }
}

function added(state: PhoneState, event: Extract<PhoneEvent, { kind: "added" }>): PhoneState {
  if (state.calls.some(({ id }) => id === event.id)) return state;
  const call: PhoneCall = {
    id: event.id,
    direction: event.direction,
    peer: event.peer,
    state: event.direction === "in" ? "ringing" : "calling",
    held: false,
    heldByPeer: false,
    muted: false,
    interrupted: false,
    earlyMedia: false,
    merged: false,
    sendsVideo: false,
    receivesVideo: event.receivesVideo ?? false,
    startedAt: event.at,
    ...(event.consultsFor ? { consultsFor: event.consultsFor } : {}),
  };
  // One that rings does not push the person aside that one speaks with.
  const show = event.direction === "out" || !state.calls.some(isLive);
  return withShown({ ...state, calls: [...state.calls, call] }, show ? call.id : undefined);
}

function changed(state: PhoneState, id: string, change: (call: PhoneCall) => Partial<PhoneCall>): PhoneState {
  return { ...state, calls: state.calls.map((call) => (call.id === id ? { ...call, ...change(call) } : call)) };
}

function moved(state: PhoneState, id: string, kind: keyof typeof next, change: Partial<PhoneCall>): PhoneState {
  const { from, to } = next[kind];
  return changed(state, id, (call) => (from.includes(call.state) ? { ...change, state: to } : {}));
}

/** The wanted call, else the one shown, else whoever is spoken with, else anyone. */
function withShown(state: PhoneState, wanted?: string): PhoneState {
  const { shown: before, ...rest } = state;
  const of = (id: string | undefined) => state.calls.find((call) => call.id === id);
  const now = of(before);
  const shown =
    of(wanted) ??
    (now && now.state !== "ended" ? now : undefined) ??
    state.calls.find((call) => call.state === "active" && !call.held) ??
    state.calls.find(isLive) ??
    now ??
    state.calls.at(-1);
  return shown ? { ...rest, shown: shown.id } : rest;
}

export const isLive = ({ state }: PhoneCall): boolean => state !== "ended";
export const isSpeaking = (call: PhoneCall): boolean => call.state === "active" && !call.held;
export const shownCall = ({ calls, shown }: PhoneState): PhoneCall | undefined => calls.find(({ id }) => id === shown);
/** Calls that ring here, and that nobody has answered yet. */
export const ringing = ({ calls }: PhoneState): PhoneCall[] => calls.filter(({ state }) => state === "ringing");

/** What a person wants of the phone. Plain data: another tab sends it to the one that has the phone. */
export type PhoneCommand =
  | { kind: "dial"; number: string; video?: boolean; consultsFor?: string }
  | { kind: "merge" | "split" | "devices" | "reconnect" }
  | CallCommand;
export type CallCommand =
  | { kind: "answer"; id: string; video?: boolean }
  | { kind: "hangUp" | "hold" | "resume" | "show"; id: string }
  | { kind: "mute"; id: string; muted: boolean }
  | { kind: "tones"; id: string; tones: string }
  | { kind: "transfer"; id: string; to: string }
  | { kind: "handOver"; id: string }
  | { kind: "video"; id: string; on: boolean };

/** What the engine does for it, one after the other. */
export type Step =
  | StepOfCall
  | { kind: "invite"; number: string; video: boolean; consultsFor?: string }
  | { kind: "mix"; ids: readonly string[] }
  | { kind: "show"; id: string }
  | { kind: "changeDevices" | "reconnect" };
export type StepOfCall =
  | { kind: "accept"; id: string; video: boolean }
  | { kind: "reject" | "cancel" | "bye"; id: string }
  | { kind: "setHold"; id: string; held: boolean }
  | { kind: "setMuted"; id: string; muted: boolean }
  | { kind: "sendTones"; id: string; tones: string }
  | { kind: "refer"; id: string; to: string }
  | { kind: "referTo"; id: string; other: string }
  | { kind: "setVideo"; id: string; on: boolean };

export type CallAction =
  | "answer"
  | "hangUp"
  | "hold"
  | "resume"
  | "mute"
  | "tones"
  | "transfer"
  | "handOver"
  | "video"
  | "merge"
  | "add";

/** What may be done with a call now. */
export function allowed(state: PhoneState, call: PhoneCall): readonly CallAction[] {
  if (call.state === "ended") return [];
  if (call.state === "ringing") return ["answer", "hangUp"];
  if (call.state !== "active") return ["hangUp"];
  const others = state.calls.filter((other) => other.id !== call.id && other.state === "active");
  const live = state.calls.filter(isLive).length;
  return [
    "hangUp",
    call.held ? "resume" : "hold",
    "mute",
    "tones",
    ...(call.held ? [] : (["video"] as const)),
    ...(call.transfer === "asked" || call.merged ? [] : (["transfer"] as const)),
    ...(call.consultsFor && others.some(({ id }) => id === call.consultsFor) ? (["handOver"] as const) : []),
    ...(others.some(({ merged }) => !merged || !call.merged) ? (["merge"] as const) : []),
    ...(live < mostCalls ? (["add"] as const) : []),
  ];
}

/** The steps of a command in the state of now; none where it makes no sense (any more): the other side may have been faster. */
export function steps(state: PhoneState, command: PhoneCommand): Step[] {
  if (command.kind === "dial") {
    if (command.number === "" || state.calls.filter(isLive).length >= mostCalls) return [];
    const { number, video = false, consultsFor } = command;
    return [...quiet(state), { kind: "invite", number, video, ...(consultsFor ? { consultsFor } : {}) }];
  }
  if (command.kind === "merge") return merge(state);
  if (command.kind === "split") return split(state);
  if (!("id" in command)) return [{ kind: command.kind === "devices" ? "changeDevices" : "reconnect" }];
  const call = state.calls.find(({ id }) => id === command.id);
  return call === undefined || call.state === "ended" ? [] : ofCall(state, call, command);
}

function ofCall(state: PhoneState, call: PhoneCall, command: CallCommand): Step[] {
  const may = allowed(state, call);
  const { id } = call;
  switch (command.kind) {
    case "show":
      return [{ kind: "show", id }];
    case "answer":
      return may.includes("answer") ? [...quiet(state), { kind: "accept", id, video: command.video ?? false }] : [];
    case "hangUp":
      return [{ kind: call.state === "ringing" ? "reject" : call.state === "active" ? "bye" : "cancel", id }];
    case "hold":
      return may.includes("hold") ? [...(call.merged ? unmix(state) : []), { kind: "setHold", id, held: true }] : [];
    case "resume":
      return may.includes("resume") ? [...quiet(state, id), { kind: "setHold", id, held: false }, { kind: "show", id }] : [];
    case "mute":
      return may.includes("mute")
        ? spokenTogether(state, call).map((one) => ({ kind: "setMuted", id: one, muted: command.muted }))
        : [];
    case "tones":
      return may.includes("tones") && /^[0-9A-D*#]+$/i.test(command.tones)
        ? [{ kind: "sendTones", id, tones: command.tones }]
        : [];
    case "transfer":
      return may.includes("transfer") && command.to !== "" ? [{ kind: "refer", id, to: command.to }] : [];
    case "handOver":
      return may.includes("handOver") && call.consultsFor ? [{ kind: "referTo", id: call.consultsFor, other: id }] : [];
    case "video":
      return may.includes("video") ? [{ kind: "setVideo", id, on: command.on }] : [];
  }
}

/** One voice at a time: whoever is spoken with is put on hold, and the conference with them. */
function quiet(state: PhoneState, except?: string): Step[] {
  return state.calls
    .filter((call) => isSpeaking(call) && call.id !== except)
    .map(({ id }) => ({ kind: "setHold", id, held: true }) as const);
}

const spokenTogether = (state: PhoneState, call: PhoneCall): string[] =>
  call.merged ? state.calls.filter(({ merged }) => merged).map(({ id }) => id) : [call.id];

function merge(state: PhoneState): Step[] {
  const active = state.calls.filter((call) => call.state === "active");
  if (active.length < 2) return [];
  return [
    ...active.filter(({ held }) => held).map(({ id }) => ({ kind: "setHold", id, held: false }) as const),
    { kind: "mix", ids: active.map(({ id }) => id) },
  ];
}

const unmix = (state: PhoneState): Step[] => (state.calls.some(({ merged }) => merged) ? [{ kind: "mix", ids: [] }] : []);

/** The conference becomes calls again: the shown one is spoken with, the others wait. */
function split(state: PhoneState): Step[] {
  const merged = state.calls.filter((call) => call.merged);
  const stays = merged.find(({ id }) => id === state.shown) ?? merged[0];
  if (stays === undefined) return [];
  return [
    ...unmix(state),
    ...merged.filter(({ id, held }) => id !== stays.id && !held).map(({ id }) => ({ kind: "setHold", id, held: true }) as const),
    { kind: "show", id: stays.id },
  ];
}
