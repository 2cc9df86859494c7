import qrcode from "qrcode";
import { newId } from "../kernel/ids.ts";
import { defaultFeatureCodes, type PhoneSystem } from "../services/voice/systems/contract.ts";
import { calls, recordings, voicemails } from "./madeCalls.ts";
import { contacts, hoursId, madePhoneLines, numberId } from "./madePhoneLines.ts";
import { deskId, extension, extensions, irynaId, olenaId, systemId, tarasId } from "./madePhonePeople.ts";
import { ago, person, place, type Sent } from "./madePlace.ts";
import { madePrograms } from "./madePrograms.ts";
import type { SipUser } from "./madeSip.ts";

const groupId = newId("ringGroup");
export const queueId = newId("callQueue");
export const menuId = newId("phoneMenu");
export const roomId = newId("conferenceRoom");
const welcomeId = newId("announcement");
const to = { kind: "extension", id: deskId } as const;
const hangUp = { kind: "hang_up" } as const;

export const system: PhoneSystem = {
  id: systemId,
  projectId: place.projectId,
  name: "Lyceum No. 7",
  domain: "lyceum.example",
  country: "UA",
  language: "uk",
  timeZone: "Europe/Kyiv",
  currency: "EUR",
  extensionDigits: 3,
  outsidePrefix: "",
  musicOnHold: null,
  featureCodes: { ...defaultFeatureCodes, speedDial: null },
  emergency: { numbers: ["101", "102", "103", "112"], alertEmails: ["alarm@lyceum.example"], alertExtension: deskId },
  recording: { mode: "on_demand", announce: true, mayPause: false, retentionDays: 90 },
  voicemail: { maxSeconds: 180, retentionDays: 60 },
  limits: {
    maxExternalCalls: 10,
    maxCostPerDay: "25",
    maxCallSeconds: 7200,
    allowedCountries: ["PL", "FR", "DE"],
    blockedPrefixes: ["+1900"],
    internationalHours: null,
  },
  defaultNumber: numberId,
  mailAccountId: null,
  balanceAlert: { below: "10", emails: ["office@lyceum.example"] },
  isPrepaid: true,
  balance: "41.27",
  planVersion: 12,
  createdAt: ago(60 * 24 * 40),
  revision: 4,
};

