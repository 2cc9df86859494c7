import { z } from "zod";
import { route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";
import { phoneLanguage } from "../destinations/contract.ts";

/** A browser is told of calls while no tab of it is open: Web Push (RFC 8030, RFC 8291, RFC 8292). */

const key = (bytes: number) => {
  const length = Math.ceil((bytes * 4) / 3);
  return z.string().regex(new RegExp(`^[A-Za-z0-9_-]{${length}}$`), `Give ${bytes} bytes as base64url.`);
};

export const pushSubscription = z.object({
  id: id("phonePushSubscription"),
  extensionId: id("extension"),
  createdAt: timestamp,
});

export const pushRoutes = {
  myPhonePushKeyGet: route({
    method: "GET",
    path: "/v1/my/phone-push-key",
    summary: "Get the key with which a browser subscribes to notices of calls",
    permission: "self",
    response: z.object({ publicKey: z.string().describe("`applicationServerKey` of the browser's PushManager.") }),
    cli: false,
  }),
  myPhonePushSubscriptionCreate: route({
    method: "POST",
    path: "/v1/my/extensions/{extension}/push-subscriptions",
    summary: "Have a browser told of calls of one's own extension",
    description: "What the browser's PushManager gave. The same browser again takes the place of its last one; ten are kept.",
    permission: "self",
    params: z.object({ extension: id("extension") }),
    body: z.object({
      endpoint: z.url({ protocol: /^https?$/ }).max(2000),
      keys: z.object({ p256dh: key(65), auth: key(16) }),
      language: phoneLanguage.describe("Of the notices."),
    }),
    response: pushSubscription,
    status: 201,
    errors: ["not_found", "failed_precondition"],
    cli: false,
  }),
  myPhonePushSubscriptionDelete: route({
    method: "DELETE",
    path: "/v1/my/phone-push-subscriptions/{phonePushSubscription}",
    summary: "Have a browser told of calls no more",
    permission: "self",
    params: z.object({ phonePushSubscription: id("phonePushSubscription") }),
    status: 204,
    errors: ["not_found"],
    cli: false,
  }),
};
