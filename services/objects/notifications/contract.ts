/** Webhooks to which buckets of a project send their events: S3's notification documents name them by ARN. */
import { z } from "zod";
import { page, pageQuery, revision, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";

const name = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "1 to 63 small letters, digits and hyphens: it is a part of the ARN.");
const url = z
  .url({ protocol: /^https?$/, error: "An address that begins with https:// or http://." })
  .max(2000)
  .refine((given) => !URL.canParse(given) || (new URL(given).username === "" && new URL(given).password === ""), {
    message: "An address without user name and password; check the signature instead.",
  });

export const bucketWebhook = z.object({
  id: id("bucketWebhook"),
  projectId: id("project"),
  name: z.string(),
  arn: z.string().describe("For the Topic, Queue or CloudFunction of a bucket's notification document."),
  url: z.string(),
  enabled: z.boolean(),
  createdAt: timestamp,
  revision,
});
export type BucketWebhook = z.output<typeof bucketWebhook>;

export const bucketWebhookDelivery = z.object({
  id: id("bucketWebhookDelivery"),
  event: z.string().describe("As S3 names it, such as s3:ObjectCreated:Put."),
  state: z.enum(["pending", "delivered", "failed"]),
  attempts: z.number().int(),
  message: z.string().optional(),
  createdAt: timestamp,
  triedAt: timestamp.optional(),
});
export type BucketWebhookDelivery = z.output<typeof bucketWebhookDelivery>;

const byWebhook = z.object({ bucketWebhook: id("bucketWebhook") });

export const notificationRoutes = {
  bucketWebhookList: route({
    method: "GET",
    path: "/v1/bucket-webhooks",
    summary: "List where buckets send their events",
    permission: "objects.webhook.list",
    roles: ["viewer"],
    query: z.object({ project: id("project"), ...pageQuery.shape }),
    response: page(bucketWebhook),
    errors: ["not_found"],
  }),
  bucketWebhookCreate: route({
    method: "POST",
    path: "/v1/bucket-webhooks",
    summary: "Add an address to which buckets can send their events",
    description:
      "Which buckets do, and of what, their notification documents say (S3's PutBucketNotificationConfiguration), by the ARN. Each event is POSTed as S3 writes it, signed, and again for about an hour until it is taken.",
    permission: "objects.webhook.create",
    roles: ["editor"],
    body: z.strictObject({ project: id("project"), name, url }),
    response: z.object({
      webhook: bucketWebhook,
      secret: z
        .string()
        .describe("Signs what is sent: `Khmara-Signature: t=<seconds>,v1=<hex HMAC-SHA-256 of t.body>`. Shown only here."),
    }),
    status: 201,
    errors: ["not_found", "already_exists", "failed_precondition"],
  }),
  bucketWebhookUpdate: route({
    method: "PATCH",
    path: "/v1/bucket-webhooks/{bucketWebhook}",
    summary: "Change where events are sent, or stop that",
    permission: "objects.webhook.update",
    roles: ["editor"],
    params: byWebhook,
    body: z.strictObject({ url: url.optional(), enabled: z.boolean().optional() }),
    response: bucketWebhook,
    errors: ["not_found", "failed_precondition"],
  }),
  bucketWebhookDelete: route({
    method: "DELETE",
    path: "/v1/bucket-webhooks/{bucketWebhook}",
    summary: "Remove an address to which buckets send their events",
    description: "Buckets that still name it tell it nothing any more.",
    permission: "objects.webhook.delete",
    roles: ["editor"],
    params: byWebhook,
    status: 204,
    errors: ["not_found"],
  }),
  bucketWebhookDeliveryList: route({
    method: "GET",
    path: "/v1/bucket-webhooks/{bucketWebhook}/deliveries",
    summary: "List what was sent to an address in the last 7 days",
    permission: "objects.webhook.read",
    roles: ["viewer"],
    params: byWebhook,
    query: pageQuery,
    response: page(bucketWebhookDelivery),
    errors: ["not_found"],
  }),
};