const element = (id: string, name: string, more: object) => ({
  id,
  phoneSystemId: systemId,
  ...place,
  name,
  createdAt: ago(9999),
  revision: 1,
  ...more,
});
const queue = element(queueId, "Questions of parents", {
  number: "400",
  strategy: "longest_idle",
  agents: [
    { extension: olenaId, priority: 1 },
    { extension: tarasId, priority: 1 },
    { extension: irynaId, priority: 2 },
  ],
  ringSeconds: 20,
  wrapUpSeconds: 10,
  pauseAfterMisses: 3,
  maxWaiting: 50,
  maxWaitSeconds: 600,
  overflow: { kind: "voicemail", id: deskId },
  leaveWhenEmpty: true,
  announcePosition: true,
  announceWait: false,
  announceEverySeconds: 45,
  serviceLevelSeconds: 20,
});
const menu = element(menuId, "Welcome", {
  number: "500",
  greeting: {
    kind: "text",
    text: { uk: "Вітаємо в ліцеї. Натисніть 1 для приймальні, 2 для запитань.", en: "Welcome to the lyceum." },
  },
  keys: {
    1: to,
    2: { kind: "queue", id: queueId },
    3: { kind: "number", number: "+380441234567" },
    "*": { kind: "announcement", id: welcomeId },
  },
  directDial: true,
  timeoutSeconds: 6,
  retries: 2,
  fallback: to,
  layout: {},
});
const hours = element(hoursId, "School days", {
  hours: [
    { days: [1, 2, 3, 4, 5], from: "08:00", to: "12:30" },
    { days: [1, 2, 3, 4], from: "13:30", to: "17:00" },
  ],
  holidays: [
    { name: "Christmas", from: "2026-12-25", to: "2026-12-25", yearly: true },
    { name: "Autumn holidays", from: "2026-10-26", to: "2026-11-01", yearly: false },
  ],
  open: { kind: "menu", id: menuId },
  closed: { kind: "voicemail", id: deskId },
  override: "none",
});
const device = (label: string, more: object) => ({
  id: newId("phoneDevice"),
  extensionId: olenaId,
  kind: "desk",
  label,
  maker: "yealink",
  userName: "k7m2p9x4",
  enabled: true,
  isRegistered: true,
  lastRegisteredAt: ago(3),
  lastUserAgent: "Yealink SIP-T54W",
  lampKeys: [],
  hasProvisioning: true,
  createdAt: ago(9999),
  revision: 1,
  ...more,
});
const devices = [
  device("Desk in room 12", {}),
  device("Browser", { kind: "browser", maker: "other", lastUserAgent: "Khmara console" }),
  device("Old phone in the corridor", { enabled: false, isRegistered: false, lastRegisteredAt: undefined }),
];
const provisioningUrl = "https://lyceum.example/p/shown-this-once/";
const qrCodeSvg = await qrcode.toString(provisioningUrl, { type: "svg" });
const account = {
  domain: "lyceum.example",
  userName: "n3w7dev1",
  password: "shown-this-once",
  server: "lyceum.example",
  tlsPort: 5061,
  udpPort: 5060,
  webSocketUrl: "wss://lyceum.example/sip",
};
const conversationId = newId("conversation");
const message = (minutes: number, mine: boolean, text: string) => ({
  id: newId("chatMessage"),
  conversationId,
  fromExtensionId: mine ? olenaId : tarasId,
  toExtensionId: mine ? tarasId : olenaId,
  text,
  createdAt: ago(minutes),
});
const messages = [
  message(2, false, "I am in room 12, come over when the bell rings."),
  message(4, true, "Where are you?"),
  message(90, false, "Good morning!"),
];
const line = (key: string, share: number) => ({
  key,
  calls: Math.round(40 * share),
  answered: Math.round(34 * share),
  answeredPercent: 85,
  talkSeconds: Math.round(4300 * share),
  averageTalkSeconds: 126,
  averageWaitSeconds: 9,
  inServiceLevel: 20,
  serviceLevelPercent: 91,
  cost: "1.10",
  price: "2.40",
});
const { key: _, ...total } = line("", 12);
const list = (items: unknown[]) => () => ({ items });

const room = element(roomId, "Teachers' meeting", {
  number: "600",
  pin: "4711",
  waitForModerator: false,
  muteOnEntry: false,
  announceJoin: true,
  announceLeave: true,
  record: false,
  maxParties: 20,
});
const member = (number: string, name: string | undefined, more: object) => ({
  callId: newId("call"),
  number,
  ...(name ? { name } : {}),
  moderator: false,
  waiting: false,
  muted: false,
  talking: false,
  levelDbm0: -100,
  since: ago(6),
  ...more,
});

