import { isoTime } from "../../../kernel/clock.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { CloudError, checkRevision, nameTaken, notFound } from "../../../kernel/errors.ts";
import { emit } from "../../../kernel/events.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import { newId } from "../../../kernel/ids.ts";
import { checkUrl } from "../../../kernel/outbound/addresses.ts";
import { outboundSettings } from "../../../kernel/outbound/settings.ts";
import { newWebhookSecret } from "../../../kernel/outbound/webhook.ts";
import { reserveQuota } from "../../../kernel/quota.ts";
import type { RequestContext } from "../../../kernel/service.ts";
import type { Destination } from "../destinations/contract.ts";
import { elementStore } from "../elements/store/elements.ts";
import { usesOf } from "../elements/store/uses.ts";
import { type Area, placeOf, subjectOf, type VoiceParts } from "../parts.ts";
import { openSystem } from "../systems/openSystem.ts";
import { raisePlanVersion } from "../systems/store.ts";
import type { CallWebhook, CallWebhookDelivery, liveRoutes, PhoneApplication } from "./contract.ts";
import { createDeliveries } from "./deliveries.ts";
import { type ApplicationRow, applicationSecretPurpose, applicationStore } from "./store/applications.ts";
import { type DeliveryRow, type WebhookRow, webhookSecretPurpose, webhookStore } from "./store/webhooks.ts";

type ProgramRoutes = Pick<
  typeof liveRoutes,
  | "callWebhookList"
  | "callWebhookCreate"
  | "callWebhookUpdate"
  | "callWebhookDelete"
  | "callWebhookDeliveryList"
  | "phoneApplicationList"
  | "phoneApplicationCreate"
  | "phoneApplicationUpdate"
  | "phoneApplicationDelete"
>;

const viewWebhook = (row: WebhookRow): CallWebhook => ({
  id: row.id,
  phoneSystemId: row.systemId,
  projectId: row.projectId,
  name: row.name,
  url: row.url,
  events: row.events,
  enabled: row.enabled,
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});

const viewDelivery = (row: DeliveryRow): CallWebhookDelivery => ({
  id: row.id,
  event: row.event,
  state: row.state,
  attempts: row.attempts,
  ...(row.message === null ? {} : { message: row.message }),
  createdAt: isoTime(row.createdAt),
  ...(row.triedAt === null ? {} : { triedAt: isoTime(row.triedAt) }),
});

const viewApplication = (row: ApplicationRow): PhoneApplication => ({
  id: row.id,
  phoneSystemId: row.systemId,
  projectId: row.projectId,
  name: row.name,
  url: row.url,
  fallback: row.fallback,
  createdAt: isoTime(row.createdAt),
  revision: row.revision,
});

