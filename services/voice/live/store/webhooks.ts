import type { Tx } from "../../../../kernel/db/database.ts";
import type { Id } from "../../../../kernel/ids.ts";
import type { CallWebhook, CallWebhookDelivery } from "../contract.ts";

export type CallWebhookEvent = CallWebhookDelivery["event"];

export interface WebhookRow {
  id: Id<"callWebhook">;
  organisationId: string;
  projectId: Id<"project">;
  systemId: Id<"phoneSystem">;
  name: string;
  url: string;
  /** Sealed: `webhookSecretPurpose`. */
  secret: Buffer;
  events: CallWebhook["events"];
  enabled: boolean;
  createdAt: Date;
  revision: number;
}

export interface DeliveryRow {
  id: Id<"callWebhookDelivery">;
  event: CallWebhookEvent;
  state: "pending" | "delivered" | "failed";
  attempts: number;
  message: string | null;
  createdAt: Date;
  triedAt: Date | null;
}

export interface DueDelivery {
  id: string;
  webhookId: string;
  url: string;
  secret: Buffer;
  body: string;
  attempts: number;
}

/** Something that webhooks of a phone system may want to know. */
export interface WebhookNews {
  systemId: string;
  event: CallWebhookEvent;
  /** Called once for each of them. */
  idAndBody: () => { id: string; body: string };
}

export const webhookSecretPurpose = (id: string): string => `voice.webhook:${id}`;

const columns = `id, organisation_id as "organisationId", project_id as "projectId", system_id as "systemId", name, url, secret, events, enabled,
  created_at as "createdAt", revision`;

export const webhookStore = {
  list: (tx: Tx, systemId: string, after: string | undefined, limit: number): Promise<WebhookRow[]> => tx.sql<WebhookRow[]>`
    select ${tx.sql.unsafe(columns)} from voice.webhooks
    where system_id = ${systemId} ${after === undefined ? tx.sql`` : tx.sql`and id > ${after}`} order by id limit ${limit}`,

  async find(tx: Tx, id: string, options: { lock?: boolean } = {}): Promise<WebhookRow | undefined> {
    const [row] = await tx.sql<WebhookRow[]>`select ${tx.sql.unsafe(columns)} from voice.webhooks where id = ${id}
      ${options.lock ? tx.sql`for update` : tx.sql``}`;
    return row;
  },

  async insert(tx: Tx, row: WebhookRow): Promise<void> {
    await tx.sql`
      insert into voice.webhooks (id, organisation_id, project_id, system_id, name, url, secret, events, enabled, created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.systemId}, ${row.name}, ${row.url}, ${row.secret}, ${row.events}, ${row.enabled}, ${row.createdAt})`;
  },

  async update(tx: Tx, row: WebhookRow): Promise<void> {
    await tx.sql`update voice.webhooks set name = ${row.name}, url = ${row.url}, events = ${row.events}, enabled = ${row.enabled}, revision = revision + 1
      where id = ${row.id}`;
  },

  async remove(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from voice.webhooks where id = ${id}`;
  },

  /** In the transaction of what they tell of: one delivery for each webhook that wants to know, in the order of the news. */
  async tell(tx: Tx, news: readonly WebhookNews[]): Promise<void> {
    if (news.length === 0) return;
    const systemIds = [...new Set(news.map(({ systemId }) => systemId))];
    const rows = await tx.sql<Pick<WebhookRow, "id" | "organisationId" | "systemId" | "events">[]>`
      select w.id, w.organisation_id as "organisationId", w.system_id as "systemId", w.events from unnest(${systemIds}::text[]) as asked
        cross join lateral (select * from voice.webhooks where system_id = asked and enabled order by id limit 100) w`;
    if (rows.length === 0) return;
    for (const { systemId, event, idAndBody } of news)
      for (const row of rows) {
        if (row.systemId !== systemId || !row.events.includes(event)) continue;
        const { id, body } = idAndBody();
        await tx.sql`insert into voice.webhook_deliveries (id, webhook_id, organisation_id, event, body)
          values (${id}, ${row.id}, ${row.organisationId}, ${event}, ${body})`;
      }
  },

  /** Those that are due, of those that are still wanted; nobody else takes them for so long. */
  takeDue: (tx: Tx, limit: number, heldSeconds: number): Promise<DueDelivery[]> => tx.sql<DueDelivery[]>`
    with taken as (
      update voice.webhook_deliveries set due_at = now() + make_interval(secs => ${heldSeconds}) where id in (
        select d.id from voice.webhook_deliveries d join voice.webhooks w on w.id = d.webhook_id
        where d.state = 'pending' and d.due_at <= now() and w.enabled order by d.due_at limit ${limit} for update of d skip locked)
      returning id, webhook_id, body, attempts)
    select t.id, t.webhook_id as "webhookId", w.url, w.secret, t.body, t.attempts from taken t join voice.webhooks w on w.id = t.webhook_id`,

  async finish(
    tx: Tx,
    id: string,
    result: { state: DeliveryRow["state"]; message: string; againSeconds?: number },
  ): Promise<void> {
    await tx.sql`update voice.webhook_deliveries set state = ${result.state}, attempts = attempts + 1, message = ${result.message}, tried_at = now(),
      due_at = now() + make_interval(secs => ${result.againSeconds ?? 0}) where id = ${id}`;
  },

  /** The latest first. */
  deliveries: (tx: Tx, webhookId: string, before: string | undefined, limit: number): Promise<DeliveryRow[]> => tx.sql<
    DeliveryRow[]
  >`
    select id, event, state, attempts, message, created_at as "createdAt", tried_at as "triedAt" from voice.webhook_deliveries
    where webhook_id = ${webhookId} ${before === undefined ? tx.sql`` : tx.sql`and id < ${before}`} order by id desc limit ${limit}`,

  async forgetDeliveries(tx: Tx, olderThanDays: number): Promise<void> {
    await tx.sql`delete from voice.webhook_deliveries where created_at < now() - make_interval(days => ${olderThanDays})`;
  },
};
