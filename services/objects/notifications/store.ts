import type { Tx } from "../../../kernel/db/database.ts";
import type { Id } from "../../../kernel/ids.ts";

export interface WebhookRow {
  id: Id<"bucketWebhook">;
  organisationId: string;
  projectId: Id<"project">;
  name: string;
  url: string;
  /** Sealed: `webhookSecretPurpose`. */
  secret: Buffer;
  enabled: boolean;
  createdAt: Date;
  revision: number;
}

export interface DeliveryRow {
  id: Id<"bucketWebhookDelivery">;
  webhook: string;
  webhookId: Id<"bucketWebhook">;
  event: string;
  /** Null: of no object, or from before this was written down. */
  key: string | null;
  state: "pending" | "delivered" | "failed";
  attempts: number;
  /** Of the last answer (RFC 9110, 15); null when there was none. */
  status: number | null;
  message: string | null;
  createdAt: Date;
  triedAt: Date | null;
}

/** For the webhook of this name, if there is one then. */
export interface NewDelivery {
  id: string;
  projectId: string;
  webhook: string;
  bucketId: string;
  event: string;
  key?: string;
  body: string;
}

export interface DueDelivery {
  id: string;
  webhookId: string;
  organisationId: string;
  projectId: string;
  bucketId: string | null;
  url: string;
  secret: Buffer;
  body: string;
  attempts: number;
}

export const webhookSecretPurpose = (id: string): string => `objects.webhook:${id}`;

const columns = `id, organisation_id as "organisationId", project_id as "projectId", name, url, secret, enabled, created_at as "createdAt", revision`;

const deliveryColumns = `d.id, d.webhook_id as "webhookId", w.name as webhook, d.event, d.key, d.state, d.attempts, d.status, d.message,
  d.created_at as "createdAt", d.tried_at as "triedAt"`;

export const webhookStore = {
  list: (tx: Tx, projectId: string, after: string | undefined, limit: number): Promise<WebhookRow[]> => tx.sql<WebhookRow[]>`
    select ${tx.sql.unsafe(columns)} from objects.webhooks
    where project_id = ${projectId} ${after === undefined ? tx.sql`` : tx.sql`and name > ${after}`} order by name limit ${limit}`,

  async find(tx: Tx, id: string): Promise<WebhookRow | undefined> {
    const [row] = await tx.sql<WebhookRow[]>`select ${tx.sql.unsafe(columns)} from objects.webhooks where id = ${id} for update`;
    return row;
  },

  async names(tx: Tx, projectId: string, names: string[]): Promise<Set<string>> {
    const rows = await tx.sql<{ name: string }[]>`select name from objects.webhooks
      where project_id = ${projectId} and name = any (${names}::text[])`;
    return new Set(rows.map(({ name }) => name));
  },

  async insert(tx: Tx, row: WebhookRow): Promise<boolean> {
    const rows =
      await tx.sql`insert into objects.webhooks (id, organisation_id, project_id, name, url, secret, enabled, created_at, revision)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.name}, ${row.url}, ${row.secret}, ${row.enabled}, ${row.createdAt}, ${row.revision})
      on conflict (project_id, name) do nothing returning id`;
    return rows.length > 0;
  },

  async update(tx: Tx, row: Pick<WebhookRow, "id" | "url" | "enabled">): Promise<void> {
    await tx.sql`update objects.webhooks set url = ${row.url}, enabled = ${row.enabled}, revision = revision + 1 where id = ${row.id}`;
  },

  async remove(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from objects.webhooks where id = ${id}`;
  },

  async tell(tx: Tx, deliveries: NewDelivery[]): Promise<void> {
    const column = (of: (delivery: NewDelivery) => string | null) => deliveries.map(of);
    await tx.sql`insert into objects.webhook_deliveries (id, webhook_id, organisation_id, bucket_id, event, key, body)
      select d.id, w.id, w.organisation_id, d.bucket_id, d.event, d.key, d.body
      from unnest(${column(({ id }) => id)}::text[], ${column(({ projectId }) => projectId)}::text[], ${column(({ webhook }) => webhook)}::text[],
        ${column(({ bucketId }) => bucketId)}::text[], ${column(({ event }) => event)}::text[], ${column(({ key }) => key ?? null)}::text[],
        ${column(({ body }) => body)}::text[]) as d (id, project_id, name, bucket_id, event, key, body)
      join objects.webhooks w on w.project_id = d.project_id and w.name = d.name where w.enabled`;
  },

  /** Those that are due, of those that are still wanted; nobody else takes them for so long. */
  takeDue: (tx: Tx, limit: number, heldSeconds: number): Promise<DueDelivery[]> => tx.sql<DueDelivery[]>`
    with taken as (
      update objects.webhook_deliveries set due_at = now() + make_interval(secs => ${heldSeconds}) where id in (
        select d.id from objects.webhook_deliveries d join objects.webhooks w on w.id = d.webhook_id
        where d.state = 'pending' and d.due_at <= now() and w.enabled order by d.due_at, d.id limit ${limit} for update of d skip locked)
      returning id, webhook_id, organisation_id, bucket_id, body, attempts)
    select t.id, t.webhook_id as "webhookId", t.organisation_id as "organisationId", w.project_id as "projectId", t.bucket_id as "bucketId", w.url, w.secret, t.body, t.attempts from taken t join objects.webhooks w on w.id = t.webhook_id`,

  async finish(
    tx: Tx,
    id: string,
    result: { state: DeliveryRow["state"]; message: string; status: number | undefined; againSeconds?: number },
  ): Promise<void> {
    await tx.sql`update objects.webhook_deliveries set state = ${result.state}, attempts = attempts + 1, message = ${result.message},
      status = ${result.status ?? null}, tried_at = now(),
      due_at = now() + make_interval(secs => ${result.againSeconds ?? 0}) where id = ${id}`;
  },

  /** The latest first. */
  deliveries: (
    tx: Tx,
    of: { webhookId: string } | { bucketId: string },
    before: string | undefined,
    limit: number,
  ): Promise<DeliveryRow[]> => tx.sql<DeliveryRow[]>`
    select ${tx.sql.unsafe(deliveryColumns)} from objects.webhook_deliveries d join objects.webhooks w on w.id = d.webhook_id
    where ${"webhookId" in of ? tx.sql`d.webhook_id = ${of.webhookId}` : tx.sql`d.bucket_id = ${of.bucketId}`}
      ${before === undefined ? tx.sql`` : tx.sql`and d.id < ${before}`} order by d.id desc limit ${limit}`,

  async delivery(tx: Tx, webhookId: string, id: string): Promise<DeliveryRow | undefined> {
    const [row] = await tx.sql<DeliveryRow[]>`
      select ${tx.sql.unsafe(deliveryColumns)} from objects.webhook_deliveries d join objects.webhooks w on w.id = d.webhook_id
      where d.webhook_id = ${webhookId} and d.id = ${id} for update of d`;
    return row;
  },

  /** At once; its attempts stay counted, so that it is tried no more often than it would have been. */
  async again(tx: Tx, id: string): Promise<void> {
    await tx.sql`update objects.webhook_deliveries set state = 'pending', due_at = now() where id = ${id}`;
  },

  async forgetDeliveries(tx: Tx, olderThanDays: number): Promise<void> {
    await tx.sql`delete from objects.webhook_deliveries where created_at < now() - make_interval(days => ${olderThanDays})`;
  },
};
