import { newId } from "../kernel/ids.ts";
import { olenaId, systemId } from "./madePhonePeople.ts";
import { ago, place } from "./madePlace.ts";

/** What became of calls in the made phone system. */
const call = (minutes: number, more: object) => ({
  id: newId("call"),
  phoneSystemId: systemId,
  ...place,
  direction: "inbound",
  outcome: "answered",
  fromNumber: "+380671234567",
  toNumber: "+380441234567",
  toName: "Reception",
  extensionIds: [olenaId],
  startedAt: ago(minutes),
  endedAt: ago(minutes - 2),
  waitSeconds: 6,
  talkSeconds: 124,
  price: "0.12",
  currency: "EUR",
  quality: { mos: 4.3, lossPercent: 0.1, jitterMs: 4 },
  recordingIds: [],
  ...more,
});
export const calls = [
  call(5, { fromName: "Mother of Ivan Petrenko" }),
  call(40, {
    direction: "outbound",
    fromNumber: "101",
    fromName: "Olena Kovalchuk",
    toNumber: "+33142685300",
    toName: undefined,
  }),
  call(95, { outcome: "missed", talkSeconds: 0 }),
  call(300, {
    direction: "internal",
    fromNumber: "102",
    fromName: "Taras Bondarenko",
    toNumber: "101",
    toName: "Olena Kovalchuk",
    price: undefined,
  }),
  call(1600, { outcome: "voicemail", talkSeconds: 0, fromNumber: "anonymous" }),
];
const voicemail = (minutes: number, more: object) => ({
  id: newId("voicemail"),
  phoneSystemId: systemId,
  ...place,
  extensionId: olenaId,
  folder: "new",
  heard: false,
  fromNumber: "+380671234567",
  fromName: "Mother of Ivan Petrenko",
  seconds: 42,
  sizeBytes: 672_000,
  createdAt: ago(minutes),
  ...more,
});
export const voicemails = [voicemail(30, {}), voicemail(800, { heard: true, folder: "saved", fromName: undefined, seconds: 8 })];
export const recordings = [
  {
    id: newId("recording"),
    phoneSystemId: systemId,
    ...place,
    extensionIds: [olenaId],
    fromNumber: "+380671234567",
    toNumber: "101",
    seconds: 301,
    sizeBytes: 4_816_000,
    sha256: "0".repeat(64),
    legalHold: false,
    deletesAt: ago(-60 * 24 * 80),
    createdAt: ago(700),
  },
];
