import { rm } from "node:fs/promises";
import type { Destination } from "../destinations/contract.ts";
import { agentStore } from "../elements/store/agents.ts";
import { elementStore } from "../elements/store/elements.ts";
import type { ExtensionSettings } from "../extensions/contract.ts";
import { extensionStore } from "../extensions/store.ts";
import type { PhonePlan, PlanExtension } from "../plan.ts";
import type { Saying } from "../prompts/say.ts";
import { forwardedTo } from "../prompts/sayings.ts";
import type { FeatureCode } from "../systems/contract.ts";
import { raisePlanVersion } from "../systems/store.ts";
import { aborted, unless } from "./abort.ts";
import type { Call } from "./call.ts";
import { connect, ring, targetsOf } from "./connect.ts";
import { searchDirectory } from "./directory.ts";
import { signIn, signOut } from "./hotDesk.ts";
import { dialledDestination } from "./inside.ts";
import { blockLastCaller, lastCaller, lastDialled } from "./lastCalls.ts";
import { listenToVoicemail } from "./mailbox.ts";
import { answerAfter } from "./paging.ts";
import { newSoundFile } from "./recordings.ts";
import { ask, say } from "./say.ts";

export interface Feature {
  code: FeatureCode;
  /** What was dialled behind the code. */
  rest: string;
}

/** The longest code that what was dialled begins with. */
export function featureOf(plan: PhonePlan, dialled: string): Feature | undefined {
  const codes = Object.entries(plan.system.featureCodes) as [FeatureCode, string | null][];
  const found = codes
    .filter(([, digits]) => digits !== null && dialled.startsWith(digits))
    .sort(([, a], [, b]) => (b as string).length - (a as string).length)[0];
  if (!found) return undefined;
  const [code, digits] = found;
  const rest = dialled.slice((digits as string).length);
  // 700 parks, and 7001 is an extension.
  return rest !== "" && /^\d/.test(digits as string) ? undefined : { code, rest };
}

/** What somebody may be sent to who did not dial it: it changes nothing of theirs, and reads nothing of what they keep. */
const sendable: ReadonlySet<FeatureCode> = new Set([
  "pickupGroup",
  "pickupExtension",
  "intercom",
  "directory",
  "speedDial",
  "echoTest",
  "clock",
]);

/** A code acts in the name of the one who hears it: whoever was sent there by somebody else has not asked for it. */
export function maySendTo({ payer, subject }: Call, { code }: Feature): boolean {
  return payer?.id === subject.who.extensionId || sendable.has(code);
}

/** What comes after it: a number as if it had been dialled instead, or a destination. */
export type Next = { dial: string } | { to: Destination } | undefined;
type Work = (call: Call, caller: PlanExtension, rest: string, signal: AbortSignal) => Promise<Next> | Promise<void>;

