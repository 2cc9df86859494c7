import type { Destination } from "../destinations/contract.ts";
import type { PlanExtension } from "../plan.ts";
import type { HeaderInput } from "../sip/ports.ts";
import type { Call } from "./call.ts";
import { type Spent, spentWords, watchSpending } from "./charges.ts";
import { type Dialled, type DialOptions, dial, type Target } from "./dial.ts";
import { listenForRecordCode, stopOnDemand } from "./onDemand.ts";
import { forPeople } from "./outside.ts";
import { type Party, talk, type Who } from "./party.ts";
import { startPolicyRecording } from "./recordings.ts";
import { say } from "./say.ts";
import { ringback } from "./sounds.ts";
import { heldMusic } from "./spoken.ts";

/** A name as it stands in a From: quotes and backslashes would end it. */
const quoted = (text: string): string => `"${text.replace(/["\\\r\n]/g, "").slice(0, 80)}"`;

/** As others see a caller (RFC 3323 section 4.1.1.3 when it hides). */
export function fromHeader(call: Call, who: Who): string {
  if (who.number === undefined || call.hideNumber) return anonymous;
  const name = `${call.namePrefix ? `${call.namePrefix} ` : ""}${who.name ?? readable(call, who, who.number)}`;
  return addressOf(call, who.number, name);
}
const anonymous = `"Anonymous" <sip:anonymous@anonymous.invalid>`;
const addressOf = (call: Call, number: string, name: string): string =>
  `${quoted(name)} <sip:${number.replace(/[^\d+*#\w.-]/g, "")}@${call.plan.system.domain}>`;

/** Whom we have called outside has no name: the number as people there write it. */
const readable = (call: Call, { trunkId }: Who, number: string): string =>
  trunkId === undefined ? number : forPeople(number, call.plan.system.country);

/** As a caller sees who is called. */
export function calledHeader(call: Call, who: Who): string {
  if (who.number === undefined) return anonymous;
  return addressOf(call, who.number, who.name ?? readable(call, who, who.number));
}

/** The number to which somebody forwards is theirs to tell: who dialled the extension goes on seeing that. */
function showCalled(call: Call, who: Who): void {
  if (who.trunkId === undefined || call.subject.isAnswered) call.subject.show(calledHeader(call, who));
}

/** Where an extension's phones are now. */
export function targetsOf(call: Call, extension: PlanExtension, headers: HeaderInput = {}): Target[] {
  const enabled = new Map(extension.devices.filter((device) => device.enabled).map((device) => [device.id, device]));
  return call.board.locations
    .ofExtension(extension.id)
    .filter((location) => enabled.has(location.deviceId) && !call.board.isSilent(location))
    .map((location) => ({
      who: {
        number: extension.number,
        name: extension.callerName ?? extension.name,
        extensionId: extension.id,
        deviceId: location.deviceId,
      },
      target: location.contact,
      to: `${quoted(extension.name)} <sip:${extension.number}@${call.plan.system.domain}>`,
      flow: location.flow,
      toward: location.address,
      ...(location.path.length > 0 ? { routes: location.path } : {}),
      from: fromHeader(call, call.other),
      headers,
      profile:
        location.transport === "ws" || location.transport === "wss" ? "webrtc" : location.transport === "tls" ? "srtp" : "rtp",
    }));
}

/** Somebody who was told that it rings opens a browser, or starts the phone: it rings there as well. Returns what ends that. */
function joinLater(
  call: Call,
  { id, name }: PlanExtension,
  ringing: readonly Target[],
  join: (target: Target) => void,
): () => void {
  const { board, plan, subject } = call;
  const placeOf = ({ who, flow }: Target) => `${who.deviceId} ${flow}`;
  const known = new Set(ringing.map(placeOf));
  const look = async () => {
    // A browser has an account of its own since then.
    const extension = (await board.plans.newest(plan.system.id))?.extensions.find((each) => each.id === id);
    if (!extension || extension.doNotDisturb) return;
    for (const target of targetsOf(call, extension)) {
      if (known.has(placeOf(target)) || target.who.deviceId === subject.who.deviceId) continue;
      known.add(placeOf(target));
      join(target);
    }
  };
  const failed = (error: unknown) => board.log.warn({ err: error, call: call.id, extension: name }, "a late phone does not ring");
  return board.locations.onChange((extensionId) => void (extensionId === id && look().catch(failed)));
}

