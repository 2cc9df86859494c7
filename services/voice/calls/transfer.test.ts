import assert from "node:assert/strict";
import { test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { openSipStack } from "../sip/stack.ts";
import { findTone } from "../testing/tones.ts";
import { type Account, openHouse } from "./testing/house.ts";
import { type AnyPhone, baresip, linphone, openBrowser } from "./testing/kinds.ts";

await installTestTools(phoneTools);
const house = await openHouse(startCloud);
const { as, organisation } = house.office;
const settings = { voicemail: { enabled: false }, ringSeconds: 5 };
const browserPhone = await openBrowser(house);
const inBrowser = await browserPhone(await house.account("101", "Ann", settings), 440);
const bob = await house.account("102", "Bob", settings);
const inBaresip = await baresip(house, bob, 620);
const inLinphone = await linphone(house, await house.account("103", "Carol", settings), 1000);
const dora = await house.account("104", "Dora", settings);

const connect = async (from: AnyPhone, to: AnyPhone) => {
  await from.dial(to.number);
  await Promise.all([to.answer(), from.established()]);
};
const assertTalk = async (one: AnyPhone, other: AnyPhone) => {
  const sounds = await Promise.all([one.hears(2), other.hears(2)]);
  for (const [sound, hz] of [
    [sounds[0], other.toneHz],
    [sounds[1], one.toneHz],
  ] as const)
    assert.ok(findTone(sound, hz).heardMs > 1000, `${hz} Hz: ${JSON.stringify(findTone(sound, hz))}`);
};

test("linphone transfers with consultation: baresip and the browser talk", async () => {
  await connect(inLinphone, inBaresip);
  const first = inLinphone.call;
  await inLinphone.hold();
  await connect(inLinphone, inBrowser);
  inLinphone.phone.transferTo(first, inLinphone.call);
  await Promise.all([inLinphone.closed(), assertTalk(inBaresip, inBrowser)]);
  await inLinphone.closed();
  await inBrowser.hangUp();
  await inBaresip.closed();
  const [joined] = await house.calls(3);
  assert.deepEqual([joined?.["fromNumber"], joined?.["toNumber"], joined?.["outcome"]], ["102", "101", "answered"]);
});

test("the browser transfers with consultation: linphone and baresip talk", async () => {
  await connect(inLinphone, inBrowser);
  const first = inBrowser.call;
  await inBrowser.hold();
  await connect(inBrowser, inBaresip);
  await inBrowser.phone.transferTo(first, inBrowser.call);
  await Promise.all([inBrowser.closed(), assertTalk(inLinphone, inBaresip)]);
  await inBrowser.closed();
  await inBaresip.hangUp();
  await inLinphone.closed();
});

test("a transfer that is given up: who was asked declines, and the held one is taken back", async () => {
  await connect(inLinphone, inBrowser);
  const first = inLinphone.call;
  await inLinphone.hold();
  await inLinphone.dial(inBaresip.number);
  await inBaresip.phone.next("CALL_INCOMING");
  await inBaresip.phone.hangUp();
  await inLinphone.closed();
  inBaresip.phone.forget();
  inLinphone.phone.resume(first);
  await inLinphone.phone.next(/Media streams established/);
  await assertTalk(inLinphone, inBrowser);
  await inBrowser.hangUp();
  await inLinphone.closed();
});

test("a blind transfer to a phone that does not answer comes back", async () => {
  const atDora = await house.phone(dora);
  await connect(inLinphone, inBrowser);
  await inBrowser.phone.transfer(inBrowser.call, `sip:104@${house.domain}`);
  await Promise.all([inBrowser.closed(), atDora.next("CALL_INCOMING")]);
  await inBrowser.answer();
  await atDora.closed();
  await assertTalk(inBrowser, inLinphone);
  await inLinphone.hangUp();
  await inBrowser.closed();
  await atDora.close();
});

test("phones show by name whom they call, whom a queue finds, and who is there after a transfer", async (t) => {
  const shows = (wanted: string) =>
    house.until(async () => (await inBrowser.phone.talksTo(inBrowser.call)) === wanted, `the browser shows ${wanted}`);
  // While it rings, and when it is answered.
  await inBrowser.dial("102");
  await inBaresip.phone.next("CALL_INCOMING");
  await shows("Bob 102");
  await inBaresip.phone.command("accept");
  await inBrowser.established();
  await shows("Bob 102");
  await inBaresip.phone.transfer(`sip:103@${house.domain}`);
  await inLinphone.answer();
  await shows("Carol 103");
  await Promise.all([inBaresip.closed(), assertTalk(inBrowser, inLinphone)]);
  await inLinphone.hangUp();
  await inBrowser.closed();

  // A queue has its own name until an agent has answered; a phone that knows UPDATE is told by it, and in both headers.
  const { within } = house.office;
  const agents = [{ extension: bob.extensionId }];
  const queue = await as("owner", "callQueueCreate", {
    params: within,
    body: { name: "Le guichet “A”", number: "400", agents, announcePosition: false },
  });
  await as("owner", "queueAgentUpdate", {
    params: { callQueue: queue["id"], extension: bob.extensionId },
    body: { loggedIn: true },
  });
  const stack = await openSipStack({
    bindings: [{ transport: "udp", host: "127.0.0.1", port: 0 }],
    userAgent: "test",
    onRequest: (request) => request.respond(200),
    onInvite: (call) => call.reject(486),
  });
  t.after(() => stack.close());
  const call = stack.call({
    target: `sip:400@127.0.0.1:${house.phones.sipPort}`,
    from: `<sip:${dora.userName}@${house.domain}>`,
    credentials: { username: dora.userName, password: dora.password },
    sdp: `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n`,
  });
  const told: (string | undefined)[] = [];
  const note = (message: { header(name: string): string | undefined }) =>
    told.push(message.header("P-Asserted-Identity"), message.header("Remote-Party-ID"));
  call.on("answered", ({ response }) => note(response));
  call.on("identity", note);
  await inBaresip.answer();
  await house.until(() => told.length === 4, "who is there");
  const [guichet, agent] = [`"Le guichet “A”" <sip:400@${house.domain}>`, `"Bob" <sip:102@${house.domain}>`];
  const rest = ";party=called;privacy=off;screen=yes";
  assert.deepEqual(told, [guichet, guichet + rest, agent, agent + rest]);
  call.hangUp();
  await inBaresip.closed();
});

test("a phone takes another one's call over by Replaces; one of another phone system does not, nor a stranger", async (t) => {
  const { id: project } = await as("owner", "projectCreate", { body: { organisation, name: "Others" } });
  const system = await as("owner", "phoneSystemCreate", { body: { project, name: "Others", country: "FR" } });
  const params = { phoneSystem: system["id"] };
  const { id } = await as("owner", "extensionCreate", { params, body: { number: "101", name: "Zoe" } });
  const stack = await openSipStack({
    bindings: [{ transport: "udp", host: "127.0.0.1", port: 0 }],
    userAgent: "test",
    onRequest: (request) => request.respond(200),
    onInvite: (call) => call.reject(486),
  });
  t.after(() => stack.close());
  const sdp = `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=inactive\r\n`;
  const call = (account: Account | undefined, domain: string, target: string, replaces?: string) => {
    const { userName, password } = account ?? { userName: "nobody", password: "nothing" };
    return stack.call({
      target: `sip:${target}@127.0.0.1:${house.phones.sipPort}`,
      from: `<sip:${userName}@${domain}>`,
      credentials: { username: userName, password },
      headers: { Replaces: replaces },
      sdp,
    });
  };
  const end = (made: ReturnType<typeof call>) =>
    new Promise<number>((resolve) => {
      made.on("answered", () => resolve(200));
      made.on("refused", ({ status }) => resolve(status));
    });

  const first = call(dora, house.domain, "103");
  await Promise.all([inLinphone.answer(), end(first)]);
  const words = `${first.callId};to-tag=${first.remoteTag};from-tag=${first.localTag}`;
  const zoe = await house.device(id, "101");
  assert.equal(await end(call(zoe, system["domain"], "103", words)), 481);
  assert.equal(await end(call(undefined, house.domain, "103", words)), 407);
  assert.equal(await end(call(dora, house.domain, "103", `${words};early-only`)), 486);
  assert.equal(await end(call(dora, house.domain, "103", "none;to-tag=1;from-tag=2")), 481);
  assert.equal(first.state, "confirmed");
  const over = new Promise((resolve) => first.on("ended", resolve));
  const second = call(dora, house.domain, "103", words);
  assert.equal(await end(second), 200);
  await over;
  second.hangUp();
  await inLinphone.closed();
});
