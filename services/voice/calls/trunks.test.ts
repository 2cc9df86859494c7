import assert from "node:assert/strict";
import { test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { findTone } from "../testing/tones.ts";
import { openHouse } from "./testing/house.ts";

await installTestTools(phoneTools);
// Phones are at 127.0.0.1: a provider is known by its address.
const [here, there] = [
  await openHouse(startCloud, { listen: "127.0.0.2" }),
  await openHouse(startCloud, { listen: "127.0.0.3" }),
];
const ours = "+33199001122";
const theirs = "+33199003344";

const connectTo = async (house: typeof here, address: string, port: number) => {
  const made = await house.office.as("owner", "trunkCreate", {
    params: house.office.within,
    body: { name: "Line", kind: "ip", host: address, port, transport: "udp", sourceAddresses: [address], qualifySeconds: 0 },
  });
  await house.office.as("owner", "outboundRouteCreate", {
    params: house.office.within,
    body: { name: "All", prefixes: ["+"], trunks: [made["id"]] },
  });
};

test("two phone systems call each other over a trunk, with the caller's number", async () => {
  const ann = await here.account("101", "Ann");
  const zoe = await there.account("201", "Zoe");
  await here.office.as("owner", "phoneNumberCreate", {
    params: here.office.within,
    body: { number: ours, destination: { kind: "extension", id: ann.extensionId } },
  });
  await there.office.as("owner", "phoneNumberCreate", {
    params: there.office.within,
    body: { number: theirs, destination: { kind: "extension", id: zoe.extensionId } },
  });
  await connectTo(there, "127.0.0.2", here.phones.sipPort);
  await connectTo(here, "127.0.0.3", there.phones.sipPort);
  const phoneOfZoe = await there.phone(zoe, { toneHz: 620 });
  const phoneOfAnn = await here.phone(ann, { toneHz: 440 });
  await phoneOfAnn.dial("0199003344");
  await phoneOfZoe.answer();
  await phoneOfAnn.established();
  assert.ok(findTone(await phoneOfZoe.heardFor(2), 440).heardMs > 1000);
  assert.ok(findTone(await phoneOfAnn.heardFor(2), 620).heardMs > 1000);
  await phoneOfZoe.hangUp();
  await phoneOfAnn.closed();
  const [outbound] = await here.calls(1);
  const [inbound] = await there.calls(1);
  assert.deepEqual([outbound?.["direction"], outbound?.["toNumber"], outbound?.["outcome"]], ["outbound", theirs, "answered"]);
  assert.deepEqual([inbound?.["direction"], inbound?.["fromNumber"], inbound?.["toNumber"]], ["inbound", ours, theirs]);
});
