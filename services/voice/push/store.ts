import type { Tx } from "../../../kernel/db/database.ts";
import type { Id } from "../../../kernel/ids.ts";

export type PushLanguage = "en" | "fr" | "uk";

/** What is told: words are put to it when it is sent. */
export interface PushNotice {
  kind: "ringing" | "missed" | "voicemail";
  /** Notices of one call take each other's place. */
  callId: string;
  /** The number; `anonymous` where it is hidden. */
  from: string;
  fromName?: string | undefined;
}

export interface SubscriptionRow {
  id: Id<"phonePushSubscription">;
  organisationId: string;
  projectId: string;
  extensionId: Id<"extension">;
  userId: string;
  endpointHash: string;
  /** Sealed: `pushPurpose`. */
  subscription: Buffer;
  language: PushLanguage;
  createdAt: Date;
}

export interface DuePush {
  id: string;
  subscriptionId: string;
  extensionId: string;
  subscription: Buffer;
  language: PushLanguage;
  notice: PushNotice;
  attempts: number;
  ageSeconds: number;
}

export const pushPurpose = (id: string): string => `voice.push:${id}`;
export const pushKeyPurpose = "voice.push_key";

export const pushStore = {
  async keys(tx: Tx): Promise<{ publicKey: string; privateKey: Buffer } | undefined> {
    const [row] = await tx.sql<{ publicKey: string; privateKey: Buffer }[]>`
      select public_key as "publicKey", private_key as "privateKey" from voice.push_keys`;
    return row;
  },
  /** The first who makes them has made them for all. */
  async putKeys(tx: Tx, publicKey: string, privateKey: Buffer): Promise<void> {
    await tx.sql`insert into voice.push_keys (public_key, private_key) values (${publicKey}, ${privateKey}) on conflict do nothing`;
  },

  async insert(tx: Tx, row: SubscriptionRow, keep: number): Promise<void> {
    await tx.sql`delete from voice.push_subscriptions where extension_id = ${row.extensionId} and endpoint_hash = ${row.endpointHash}`;
    await tx.sql`
      insert into voice.push_subscriptions (id, organisation_id, project_id, extension_id, user_id, endpoint_hash, subscription, language, created_at)
      values (${row.id}, ${row.organisationId}, ${row.projectId}, ${row.extensionId}, ${row.userId}, ${row.endpointHash}, ${row.subscription},
        ${row.language}, ${row.createdAt})`;
    await tx.sql`delete from voice.push_subscriptions where extension_id = ${row.extensionId} and id not in
      (select id from voice.push_subscriptions where extension_id = ${row.extensionId} order by id desc limit ${keep})`;
  },
  async find(tx: Tx, id: string): Promise<{ extensionId: string } | undefined> {
    const [row] = await tx.sql<{ extensionId: string }[]>`
      select extension_id as "extensionId" from voice.push_subscriptions where id = ${id}`;
    return row;
  },
  async remove(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from voice.push_subscriptions where id = ${id}`;
  },

  /** Whether a browser of whoever has the extension now is told of its calls. */
  async reaches(tx: Tx, extensionId: string): Promise<boolean> {
    const rows =
      await tx.sql`select 1 from voice.push_subscriptions s join voice.extensions e on e.id = s.extension_id and e.user_id = s.user_id
      where s.extension_id = ${extensionId} limit 1`;
    return rows.length > 0;
  },

  /** In the transaction of what it tells of: to the browsers of whoever has these extensions now. */
  async tell(tx: Tx, extensionIds: readonly string[], notice: PushNotice): Promise<void> {
    if (extensionIds.length === 0) return;
    await tx.sql`
      insert into voice.pushes (organisation_id, subscription_id, notice)
      select s.organisation_id, s.id, ${tx.sql.json(notice as never)} from voice.push_subscriptions s
        join voice.extensions e on e.id = s.extension_id and e.user_id = s.user_id
        where s.extension_id = any(${[...extensionIds]})`;
  },

  /** Those that are due; nobody else takes them for so long. */
  takeDue: (tx: Tx, limit: number, heldSeconds: number): Promise<DuePush[]> => tx.sql<DuePush[]>`
    with taken as (
      update voice.pushes set due_at = now() + make_interval(secs => ${heldSeconds}), attempts = attempts + 1 where id in (
        select id from voice.pushes where due_at <= now() order by due_at limit ${limit} for update skip locked)
      returning id, subscription_id, notice, attempts, created_at)
    select t.id::text, t.subscription_id as "subscriptionId", s.extension_id as "extensionId", s.subscription, s.language, t.notice, t.attempts,
      extract(epoch from now() - t.created_at)::float8 as "ageSeconds"
    from taken t join voice.push_subscriptions s on s.id = t.subscription_id`,
  async done(tx: Tx, id: string): Promise<void> {
    await tx.sql`delete from voice.pushes where id = ${id}`;
  },
};
