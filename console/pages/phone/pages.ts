import { IconPhone, IconUserCircle } from "@tabler/icons-react";
import { callApi } from "../../api/api.ts";
import { type PageDefinition, type ServicePages, servicePages } from "../../frame/registry.ts";
import { loadAreas } from "../../i18n/i18n.ts";

type Load = PageDefinition["load"];
/** Numbers stand as their countries write them from the first look on. */
const withFormats =
  (load: Load): Load =>
  async () =>
    (await Promise.all([load(), import("./softphone/numbers.ts").then(({ loadFormats }) => loadFormats())]))[0];
const overview = ["phone", "phoneRecords", "usage"] as const;
const page = (path: string, title: PageDefinition["title"], load: Load, ...more: PageDefinition["areas"]): PageDefinition => ({
  scope: "project",
  path: path === "" ? "phone" : `phone/${path}`,
  title,
  load: withFormats(load),
  areas: ["phone", ...more],
});
const extension: Load = () => import("./extensions/ExtensionPage.tsx");
const settings: Load = () => import("./settings/PhoneSettingsPage.tsx");
const mine: Load = () => import("./mine/MyPhonePage.tsx");

const pages: ServicePages = servicePages({
  pages: [
    { ...page("", "frame.nav.phone", () => import("./PhoneOverviewPage.tsx")), areas: overview },
    page("extensions", "phone.tab.extensions", () => import("./extensions/ExtensionsPage.tsx"), "people"),
    page("extensions/$extension", "phone.tab.extensions", extension, "people", "phoneRecords"),
    page("extensions/$extension/$tab", "phone.tab.extensions", extension, "people", "phoneRecords"),
    page("contacts", "phone.tab.contacts", () => import("./contacts/ContactsPage.tsx")),
    page("numbers", "phone.tab.numbers", () => import("./lines/NumbersPage.tsx"), "phoneLines"),
    page("trunks", "phone.tab.trunks", () => import("./lines/TrunksPage.tsx"), "phoneLines"),
    page("routes", "phone.tab.routes", () => import("./lines/RoutesPage.tsx"), "phoneLines"),
    page("rates", "phone.tab.rates", () => import("./lines/RatesPage.tsx"), "phoneLines"),
    page("groups", "phone.tab.groups", () => import("./flow/RingGroupsPage.tsx"), "phoneFlow"),
    page("queues", "phone.tab.queues", () => import("./flow/QueuesPage.tsx"), "phoneFlow"),
    page("queues/$queue", "phone.tab.queues", () => import("./flow/QueuePage.tsx"), "phoneFlow"),
    page("menus", "phone.tab.menus", () => import("./flow/MenusPage.tsx"), "phoneFlow"),
    page("menus/$menu", "phone.tab.menus", () => import("./flow/MenuPage.tsx"), "phoneFlow"),
    page("hours", "phone.tab.hours", () => import("./flow/HoursPage.tsx"), "phoneFlow"),
    page("hours/$condition", "phone.tab.hours", () => import("./flow/TimeConditionPage.tsx"), "phoneFlow"),
    page("announcements", "phone.tab.announcements", () => import("./flow/AnnouncementsPage.tsx"), "phoneFlow"),
    page("conferences", "phone.tab.conferences", () => import("./flow/ConferencesPage.tsx"), "phoneFlow"),
    page("conferences/$room", "phone.tab.conferences", () => import("./flow/ConferencePage.tsx"), "phoneFlow"),
    page("more", "phone.tab.more", () => import("./flow/MorePage.tsx"), "phoneFlow"),
    page("calls", "phone.tab.calls", () => import("./records/CallsPage.tsx"), "phoneRecords"),
    page("reports", "phone.tab.reports", () => import("./records/ReportsPage.tsx"), "phoneRecords"),
    page("voicemail", "phone.tab.voicemail", () => import("./records/VoicemailPage.tsx"), "phoneRecords"),
    page("recordings", "phone.tab.recordings", () => import("./records/RecordingsPage.tsx"), "phoneRecords"),
    page("settings", "phone.tab.settings", settings, "phoneSettings"),
    page("settings/$section", "phone.tab.settings", settings, "phoneSettings"),
    page("prompts", "phone.tab.prompts", () => import("./settings/PromptsPage.tsx"), "phoneSettings"),
    page("programs", "phone.tab.programs", () => import("./programs/ProgramsPage.tsx"), "phonePrograms"),
    ...["my-phone", "my-phone/$tab"].map(
      (path): PageDefinition => ({
        scope: "project",
        path,
        title: "frame.nav.myPhone",
        load: withFormats(mine),
        areas: ["phone", "phoneRecords"],
      }),
    ),
  ],
  navigation: [
    {
      section: "office",
      order: 1,
      label: "frame.nav.phone",
      icon: IconPhone,
      scope: "project",
      path: "phone",
      requires: "viewer",
    },
    { section: "office", order: 2, label: "frame.nav.myPhone", icon: IconUserCircle, scope: "project", path: "my-phone" },
  ],
  events: {
    "voice.phone_system.changed": ["phoneSystemList", "phoneSystemGet", "phonePromptList"],
    "voice.extension.changed": [
      "extensionList",
      "extensionGet",
      "myExtensionList",
      "extensionPresenceList",
      "phoneDirectoryList",
    ],
    "voice.phone_device.changed": ["phoneDeviceList", "myPhoneDeviceList", "extensionPresenceList"],
    "voice.phone_number.changed": ["phoneNumberList"],
    "voice.trunk.changed": ["trunkList", "trunkGet"],
    "voice.element.changed": [
      "ringGroupList",
      "callQueueList",
      "callQueueGet",
      "queueAgentList",
      "myQueueList",
      "queueLiveGet",
      "phoneMenuList",
      "phoneMenuGet",
      "conferenceRoomList",
      "conferenceRoomGet",
      "timeConditionList",
      "timeConditionGet",
      "announcementList",
      "pagingGroupList",
      "parkingLotList",
      "speedDialList",
      "blockedCallerList",
      "phoneDirectoryList",
    ],
    "voice.call.ended": ["phoneCallList", "myPhoneCallList", "phoneReportGet", "phoneCreditList"],
    "voice.voicemail.changed": ["voicemailList", "myVoicemailList"],
    "voice.recording.changed": ["recordingList", "myRecordingList"],
    "voice.message.changed": ["myConversationList", "myChatMessageList"],
    "voice.active_calls.changed": ["activeCallList", "extensionPresenceList", "phoneDirectoryList", "queueLiveGet"],
    "voice.presence.changed": [
      "extensionPresenceList",
      "extensionList",
      "extensionGet",
      "myExtensionList",
      "phoneDeviceList",
      "myPhoneDeviceList",
      "phoneDirectoryList",
      "queueLiveGet",
    ],
    "voice.phone_contact.changed": ["phoneContactList", "phoneDirectoryList"],
    "voice.call_webhook.changed": ["callWebhookList"],
    "voice.phone_mail.changed": ["phoneMailList"],
    "voice.phone_application.changed": ["phoneApplicationList"],
  },
  topBar: () => Promise.all([import("./softphone/SoftphoneDock.tsx"), loadAreas(["softphone"])]).then(([module]) => module),
  search: async (words, { project, address }) => {
    if (!project) return [];
    const [system] = (await callApi("phoneSystemList", { project: project.id as never })).items;
    if (!system) return [];
    const { items } = await callApi("extensionList", { phoneSystem: system.id, search: words, limit: 8 });
    return items.map(({ id, name, number }) => ({
      id,
      label: name,
      description: number,
      icon: IconPhone,
      to: address("project", `phone/extensions/${id}`),
    }));
  },
});

export default pages;
