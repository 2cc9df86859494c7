import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { newId } from "../../kernel/ids.ts";
import { type ElementKind, elementKinds } from "../../services/voice/elements/contract.ts";
import { writeWav } from "../../services/voice/prompts/wav.ts";
import { saveCallRecords, saveGreeting, saveRecording, saveVoicemail } from "../../services/voice/records/saving.ts";
import type { Case, Input, Json } from "./authorizationCase.ts";
import { as, cloud, newProject, unique } from "./authorizationWalk.ts";

// Of bytes that are a character each in UTF-8, as the walk sends text.
const wav = writeWav({ sampleRate: 8192, samples: new Int16Array(16) });
const sound = wav.toString("latin1");

/** The cases of where calls go and what became of them. */
export function voiceElementCases(): Record<string, Case> {
  let known: Promise<Json> | undefined;
  const system = () => {
    known ??= newProject().then((project) =>
      as("owner", "phoneSystemCreate", { body: { project, name: unique("Elements"), country: "FR" } }),
    );
    return known;
  };
  const inSystem = (more?: Partial<Input>): Case => ({
    input: async () => ({ params: { phoneSystem: (await system())["id"] }, ...more }),
  });
  const newExtension = async () =>
    (await as("owner", "extensionCreate", { params: { phoneSystem: (await system())["id"] }, body: { name: unique("Person") } }))[
      "id"
    ];
  const newContact = async () =>
    (await as("owner", "phoneContactCreate", { params: { phoneSystem: (await system())["id"] }, body: { name: "Walked" } }))[
      "id"
    ] as string;
  let number = 3000;
  const bodies: Record<ElementKind, () => object> = {
    ringGroup: () => ({}),
    callQueue: () => ({}),
    phoneMenu: () => ({}),
    conferenceRoom: () => ({ pin: "1234" }),
    timeCondition: () => ({}),
    announcement: () => ({}),
    pagingGroup: () => ({ number: String(++number) }),
    parkingLot: () => ({ number: String(++number), firstSlot: String(++number), slots: 1 }),
    speedDial: () => ({ number: String(++number), target: { kind: "hang_up" } }),
    blockedCaller: () => ({ pattern: "anonymous" }),
  };
  const body = (kind: ElementKind) => ({ name: unique("Walked"), ...bodies[kind]() });
  const newElement = async (kind: ElementKind, more: object = {}) =>
    (
      await as("owner", `${kind}Create`, {
        params: { phoneSystem: (await system())["id"] },
        body: { ...body(kind), ...more },
      })
    )["id"] as string;
  const onElement = (kind: ElementKind, more?: Partial<Input>): Case => ({
    input: async () => ({ params: { [kind]: await newElement(kind) }, ...more }),
  });
  const ofKinds = Object.fromEntries(
    (Object.keys(elementKinds) as ElementKind[]).flatMap((kind): [string, Case][] => [
      [`${kind}List`, inSystem()],
      [`${kind}Create`, { input: async () => ({ params: { phoneSystem: (await system())["id"] }, body: body(kind) }) }],
      [`${kind}Get`, onElement(kind)],
      [`${kind}Update`, onElement(kind, { body: { name: "Walked" } })],
      [`${kind}Delete`, onElement(kind)],
    ]),
  );

  const folder = mkdtempSync(join(tmpdir(), "khmara-sounds-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const file = { path: join(folder, "sound.wav"), milliseconds: 2 };
  writeFileSync(file.path, wav);
  const place = async () => {
    const { id, projectId } = await system();
    const [row] = await cloud.database.sql<{ organisationId: string }[]>`
      select organisation_id as "organisationId" from voice.systems where id = ${id}`;
    return { id, projectId, organisationId: row?.organisationId } as never;
  };
  const newVoicemail = async () =>
    (await saveVoicemail(cloud.database, await place(), { extensionId: await newExtension(), fromNumber: "+33123456789", file }))
      .id;
  const newRecording = async () =>
    saveRecording(cloud.database, await place(), { extensionIds: [], fromNumber: "200", toNumber: "201", file });
  const newCall = async () => {
    const { id, ...at } = (await place()) as Json;
    const call = newId("call");
    const empty = { fromName: null, toName: null, trunkId: null, phoneNumberId: null, queueId: null, serviceLevelSeconds: null };
    const row = {
      ...{ id: call, systemId: id, direction: "internal", outcome: "missed", fromNumber: "200", toNumber: "201" },
      ...{ extensionIds: [], startedAt: new Date(), answeredAt: null, endedAt: new Date(), waitSeconds: 1, talkSeconds: 0 },
      ...{ country: null, cause: null, reason: null, hungUpBy: null, cost: null, price: null, currency: null, quality: null },
      ...{ legs: [], ...at, ...empty },
    };
    await cloud.database.transaction("system", (tx) => saveCallRecords(tx, [row as never]));
    return call;
  };
  const onGreeting = (more?: Partial<Input>): Case => ({
    input: async () => {
      const extension = { id: await newExtension(), system: await place() };
      await cloud.database.transaction("system", (tx) => saveGreeting(tx, extension, "busy", [wav], 2));
      return { params: { extension: extension.id, kind: "busy" }, ...more };
    },
  });
  const promptName = async () => ({ phoneSystem: (await system())["id"], language: "fr", prompt: "goodbye" });
  const onVoicemail = (more?: Partial<Input>): Case => ({
    input: async () => ({ params: { voicemail: await newVoicemail() }, ...more }),
  });
  const onRecording = (more?: Partial<Input>): Case => ({
    input: async () => ({ params: { recording: await newRecording() }, ...more }),
  });

  return {
    ...ofKinds,
    announcementUpload: onElement("announcement", { bytes: sound }),
    announcementDownload: {
      input: async () => {
        const params = { announcement: await newElement("announcement") };
        await as("owner", "announcementUpload", { params, bytes: sound });
        return { params };
      },
    },
    queueAgentList: onElement("callQueue"),
    queueAgentUpdate: {
      input: async () => {
        const extension = await newExtension();
        const callQueue = await newElement("callQueue", { agents: [{ extension }] });
        return { params: { callQueue, extension }, body: { loggedIn: true } };
      },
    },
    phoneDirectoryList: inSystem(),
    phoneCallList: inSystem(),
    phoneCallGet: { input: async () => ({ params: { call: await newCall() } }) },
    phoneContactList: inSystem(),
    phoneContactExport: inSystem(),
    phoneContactCreate: inSystem({ body: { name: "Walked" } }),
    phoneContactImport: inSystem({ body: { csv: "name\nWalked" } }),
    phoneContactUpdate: { input: async () => ({ params: { phoneContact: await newContact() }, body: { name: "Walked" } }) },
    phoneContactDelete: { input: async () => ({ params: { phoneContact: await newContact() } }) },
    phoneCallExport: inSystem(),
    phoneReportGet: inSystem({ query: { from: "2026-01-01T00:00:00Z", to: "2027-01-01T00:00:00Z" } }),
    voicemailList: inSystem(),
    voicemailDownload: onVoicemail(),
    voicemailUpdate: onVoicemail({ body: { folder: "saved" } }),
    voicemailDelete: onVoicemail(),
    recordingList: inSystem(),
    recordingDownload: onRecording(),
    recordingUpdate: onRecording({ body: { legalHold: true } }),
    recordingDelete: onRecording(),
    voicemailGreetingList: { input: async () => ({ params: { extension: await newExtension() } }) },
    voicemailGreetingUpload: {
      input: async () => ({ params: { extension: await newExtension(), kind: "name" }, bytes: sound }),
    },
    voicemailGreetingDownload: onGreeting(),
    phonePromptList: inSystem(),
    phonePromptUpload: { input: async () => ({ params: await promptName(), bytes: sound }) },
    phonePromptDownload: { input: async () => ({ params: await promptName() }) },
    phonePromptDelete: {
      input: async () => {
        const params = await promptName();
        await as("owner", "phonePromptUpload", { params, bytes: sound });
        return { params };
      },
    },
    phoneSpeechCreate: inSystem({ body: { language: "en", text: "Hello." } }),
    voicemailGreetingDelete: onGreeting(),
  };
}

const extension = newId("extension");
const voicemail = newId("voicemail");
const conversation = newId("conversation");
const greeting = { extension, kind: "busy" };
/** What is one's own: never another's. */
export const voiceElementForeignThings: Record<string, Input> = {
  myQueueUpdate: { params: { callQueue: newId("callQueue") }, body: { loggedIn: true } },
  myVoicemailDownload: { params: { voicemail } },
  myVoicemailUpdate: { params: { voicemail }, body: { heard: true } },
  myVoicemailForward: { params: { voicemail }, body: { extension } },
  myVoicemailDelete: { params: { voicemail } },
  myRecordingDownload: { params: { recording: newId("recording") } },
  myVoicemailGreetingList: { params: { extension } },
  myVoicemailGreetingUpload: { params: greeting, bytes: sound },
  myVoicemailGreetingDownload: { params: greeting },
  myVoicemailGreetingDelete: { params: greeting },
  myChatMessageList: { params: { conversation } },
  myChatMessageCreate: { params: { extension }, body: { to: extension, text: "x" } },
  myConversationRead: { params: { conversation }, body: { upTo: newId("chatMessage") } },
};
