import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { messageStore } from "../messages/store.ts";
import { type Linphone, startLinphone } from "../testing/linphone.ts";
import { type Account, openHouse } from "./testing/house.ts";

await installTestTools(phoneTools);
const running: Linphone[] = [];
after(() => Promise.all(running.map((phone) => phone.close())));
const house = await openHouse(startCloud);
const { database } = house.office;
const ann = await house.account("201", "Ann");
const bob = await house.account("202", "Bob");

async function phone({ userName, password }: Account): Promise<Linphone> {
  const started = await startLinphone({
    user: userName,
    password,
    domain: house.domain,
    server: `127.0.0.1:${house.phones.sipPort}`,
  });
  running.push(started);
  await started.registered();
  return started;
}
const messages = () => database.sql<{ text: string; from: string; to: string; delivered: boolean }[]>`
  select text, from_id as "from", to_id as "to", delivered_at is not null as delivered from voice.messages order by id`;

test("a phone's message is kept and brought to the other's phone, also when that comes later", async () => {
  const phoneOfAnn = await phone(ann);
  phoneOfAnn.say(`sip:202@${house.domain}`, "Is Bob there?");
  await house.until(async () => (await messages()).length === 1, "the message");
  assert.deepEqual((await messages())[0], {
    text: "Is Bob there?",
    from: ann.extensionId,
    to: bob.extensionId,
    delivered: false,
  });

  const phoneOfBob = await phone(bob);
  await phoneOfBob.next(/Message received from .*201.*Is Bob there\?/s);
  await house.until(async () => (await messages())[0]?.delivered === true, "the delivery");
  phoneOfBob.say(`sip:201@${house.domain}`, "Here, привіт");
  await phoneOfAnn.next(/Message received from .*202.*Here, привіт/s);

  // Written in a browser.
  const {
    organisationId,
    projectId,
    id: systemId,
  } = house.office.system as { organisationId: never; projectId: never; id: never };
  const from = { id: ann.extensionId as never, organisationId, projectId, systemId };
  await database.transaction("system", (tx) => messageStore.send(tx, from, bob.extensionId as never, "From the console"));
  await phoneOfBob.next(/From the console/);
  await house.until(async () => (await messages()).every(({ delivered }) => delivered), "all deliveries");
});

test("a message to nobody is refused", async () => {
  const before = (await messages()).length;
  running[0]?.say(`sip:299@${house.domain}`, "Nobody");
  running[0]?.say(`sip:202@${house.domain}`, "Somebody");
  await running[1]?.next(/Somebody/);
  assert.equal((await messages()).length, before + 1);
});
