import type { Tx } from "../../../kernel/db/database.ts";
import { emit } from "../../../kernel/events.ts";
import { type Id, newId } from "../../../kernel/ids.ts";

export interface MessageRow {
  id: Id<"chatMessage">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  conversationId: Id<"conversation">;
  fromId: Id<"extension">;
  toId: Id<"extension">;
  text: string;
  createdAt: Date;
  deliveredAt: Date | null;
  readAt: Date | null;
}

/** A conversation as one of the two sees it. */
export interface ConversationRow {
  id: Id<"conversation">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  systemId: Id<"phoneSystem">;
  extensionId: Id<"extension">;
  otherId: Id<"extension">;
  otherName: string;
  otherNumber: string;
  unread: number;
  lastMessage: MessageRow;
}

const columns = `id, organisation_id as "organisationId", project_id as "projectId", conversation_id as "conversationId", from_id as "fromId",
  to_id as "toId", text, created_at as "createdAt", delivered_at as "deliveredAt", read_at as "readAt"`;

/** Tells the voice process of an extension that has a message to get: the id of the phone system, a space, that of the extension. */
export const messageChannel = "voice_message";

const announce = (
  tx: Tx,
  row: Pick<MessageRow, "organisationId" | "projectId" | "conversationId" | "fromId" | "toId">,
): Promise<void> =>
  emit(tx, {
    type: "voice.message.changed",
    organisationId: row.organisationId,
    projectId: row.projectId,
    payload: { conversationId: row.conversationId, extensionIds: [row.fromId, row.toId] },
  });

export interface Talker {
  id: Id<"extension">;
  organisationId: Id<"organisation">;
  projectId: Id<"project">;
  systemId: Id<"phoneSystem">;
}

export const messageStore = {
  /** A message from one extension to another of the same phone system; the first between two begins their conversation. */
  async send(tx: Tx, from: Talker, toId: Id<"extension">, text: string): Promise<MessageRow> {
    const [first, second] = from.id < toId ? [from.id, toId] : [toId, from.id];
    const id = newId("chatMessage");
    const [conversation] = await tx.sql<{ id: Id<"conversation"> }[]>`
      insert into voice.conversations as c (id, organisation_id, project_id, system_id, first_id, second_id, last_message_id)
      values (${newId("conversation")}, ${from.organisationId}, ${from.projectId}, ${from.systemId}, ${first}, ${second}, ${id})
      on conflict (first_id, second_id) do update set last_message_id = greatest(c.last_message_id, excluded.last_message_id) returning id`;
    const [row] = await tx.sql<MessageRow[]>`
      insert into voice.messages (id, organisation_id, project_id, conversation_id, from_id, to_id, text, created_at)
      values (${id}, ${from.organisationId}, ${from.projectId}, ${conversation?.id as string}, ${from.id}, ${toId}, ${text}, now())
      returning ${tx.sql.unsafe(columns)}`;
    await tx.sql`select pg_notify(${messageChannel}, ${`${from.systemId} ${toId}`})`;
    await announce(tx, row as MessageRow);
    return row as MessageRow;
  },

  /** Of a conversation, the newest first. */
  page: (tx: Tx, conversationId: string, below: string | undefined, limit: number): Promise<MessageRow[]> => tx.sql<MessageRow[]>`
    select ${tx.sql.unsafe(columns)} from voice.messages where conversation_id = ${conversationId}
      ${below === undefined ? tx.sql`` : tx.sql`and id < ${below}`} order by id desc limit ${limit}`,

  /** For the voice process: what no phone or browser of an extension took yet, the oldest first. */
  undelivered: (tx: Tx, extensionId: string, limit: number): Promise<MessageRow[]> => tx.sql<MessageRow[]>`
    select ${tx.sql.unsafe(columns)} from voice.messages where to_id = ${extensionId} and delivered_at is null order by id limit ${limit}`,

  async markDelivered(tx: Tx, ids: readonly string[]): Promise<void> {
    const rows = await tx.sql<MessageRow[]>`update voice.messages set delivered_at = now()
      where id = any (${ids as string[]}::text[]) and delivered_at is null returning ${tx.sql.unsafe(columns)}`;
    for (const row of rows) await announce(tx, row);
  },

  /** Of those that one of the two got, up to a message. What was read needs no delivery any more. */
  async markRead(tx: Tx, conversation: ConversationRow, upTo: string): Promise<void> {
    const rows = await tx.sql`update voice.messages set read_at = now(), delivered_at = coalesce(delivered_at, now())
      where conversation_id = ${conversation.id} and to_id = ${conversation.extensionId} and id <= ${upTo} and read_at is null returning id`;
    if (rows.length === 0) return;
    await announce(tx, {
      ...conversation,
      conversationId: conversation.id,
      fromId: conversation.otherId,
      toId: conversation.extensionId,
    });
  },

  /** Those of some extensions, the latest first: `below` is the id of a last message. Somebody with two extensions may have one twice. */
  async conversations(
    tx: Tx,
    filter: { extensionIds: readonly string[]; id?: string | undefined; below?: string | undefined; limit: number },
  ): Promise<ConversationRow[]> {
    const rows = await tx.sql<(Omit<ConversationRow, "lastMessage"> & { lastMessageId: string })[]>`
      select c.id, c.organisation_id as "organisationId", c.project_id as "projectId", c.system_id as "systemId", m.id as "extensionId",
        o.id as "otherId", o.name as "otherName", o.number as "otherNumber", c.last_message_id as "lastMessageId",
        (select count(*)::int from voice.messages u where u.conversation_id = c.id and u.to_id = m.id and u.read_at is null) as unread
      from unnest(${filter.extensionIds as string[]}::text[]) m(id)
        join voice.conversations c on c.first_id = m.id or c.second_id = m.id
        join voice.extensions o on o.id = case when c.first_id = m.id then c.second_id else c.first_id end
      where true ${filter.id === undefined ? tx.sql`` : tx.sql`and c.id = ${filter.id}`}
        ${filter.below === undefined ? tx.sql`` : tx.sql`and c.last_message_id < ${filter.below}`}
      order by c.last_message_id desc, m.id limit ${filter.limit}`;
    const last = await tx.sql<MessageRow[]>`select ${tx.sql.unsafe(columns)} from voice.messages
      where id = any (${rows.map(({ lastMessageId }) => lastMessageId)}::text[])`;
    return rows.flatMap(({ lastMessageId, ...row }) => {
      const lastMessage = last.find(({ id }) => id === lastMessageId);
      return lastMessage ? [{ ...row, lastMessage }] : [];
    });
  },
};