/** Rings these for the subject of a call. @throws the reason of `signal` */
export async function ring(
  call: Call,
  targets: readonly Target[],
  {
    extension,
    ...options
  }: Pick<DialOptions, "ringSeconds"> &
    Partial<Pick<DialOptions, "caller" | "onRinging" | "quiet" | "followsMoved" | "waits">> & {
      /** Whose phones these are: those that it registers while it rings ring too. */
      extension?: PlanExtension;
    },
  signal: AbortSignal,
): Promise<Dialled> {
  const extensionIds = [...targets.flatMap(({ who }) => who.extensionId ?? []), ...(extension ? [extension.id] : [])];
  for (const id of extensionIds) call.extensionIds.add(id);
  const before = new Set(call.parties);
  const [first] = targets;
  // Several that ring together have the name of what was called.
  const isOne = new Set(targets.map(({ who }) => who.number)).size === 1;
  if (first && isOne && !options.quiet && !call.subject.isAnswered) showCalled(call, first.who);
  const result = await dial(
    targets,
    {
      stack: call.board.stack,
      media: call.media,
      caller: call.subject,
      ringback: ringback(call.plan),
      events: call.partyEvents,
      onParty: (party) => call.add(party, party.who.trunkId ? "trunk" : "extension"),
      ...(extension ? { joining: (join) => joinLater(call, extension, targets, join) } : {}),
      ...(extensionIds.length > 0 ? { offerPickup: (take) => call.board.ringing.offer(extensionIds, take) } : {}),
      ...options,
    },
    signal,
  );
  const answeredBy = result.party;
  // Who only rang did not take part.
  for (const id of extensionIds)
    if (
      answeredBy?.who.extensionId !== id &&
      ![...before].some(({ who }) => who.extensionId === id) &&
      call.from.extensionId !== id
    ) {
      call.extensionIds.delete(id);
      call.missedBy.add(id);
    }
  if (answeredBy && answeredBy.call !== call) call.add(answeredBy, "extension");
  return result;
}

/** Subject and party speak until one of them leaves. @throws the reason of `signal` */
export async function connect(call: Call, party: Party, signal: AbortSignal): Promise<"hung_up" | "taken"> {
  const { subject } = call;
  showCalled(call, party.who);
  party.show(fromHeader(call, subject.who));
  try {
    await subject.answer(party.leg);
    await party.answer(subject.leg);
    call.answered(party);
    for (const each of [subject, party]) watchSpending(call.board, call.plan, each);
  } catch (error) {
    party.hangUp();
    throw error;
  }
  const stopListening = listenForRecordCode(call, party);
  try {
    call.policyRecording = await startPolicyRecording(call, party, signal);
    return await talk(subject, party, signal, await heldMusic(call));
  } finally {
    stopListening();
    const byPolicy = call.policyRecording;
    call.policyRecording = undefined;
    await Promise.all([byPolicy?.stop(), stopOnDemand(call)]);
    if (party.spent) await tellSpent(call, party.spent, signal);
  }
}

/** The other one is hung up already: who is left hears why. */
async function tellSpent(call: Call, spent: Spent, signal: AbortSignal): Promise<void> {
  call.endReason = spentWords[spent].ended;
  if (!signal.aborted) await say(call, spentWords[spent].phrase, signal);
}

/** Where a call goes when an extension does not take it: what it says, else its voicemail, else nowhere. */
export function instead(extension: PlanExtension, forwarding: Destination | null): Destination | undefined {
  if (forwarding) return forwarding;
  return extension.voicemail.enabled ? ({ kind: "voicemail", id: extension.id } as Destination) : undefined;
}
