import { isoTime } from "../../../kernel/clock.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, checkRevision, nameTaken, notFound } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { newId } from "../../../kernel/ids.ts";
import { checkUrl } from "../../../kernel/outbound/addresses.ts";
import { outboundSettings } from "../../../kernel/outbound/settings.ts";
import { newWebhookSecret } from "../../../kernel/outbound/webhook.ts";
import type { Handlers, RequestContext } from "../../../kernel/service.ts";
import type contract from "../contract.ts";
import type { ObjectsParts } from "../parts.ts";
import { accountIdOf } from "../s3/access/identity.ts";
import type { BucketWebhook, BucketWebhookDelivery, notificationRoutes } from "./contract.ts";
import { type DeliveryRow, type WebhookRow, webhookSecretPurpose, webhookStore } from "./store.ts";

type Routes = Pick<Handlers<typeof contract>, keyof typeof notificationRoutes>;

const mostWebhooks = 100;

const viewDelivery = (row: DeliveryRow): BucketWebhookDelivery => ({
  id: row.id,
  event: row.event,
  state: row.state,
  attempts: row.attempts,
  ...(row.message === null ? {} : { message: row.message }),
  createdAt: isoTime(row.createdAt),
  ...(row.triedAt === null ? {} : { triedAt: isoTime(row.triedAt) }),
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
  const view = (row: WebhookRow): BucketWebhook => ({
    id: row.id,
    projectId: row.projectId,
    name: row.name,
    arn: `arn:aws:sns:${region}:${accountIdOf(row.projectId)}:${row.name}`,
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

  return {
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
      const cursor = decodeCursor(query.cursor, 1);
      const rows = await webhookStore.deliveries(context.tx, webhook.id, cursor && String(cursor[0]), query.limit + 1);
      return toPage(rows, query.limit, viewDelivery, (row) => [row.id]);
    },
  };
}
