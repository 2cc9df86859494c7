import assert from "node:assert/strict";
import { test } from "node:test";
import { createAuthority } from "../../../gateway/certificates/authority.ts";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { findTone } from "../testing/tones.ts";
import { openHouse } from "./testing/house.ts";
import { type AnyPhone, baresip, openBrowser } from "./testing/kinds.ts";

await installTestTools(phoneTools);
const { certificate, key } = await createAuthority({ name: "phones" });
const house = await openHouse(startCloud, { tlsPort: 0, certificate: { cert: Buffer.from(certificate), key: Buffer.from(key) } });
const overTls = { transport: "tls", server: `127.0.0.1:${house.phones.tlsPort}` } as const;
const browserPhone = await openBrowser(house);
const inBrowser = await browserPhone(await house.account("101", "Ann"), 440);
const plain = await baresip(house, await house.account("102", "Bob"), 620);
const sdes = await baresip(house, await house.account("103", "Carol"), 1000, { ...overTls, srtp: "sdes" });
const dtls = await baresip(house, await house.account("105", "Eve"), 1800, { ...overTls, srtp: "dtls" });
const withoutSrtp = await baresip(house, await house.account("104", "Dora"), 1400, overTls);

const assertCall = async (from: AnyPhone, to: AnyPhone) => {
  await from.dial(to.number);
  await Promise.all([to.answer(), from.established()]);
  const [atFrom, atTo] = await Promise.all([from.hears(2), to.hears(2)]);
  for (const [sound, hz] of [
    [atFrom, to.toneHz],
    [atTo, from.toneHz],
  ] as const)
    assert.ok(findTone(sound, hz).heardMs > 1000, `${hz} Hz: ${JSON.stringify(findTone(sound, hz))}`);
  await to.hangUp();
  await from.closed();
};

test("a phone over TLS with SDES: to and from the browser and a plain phone", async () => {
  await assertCall(sdes, inBrowser);
  await assertCall(inBrowser, sdes);
  await assertCall(sdes, plain);
  await assertCall(plain, sdes);
  // It takes nothing else: what it heard was encrypted.
  assert.match(sdes.phone.output, /srtp: .*AES_CM_128_HMAC_SHA1_80/);
});

test("a phone over TLS without SRTP is called too", async () => {
  await assertCall(plain, withoutSrtp);
  await assertCall(withoutSrtp, sdes);
});

test("a phone over TLS with DTLS-SRTP: to and from the browser and a plain phone", async () => {
  await assertCall(dtls, inBrowser);
  await assertCall(dtls, plain);
  await assertCall(inBrowser, dtls);
  await assertCall(plain, dtls);
  assert.equal(dtls.phone.output.match(/DTLS-SRTP complete/g)?.length, 4);
});