/** Programs that are told of calls, and those that decide about them. */
export function createPrograms(parts: VoiceParts): Area<ProgramRoutes> {
  const { secrets } = parts;
  const deliveries = createDeliveries(parts);

  const checkAddress = async (tx: Tx, url: string) => checkUrl(url, (await outboundSettings(tx)).allowedNetworks, "body.url");
  const checkFallback = async (tx: Tx, systemId: string, fallback: Destination) => {
    const missing = "id" in fallback ? await elementStore.missing(tx, systemId, [fallback.id]) : [];
    if (missing.length > 0)
      throw new CloudError("failed_precondition", "The fallback is not in this phone system. Choose another one.", {
        details: {
          reason: "destination_missing",
          fields: [{ path: "body.fallback", message: "It is not in this phone system." }],
        },
      });
  };
  const tell = (
    tx: Tx,
    type: "voice.call_webhook.changed" | "voice.phone_application.changed",
    row: WebhookRow | ApplicationRow,
  ) => emit(tx, { type, organisationId: row.organisationId, projectId: row.projectId, payload: { id: row.id } });

  async function openWebhook(context: RequestContext, id: string): Promise<WebhookRow> {
    const row = await webhookStore.find(context.tx, id, { lock: true });
    if (row === undefined) throw notFound("callWebhook");
    context.authorize(placeOf(row), "callWebhook");
    return row;
  }
  async function openApplication(context: RequestContext, id: string): Promise<ApplicationRow> {
    const row = await applicationStore.find(context.tx, id, { lock: true });
    if (row === undefined) throw notFound("phoneApplication");
    context.authorize(placeOf(row), "phoneApplication");
    return row;
  }

  return {
    handlers: {
      async callWebhookList(context, { params, query }) {
        const system = await openSystem(context, params.phoneSystem);
        const cursor = decodeCursor(query.cursor, 1);
        const rows = await webhookStore.list(context.tx, system.id, cursor && String(cursor[0]), query.limit + 1);
        return toPage(rows, query.limit, viewWebhook, (row) => [row.id]);
      },
      async callWebhookCreate(context, { params, body }) {
        const { tx } = context;
        const system = await openSystem(context, params.phoneSystem);
        await checkAddress(tx, body.url);
        await reserveQuota(tx, system, "voice.call_webhooks", 1);
        const id = newId("callWebhook");
        const secret = newWebhookSecret();
        const row: WebhookRow = {
          id,
          organisationId: system.organisationId,
          projectId: system.projectId,
          systemId: system.id,
          name: body.name,
          url: body.url,
          secret: secrets.encrypt(webhookSecretPurpose(id), secret),
          events: [...new Set(body.events)],
          enabled: body.enabled,
          createdAt: new Date(),
          revision: 1,
        };
        await webhookStore.insert(tx, row);
        context.audit({
          ...subjectOf("callWebhook", row, row.name),
          after: { name: row.name, url: row.url, events: row.events },
        });
        await tell(tx, "voice.call_webhook.changed", row);
        return { webhook: viewWebhook(row), secret };
      },
      async callWebhookUpdate(context, { params, body }) {
        const { tx } = context;
        const before = await openWebhook(context, params.callWebhook);
        checkRevision(context.ifMatch, before, "webhook");
        if (body.url !== undefined) await checkAddress(tx, body.url);
        const after: WebhookRow = {
          ...before,
          name: body.name ?? before.name,
          url: body.url ?? before.url,
          events: body.events === undefined ? before.events : [...new Set(body.events)],
          enabled: body.enabled ?? before.enabled,
        };
        await webhookStore.update(tx, after);
        const told = ({ name, url, events, enabled }: WebhookRow) => ({ name, url, events, enabled });
        context.audit({ ...subjectOf("callWebhook", after, after.name), before: told(before), after: told(after) });
        await tell(tx, "voice.call_webhook.changed", after);
        return viewWebhook({ ...after, revision: before.revision + 1 });
      },
      async callWebhookDelete(context, { params }) {
        const row = await openWebhook(context, params.callWebhook);
        await webhookStore.remove(context.tx, row.id);
        await reserveQuota(context.tx, row, "voice.call_webhooks", -1);
        context.audit({ ...subjectOf("callWebhook", row, row.name), before: { name: row.name, url: row.url } });
        await tell(context.tx, "voice.call_webhook.changed", row);
      },
      async callWebhookDeliveryList(context, { params, query }) {
        const webhook = await openWebhook(context, params.callWebhook);
        const cursor = decodeCursor(query.cursor, 1);
        const rows = await webhookStore.deliveries(context.tx, webhook.id, cursor && String(cursor[0]), query.limit + 1);
        return toPage(rows, query.limit, viewDelivery, (row) => [row.id]);
      },

      async phoneApplicationList(context, { params, query }) {
        const system = await openSystem(context, params.phoneSystem);
        const cursor = decodeCursor(query.cursor, 1);
        const rows = await applicationStore.list(context.tx, system.id, cursor && String(cursor[0]), query.limit + 1);
        return toPage(rows, query.limit, viewApplication, (row) => [row.id]);
      },
      async phoneApplicationCreate(context, { params, body }) {
        const { tx } = context;
        const system = await openSystem(context, params.phoneSystem);
        await checkAddress(tx, body.url);
        await checkFallback(tx, system.id, body.fallback);
        await reserveQuota(tx, system, "voice.phone_applications", 1);
        const id = newId("phoneApplication");
        const secret = newWebhookSecret();
        const row: ApplicationRow = {
          id,
          organisationId: system.organisationId,
          projectId: system.projectId,
          systemId: system.id,
          name: body.name,
          url: body.url,
          secret: secrets.encrypt(applicationSecretPurpose(id), secret),
          fallback: body.fallback,
          createdAt: new Date(),
          revision: 1,
        };
        if (!(await applicationStore.insert(tx, row))) throw nameTaken("application", "This phone system", body.name);
        await raisePlanVersion(tx, system);
        context.audit({
          ...subjectOf("phoneApplication", row, row.name),
          after: { name: row.name, url: row.url, fallback: row.fallback },
        });
        await tell(tx, "voice.phone_application.changed", row);
        return { application: viewApplication(row), secret };
      },
      async phoneApplicationUpdate(context, { params, body }) {
        const { tx } = context;
        const before = await openApplication(context, params.phoneApplication);
        checkRevision(context.ifMatch, before, "application");
        if (body.url !== undefined) await checkAddress(tx, body.url);
        if (body.fallback !== undefined) await checkFallback(tx, before.systemId, body.fallback);
        if (body.name !== undefined && (await applicationStore.nameTaken(tx, before.systemId, body.name, before.id)))
          throw nameTaken("application", "This phone system", body.name);
        const after: ApplicationRow = {
          ...before,
          name: body.name ?? before.name,
          url: body.url ?? before.url,
          fallback: body.fallback ?? before.fallback,
        };
        await applicationStore.update(tx, after);
        await raisePlanVersion(tx, {
          id: after.systemId,
          organisationId: after.organisationId as never,
          projectId: after.projectId,
        });
        const told = ({ name, url, fallback }: ApplicationRow) => ({ name, url, fallback });
        context.audit({ ...subjectOf("phoneApplication", after, after.name), before: told(before), after: told(after) });
        await tell(tx, "voice.phone_application.changed", after);
        return viewApplication({ ...after, revision: before.revision + 1 });
      },
      async phoneApplicationDelete(context, { params }) {
        const { tx } = context;
        const row = await openApplication(context, params.phoneApplication);
        const uses = await usesOf(tx, row.systemId, row.id, 5);
        if (uses.length > 0)
          throw new CloudError(
            "failed_precondition",
            `Calls still go to ${row.name}: ${uses.map(({ name }) => name).join(", ")}. Change where those lead first.`,
            { details: { reason: "in_use", resource: "phoneApplication", uses } },
          );
        await applicationStore.remove(tx, row.id);
        await reserveQuota(tx, row, "voice.phone_applications", -1);
        await raisePlanVersion(tx, { id: row.systemId, organisationId: row.organisationId as never, projectId: row.projectId });
        context.audit({ ...subjectOf("phoneApplication", row, row.name), before: { name: row.name, url: row.url } });
        await tell(tx, "voice.phone_application.changed", row);
      },
    },
    workers: [
      { name: "voice.webhooks", everySeconds: 2, run: (signal) => deliveries.round(signal) },
      { name: "voice.webhook_history", everySeconds: 3600, run: () => deliveries.forget() },
    ],
  };
}