const works: Partial<Record<FeatureCode, Work>> = {
  voicemail: (call, caller, _, signal) => listenToVoicemail(call, caller, signal),
  voicemailOther: (call, _, rest, signal) =>
    listenToVoicemail(
      call,
      call.plan.extensions.find(({ number }) => number === rest),
      signal,
    ),
  forwardAlways: (call, caller, rest, signal) => forward(call, caller, "always", rest, signal),
  forwardBusy: (call, caller, rest, signal) => forward(call, caller, "busy", rest, signal),
  forwardNoAnswer: (call, caller, rest, signal) => forward(call, caller, "noAnswer", rest, signal),
  forwardAlwaysOff: (call, caller, _, signal) =>
    change(call, caller, { forwarding: { ...caller.forwarding, always: null } }, "forward_off", signal),
  forwardBusyOff: (call, caller, _, signal) =>
    change(call, caller, { forwarding: { ...caller.forwarding, busy: null } }, "forward_off", signal),
  forwardNoAnswerOff: (call, caller, _, signal) =>
    change(call, caller, { forwarding: { ...caller.forwarding, noAnswer: null } }, "forward_off", signal),
  forwardUnreachable: (call, caller, rest, signal) => forward(call, caller, "unreachable", rest, signal),
  forwardUnreachableOff: (call, caller, _, signal) =>
    change(call, caller, { forwarding: { ...caller.forwarding, unreachable: null } }, "forward_off", signal),
  doNotDisturb: (call, caller, _, signal) => change(call, caller, { doNotDisturb: true }, "dnd_on", signal),
  doNotDisturbOff: (call, caller, _, signal) => change(call, caller, { doNotDisturb: false }, "dnd_off", signal),
  callWaiting: (call, caller, _, signal) => change(call, caller, { callWaiting: true }, "waiting_on", signal),
  callWaitingOff: (call, caller, _, signal) => change(call, caller, { callWaiting: false }, "waiting_off", signal),
  pickupGroup: (call, caller, _, signal) => {
    const mates = call.plan.extensions.filter(
      ({ pickupGroup, id }) => caller.pickupGroup !== null && pickupGroup === caller.pickupGroup && id !== caller.id,
    );
    return pickUp(call, mates, signal);
  },
  pickupExtension: (call, _, rest, signal) =>
    pickUp(
      call,
      call.plan.extensions.filter(({ number }) => number === rest),
      signal,
    ),
  intercom: (call, _, rest, signal) => intercom(call, rest, signal),
  hideNumber: (call, caller, rest, signal) => hideNumber(call, caller, rest, signal),
  redial: async (call, caller, _, signal) => dialOr(call, await lastDialled(call, caller), signal),
  callBack: async (call, caller, _, signal) => dialOr(call, await lastCaller(call, caller), signal),
  callWhenFree: (call, caller, rest, signal) => callWhenFree(call, caller, rest, signal),
  blockLastCaller: async (call, caller, _, signal) => {
    await call.subject.answer();
    await say(call, (await blockLastCaller(call, caller)) ? "blocked" : "redial_none", signal);
  },
  hotDeskIn: (call, _, rest, signal) => signIn(call, rest, signal),
  hotDeskOut: (call, _, __, signal) => signOut(call, signal),
  directory: async (call, _, __, signal) => {
    const to = await searchDirectory(call, signal);
    return to && { to };
  },
  speedDial: async (call, _, rest) => {
    const target = call.plan.elements.speedDials.find(({ number }) => number === rest)?.target;
    if (!target) call.refuse(404, "failed", "There is no speed dial of this number.");
    return target && { to: target };
  },
  queueLogIn: (call, caller, _, signal) => agentState(call, caller, { loggedIn: true, paused: false }, "queue_logged_in", signal),
  queueLogOut: (call, caller, _, signal) => agentState(call, caller, { loggedIn: false }, "queue_logged_out", signal),
  queuePause: (call, caller, _, signal) => agentState(call, caller, { paused: true }, "queue_paused", signal),
  queueResume: (call, caller, _, signal) => agentState(call, caller, { paused: false }, "queue_unpaused", signal),
  timeCondition: (call, _, rest, signal) => override(call, rest, signal),
  echoTest: (call, _, __, signal) => echo(call, signal),
  clock: async (call, _, __, signal) => {
    const now = new Date();
    const { timeZone } = call.plan.system;
    await call.subject.answer();
    await say(
      call,
      [
        { date: now, timeZone, now },
        { time: now, timeZone },
      ],
      signal,
    );
  },
};

/** What the phone system does for who dials a code. Returns where the call goes next. @throws the reason of `signal` */
export async function callFeature(call: Call, { code, rest }: Feature, signal: AbortSignal): Promise<Next> {
  const caller = call.extension(call.subject.who.extensionId);
  const work = works[code];
  if (caller && work) return (await work(call, caller, rest, signal)) || undefined;
  call.refuse(501, "failed", `The code for ${code} cannot be dialled by itself.`);
  return undefined;
}

async function dialOr(call: Call, number: string | undefined, signal: AbortSignal): Promise<Next> {
  if (number !== undefined) return { dial: number };
  await call.subject.answer();
  await say(call, "redial_none", signal);
  return undefined;
}

/** With a number: for this call. Without: for all calls outside, or none any more. */
async function hideNumber(call: Call, caller: PlanExtension, rest: string, signal: AbortSignal): Promise<Next> {
  call.hideNumber = rest !== "";
  if (call.hideNumber) return { dial: rest };
  const hides = !caller.hideNumber;
  await change(call, caller, { hideNumber: hides }, hides ? "hidden_on" : "hidden_off", signal);
  return undefined;
}

async function callWhenFree(call: Call, caller: PlanExtension, rest: string, signal: AbortSignal): Promise<void> {
  const number = rest || (await lastDialled(call, caller));
  const wanted = call.plan.extensions.find((each) => each.number === number && each.id !== caller.id);
  if (!wanted || !caller.permissions.internal) return call.refuse(404, "failed", "There is no such extension to wait for.");
  await call.subject.answer();
  call.board.whenFree.wait(call.plan.system.id, caller.id, wanted.id);
  await say(call, "camp_on", signal);
}