/** Answers about a phone system that is in use; `browser` says who asks for the credentials of the phone in the browser. */
export const madePhone = (browser: () => SipUser | undefined): Record<string, (request: Sent) => unknown> => ({
  phoneSystemList: list([system]),
  extensionList: ({ query }) => ({
    items: extensions.filter(({ name }) => name.toLowerCase().includes((query.get("search") ?? "").toLowerCase())),
  }),
  extensionGet: ({ params }) => extensions.find(({ id }) => id === params["extension"]),
  extensionCreate: ({ body }) => extension(newId("extension"), "105", String(JSON.parse(body.toString()).name)),
  extensionPresenceList: list(
    extensions.map(({ id, number, name, presence }) => ({ extensionId: id, number, name, presence, registeredDevices: 1 })),
  ),
  memberList: list([]),
  phoneDeviceList: list(devices),
  myPhoneDeviceList: list(devices),
  phoneDeviceCreate: () => ({ ...device("New one", { isRegistered: false }), account }),
  phoneDeviceProvisioningCreate: () => ({
    url: provisioningUrl,
    fileNames: ["y000000000000.cfg", "001565123456.cfg"],
    qrCodeSvg,
    isEncrypted: true,
    createdAt: ago(0),
  }),
  ...madePhoneLines,
  phoneContactList: ({ query }) => ({
    items: contacts.filter(({ name }) => name.toLowerCase().includes((query.get("search") ?? "").toLowerCase())),
  }),
  phoneContactImport: () => ({ created: 2, changed: 0 }),
  ringGroupList: list([
    element(groupId, "Reception", {
      number: "300",
      strategy: "all",
      members: [
        { target: { kind: "extension", id: olenaId }, delaySeconds: 0 },
        { target: { kind: "number", number: "+380671112233" }, delaySeconds: 10 },
      ],
      ringSeconds: 25,
      noAnswer: hangUp,
      skipBusy: true,
    }),
  ]),
  callQueueList: list([queue]),
  callQueueGet: () => queue,
  queueLiveGet: () => ({
    queueId,
    waiting: [
      { callId: "c1", from: "+380671234567", fromName: "Mother of Ivan Petrenko", since: ago(1.5), callback: false },
      { callId: "c2", from: "+380509998877", since: ago(0.4), callback: true },
    ],
    agents: [
      { extensionId: olenaId, number: "101", name: "Olena Kovalchuk", state: "talking", since: ago(3) },
      { extensionId: tarasId, number: "102", name: "Taras Bondarenko", state: "paused", pauseReason: "Lunch", since: ago(20) },
      { extensionId: irynaId, number: "104", name: "Iryna Shevchenko", state: "free", since: ago(5) },
    ],
    longestWaitSeconds: 92,
    today: { offered: 61, answered: 55, abandoned: 4, inTime: 49, averageWaitSeconds: 14 },
  }),
  phoneMenuList: list([menu]),
  phoneMenuGet: () => menu,
  phoneMenuUpdate: () => menu,
  conferenceRoomList: list([room]),
  conferenceRoomGet: () => room,
  conferenceLiveGet: () => ({
    conferenceRoomId: roomId,
    locked: false,
    members: [
      member("101", "Olena Kovalchuk", { moderator: true, talking: true, levelDbm0: -22 }),
      member("102", "Taras Bondarenko", { muted: true }),
      member("+380671234567", undefined, { waiting: true }),
    ],
  }),
  conferenceAct: () => ({ done: true }),
  activeCallAct: () => ({ done: true }),
  myCallStart: () => ({ callId: "call-1" }),
  phoneSystemGet: () => system,
  myExtensionUpdate: () => extensions[0],
  timeConditionList: list([hours]),
  timeConditionGet: () => hours,
  phonePromptList: list([
    {
      language: "uk",
      prompt: "queue_welcome",
      text: "Дякуємо за дзвінок. Вас з'єднають, щойно хтось звільниться.",
      own: { fileName: "welcome.wav", seconds: 6.2, sizeBytes: 198_444, replacedAt: ago(300) },
    },
    { language: "uk", prompt: "closed", text: "Ми зараз зачинені. Зателефонуйте, будь ласка, у години роботи." },
  ]),
  announcementList: list([
    element(welcomeId, "How to find us", {
      afterwards: hangUp,
      audio: { fileName: "way.wav", sizeBytes: 320_000, seconds: 20, uploadedAt: ago(99) },
    }),
    element(newId("announcement"), "We are closed", { afterwards: hangUp, text: { uk: "Ми зачинені.", en: "We are closed." } }),
  ]),
  pagingGroupList: list([]),
  parkingLotList: list([
    element(newId("parkingLot"), "Corridor", { number: "700", firstSlot: "701", slots: 9, timeoutSeconds: 120, timeout: hangUp }),
  ]),
  speedDialList: list([
    element(newId("speedDial"), "Ministry", { number: "80", target: { kind: "number", number: "+380442255566" } }),
  ]),
  blockedCallerList: list([
    element(newId("blockedCaller"), "Adverts", { pattern: "+33899*", direction: "inbound", action: "reject" }),
  ]),
  ...madePrograms(systemId, queueId),
  activeCallList: list([
    {
      id: "live-1",
      phoneSystemId: systemId,
      direction: "inbound",
      state: "talking",
      from: "+380671234567",
      fromName: "Mother of Ivan Petrenko",
      to: "101",
      toName: "Olena Kovalchuk",
      extensionIds: [olenaId],
      recording: true,
      startedAt: ago(4),
      answeredAt: ago(3),
    },
  ]),
  phoneCallList: list(calls),
  phoneCallGet: () => ({ ...calls[0], legs: [{ kind: "extension", name: "Olena Kovalchuk", startedAt: ago(5), codec: "opus" }] }),
  phoneReportGet: () => ({
    total,
    lines: Array.from({ length: 14 }, (__, day) =>
      line(`2026-11-${String(day + 5).padStart(2, "0")}`, 0.4 + ((day * 7) % 10) / 10),
    ),
  }),
  voicemailList: list(voicemails),
  recordingList: list(recordings),
  phoneCreditList: list([
    {
      id: newId("phoneCredit"),
      kind: "top_up",
      amount: "50",
      balance: "50",
      note: "Budget of the year",
      by: person,
      at: ago(9000),
    },
    { id: newId("phoneCredit"), kind: "call", amount: "-8.73", balance: "41.27", at: ago(60) },
  ]),
  phoneMailList: list([
    {
      id: newId("phoneMail"),
      kind: "voicemail",
      to: "olena@lyceum.example",
      state: "sent",
      attempts: 1,
      createdAt: ago(30),
      triedAt: ago(30),
    },
    {
      id: newId("phoneMail"),
      kind: "emergency",
      to: "alarm@lyceum.example",
      state: "failed",
      attempts: 6,
      message: "The server refuses this user name and password: 535 Authentication failed",
      createdAt: ago(300),
      triedAt: ago(180),
    },
  ]),
  phoneSystemUpdate: () => system,
  myExtensionList: list([extensions[0]]),
  mySoftphoneCreate: () => {
    const who = browser();
    return {
      ...account,
      userName: who?.user,
      password: who?.password,
      extensionId: olenaId,
      deviceId: newId("phoneDevice"),
      number: "101",
      displayName: "Olena Kovalchuk",
      expiresAt: ago(-600),
      iceServers: [],
      webSocketUrls: ["/sip"],
    };
  },
  mySoftphoneDoorsGet: () => ({ webSocketUrls: ["/sip"] }),
  phoneDirectoryList: ({ query }) => ({
    items: extensions
      .filter(({ name, number }) => `${name} ${number}`.toLowerCase().includes((query.get("search") ?? "").toLowerCase()))
      .map(({ id, name, number, presence }) => ({ kind: "extension", id, name, number, presence })),
  }),
  myVoicemailList: ({ query }) => ({ items: voicemails.filter(({ folder }) => folder === (query.get("folder") ?? folder)) }),
  myPhoneCallList: list(calls),
  myRecordingList: list(recordings),
  myQueueList: list([
    {
      callQueueId: queueId,
      queueName: "Questions of parents",
      extensionId: olenaId,
      extensionName: "Olena Kovalchuk",
      extensionNumber: "101",
      priority: 1,
      loggedIn: true,
      paused: false,
    },
  ]),
  myVoicemailGreetingList: list([{ kind: "unavailable", seconds: 12, sizeBytes: 192_000, createdAt: ago(999) }]),
  myConversationList: list([
    {
      id: conversationId,
      phoneSystemId: systemId,
      extensionId: olenaId,
      otherExtensionId: tarasId,
      otherName: "Taras Bondarenko",
      otherNumber: "102",
      unread: 0,
      lastMessage: messages[0],
    },
  ]),
  myChatMessageList: list(messages),
});
