import { z } from "zod";
import { id } from "../../../../kernel/ids.ts";
import { destination, e164, phoneLanguage } from "../../destinations/contract.ts";

/** What an application answers when it is asked what to do with a call: verbs, carried out one after the other. */

const speakable = {
  text: z.string().trim().min(1).max(2000).optional().describe("Spoken by text to speech."),
  language: phoneLanguage.optional().describe("Of the text; absent: the phone system's."),
  announcement: id("announcement").optional().describe("Played instead of a text."),
};
const action = z
  .string()
  .max(2000)
  .optional()
  .describe("Asked next, with what came of it; relative to the address that answered. Absent: the verbs that follow go on.");
const digits = z.string().regex(/^[0-9*#ABCD,]{1,64}$/, "Digits are 0 to 9, *, #, A to D; a comma is half a second of silence.");

export const callVerb = z
  .discriminatedUnion("verb", [
    z.object({ verb: z.literal("answer") }).describe("Any of those that speak, play or listen answers by itself."),
    z.object({ verb: z.literal("say"), ...speakable }),
    z.object({
      verb: z.literal("play"),
      announcement: id("announcement"),
      times: z.int().min(0).max(100).default(1).describe("0: without end."),
    }),
    z
      .object({
        verb: z.literal("gather"),
        ...speakable,
        maximumDigits: z.int().min(1).max(32).default(1),
        endKey: z
          .string()
          .regex(/^[0-9*#]$/, "One key.")
          .optional()
          .describe("Ends it before there are so many digits."),
        timeoutSeconds: z.int().min(1).max(60).default(6).describe("From the last digit, or the end of what is said."),
        action,
      })
      .describe("Says something and waits for digits."),
    z
      .object({
        verb: z.literal("record"),
        maximumSeconds: z.int().min(1).max(3600).default(120),
        silenceSeconds: z.int().min(0).max(60).default(5).describe("0: silence does not end it."),
        beep: z.boolean().default(true),
        endKey: z
          .string()
          .regex(/^[0-9*#]$/, "One key.")
          .default("#"),
        action,
      })
      .describe("Records the caller; the recording is one of the phone system's."),
    z
      .object({
        verb: z.literal("dial"),
        number: e164.optional(),
        destination: destination.optional(),
        action,
      })
      .describe(
        "Connects the caller with a number outside or a destination. With an action the program is asked again when they have spoken, or could not.",
      ),
    z.object({ verb: z.literal("queue"), queue: id("callQueue") }),
    z.object({ verb: z.literal("send_digits"), digits }),
    z.object({ verb: z.literal("pause"), seconds: z.int().min(1).max(300) }),
    z.object({ verb: z.literal("redirect"), url: z.string().min(1).max(2000) }).describe("Asks another address what to do."),
    z.object({ verb: z.literal("hang_up"), reason: z.enum(["normal", "busy", "rejected"]).default("normal") }),
  ])
  .describe("One thing to do with a call.");
export type CallVerb = z.output<typeof callVerb>;

/** The whole answer of an application. */
export const callInstructions = z.object({
  verbs: z.array(callVerb).max(100).describe("When they are done the call is hung up."),
});
export type CallInstructions = z.output<typeof callInstructions>;

/** What an application is told when it is asked, as JSON in a POST, signed as webhooks are. */
export const callQuestion = z.object({
  call: z.object({
    id: z.string(),
    direction: z.enum(["inbound", "outbound", "internal"]),
    from: z.string(),
    fromName: z.string().optional(),
    to: z.string(),
    startedAt: z.iso.datetime(),
  }),
  phoneSystemId: id("phoneSystem"),
  applicationId: id("phoneApplication"),
  event: z.enum(["call", "gathered", "recorded", "dialled", "redirected"]),
  digits: z.string().optional().describe("gathered: what was pressed; empty: nothing in time."),
  recordingId: z.string().optional(),
  recordedSeconds: z.number().optional(),
  answered: z.boolean().optional().describe("dialled: whether they have spoken."),
});
export type CallQuestion = z.output<typeof callQuestion>;
