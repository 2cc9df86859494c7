import { contract } from "../../kernel/contract.ts";
import { contactEvents, contactQuotas, contactRoutes } from "./contacts/contract.ts";
import { elementEvents, elementQuotas, elementRoutes } from "./elements/contract.ts";
import { extensionEvents, extensionQuotas, extensionRoutes } from "./extensions/contract.ts";
import { liveEvents, liveQuotas, liveRoutes } from "./live/contract.ts";
import { mailEvents, mailRoutes } from "./mails/contract.ts";
import { messageEvents, messageRoutes } from "./messages/contract.ts";
import { ownPromptRoutes } from "./ownPrompts/contract.ts";
import { processRoutes } from "./processes/contract.ts";
import { provisioningRoutes } from "./provisioning/contract.ts";
import { pushRoutes } from "./push/contract.ts";
import { recordEvents, recordRoutes } from "./records/contract.ts";
import { systemEvents, systemQuotas, systemRoutes, voiceMeters } from "./systems/contract.ts";
import { trunkEvents, trunkQuotas, trunkRoutes } from "./trunks/contract.ts";

/** The parts of this service, each in a folder of its own, put together. */
export default contract({
  name: "voice",
  title: "Phone",
  routes: {
    ...systemRoutes,
    ...extensionRoutes,
    ...trunkRoutes,
    ...processRoutes,
    ...provisioningRoutes,
    ...elementRoutes,
    ...contactRoutes,
    ...recordRoutes,
    ...messageRoutes,
    ...liveRoutes,
    ...mailRoutes,
    ...pushRoutes,
    ...ownPromptRoutes,
  },
  events: {
    ...systemEvents,
    ...extensionEvents,
    ...trunkEvents,
    ...elementEvents,
    ...contactEvents,
    ...recordEvents,
    ...messageEvents,
    ...liveEvents,
    ...mailEvents,
  },
  quotas: { ...systemQuotas, ...extensionQuotas, ...trunkQuotas, ...elementQuotas, ...contactQuotas, ...liveQuotas },
  meters: voiceMeters,
});
