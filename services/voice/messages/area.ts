import type { Principal } from "../../../kernel/auth/principal.ts";
import { isoTime } from "../../../kernel/clock.ts";
import type { Tx } from "../../../kernel/db/database.ts";
import { invalid, notFound, there } from "../../../kernel/errors.ts";
import { decodeCursor, toPage } from "../../../kernel/http/cursor.ts";
import type { Area } from "../../../kernel/service.ts";
import { extensionStore } from "../extensions/store.ts";
import { myExtensions } from "../mine.ts";
import type { ChatMessageView, ConversationView, messageRoutes } from "./contract.ts";
import { type ConversationRow, type MessageRow, messageStore } from "./store.ts";

const viewMessage = (row: MessageRow): ChatMessageView => ({
  id: row.id,
  conversationId: row.conversationId,
  fromExtensionId: row.fromId,
  toExtensionId: row.toId,
  text: row.text,
  createdAt: isoTime(row.createdAt),
  ...(row.deliveredAt === null ? {} : { deliveredAt: isoTime(row.deliveredAt) }),
  ...(row.readAt === null ? {} : { readAt: isoTime(row.readAt) }),
});

const viewConversation = (row: ConversationRow): ConversationView => ({
  id: row.id,
  phoneSystemId: row.systemId,
  extensionId: row.extensionId,
  otherExtensionId: row.otherId,
  otherName: row.otherName,
  otherNumber: row.otherNumber,
  unread: row.unread,
  lastMessage: viewMessage(row.lastMessage),
});

const belowOf = (cursor: string | undefined): string | undefined => {
  const [below] = decodeCursor(cursor, 1) ?? [];
  return below === undefined ? undefined : String(below);
};

/** As each of the person's extensions in it sees it: mostly one. */
async function openConversation(tx: Tx, principal: Principal, id: string): Promise<[ConversationRow, ...ConversationRow[]]> {
  const mine = await myExtensions(tx, principal);
  const [first, ...others] = await messageStore.conversations(tx, { extensionIds: mine.map((row) => row.id), id, limit: 2 });
  if (first === undefined) throw notFound("conversation");
  return [first, ...others];
}

/** Chat: only one's own, whatever role somebody has. */
export const createMessageArea = (): Area<typeof messageRoutes> => ({
  handlers: {
    async myConversationList(context, { query }) {
      const mine = await myExtensions(context.tx, context.principal, query.extension);
      const rows = await messageStore.conversations(context.tx, {
        extensionIds: mine.map(({ id }) => id),
        below: belowOf(query.cursor),
        limit: query.limit + 1,
      });
      return toPage(rows, query.limit, viewConversation, ({ lastMessage }) => [lastMessage.id]);
    },

    async myChatMessageList(context, { params, query }) {
      const [conversation] = await openConversation(context.tx, context.principal, params.conversation);
      const rows = await messageStore.page(context.tx, conversation.id, belowOf(query.cursor), query.limit + 1);
      return toPage(rows, query.limit, viewMessage, ({ id }) => [id]);
    },

    async myChatMessageCreate(context, { params, body }) {
      const from = there((await myExtensions(context.tx, context.principal, params.extension))[0], "extension");
      const to = await extensionStore.find(context.tx, body.to);
      if (to?.systemId !== from.systemId) throw notFound("extension");
      if (to.id === from.id) throw invalid("body.to", "That is your own extension. Choose somebody else's.");
      return viewMessage(await messageStore.send(context.tx, from, to.id, body.text));
    },

    async myConversationRead(context, { params, body }) {
      const views = await openConversation(context.tx, context.principal, params.conversation);
      for (const view of views) await messageStore.markRead(context.tx, view, body.upTo);
      const [conversation] = await openConversation(context.tx, context.principal, params.conversation);
      return viewConversation(conversation);
    },
  },
});
