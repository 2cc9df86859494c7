import { randomUUID } from "node:crypto";
import type { z } from "zod";
import { isoTime } from "../../../kernel/clock.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, checkRevision, invalid, nameTaken, notFound, there } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { newId } from "../../../kernel/ids.ts";
import { checkUrl } from "../../../kernel/outbound/addresses.ts";
import { outboundSettings } from "../../../kernel/outbound/settings.ts";
import { newWebhookSecret } from "../../../kernel/outbound/webhook.ts";
import type { Handlers, RequestContext } from "../../../kernel/service.ts";
import type contract from "../contract.ts";
import { type ObjectsParts, openBucket } from "../parts.ts";
import { accountIdOf } from "../s3/access/identity.ts";
import { changeConfiguration } from "../settings/documents.ts";
import { type BucketRow, bucketStore } from "../store.ts";
import { type NotificationConfiguration, type NotificationRule, overlap } from "./configuration.ts";
import type { BucketWebhook, BucketWebhookDelivery, notificationRoutes, notificationRule } from "./contract.ts";
import { announceDelivery } from "./deliveries.ts";
import { type DeliveryRow, type WebhookRow, webhookSecretPurpose, webhookStore } from "./store.ts";
import { testDelivery } from "./telling.ts";

type GivenRule = z.output<typeof notificationRule>;
type Routes = Pick<Handlers<typeof contract>, keyof typeof notificationRoutes>;

const mostWebhooks = 100;

const viewDelivery = (row: DeliveryRow): BucketWebhookDelivery => ({
  id: row.id,
  bucketWebhook: row.webhookId,
  webhook: row.webhook,
  event: row.event,
  ...(row.key === null ? {} : { key: row.key }),
  state: row.state,
  attempts: row.attempts,
  ...(row.status === null ? {} : { status: row.status }),
  ...(row.message === null ? {} : { message: row.message }),
  createdAt: isoTime(row.createdAt),
  ...(row.triedAt === null ? {} : { triedAt: isoTime(row.triedAt) }),
});

async function deliveryPage(
  tx: Tx,
  of: { webhookId: string } | { bucketId: string },
  { cursor, limit }: { cursor?: string | undefined; limit: number },
) {
  const before = decodeCursor(cursor, 1);
  const rows = await webhookStore.deliveries(tx, of, before && String(before[0]), limit + 1);
  return toPage(rows, limit, viewDelivery, (row) => [row.id]);
}

function overlapping(index: number): CloudError {
  const message =
    "Another rule tells of the same event for some of the same objects. Give them different beginnings or endings of the name.";
  return new CloudError("invalid_argument", message, {
    details: { reason: "notifications_overlap", fields: [{ path: `body.rules[${index}].events`, message }] },
  });
}

const viewNotification = (configuration: NotificationConfiguration | undefined) => ({
  rules: (configuration?.rules ?? []).map(({ kind: _kind, arn: _arn, ...rule }) => rule),
  eventBridge: configuration?.eventBridge ?? false,
});

const subjectOf = ({ id, name, organisationId, projectId }: WebhookRow) => ({
  organisationId,
  projectId,
  resource: { kind: "bucketWebhook", id, name },
});

