/** What a bucket tells to whom, and the webhooks of a project that it is told to: S3's notification documents name them by ARN. */
import { z } from "zod";
import { page, pageQuery, revision, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";

/** Of one bucket. */
export const mostRules = 100;

const names: Record<string, readonly string[]> = {
  ObjectCreated: ["Put", "Post", "Copy", "CompleteMultipartUpload"],
  ObjectRemoved: ["Delete", "DeleteMarkerCreated"],
  ObjectTagging: ["Put", "Delete"],
  LifecycleExpiration: ["Delete", "DeleteMarkerCreated"],
};
/** Those of S3 that happen here. */
export const eventNames: readonly string[] = [
  ...Object.entries(names).flatMap(([family, each]) => ["*", ...each].map((name) => `s3:${family}:${name}`)),
  // The only one of its family, so there is no name for them all.
  "s3:ObjectAcl:Put",
];
/** Those of S3 that never happen here: there are no replicas, no archive and no tiers. They may stand in a document. */
export const idleEventNames: readonly string[] = [
  "s3:ReducedRedundancyLostObject",
  "s3:Replication:*",
  "s3:Replication:OperationFailedReplication",
  "s3:Replication:OperationMissedThreshold",
  "s3:Replication:OperationReplicatedAfterThreshold",
  "s3:Replication:OperationNotTracked",
  "s3:ObjectRestore:*",
  "s3:ObjectRestore:Post",
  "s3:ObjectRestore:Completed",
  "s3:ObjectRestore:Delete",
  "s3:LifecycleTransition",
  "s3:IntelligentTiering",
];

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
  bucketWebhook: id("bucketWebhook"),
  webhook: z.string().describe("Its name."),
  event: z.string().describe("As S3 names it, such as s3:ObjectCreated:Put."),
  key: z.string().optional().describe("Of the object; absent for a test."),
  state: z.enum(["pending", "delivered", "failed"]),
  attempts: z.number().int(),
  status: z.number().int().optional().describe("Of HTTP, as it was answered last; absent when nothing was."),
  message: z.string().optional().describe("What came of the last attempt, for people."),
  createdAt: timestamp,
  triedAt: timestamp.optional(),
});
export type BucketWebhookDelivery = z.output<typeof bucketWebhookDelivery>;

const byWebhook = z.object({ bucketWebhook: id("bucketWebhook") });
const inBucket = z.object({ bucket: z.string().max(100).describe("Id or name.") });

const filterText = z
  .string()
  .max(1024)
  .regex(/^[^\p{Cc}]*$/u, "Without control characters.")
  .refine((text) => new TextEncoder().encode(text).length <= 1024 && text.isWellFormed(), "At most 1024 bytes of UTF-8.");
export const notificationRule = z.strictObject({
  id: filterText.min(1).max(255).optional().describe("Absent: one is made."),
  webhook: z.string().describe("The name of one of the project (`bucketWebhookList`)."),
  events: z
    .array(z.enum([...eventNames, ...idleEventNames]))
    .min(1, "Name at least one event.")
    .max(50)
    .describe("As S3 names them: s3:ObjectCreated:* is everything that is written."),
  prefix: filterText.optional().describe("Only of objects whose key begins with it."),
  suffix: filterText.optional().describe("Only of objects whose key ends with it."),
});
const notificationDocument = z.object({
  rules: z.array(notificationRule.required({ id: true })),
  eventBridge: z
    .boolean()
    .describe("Whether everything is told to the cloud's own stream of events, too (`objects.object.notified`)."),
});

export const notificationRoutes = {
  bucketNotificationGet: route({
    method: "GET",
    path: "/v1/buckets/{bucket}/notifications",
    summary: "Show what a bucket tells of its objects, and to whom",
    permission: "objects.bucket.read",
    roles: ["viewer"],
    params: inBucket,
    response: notificationDocument,
    errors: ["not_found"],
  }),
  bucketNotificationUpdate: route({
    method: "PUT",
    path: "/v1/buckets/{bucket}/notifications",
    summary: "Say what a bucket tells of its objects, and to whom",
    description:
      "Replaces all rules, also those of S3's PutBucketNotificationConfiguration: there is one document. Two rules for the same event must differ in prefix or suffix, as in S3. No rules and no stream: nobody is told.",
    permission: "objects.bucket.update",
    roles: ["editor"],
    params: inBucket,
    body: z.strictObject({ rules: z.array(notificationRule).max(mostRules), eventBridge: z.boolean().default(false) }),
    response: notificationDocument,
    errors: ["not_found"],
  }),
  bucketNotificationDeliveryList: route({
    method: "GET",
    path: "/v1/buckets/{bucket}/notification-deliveries",
    summary: "List what a bucket told in the last 7 days, the latest first",
    permission: "objects.webhook.read",
    roles: ["viewer"],
    params: inBucket,
    query: pageQuery,
    response: page(bucketWebhookDelivery),
    errors: ["not_found"],
  }),
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
      "Which buckets do, and of what, their rules say (`bucketNotificationUpdate`, by the name, or S3's PutBucketNotificationConfiguration, by the ARN). Each event is POSTed as S3 writes it, signed, and again for about an hour until it is taken.",
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
  bucketWebhookTest: route({
    method: "POST",
    path: "/v1/bucket-webhooks/{bucketWebhook}/test",
    summary: "Send a test to an address to which buckets send their events",
    description: "As S3 does when a rule begins: `s3:TestEvent`. What came of it stands among the deliveries.",
    permission: "objects.webhook.update",
    roles: ["editor"],
    params: byWebhook,
    body: z.strictObject({ bucket: inBucket.shape.bucket }),
    response: bucketWebhookDelivery,
    status: 202,
    errors: ["not_found", "failed_precondition"],
  }),
  bucketWebhookDeliverySend: route({
    method: "POST",
    path: "/v1/bucket-webhooks/{bucketWebhook}/deliveries/{delivery}/send",
    summary: "Send an event once more",
    description: "With the same body and the same `Khmara-Delivery`, by which the other side knows it again.",
    permission: "objects.webhook.update",
    roles: ["editor"],
    params: byWebhook.extend({ delivery: id("bucketWebhookDelivery") }),
    response: bucketWebhookDelivery,
    status: 202,
    errors: ["not_found", "failed_precondition"],
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
