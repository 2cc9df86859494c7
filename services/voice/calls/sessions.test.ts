import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import type { IncomingCall, OutgoingCall, SipResponse, SipStack, StackOptions } from "../sip/ports.ts";
import { openSipStack } from "../sip/stack.ts";
import { type Account, openHouse } from "./testing/house.ts";

const house = await openHouse(startCloud);
const ann = await house.account("101", "Ann", { voicemail: { enabled: false } });
const bob = await house.account("102", "Bob");
const server = `sip:127.0.0.1:${house.phones.sipPort}`;
const sdp = (version: number, direction: string) =>
  `v=0\r\no=- 1 ${version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=${direction}\r\n`;

let incoming = Promise.withResolvers<IncomingCall>();
const phone = (options: Partial<StackOptions> = {}): Promise<SipStack> =>
  openSipStack({
    bindings: [{ transport: "udp", host: "127.0.0.1", port: 0 }],
    userAgent: "test",
    onRequest: (request) => request.respond(200),
    onInvite: (call) => incoming.resolve(call),
    ...options,
  });
// Shorter than the switchboard allows.
const atAnn = await phone({ sessionExpires: 60, minimumSessionExpires: 60 });
const atBob = await phone();
after(() => Promise.all([atAnn.close(), atBob.close()]));

const as = ({ userName, password }: Account) => ({
  from: `<sip:${userName}@${house.domain}>`,
  credentials: { username: userName, password },
});
const next = <Name extends "progress" | "answered">(call: OutgoingCall, name: Name) =>
  new Promise<{ response: SipResponse; sdp: string | undefined }>((resolve) =>
    call.on(name, (event) => {
      if (event.sdp !== undefined) resolve(event);
    }),
  );

test("early media is acknowledged on both sides (PRACK), sessions have timers, an UPDATE holds", async () => {
  const registered = await atBob.request({ method: "REGISTER", target: server, ...as(bob), to: as(bob).from, contact: true });
  assert.equal(registered.status, 200);
  const call = atAnn.call({ target: `${server.replace("sip:", "sip:102@")}`, ...as(ann), sdp: sdp(1, "sendrecv") });
  const [early, answered] = [next(call, "progress"), next(call, "answered")];

  const called = await incoming.promise;
  assert.ok(called.peer.supports("100rel") && called.peer.allows("UPDATE"));
  called.progress(183, { sdp: sdp(1, "sendrecv") });
  // Sent again until its PRACK comes; the answer waits for that.
  called.answer({ sdp: sdp(1, "sendrecv") });
  const { response } = await early;
  assert.equal(response.status, 183);
  assert.match(response.header("Require") ?? "", /100rel/);
  assert.match(response.header("RSeq") ?? "", /^\d+$/);

  // 60 s were refused with 422 and its Min-SE (RFC 4028 section 6).
  assert.match((await answered).response.header("Session-Expires") ?? "", /^90;refresher=ua[cs]$/);
  assert.match(called.request.header("Session-Expires") ?? "", /^1800/);

  const held = await call.update({ sdp: sdp(2, "sendonly") });
  assert.equal(held.status, 200);
  assert.match(held.sdp ?? "", /a=recvonly/);
  const back = await call.update({ sdp: sdp(3, "sendrecv") });
  assert.match(back.sdp ?? "", /a=sendrecv/);
  assert.equal((await call.update({})).status, 200);
  assert.equal((await called.update({})).status, 200);

  const ended = new Promise((resolve) => called.on("ended", resolve));
  call.hangUp();
  await ended;
});

