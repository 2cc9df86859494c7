import { newId } from "../../kernel/ids.ts";
import { activeCallStore } from "../../services/voice/live/store/activeCalls.ts";
import type { Case, Input, Json } from "./authorizationCase.ts";
import { as, cloud, newProject, unique } from "./authorizationWalk.ts";

const url = "https://example.org/calls";

/** The cases of what goes on now, and of programs. */
export function voiceLiveCases(): Record<string, Case> {
  let known: Promise<Json> | undefined;
  const system = () => {
    known ??= newProject().then((project) =>
      as("owner", "phoneSystemCreate", { body: { project, name: unique("Live"), country: "FR" } }),
    );
    return known;
  };
  const inSystem = (more?: Partial<Input>): Case => ({
    input: async () => ({ params: { phoneSystem: (await system())["id"] }, ...more }),
  });
  const create = async (key: string, body: object) =>
    as("owner", key, { params: { phoneSystem: (await system())["id"] }, body: { name: unique("Walked"), ...body } });
  const newWebhook = async () => (await create("callWebhookCreate", { url, events: ["call.ended"] }))["webhook"].id as string;
  const newApplication = async () => (await create("phoneApplicationCreate", { url }))["application"].id as string;
  const newQueue = async () => (await create("callQueueCreate", {}))["id"] as string;
  const newRoom = async () => (await create("conferenceRoomCreate", {}))["id"] as string;
  const newExtension = async () => (await create("extensionCreate", {}))["id"] as string;
  /** As the voice process writes it; there is none here, so that nobody does what is asked of it. */
  const newCall = async () => {
    const { id: systemId, projectId } = await system();
    const [row] = await cloud.database.sql<{ organisationId: string }[]>`
      select organisation_id as "organisationId" from voice.systems where id = ${systemId}`;
    const id = newId("call");
    const call = { id, systemId, projectId, organisationId: row?.organisationId as string, processId: "walk" };
    const parties = { from: "200", fromName: null, to: "201", toName: null, extensionIds: [], queueId: null };
    const state = {
      direction: "internal",
      state: "talking",
      recording: false,
      startedAt: new Date(),
      answeredAt: new Date(),
    } as const;
    await cloud.database.transaction("system", (tx) => activeCallStore.put(tx, [{ ...call, ...parties, ...state }]));
    return id;
  };
  /** One that was given up. */
  const newMail = async () => {
    const { id: systemId, projectId } = await system();
    const id = newId("phoneMail");
    await cloud.database
      .sql`insert into voice.mails (id, organisation_id, project_id, system_id, kind, to_address, content, state)
      select ${id}, organisation_id, ${projectId}, id, 'emergency', 'anna@example.org', '{}', 'failed' from voice.systems where id = ${systemId}`;
    return id;
  };
  const onWebhook = (more?: Partial<Input>): Case => ({
    input: async () => ({ params: { callWebhook: await newWebhook() }, ...more }),
  });
  const onApplication = (more?: Partial<Input>): Case => ({
    input: async () => ({ params: { phoneApplication: await newApplication() }, ...more }),
  });

  return {
    activeCallList: inSystem(),
    activeCallAct: {
      ownerStatus: 503,
      input: async () => ({ params: { activeCall: await newCall() }, body: { do: { action: "hang_up" } } }),
    },
    callStart: {
      ownerStatus: 503,
      input: async () => ({
        params: { phoneSystem: (await system())["id"] },
        body: { extension: await newExtension(), to: "200" },
      }),
    },
    outgoingCallStart: {
      ownerStatus: 503,
      input: async () => ({
        params: { phoneSystem: (await system())["id"] },
        body: { extension: await newExtension(), to: "+33199001122", destination: { kind: "hang_up" } },
      }),
    },
    extensionPresenceList: inSystem(),
    queueLiveGet: { input: async () => ({ params: { callQueue: await newQueue() } }) },
    conferenceLiveGet: { ownerStatus: 503, input: async () => ({ params: { conferenceRoom: await newRoom() } }) },
    conferenceAct: {
      ownerStatus: 503,
      input: async () => ({ params: { conferenceRoom: await newRoom() }, body: { do: { action: "lock" } } }),
    },
    callWebhookList: inSystem(),
    callWebhookCreate: {
      input: async () => ({
        params: { phoneSystem: (await system())["id"] },
        body: { name: unique("Walked"), url, events: ["call.ended"] },
      }),
    },
    callWebhookUpdate: onWebhook({ body: { enabled: false } }),
    callWebhookDelete: onWebhook(),
    callWebhookDeliveryList: onWebhook(),
    phoneApplicationList: inSystem(),
    phoneApplicationCreate: {
      input: async () => ({ params: { phoneSystem: (await system())["id"] }, body: { name: unique("Walked"), url } }),
    },
    phoneApplicationUpdate: onApplication({ body: { name: unique("Walked") } }),
    phoneApplicationDelete: onApplication(),
    phoneMailList: inSystem(),
    phoneMailRetry: { input: async () => ({ params: { phoneMail: await newMail() } }) },
  };
}

/** One's own: never another's. */
export const voiceLiveForeignThings: Record<string, Input> = {
  myCallStart: { body: { extension: newId("extension"), to: "200" } },
};
