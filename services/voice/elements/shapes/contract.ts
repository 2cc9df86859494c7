import { z } from "zod";
import { displayName } from "../../../../kernel/contract.ts";
import { id } from "../../../../kernel/ids.ts";
import { destination, e164, internalNumber, phoneTimeZone } from "../../destinations/contract.ts";

/** What each kind of element consists of beside its name and number, and what is taken where nothing is said. */

const seconds = (min: number, max: number) => z.int().min(min).max(max);
const prefix = z.string().trim().max(20).describe("Put before the caller's name on the phones that ring.");
const hangUp = { kind: "hang_up" } as const;

/** Words spoken by text to speech: in the caller's language where it is there, else in the phone system's, else in any. */
export const spokenText = z
  .object({
    en: z.string().trim().min(1).max(2000).optional(),
    fr: z.string().trim().min(1).max(2000).optional(),
    uk: z.string().trim().min(1).max(2000).optional(),
  })
  .describe("By language, each up to 2000 characters.");
export type SpokenText = z.output<typeof spokenText>;
export const speech = z
  .discriminatedUnion("kind", [
    z.object({ kind: z.literal("announcement"), id: id("announcement") }),
    z.object({ kind: z.literal("text"), text: spokenText }),
  ])
  .describe("What is played: an announcement, or a text that is spoken.");
export type Speech = z.output<typeof speech>;
const music = id("announcement").describe("Played again and again; absent: the phone system's music on hold.");

export const ringGroupStrategies = ["all", "in_order", "round_robin", "random"] as const;
const groupMember = z.object({
  target: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("extension"), id: id("extension") }),
    z.object({ kind: z.literal("number"), number: e164 }),
  ]),
  delaySeconds: seconds(0, 300).default(0).describe("With strategy all: rings only after so long."),
});
export const ringGroupFields = z.object({
  strategy: z.enum(ringGroupStrategies),
  members: z.array(groupMember).max(100),
  ringSeconds: seconds(3, 600).describe("In all with strategy all, else of each member."),
  noAnswer: destination.describe("Where the call goes when nobody answered."),
  namePrefix: prefix.optional(),
  skipBusy: z.boolean().describe("Members who speak already are left out."),
});
export const ringGroupDefaults = { strategy: "all", members: [], ringSeconds: 25, noAnswer: hangUp, skipBusy: true } as const;

export const queueStrategies = ["ring_all", "longest_idle", "fewest_calls", "round_robin", "in_order", "random"] as const;
/** Why somebody pauses who did not say so. */
export const missedReason = "missed_calls";
export const queueFields = z.object({
  strategy: z.enum(queueStrategies),
  agents: z
    .array(z.object({ extension: id("extension"), priority: z.int().min(1).max(10).default(1) }))
    .max(200)
    .describe("Priority 1 is called first; 2 only when nobody of 1 is free, and so on."),
  ringSeconds: seconds(3, 300).describe("So long one agent rings."),
  wrapUpSeconds: seconds(0, 600).describe("An agent's rest after each call, of any queue."),
  pauseAfterMisses: z
    .int()
    .min(0)
    .max(20)
    .describe(
      "Who does not answer so many calls of the queue one after the other is paused in it, with the reason `missed_calls`. 0: never.",
    ),
  music: music.optional(),
  maxWaiting: z.int().min(1).max(1000).describe("Who comes when so many wait goes to the overflow at once."),
  maxWaitSeconds: seconds(5, 7200).describe("Who waited so long goes to the overflow."),
  overflow: destination,
  leaveWhenEmpty: z.boolean().describe("Goes to the overflow while no agent is logged in, or all of them pause."),
  joinMessage: speech.optional(),
  announcePosition: z.boolean(),
  announceWait: z.boolean().describe("With the position, how long it will take: by the last calls, once there were any."),
  announceEverySeconds: seconds(15, 600),
  repeatMessage: speech
    .optional()
    .describe("Said again and again, every `announceEverySeconds`, after the place where that is told."),
  callbackDigit: z
    .string()
    .regex(/^[0-9]$/, "Give one digit.")
    .optional()
    .describe("Whoever presses it keeps the place, hangs up, and is called by an agent when it is their turn."),
  namePrefix: prefix.optional(),
  serviceLevelSeconds: seconds(5, 600).describe("Calls answered within this count as in time in reports."),
});
export const queueDefaults = {
  strategy: "longest_idle",
  agents: [],
  ringSeconds: 20,
  wrapUpSeconds: 10,
  pauseAfterMisses: 3,
  maxWaiting: 50,
  maxWaitSeconds: 600,
  overflow: hangUp,
  leaveWhenEmpty: true,
  announcePosition: true,
  announceWait: false,
  announceEverySeconds: 45,
  serviceLevelSeconds: 20,
} as const;