test("who transfers while the third phone still rings: that one rings once, for the other", async () => {
  const carol = await house.account("103", "Carol", { callWaiting: false });
  const rang: IncomingCall[] = [];
  const atCarol = await phone({
    onInvite(call) {
      rang.push(call);
      call.progress(180);
    },
  });
  after(() => atCarol.close());
  await atCarol.request({ method: "REGISTER", target: server, ...as(carol), to: as(carol).from, contact: true });
  const called = Promise.withResolvers<IncomingCall>();
  incoming = called;
  const first = atAnn.call({ target: server.replace("sip:", "sip:102@"), ...as(ann), sdp: sdp(1, "sendrecv") });
  const answered = next(first, "answered");
  (await called.promise).answer({ sdp: sdp(1, "sendrecv") });
  await answered;
  const second = atAnn.call({ target: server.replace("sip:", "sip:103@"), ...as(ann), sdp: sdp(1, "sendrecv") });
  const refused = new Promise((resolve) => second.on("refused", resolve));
  await new Promise<void>((resolve) => second.on("progress", ({ status }) => status === 180 && resolve()));
  const { status } = await first.refer({ target: `sip:103@${house.domain}`, replaces: second });
  assert.equal(status, 202);
  // As phones do.
  first.hangUp();
  assert.equal(((await refused) as { status: number }).status, 487);
  await house.until(() => rang.length === 2, "that it rings for Bob");
  assert.deepEqual(
    rang.map(({ request }) => request.from.displayName),
    ["Ann", "Bob"],
  );
  const over = new Promise((resolve) => rang[1]?.on("ended", resolve));
  rang[1]?.answer({ sdp: sdp(1, "sendrecv") });
  (await called.promise).hangUp();
  await over;
});

test("nobody outside sends a call on, and nobody has a code dialled in another one's name", async () => {
  const called = Promise.withResolvers<IncomingCall>();
  incoming = called;
  const first = atAnn.call({ target: server.replace("sip:", "sip:102@"), ...as(ann), sdp: sdp(1, "sendrecv") });
  await Promise.all([next(first, "answered"), called.promise.then((call) => call.answer({ sdp: sdp(1, "sendrecv") }))]);
  const { status } = await first.refer({ target: `sip:*78@${house.domain}` });
  assert.equal(status, 202);
  const over = called.promise.then((call) => new Promise((resolve) => call.on("ended", resolve)));
  first.hangUp();
  await over;
  const { office } = house;
  const settings = () => office.as("owner", "extensionGet", { params: { extension: bob.extensionId } });
  assert.equal((await settings())["doNotDisturb"], false);

  const provider = await phone({ bindings: [{ transport: "udp", host: "127.0.0.9", port: 0 }] });
  after(() => provider.close());
  const port = provider.bindings[0]?.port;
  const destination = { kind: "extension", id: bob.extensionId };
  await office.as("owner", "trunkCreate", {
    params: office.within,
    body: { name: "Provider", kind: "ip", host: "127.0.0.9", port, qualifySeconds: 0, defaultDestination: destination },
  });
  const fromOutside = Promise.withResolvers<IncomingCall>();
  incoming = fromOutside;
  void fromOutside.promise.then((call) => call.answer({ sdp: sdp(1, "sendrecv") }));
  let outer: OutgoingCall | undefined;
  // Until the switchboard knows of its trunk it asks it for a password.
  await house.until(async () => {
    outer = provider.call({
      target: server.replace("sip:", "sip:102@"),
      from: "<sip:+33199001133@127.0.0.9>",
      sdp: sdp(1, "sendrecv"),
    });
    return new Promise<boolean>((resolve) => {
      outer?.on("answered", () => resolve(true));
      outer?.on("refused", () => resolve(false));
    });
  }, "a call from outside");
  for (const target of [`sip:*72101@${house.domain}`, `sip:101@${house.domain}`])
    assert.equal((await outer?.refer({ target }))?.status, 403);
  assert.equal(outer?.state, "confirmed");
  outer?.hangUp();
  assert.equal((await settings())["forwarding"].always, null);

  // As he reads it on his phone.
  const body = { blockedCallers: ["0199001133"] };
  await office.as("owner", "extensionUpdate", { params: { extension: bob.extensionId }, body });
  const again = provider.call({
    target: server.replace("sip:", "sip:102@"),
    from: "<sip:+33199001133@127.0.0.9>",
    sdp: sdp(1, "sendrecv"),
  });
  const blocked = new Promise<number>((resolve) => {
    again.on("answered", () => resolve(200));
    again.on("refused", (refusal) => resolve(refusal.status));
  });
  assert.equal(await blocked, 603);
});
