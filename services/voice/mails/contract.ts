import { z } from "zod";
import { event, page, pageQuery, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";

/** Mail that a phone system sends: voicemails, missed calls, alerts. */

export const phoneMailKinds = ["voicemail", "missed_call", "emergency", "low_balance", "limit_reached"] as const;
export type PhoneMailKind = (typeof phoneMailKinds)[number];

export const phoneMail = z.object({
  id: id("phoneMail"),
  kind: z.enum(phoneMailKinds),
  to: z.string(),
  state: z.enum(["pending", "sent", "failed"]).describe("failed: it was given up; `phoneMailRetry` begins anew."),
  attempts: z.number().int(),
  message: z.string().optional().describe("What the mail server said last, or why it was not asked."),
  createdAt: timestamp,
  triedAt: timestamp.optional(),
});
export type PhoneMail = z.output<typeof phoneMail>;

export const mailRoutes = {
  phoneMailList: route({
    method: "GET",
    path: "/v1/phone-systems/{phoneSystem}/mails",
    summary: "List the mails that a phone system sends, the latest first",
    description:
      "Voicemails, missed calls and alerts of the last thirty days: what was sent, what waits, and what was given up and why.",
    permission: "voice.phone_mail.list",
    roles: ["editor"],
    params: z.object({ phoneSystem: id("phoneSystem") }),
    query: pageQuery.extend({ state: phoneMail.shape.state.optional() }),
    response: page(phoneMail),
    errors: ["not_found"],
  }),
  phoneMailRetry: route({
    method: "POST",
    path: "/v1/phone-mails/{phoneMail}/retry",
    summary: "Send a mail that was given up",
    permission: "voice.phone_mail.retry",
    roles: ["editor"],
    params: z.object({ phoneMail: id("phoneMail") }),
    response: phoneMail,
    errors: ["not_found", "failed_precondition"],
  }),
};

export const mailEvents = {
  phoneMailChanged: event({ type: "voice.phone_mail.changed", payload: z.object({ phoneSystemId: id("phoneSystem") }) }),
};