export const menuKey = z.string().regex(/^[0-9*#]$/, "A key is one of 0 to 9, * and #.");
export const menuFields = z.object({
  greeting: speech,
  keys: z.record(menuKey, destination).describe("Where each key leads."),
  directDial: z.boolean().describe("Whoever knows the number of an extension can dial it."),
  timeoutSeconds: seconds(2, 60).describe("So long it waits for a key after the greeting."),
  invalidMessage: speech.optional(),
  retries: z.int().min(0).max(9).describe("After so many more attempts the call goes to the fallback."),
  fallback: destination,
  layout: z
    .record(z.string().max(60), z.object({ x: z.number().min(-100_000).max(100_000), y: z.number().min(-100_000).max(100_000) }))
    .refine((nodes) => Object.keys(nodes).length <= 200, "At most 200 nodes.")
    .describe("Where its nodes are drawn in the console."),
});
export const menuDefaults = {
  greeting: { kind: "text", text: {} },
  keys: {},
  directDial: false,
  timeoutSeconds: 6,
  retries: 2,
  fallback: hangUp,
  layout: {},
} as const;

const roomPin = z.string().regex(/^[0-9]{4,10}$/, "A PIN has 4 to 10 digits.");
export const conferenceFields = z.object({
  pin: roomPin.optional().describe("Asked of guests. Shown to those who may change the room."),
  moderatorPin: roomPin.optional().describe("Whoever enters this one moderates."),
  waitForModerator: z.boolean().describe("Guests hear music until a moderator is there."),
  muteOnEntry: z.boolean().describe("Guests come in muted."),
  announceJoin: z.boolean(),
  announceLeave: z.boolean(),
  record: z.boolean(),
  maxParties: z.int().min(2).max(200),
  music: music.optional(),
});
export const conferenceDefaults = {
  waitForModerator: false,
  muteOnEntry: false,
  announceJoin: true,
  announceLeave: true,
  record: false,
  maxParties: 20,
} as const;

const clockTime = z
  .string()
  .regex(/^([01]\d|2[0-3]):[0-5]\d$|^24:00$/, "Give hours and minutes: 08:30.")
  .meta({ examples: ["08:30"] });
const openHours = z
  .object({
    days: z.array(z.int().min(1).max(7)).min(1).max(7).describe("1 is Monday, 7 is Sunday (ISO 8601)."),
    from: clockTime,
    to: clockTime.describe("Not included. Before `from` it is on the next day."),
  })
  .refine(({ from, to }) => from !== to, "From and to are the same; a whole day is 00:00 to 24:00.");
const holiday = z
  .object({
    name: displayName,
    from: z.iso.date(),
    to: z.iso.date().describe("Included."),
    yearly: z.boolean().default(false).describe("Every year from the first on."),
  })
  .refine(({ from, to }) => from <= to, "It ends before it begins.");
export const timeOverrides = ["open", "closed", "holiday"] as const;
export const timeConditionFields = z.object({
  timeZone: phoneTimeZone.optional().describe("Absent: the phone system's."),
  hours: z.array(openHours).max(50),
  holidays: z.array(holiday).max(200),
  open: destination,
  closed: destination,
  onHoliday: destination.optional().describe("Absent: as when closed."),
  override: z
    .enum([...timeOverrides, "none"])
    .describe(
      "Holds whatever the clock says. Dialling the element's number goes on from none to open to closed and to none again.",
    ),
});
export const timeConditionDefaults = { hours: [], holidays: [], open: hangUp, closed: hangUp, override: "none" } as const;

export const announcementFields = z.object({
  text: spokenText.optional().describe("Spoken by text to speech while no recording was uploaded."),
  afterwards: destination.describe("Where a call goes after it, when the announcement is its destination."),
});
export const announcementDefaults = { afterwards: hangUp } as const;

export const pagingFields = z.object({
  members: z.array(id("extension")).max(200),
  mode: z.enum(["one_way", "intercom"]).describe("one_way: members only listen. intercom: all speak with each other."),
});
export const pagingDefaults = { members: [], mode: "one_way" } as const;

export const parkingFields = z.object({
  firstSlot: internalNumber.describe("The number of the first place; the others follow it."),
  slots: z.int().min(1).max(100),
  timeoutSeconds: seconds(10, 3600).describe("Then it rings again at whoever parked it, and after that goes on."),
  timeout: destination.describe("Where it goes when that one does not answer."),
  music: music.optional(),
});
export const parkingDefaults = { slots: 10, timeoutSeconds: 120, timeout: hangUp } as const;

export const speedDialFields = z.object({ target: destination });
export const speedDialDefaults = {} as const;

export const blockedFields = z.object({
  pattern: z
    .string()
    .regex(/^(anonymous|\+?[0-9]{1,15}\*?|\*)$/, "Give a number, the beginning of numbers with * (+33899*), or anonymous.")
    .describe("A number, the beginning of numbers with * behind, or anonymous."),
  direction: z.enum(["inbound", "outbound", "both"]),
  action: z.enum(["reject", "busy", "voicemail"]).describe("What a caller from outside gets; outbound calls are rejected."),
});
export const blockedDefaults = { direction: "inbound", action: "reject" } as const;