export function notificationHandlers({
  identity,
  secrets,
  region,
}: Pick<ObjectsParts, "identity" | "secrets" | "region">): Routes {
  const arnOf = ({ projectId, name }: Pick<WebhookRow, "projectId" | "name">) =>
    `arn:aws:sns:${region}:${accountIdOf(projectId)}:${name}`;
  const view = (row: WebhookRow): BucketWebhook => ({
    id: row.id,
    projectId: row.projectId,
    name: row.name,
    arn: arnOf(row),
    url: row.url,
    enabled: row.enabled,
    createdAt: isoTime(row.createdAt),
    revision: row.revision,
  });
  const checkAddress = async (tx: Tx, url: string) => checkUrl(url, (await outboundSettings(tx)).allowedNetworks, "body.url");

  async function open(context: RequestContext, id: string): Promise<WebhookRow> {
    const row = await webhookStore.find(context.tx, id);
    if (row === undefined) throw notFound("bucketWebhook");
    context.authorize(row, "bucketWebhook");
    return row;
  }

  /** One that is switched off is sent nothing. */
  async function openEnabled(context: RequestContext, id: string): Promise<WebhookRow> {
    const row = await open(context, id);
    if (!row.enabled)
      throw new CloudError("failed_precondition", `${row.name} is switched off. Switch it on first.`, {
        details: { reason: "webhook_off" },
      });
    return row;
  }
  const deliveryOf = async (tx: Tx, webhook: WebhookRow, id: string) =>
    viewDelivery(there(await webhookStore.delivery(tx, webhook.id, id), "bucketWebhookDelivery"));

  async function rulesOf(tx: Tx, bucket: BucketRow, given: GivenRule[]): Promise<NotificationRule[]> {
    const before = bucket.configuration?.notification?.rules ?? [];
    const names = await webhookStore.names(tx, bucket.projectId, [...new Set(given.map(({ webhook }) => webhook))]);
    const rules = given.map(({ id = randomUUID(), webhook, events, prefix, suffix }, index): NotificationRule => {
      if (!names.has(webhook))
        throw invalid(`body.rules[${index}].webhook`, `There is no webhook ${webhook} in this project. Make it first.`);
      const same = before.find((rule) => rule.id === id && rule.webhook === webhook);
      // What a program has called a queue stays one to it.
      const { kind, arn } = same ?? { kind: "Topic", arn: arnOf({ projectId: bucket.projectId, name: webhook }) };
      return { id, kind, arn, webhook, events, ...(prefix && { prefix }), ...(suffix && { suffix }) };
    });
    rules.forEach((rule, index) => {
      const others = rules.slice(0, index);
      if (others.some(({ id }) => id === rule.id)) throw invalid(`body.rules[${index}].id`, `Two rules are called ${rule.id}.`);
      if (others.some((other) => overlap(rule, other))) throw overlapping(index);
    });
    return rules;
  }

  return {
    async bucketNotificationGet(context, { params }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      return viewNotification(bucket.configuration?.notification);
    },

    async bucketNotificationUpdate(context, { params, body }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      const rules = await rulesOf(context.tx, bucket, body.rules);
      const isNone = rules.length === 0 && !body.eventBridge;
      const notification = { rules, ...(body.eventBridge && { eventBridge: true as const }) };
      await changeConfiguration(context, bucket, { notification: isNone ? null : notification });
      return viewNotification(notification);
    },

    async bucketNotificationDeliveryList(context, { params, query }) {
      const bucket = await openBucket(context, context.tx, params.bucket);
      return deliveryPage(context.tx, { bucketId: bucket.id }, query);
    },

    async bucketWebhookTest(context, { params, body }) {
      const webhook = await openEnabled(context, params.bucketWebhook);
      const bucket = await bucketStore.find(context.tx, body.bucket);
      if (bucket?.projectId !== webhook.projectId) throw notFound("bucket");
      const test = testDelivery(bucket, webhook.name);
      await webhookStore.tell(context.tx, [test]);
      context.audit({ ...subjectOf(webhook), after: { test: bucket.name } });
      await announceDelivery(context.tx, bucket);
      return deliveryOf(context.tx, webhook, test.id);
    },

    async bucketWebhookDeliverySend(context, { params }) {
      const webhook = await openEnabled(context, params.bucketWebhook);
      const delivery = await deliveryOf(context.tx, webhook, params.delivery);
      await webhookStore.again(context.tx, delivery.id);
      context.audit({ ...subjectOf(webhook), after: { again: delivery.id } });
      return { ...delivery, state: "pending" };
    },

    async bucketWebhookList(context, { query }) {
      const place = await identity.projectPlace(context.tx, query.project);
      if (!place) throw notFound("project");
      context.authorize(place, "project");
      const cursor = decodeCursor(query.cursor, 1);
      const rows = await webhookStore.list(context.tx, query.project, cursor && String(cursor[0]), query.limit + 1);
      return toPage(rows, query.limit, view, (row) => [row.name]);
    },

    async bucketWebhookCreate(context, { body }) {
      const { tx } = context;
      const place = await identity.projectPlace(tx, body.project);
      if (!place) throw notFound("project");
      context.authorize(place, "project");
      await checkAddress(tx, body.url);
      if ((await webhookStore.list(tx, body.project, undefined, mostWebhooks)).length >= mostWebhooks)
        throw new CloudError("failed_precondition", `A project has at most ${mostWebhooks} of these. Delete one first.`, {
          details: { reason: "too_many_webhooks" },
        });
      const id = newId("bucketWebhook");
      const secret = newWebhookSecret();
      const row: WebhookRow = {
        id,
        organisationId: place.organisationId,
        projectId: body.project,
        name: body.name,
        url: body.url,
        secret: secrets.encrypt(webhookSecretPurpose(id), secret),
        enabled: true,
        createdAt: new Date(),
        revision: 1,
      };
      if (!(await webhookStore.insert(tx, row))) throw nameTaken("webhook", "This project", body.name);
      context.audit({ ...subjectOf(row), after: { name: row.name, url: row.url } });
      return { webhook: view(row), secret };
    },

    async bucketWebhookUpdate(context, { params, body }) {
      const before = await open(context, params.bucketWebhook);
      checkRevision(context.ifMatch, before, "webhook");
      if (body.url !== undefined) await checkAddress(context.tx, body.url);
      const after = { ...before, url: body.url ?? before.url, enabled: body.enabled ?? before.enabled };
      await webhookStore.update(context.tx, after);
      const told = ({ url, enabled }: WebhookRow) => ({ url, enabled });
      context.audit({ ...subjectOf(after), before: told(before), after: told(after) });
      return view({ ...after, revision: before.revision + 1 });
    },

    async bucketWebhookDelete(context, { params }) {
      const row = await open(context, params.bucketWebhook);
      await webhookStore.remove(context.tx, row.id);
      context.audit({ ...subjectOf(row), before: { name: row.name, url: row.url } });
      return undefined;
    },

    async bucketWebhookDeliveryList(context, { params, query }) {
      const webhook = await open(context, params.bucketWebhook);
      return deliveryPage(context.tx, { webhookId: webhook.id }, query);
    },
  };
}
