import assert from "node:assert/strict";
import { test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { startBaresip } from "../testing/baresip.ts";
import { startKamailio } from "../testing/kamailio.ts";
import { findTone } from "../testing/tones.ts";
import { openHouse } from "./testing/house.ts";

await installTestTools({ ...phoneTools, "/usr/sbin/kamailio": "kamailio" });
const house = await openHouse(startCloud);
const { as, within } = house.office;
const password = "secretOfTheLine";
const [ours, theirs] = ["+33199001122", "+33199003344"];
const provider = house.keep(await startKamailio("127.0.0.1", password, { [ours]: "line", [theirs]: "desk" }));
const add = (key: string, body: object) => as("owner", key, { params: within, body });

test("a trunk registers at Kamailio, which asks for its password; calls go through it both ways, and both sides hear each other", async () => {
  const ann = await house.account("101", "Ann");
  const atAnn = await house.phone(ann, { toneHz: 440 });
  const desk = { user: "desk", password, domain: provider.address, server: provider.address, toneHz: 620, hasMessageLamp: false };
  const atDesk = house.keep(await startBaresip(desk));
  await atDesk.registered();
  const line = { kind: "registration", host: "127.0.0.1", port: provider.port, userName: "line", password };
  const trunk = await add("trunkCreate", { name: "Kamailio", ...line });
  await add("outboundRouteCreate", { name: "All", prefixes: ["+"], trunks: [trunk["id"]] });
  await add("phoneNumberCreate", { number: ours, destination: { kind: "extension", id: ann.extensionId } });
  await house.until(
    async () => (await as("owner", "trunkGet", { params: { trunk: trunk["id"] } }))["state"] === "ready",
    "that it is registered",
  );
  const hear = async () => {
    await house.until(async () => findTone(await atDesk.heardFor(1), 440).heardMs > 700, "Ann at the desk");
    await house.until(async () => findTone(await atAnn.heardFor(1), 620).heardMs > 700, "the desk at Ann");
  };
  await atAnn.dial("0199003344");
  await atDesk.answer();
  await atAnn.established();
  await hear();
  await atAnn.hangUp();
  await atDesk.closed();

  atAnn.forget();
  atDesk.forget();
  await atDesk.dial(`sip:${ours}@${provider.address}`);
  await atAnn.answer();
  await atDesk.established();
  await hear();
  await atDesk.hangUp();
  await atAnn.closed();
  const [inbound, outbound] = await house.calls(2);
  assert.deepEqual([inbound?.["direction"], inbound?.["outcome"]], ["inbound", "answered"]);
  assert.deepEqual([outbound?.["direction"], outbound?.["toNumber"]], ["outbound", theirs]);
});
