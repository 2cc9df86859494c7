import { z } from "zod";
import { page, pageQuery, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";
import { phoneLanguage } from "../destinations/contract.ts";

/** Of one recorded word. */
export const promptLimits = { maxBytes: 10 * 2 ** 20, maxSeconds: 120 } as const;

export const phonePrompt = z.object({
  language: phoneLanguage,
  prompt: z.string().describe("Its name: queue_welcome."),
  text: z.string().describe("What the one that Khmara has says."),
  own: z
    .object({ fileName: z.string(), seconds: z.number(), sizeBytes: z.int(), replacedAt: timestamp })
    .optional()
    .describe("What is played instead; absent: the one that Khmara has."),
});
export type PhonePromptView = z.output<typeof phonePrompt>;

const ofSystem = z.object({ phoneSystem: id("phoneSystem") });
const onePrompt = ofSystem.extend({
  language: phoneLanguage,
  prompt: z
    .string()
    .regex(/^[a-z0-9_]{1,64}$/, "Give the name of a prompt as the list has it: queue_welcome.")
    .describe("Its name: queue_welcome."),
});
const path = "/v1/phone-systems/{phoneSystem}/prompts";
const pathOfOne = `${path}/{language}/{prompt}` as const;

export const ownPromptRoutes = {
  phonePromptList: route({
    method: "GET",
    path,
    summary: "List what a phone system says",
    description: "All recorded words of a language, with their texts and what was put in their place.",
    permission: "voice.phone_prompt.list",
    roles: ["viewer"],
    params: ofSystem,
    query: pageQuery.extend({
      language: phoneLanguage.optional().describe("Absent: that of the phone system."),
      search: z.string().trim().max(100).optional().describe("In names and texts."),
      own: z.stringbool().optional().describe("Only those that were replaced, or only others."),
    }),
    response: page(phonePrompt),
    errors: ["not_found"],
  }),
  phonePromptUpload: route({
    method: "PUT",
    path: pathOfOne,
    summary: "Say something else in place of a prompt",
    description:
      "WAV, or MP3, OGG and FLAC where ffmpeg is installed; up to 10 MiB and two minutes. It is kept as WAV, and heard by calls that begin afterwards.",
    permission: "voice.phone_prompt.update",
    roles: ["editor"],
    params: onePrompt,
    query: z.object({ fileName: z.string().trim().min(1).max(200).default("prompt.wav") }),
    stream: { request: "bytes" },
    response: phonePrompt,
    errors: ["not_found", "payload_too_large", "failed_precondition"],
  }),
  phonePromptDownload: route({
    method: "GET",
    path: pathOfOne,
    summary: "Listen to a prompt",
    description: "As callers hear it now.",
    permission: "voice.phone_prompt.read",
    roles: ["viewer"],
    params: onePrompt,
    query: z.object({ shipped: z.stringbool().default(false).describe("The one that Khmara has, also where it was replaced.") }),
    stream: { response: "bytes" },
    errors: ["not_found", "range_not_satisfiable"],
  }),
  phonePromptDelete: route({
    method: "DELETE",
    path: pathOfOne,
    summary: "Go back to the prompt that Khmara has",
    permission: "voice.phone_prompt.delete",
    roles: ["editor"],
    params: onePrompt,
    errors: ["not_found"],
  }),
  phoneSpeechCreate: route({
    method: "POST",
    path: "/v1/phone-systems/{phoneSystem}/speech",
    summary: "Listen to a text as it would be spoken",
    description:
      "Text to speech by espeak-ng, as WAV: what announcements, menus and queues say of a text. Upload it as a prompt to have it said there.",
    permission: "voice.phone_speech.create",
    roles: ["editor"],
    params: ofSystem,
    body: z.object({ language: phoneLanguage, text: z.string().trim().min(1).max(2000).describe("What is spoken.") }),
    stream: { response: "bytes" },
    errors: ["not_found", "failed_precondition"],
  }),
};
