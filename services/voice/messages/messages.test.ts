import assert from "node:assert/strict";
import { test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { openOffice } from "../testing/office.ts";
import { messageStore } from "./store.ts";

const { ask, as, member, extension, database } = await openOffice(await startCloud());
const anna = (await extension("201", "Anna", await member("anna", "viewer")))["id"];
const boris = (await extension("202", "Boris", await member("boris", "viewer")))["id"];
await member("carla", "owner");

test("two write to each other: delivered, read, counted, and nobody else sees it", async () => {
  const send = (who: string, from: string, to: string, text: string) =>
    as(who, "myChatMessageCreate", { params: { extension: from }, body: { to, text } });
  const first = await send("anna", anna, boris, "Hello");
  const second = await send("anna", anna, boris, "Are you there?");
  assert.equal(first["conversationId"], second["conversationId"]);
  const params = { conversation: first["conversationId"] };

  const [conversation] = (await as("boris", "myConversationList"))["items"];
  assert.deepEqual([conversation.otherName, conversation.unread, conversation.lastMessage.text], ["Anna", 2, "Are you there?"]);
  assert.equal((await as("anna", "myConversationList"))["items"][0].unread, 0, "one's own are not unread");
  const page = await as("boris", "myChatMessageList", { params, query: { limit: 1 } });
  assert.equal(page["items"][0].id, second["id"]);
  const rest = await as("boris", "myChatMessageList", { params, query: { limit: 1, cursor: page["nextCursor"] } });
  assert.equal(rest["items"][0].id, first["id"]);

  const inDatabase = <T>(work: Parameters<typeof database.transaction<T>>[1]) => database.transaction("system", work);
  const waiting = await inDatabase((tx) => messageStore.undelivered(tx, boris, 10));
  assert.deepEqual(
    waiting.map(({ text }) => text),
    ["Hello", "Are you there?"],
  );
  await inDatabase((tx) => messageStore.markDelivered(tx, [first["id"]]));
  assert.equal((await inDatabase((tx) => messageStore.undelivered(tx, boris, 10))).length, 1);

  const read = await as("boris", "myConversationRead", { params, body: { upTo: first["id"] } });
  assert.equal(read["unread"], 1);
  await as("boris", "myConversationRead", { params, body: { upTo: second["id"] } });
  const seen = (await as("anna", "myChatMessageList", { params }))["items"];
  assert.ok(seen.every(({ readAt, deliveredAt }: { readAt?: string; deliveredAt?: string }) => readAt && deliveredAt));
  const answer = await send("boris", boris, anna, "Yes");
  assert.equal(answer["conversationId"], first["conversationId"], "one conversation for both directions");

  for (const key of ["myChatMessageList", "myConversationRead"])
    assert.equal((await ask("carla", key, { params, body: key.endsWith("Read") ? { upTo: first["id"] } : {} })).status, 404);
  const asAnna = await ask("boris", "myChatMessageCreate", { params: { extension: anna }, body: { to: boris, text: "x" } });
  assert.equal(asAnna.status, 404, "nobody writes as somebody else");
});

test("a text has a size, and somebody to go to", async () => {
  const send = (body: object) => ask("anna", "myChatMessageCreate", { params: { extension: anna }, body });
  assert.equal((await send({ to: boris, text: "x".repeat(2001) })).status, 400);
  assert.equal((await send({ to: boris, text: " " })).status, 400);
  assert.equal((await send({ to: anna, text: "me" })).status, 400);
  assert.equal((await send({ to: `ext_${"0".repeat(32)}`, text: "nobody" })).status, 404);
});