async function change(
  call: Call,
  caller: PlanExtension,
  settings: Partial<ExtensionSettings>,
  told: Saying | Saying[],
  signal: AbortSignal,
): Promise<void> {
  await call.subject.answer();
  await call.board.database.transaction("system", async (tx) => {
    const row = await extensionStore.find(tx, caller.id);
    if (row) await extensionStore.update(tx, { ...row, settings: { ...row.settings, ...settings } });
  });
  await say(call, told, signal);
}

async function forward(
  call: Call,
  caller: PlanExtension,
  when: keyof ExtensionSettings["forwarding"],
  rest: string,
  signal: AbortSignal,
): Promise<void> {
  await call.subject.answer();
  const number = rest || (await ask(call, "enter_number", signal, { maximum: 20 }));
  const destination = dialledDestination(call.plan, number);
  if (!destination) return say(call, "not_in_service", signal);
  const told = forwardedTo(number, when);
  await change(call, caller, { forwarding: { ...caller.forwarding, [when]: destination } }, told, signal);
}

async function pickUp(call: Call, extensions: PlanExtension[], signal: AbortSignal): Promise<void> {
  const ids = extensions.map(({ id }) => id);
  if (!call.board.ringing.pick(ids, call.subject)) {
    await call.subject.answer();
    return say(call, "pickup_none", signal);
  }
  // It belongs to the call that rang from here on, which takes it.
  await unless(signal, aborted(signal));
}

async function intercom(call: Call, number: string, signal: AbortSignal): Promise<void> {
  const extension = call.plan.extensions.find((each) => each.number === number);
  if (!extension) return call.refuse(404, "failed", "There is no such extension.");
  if (extension.doNotDisturb || call.board.partiesOf(extension.id).length > 0) return call.refuse(486, "busy");
  call.to = { number: extension.number, name: extension.name };
  const { party } = await ring(call, targetsOf(call, extension, answerAfter), { ringSeconds: 15 }, signal);
  if (party) await connect(call, party, signal);
}

async function agentState(
  call: Call,
  caller: PlanExtension,
  state: { loggedIn?: boolean; paused?: boolean },
  told: Saying,
  signal: AbortSignal,
): Promise<void> {
  await call.subject.answer();
  await call.board.database.transaction("system", async (tx) => {
    const agents = await agentStore.page(tx, { extensionIds: [caller.id], limit: 200 });
    for (const agent of agents)
      await agentStore.set(tx, agent, { loggedIn: agent.loggedIn, paused: agent.paused, pauseReason: null, ...state });
    const [agent] = agents;
    if (agent)
      await raisePlanVersion(tx, { id: agent.systemId, organisationId: agent.organisationId, projectId: agent.projectId });
  });
  await say(call, told, signal);
}

const nextOverride = { none: "open", open: "closed", closed: "none", holiday: "none" } as const;
const toldOverride = { none: "hours_automatic", open: "hours_open", closed: "hours_closed" } as const;

async function override(call: Call, number: string, signal: AbortSignal): Promise<void> {
  const condition = call.plan.elements.timeConditions.find((each) => each.number === number);
  if (!condition) return call.refuse(404, "failed", "There is no such time condition.");
  const next = nextOverride[condition.override];
  await call.subject.answer();
  await call.board.database.transaction("system", async (tx) => {
    const row = await elementStore.find(tx, condition.id, { lock: true });
    if (!row) return;
    await elementStore.update(tx, { ...row, settings: { ...row.settings, override: next } });
    await raisePlanVersion(tx, { id: row.systemId, organisationId: row.organisationId, projectId: row.projectId });
  });
  await say(call, toldOverride[next], signal);
}

/** What was said comes back. */
async function echo(call: Call, signal: AbortSignal): Promise<void> {
  await call.subject.answer();
  await say(call, "echo", signal);
  const file = newSoundFile(call);
  const recording = call.subject.leg.record({ file, beep: true, maxSeconds: 10, silenceSeconds: 2, untilDtmf: "#" });
  try {
    await unless(signal, recording.done);
    await call.subject.listen({ file }, signal);
  } finally {
    await recording.stop();
    await rm(file, { force: true });
  }
}
