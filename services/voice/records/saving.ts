import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { Database, Tx } from "../../../kernel/db/database.ts";
import { emitAll } from "../../../kernel/events.ts";
import { type Id, newId } from "../../../kernel/ids.ts";
import { recordUsage } from "../../../kernel/metering/journal.ts";
import { deleteAudio, writeAudio } from "../audio/store.ts";
import { tellWebhooks } from "../live/deliveries.ts";
import { mailLowBalance, mailMissedCall, mailVoicemail } from "../mails/telling.ts";
import { pushStore } from "../push/store.ts";
import { creditStore } from "../systems/store.ts";
import type { GreetingKind } from "./contract.ts";
import { type CallRowWithLegs, callStore } from "./store/calls.ts";
import { recordingStore } from "./store/recordings.ts";
import { greetingStore, type VoicemailRow, voicemailStore } from "./store/voicemails.ts";

/** For the voice process: what became of calls is written here, with what it costs, in one transaction each. */

/** Where the phone system lives: the plan knows. */
export interface SystemReference {
  id: Id<"phoneSystem">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
}
/** A WAV file that is whole; it stays, for the caller to delete. */
export interface SoundFile {
  path: string;
  milliseconds: number;
}

/** The extensions that it rang, when nobody answered it. */
const missedBy = (call: CallRowWithLegs): string[] =>
  call.direction === "outbound" || call.answeredAt !== null
    ? []
    : [...new Set(call.legs.slice(1).flatMap(({ kind, id }) => (kind === "extension" && id !== undefined ? [id] : [])))];

/** Made of the call's, so that it counts once. */
const usageId = (call: CallRowWithLegs, what: string | number): string =>
  `use_${createHash("sha256").update(`${call.id} ${what}`).digest("hex").slice(0, 32)}`;

const metered = ({ organisationId, projectId }: CallRowWithLegs) => ({ organisationId, projectId, service: "voice" });

/** The time of each leg over a trunk. */
const secondsOf = (call: CallRowWithLegs) =>
  call.legs.flatMap(({ kind, id, direction, answeredAt, endedAt }, index) => {
    if (kind !== "trunk" || id === undefined || answeredAt === undefined) return [];
    const [from, to] = [new Date(answeredAt), endedAt === undefined ? call.endedAt : new Date(endedAt)];
    return [
      {
        ...metered(call),
        id: usageId(call, index),
        meter: "voice.call.seconds",
        unit: "seconds",
        resource: { kind: "trunk", id, name: direction ?? call.direction },
        from,
        to,
        quantity: ((to.getTime() - from.getTime()) / 1000).toFixed(3),
      },
    ];
  });

/** What it costs by its destination's rate, in the currency as the unit; by the country that was called. */
const chargesOf = (call: CallRowWithLegs) => {
  if (call.price === null || call.currency === null || Number(call.price) <= 0) return [];
  const country = call.country ?? "ZZ";
  return [
    {
      ...metered(call),
      id: usageId(call, "price"),
      meter: "voice.call.charges",
      unit: call.currency,
      resource: { kind: "destination", id: `${call.systemId}-${country}`, name: country },
      from: call.startedAt,
      to: call.endedAt,
      quantity: call.price,
    },
  ];
};

/** As the live stream tells it. */
const endedEvent = ({ id, systemId, organisationId, projectId }: CallRowWithLegs) => ({
  ...{ type: "voice.call.ended", organisationId, projectId },
  payload: { callId: id, phoneSystemId: systemId },
});

/**
 * Writes the records of calls that have ended, their usage, and takes their prices from the phone systems' balances. Answers those that were not written
 * before, and does nothing with the others: after a crash a call is closed by whoever finds it.
 */
export async function saveCallRecords(tx: Tx, calls: readonly CallRowWithLegs[]): Promise<CallRowWithLegs[]> {
  if (calls.length === 0) return [];
  const fresh = await callStore.insert(tx, calls);
  await Promise.all([
    emitAll(tx, fresh.map(endedEvent)),
    recordUsage(
      tx,
      fresh.flatMap((call) => [...secondsOf(call), ...chargesOf(call)]),
    ),
  ]);
  for (const call of fresh) {
    await mailMissedCall(tx, call);
    await pushStore.tell(tx, missedBy(call), {
      kind: "missed",
      callId: call.id,
      from: call.fromNumber,
      fromName: call.fromName ?? undefined,
    });
    await creditStore.noteSpending(tx, call, call.spending ?? []);
    if (call.price !== null && Number(call.price) > 0) await charge(tx, call, call.price);
  }
  return fresh;
}

