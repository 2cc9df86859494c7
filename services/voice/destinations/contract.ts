import { z } from "zod";
import { id } from "../../../kernel/ids.ts";

/** The words that all parts of a phone system share. */

/** ITU-T E.164 with its plus: `+380441234567`. */
export const e164 = z
  .string()
  .regex(/^\+[1-9]\d{3,14}$/, "Give the whole number with + and country code: +380441234567.")
  .meta({ examples: ["+380441234567"] });
/** What can be dialled inside a phone system. */
export const internalNumber = z
  .string()
  .regex(/^[0-9]{2,8}$/, "Use 2 to 8 digits.")
  .meta({ examples: ["101"] });
export const phoneLanguage = z.enum(["en", "fr", "uk"]).describe("In which prompts are spoken.");
export type PhoneLanguage = z.output<typeof phoneLanguage>;
export const phoneTimeZone = z.string().min(1).max(64).describe("Of the tz database: Europe/Kyiv.");

export const presence = z
  .enum(["offline", "available", "ringing", "busy", "do_not_disturb"])
  .describe("offline: no phone of it is registered.");

/** Where a call goes. */
export const destination = z
  .discriminatedUnion("kind", [
    z.object({ kind: z.literal("extension"), id: id("extension") }),
    z.object({ kind: z.literal("voicemail"), id: id("extension") }),
    z.object({ kind: z.literal("ring_group"), id: id("ringGroup") }),
    z.object({ kind: z.literal("queue"), id: id("callQueue") }),
    z.object({ kind: z.literal("menu"), id: id("phoneMenu") }),
    z.object({ kind: z.literal("conference"), id: id("conferenceRoom") }),
    z.object({ kind: z.literal("time_condition"), id: id("timeCondition") }),
    z.object({ kind: z.literal("announcement"), id: id("announcement") }),
    z.object({ kind: z.literal("paging"), id: id("pagingGroup") }),
    z.object({ kind: z.literal("number"), number: e164 }),
    z.object({ kind: z.literal("application"), id: id("phoneApplication") }),
    z.object({ kind: z.literal("directory") }),
    z.object({ kind: z.literal("hang_up") }),
  ])
  .describe(
    "Where a call goes: an extension, its voicemail, another element of the phone system, a number outside, whoever the caller finds by the keys of a name, or nowhere.",
  );
export type Destination = z.output<typeof destination>;
export type DestinationKind = Destination["kind"];
