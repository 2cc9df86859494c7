import { defineService, type ServiceDefinition } from "../../kernel/service.ts";
import type { MailAccountUsers } from "../apps/mailAccounts/contract.ts";
import type { Phones, PhonesOptions } from "./calls/phones.ts";
import { createContactArea } from "./contacts/area.ts";
import contract from "./contract.ts";
import { createElementArea } from "./elements/area.ts";
import { createExtensionArea } from "./extensions/area.ts";
import { createLiveArea } from "./live/area.ts";
import { createMailArea } from "./mails/area.ts";
import { mailStore } from "./mails/store.ts";
import { createMessageArea } from "./messages/area.ts";
import { createOwnPromptArea } from "./ownPrompts/area.ts";
import type { VoiceParts } from "./parts.ts";
import { createProcessArea } from "./processes/area.ts";
import { createProvisioningArea } from "./provisioning/area.ts";
import { createPushArea } from "./push/area.ts";
import { createRecordArea } from "./records/area.ts";
import { createSystemArea } from "./systems/area.ts";
import { planChannel, systemStore } from "./systems/store.ts";
import { createTrunkArea } from "./trunks/area.ts";

export type { SipAddress } from "./parts.ts";

export interface Voice {
  service: ServiceDefinition<typeof contract>;
  parts: VoiceParts;
  /** Calls back once there is a phone system, at once when there is: the voice process is needed from then on. */
  whenNeeded(needed: () => void): Promise<void>;
  /** Phone systems that send mail with an account, for whoever would delete that. */
  mailAccountUsers: MailAccountUsers;
}

/** The records of phone systems, for the control plane; calls are the voice process's. */
export function createVoice(parts: VoiceParts): Voice {
  const systems = createSystemArea(parts);
  const extensions = createExtensionArea(parts);
  const trunks = createTrunkArea(parts);
  const processes = createProcessArea(parts);
  const provisioning = createProvisioningArea(parts);
  const elements = createElementArea(parts);
  const contacts = createContactArea();
  const records = createRecordArea(parts);
  const messages = createMessageArea();
  const live = createLiveArea(parts);
  const push = createPushArea(parts);
  const mails = createMailArea(parts);
  const ownPrompts = createOwnPromptArea(parts);
  const areas = [
    systems,
    extensions,
    trunks,
    processes,
    provisioning,
    elements,
    contacts,
    records,
    messages,
    live,
    mails,
    push,
    ownPrompts,
  ];
  const { database } = parts;
  return {
    parts,
    mailAccountUsers: async (tx, id) => (await mailStore.systemsWith(tx, id)).map((name) => `the phone system ${name}`),
    async whenNeeded(needed) {
      let listener: { close(): Promise<void> } | undefined;
      const look = async () => {
        if ((await database.transaction("system", (tx) => systemStore.count(tx))) === 0) return;
        needed();
        await listener?.close();
      };
      const quietly = () => void look().catch((error) => parts.log.warn({ err: error }, "phone systems cannot be counted"));
      listener = await database.listen(planChannel, quietly, quietly);
    },
    service: defineService<typeof contract>({
      contract,
      migrations: new URL("./migrations/", import.meta.url),
      handlers: {
        ...systems.handlers,
        ...extensions.handlers,
        ...trunks.handlers,
        ...processes.handlers,
        ...provisioning.handlers,
        ...elements.handlers,
        ...contacts.handlers,
        ...records.handlers,
        ...messages.handlers,
        ...live.handlers,
        ...push.handlers,
        ...mails.handlers,
        ...ownPrompts.handlers,
      },
      operations: areas.flatMap(({ operations }) => operations ?? []),
      workers: areas.flatMap(({ workers }) => workers ?? []),
      metrics: async () => (await Promise.all(areas.map(({ metrics }) => metrics?.() ?? []))).flat(),
      async stop() {
        for (const { stop } of areas.toReversed()) await stop?.();
      },
    }),
  };
}

export type { Phones, PhonesOptions } from "./calls/phones.ts";

/** The voice process: loaded where it runs only, as the control plane needs neither SIP nor media. */
export const openPhones = async (options: PhonesOptions): Promise<Phones> =>
  (await import("./calls/phones.ts")).openPhones(options);
