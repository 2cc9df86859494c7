import { newId } from "../kernel/ids.ts";
import type { Extension } from "../services/voice/extensions/contract.ts";
import { ago, place } from "./madePlace.ts";
import type { SipUser } from "./madeSip.ts";

/** Who has a phone in the made phone system. */
export const systemId = newId("phoneSystem");
export const softphoneUsers: SipUser[] = [
  { user: "olena-browser", password: "first-of-these-passwords" },
  { user: "taras-browser", password: "second-of-these-passwords" },
  { user: "iryna-browser", password: "third-of-these-passwords" },
];
const extensionIds = [newId("extension"), newId("extension"), newId("extension"), newId("extension")] as const;
export const [olenaId, tarasId, deskId, irynaId] = extensionIds;

const forwarding = { always: null, busy: null, noAnswer: null, unreachable: null };
export const extension = (id: Extension["id"], number: string, name: string, change: Partial<Extension> = {}): Extension => ({
  id,
  phoneSystemId: systemId,
  projectId: place.projectId,
  number,
  name,
  language: null,
  forwarding,
  doNotDisturb: false,
  callWaiting: true,
  ringSeconds: 25,
  voicemail: { enabled: true, email: null, attachAudio: true, deleteAfterMail: false },
  missedCallEmail: null,
  callerNumber: null,
  callerName: null,
  hideNumber: false,
  permissions: { internal: true, national: true, mobile: true, international: false, premium: false },
  limits: { maxCostPerDay: "5", maxCostPerMonth: null },
  recording: null,
  pickupGroup: null,
  inDirectory: true,
  maxCalls: 4,
  hasVoicemailPin: true,
  blockedCallers: [],
  hasHotDeskPin: false,
  presence: "available",
  createdAt: ago(60 * 24 * 20),
  revision: 2,
  ...change,
});
export const extensions = [
  extension(olenaId, "101", "Olena Kovalchuk"),
  extension(tarasId, "102", "Taras Bondarenko", { presence: "do_not_disturb", doNotDisturb: true }),
  extension(deskId, "103", "Reception and everything that nobody else answers", { presence: "offline", hasVoicemailPin: false }),
  extension(irynaId, "104", "Iryna Shevchenko"),
];
