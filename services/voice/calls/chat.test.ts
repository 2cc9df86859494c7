import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import type { RequestOptions, SipStack } from "../sip/ports.ts";
import { openSipStack } from "../sip/stack.ts";
import type { Json } from "../testing/office.ts";
import { type Account, openHouse } from "./testing/house.ts";
import { linphone } from "./testing/kinds.ts";

await installTestTools(phoneTools);
const running: SipStack[] = [];
after(() => Promise.all(running.map((stack) => stack.close())));
const house = await openHouse(startCloud);
const { as, database } = house.office;
const user = await house.office.member("ann", "viewer");
const ann = await house.account("201", "Ann", { user });
const bob = await house.account("202", "Bob");

/** A phone of text alone: our SIP library, registered. */
async function phone({ userName, password }: Account) {
  const heard: { from: string; text: string }[] = [];
  const stack = await openSipStack({
    bindings: [{ transport: "udp", host: "127.0.0.1", port: 0 }],
    userAgent: "text",
    onInvite: (call) => call.reject(486),
    onRequest(request) {
      heard.push({ from: `${request.from.displayName} ${request.from.uri.user}`, text: request.body });
      request.respond(200);
    },
  });
  running.push(stack);
  const send = (options: Omit<RequestOptions, "from">) =>
    stack.request({
      from: `<sip:${userName}@${house.domain}>`,
      hop: { transport: "udp", address: "127.0.0.1", port: house.phones.sipPort },
      credentials: { username: userName, password },
      ...options,
    });
  const registered = await send({
    method: "REGISTER",
    target: `sip:${house.domain}`,
    to: `<sip:${userName}@${house.domain}>`,
    contact: { user: userName, params: { expires: "600" } },
  });
  assert.equal(registered.status, 200);
  const say = async (number: string, content: string, type = "text/plain"): Promise<number> =>
    (await send({ method: "MESSAGE", target: `sip:${number}@${house.domain}`, body: { type, content } })).status;
  return { heard, say };
}
const messages = () => database.sql<{ text: string; from: string; to: string; delivered: boolean }[]>`
  select text, from_id as "from", to_id as "to", delivered_at is not null as delivered from voice.messages order by id`;

test("a phone's message is kept, and brought to the other's phone, also when that registers later", async () => {
  const phoneOfAnn = await phone(ann);
  assert.equal(await phoneOfAnn.say("202", "Is Bob there?"), 202);
  assert.deepEqual(
    [...(await messages())],
    [{ text: "Is Bob there?", from: ann.extensionId, to: bob.extensionId, delivered: false }],
  );
  const phoneOfBob = await phone(bob);
  await house.until(() => phoneOfBob.heard.length === 1, "the message");
  assert.deepEqual(phoneOfBob.heard[0], { from: "Ann 201", text: "Is Bob there?" });
  await house.until(async () => (await messages())[0]?.delivered === true, "its delivery to be written");

  assert.equal(await phoneOfBob.say("201", "Here, привіт"), 202);
  await house.until(() => phoneOfAnn.heard.length === 1, "the answer");
  assert.deepEqual(phoneOfAnn.heard[0], { from: "Bob 202", text: "Here, привіт" });

  // Written in a browser, over the API.
  for (const text of ["one", "two", "three"])
    await as("ann", "myChatMessageCreate", { params: { extension: ann.extensionId }, body: { to: bob.extensionId, text } });
  await house.until(() => phoneOfBob.heard.length === 4, "three more");
  assert.deepEqual(
    phoneOfBob.heard.slice(1).map(({ text }) => text),
    ["one", "two", "three"],
    "in their order",
  );
  await house.until(async () => (await messages()).every(({ delivered }) => delivered), "all deliveries");
  // And what the phone wrote is there for her to read.
  const { items } = await as("ann", "myConversationList");
  assert.deepEqual(
    items.map(({ otherNumber, unread, lastMessage }: Json) => [otherNumber, unread, lastMessage.text]),
    [["202", 1, "three"]],
  );
  const read = await as("ann", "myChatMessageList", { params: { conversation: items[0].id } });
  assert.ok(read["items"].some(({ text }: Json) => text === "Here, привіт"));
});

test("a message to nobody, to oneself, too long, not of text, or of a stranger is refused", async () => {
  const before = (await messages()).length;
  const { say } = await phone(ann);
  assert.equal(await say("299", "Nobody"), 404);
  assert.equal(await say("201", "Me"), 404);
  assert.equal(await say("202", "x".repeat(2001)), 413);
  assert.equal(await say("202", "<x/>", "application/im-iscomposing+xml"), 415);
  assert.equal((await messages()).length, before);
  const stranger = await running[0]?.request({
    method: "MESSAGE",
    from: `<sip:nobody@${house.domain}>`,
    target: `sip:202@${house.domain}`,
    hop: { transport: "udp", address: "127.0.0.1", port: house.phones.sipPort },
    body: { type: "text/plain", content: "Let me in" },
  });
  assert.equal(stranger?.status, 407);
});

test("two linphones write to each other", async () => {
  const [gus, hal] = await Promise.all([house.account("203", "Gus"), house.account("204", "Hal")]);
  const [ofGus, ofHal] = await Promise.all([linphone(house, gus, 440), linphone(house, hal, 620)]);
  ofGus.phone.say(`sip:204@${house.domain}`, "Are you there?");
  await ofHal.phone.next(/Message received from .*203[\s\S]*Are you there\?/);
  ofHal.phone.say(`sip:203@${house.domain}`, "Yes, так");
  await ofGus.phone.next(/Message received from .*204[\s\S]*Yes, так/);
  await house.until(async () => (await messages()).every(({ delivered }) => delivered), "all deliveries");
});
