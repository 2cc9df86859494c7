import { z } from "zod";
import { event, page, pageQuery, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";

/** Chat between extensions of one phone system; phones get it as SIP MESSAGE (RFC 3428). */

export const messageText = z
  .string()
  .trim()
  .min(1, "Write something.")
  .max(2000, "At most 2000 characters.")
  .refine((text) => !text.includes("\0"), "A text has no zero bytes.");

export const chatMessage = z.object({
  id: id("chatMessage"),
  conversationId: id("conversation"),
  fromExtensionId: id("extension"),
  toExtensionId: id("extension"),
  text: z.string(),
  createdAt: timestamp,
  deliveredAt: timestamp.optional().describe("When a phone of the other one took it."),
  readAt: timestamp.optional(),
});
export type ChatMessageView = z.output<typeof chatMessage>;

export const conversation = z.object({
  id: id("conversation"),
  phoneSystemId: id("phoneSystem"),
  extensionId: id("extension").describe("Yours."),
  otherExtensionId: id("extension"),
  otherName: z.string(),
  otherNumber: z.string(),
  unread: z.number().int(),
  lastMessage: chatMessage,
});
export type ConversationView = z.output<typeof conversation>;

const byConversation = z.object({ conversation: id("conversation") });

export const messageRoutes = {
  myConversationList: route({
    method: "GET",
    path: "/v1/my/conversations",
    summary: "List the conversations of your extensions, the latest first",
    permission: "self",
    query: pageQuery.extend({ extension: id("extension").optional() }),
    response: page(conversation),
  }),
  myChatMessageList: route({
    method: "GET",
    path: "/v1/my/conversations/{conversation}/messages",
    summary: "List the messages of a conversation, the newest first",
    permission: "self",
    params: byConversation,
    query: pageQuery,
    response: page(chatMessage),
    errors: ["not_found"],
  }),
  myChatMessageCreate: route({
    method: "POST",
    path: "/v1/my/extensions/{extension}/messages",
    summary: "Send a message from one of your extensions to another one",
    permission: "self",
    params: z.object({ extension: id("extension") }),
    body: z.object({ to: id("extension"), text: messageText }),
    response: chatMessage,
    status: 201,
    errors: ["not_found"],
  }),
  myConversationRead: route({
    method: "POST",
    path: "/v1/my/conversations/{conversation}/read",
    summary: "Mark the messages of a conversation as read, up to one",
    permission: "self",
    params: byConversation,
    body: z.object({ upTo: id("chatMessage") }),
    response: conversation,
    errors: ["not_found"],
  }),
};

export const messageEvents = {
  messageSent: event({
    type: "voice.message.changed",
    payload: z.object({ conversationId: z.string(), extensionIds: z.array(z.string()) }),
  }),
};