async function charge(tx: Tx, call: CallRowWithLegs, price: string): Promise<void> {
  const system = { id: call.systemId, organisationId: call.organisationId, projectId: call.projectId };
  const credit = await creditStore.add(tx, system, { kind: "call", amount: `-${price}`, callId: call.id });
  if (credit) await mailLowBalance(tx, call.systemId, credit.balance, price);
}

const audioOf = (system: SystemReference, ownerId: string, milliseconds: number, createdAt: Date) => ({
  id: newId("phoneAudio"),
  organisationId: system.organisationId,
  projectId: system.projectId,
  systemId: system.id,
  ownerId,
  contentType: "audio/wav",
  milliseconds,
  createdAt,
});
const placed = (system: SystemReference) => ({
  organisationId: system.organisationId,
  projectId: system.projectId,
  systemId: system.id,
});

/** Durable when it resolves; the extension's lamp and its browsers hear of it. */
export const saveVoicemail = (
  database: Database,
  system: SystemReference,
  message: {
    extensionId: Id<"extension">;
    fromNumber: string;
    fromName?: string | undefined;
    callId?: Id<"call"> | undefined;
    file: SoundFile;
  },
): Promise<VoicemailRow> =>
  database.transaction("system", async (tx) => {
    const id = newId("voicemail");
    const createdAt = new Date();
    const { path, milliseconds } = message.file;
    const audio = await writeAudio(tx, audioOf(system, id, milliseconds, createdAt), createReadStream(path));
    const row: VoicemailRow = {
      id,
      ...placed(system),
      extensionId: message.extensionId,
      audioId: audio.id,
      folder: "new",
      heard: false,
      fromNumber: message.fromNumber,
      fromName: message.fromName ?? null,
      forwardedBy: null,
      note: null,
      callId: message.callId ?? null,
      sizeBytes: audio.sizeBytes,
      milliseconds,
      createdAt,
      deletedAt: null,
    };
    await voicemailStore.insert(tx, row);
    await mailVoicemail(tx, row);
    const { extensionId, fromNumber, fromName, callId } = row;
    await pushStore.tell(tx, [extensionId], {
      kind: "voicemail",
      callId: callId ?? id,
      from: fromNumber,
      fromName: fromName ?? undefined,
    });
    await tellWebhooks(tx, system.id, "voicemail.left", {
      voicemail: { id, extensionId, fromNumber, fromName, callId, seconds: milliseconds / 1000 },
    });
    return row;
  });

/** Durable when it resolves. `extensionIds`: whose call it is; they may listen to it. */
export const saveRecording = (
  database: Database,
  system: SystemReference,
  recording: {
    callId?: Id<"call"> | undefined;
    extensionIds: readonly Id<"extension">[];
    fromNumber: string;
    toNumber: string;
    file: SoundFile;
  },
): Promise<Id<"recording">> =>
  database.transaction("system", async (tx) => {
    const id = newId("recording");
    const createdAt = new Date();
    const { path, milliseconds } = recording.file;
    const audio = await writeAudio(tx, audioOf(system, id, milliseconds, createdAt), createReadStream(path));
    await recordingStore.insert(tx, {
      id,
      ...placed(system),
      callId: recording.callId ?? null,
      extensionIds: [...recording.extensionIds],
      fromNumber: recording.fromNumber,
      toNumber: recording.toNumber,
      audioId: audio.id,
      sizeBytes: audio.sizeBytes,
      milliseconds,
      sha256: audio.sha256,
      legalHold: false,
      createdAt,
    });
    const { callId = null, fromNumber, toNumber } = recording;
    await tellWebhooks(tx, system.id, "recording.saved", {
      recording: { id, callId, fromNumber, toNumber, seconds: milliseconds / 1000 },
    });
    return id;
  });

/** Instead of the one of its kind: uploaded, or spoken at the phone (`content`: createReadStream of its file). */
export async function saveGreeting(
  tx: Tx,
  extension: { id: Id<"extension">; system: SystemReference },
  kind: GreetingKind,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  milliseconds: number,
): Promise<{ kind: GreetingKind; sizeBytes: number; milliseconds: number; createdAt: Date }> {
  const createdAt = new Date();
  const audio = await writeAudio(tx, audioOf(extension.system, extension.id, milliseconds, createdAt), content);
  const before = await greetingStore.set(tx, {
    extensionId: extension.id,
    kind,
    ...placed(extension.system),
    audioId: audio.id,
    sizeBytes: audio.sizeBytes,
    milliseconds,
    createdAt,
  });
  if (before !== undefined) await deleteAudio(tx, before);
  return { kind, sizeBytes: audio.sizeBytes, milliseconds, createdAt };
}
