/** What test suites and phones of others do that our own scenarios did not. */
import { test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { freePort } from "../../../testing/ports.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import type { IncomingCall } from "../sip/ports.ts";
import { openSipStack } from "../sip/stack.ts";
import { openDesks } from "./testing/flows/desks.ts";
import { answered, audio, type Desk, hangUp, hungUp, invite, newBranch, receive, reply, send } from "./testing/flows/script.ts";
import { provider, refused } from "./testing/flows/sessions.ts";
import { openHouse } from "./testing/house.ts";

await installTestTools(phoneTools);
const house = await openHouse(startCloud, { sipPort: await freePort() });
const desks = openDesks(house);

void test("phones and providers of others", { concurrency: 4 }, (group) => {
  void group.test("who offers no codec of ours is refused before anybody rings", async () => {
    const [ann, bob] = (await desks.desks({}, {})) as [Desk, Desk];
    const amr = audio().replace("RTP/AVP 0 101", "RTP/AVP 96 101").replace("rtpmap:0 PCMU/8000", "rtpmap:96 AMR/8000");
    const second = newBranch();
    const offer = (sdp: string) => [...invite(ann, bob.number, { second, sdp }), ...refused(ann, bob.number, 488, second)];
    // Any 180 would not have been expected.
    await desks.play(ann, offer(amr));
    const dtls = "m=audio [media_port] UDP/TLS/RTP/SAVP 0\na=setup:actpass\na=fingerprint:sha-256 AB:CD";
    await desks.play(ann, offer(`${audio().split("\nm=")[0]}\n${dtls}`));
  });

  void group.test("an offer in PRACK that cannot be accepted is refused, and the call goes on as it was", async () => {
    const [ann, bob] = [await desks.desk(), await desks.account()];
    const called = Promise.withResolvers<IncomingCall>();
    const atBob = await openSipStack({
      bindings: [{ transport: "udp", host: "127.0.0.1", port: 0 }],
      userAgent: "test",
      onRequest: (request) => request.respond(200),
      onInvite: called.resolve,
    });
    try {
      const from = `<sip:${bob.userName}@${bob.domain}>`;
      const credentials = { username: bob.userName, password: bob.password };
      await atBob.request({ method: "REGISTER", target: `sip:${desks.server()}`, from, to: from, contact: true, credentials });
      const amr = audio().replace("RTP/AVP 0 101", "RTP/AVP 96 101").replace("rtpmap:0 PCMU/8000", "rtpmap:96 AMR/8000");
      const to = { to: bob.number, toHeader: "[$there]" };
      const prack = (cseq: number, sdp: string) => send(ann, "PRACK", cseq, { ...to, headers: ["RAck: [$rseq] 2 INVITE"], sdp });
      const caller = await desks.begin(ann, [
        ...invite(ann, bob.number, { headers: ["Supported: 100rel"] }),
        receive(183, { keep: { there: "To" }, keepSequence: "rseq", body: "PCMU" }),
        prack(3, amr),
        // The 183 itself is acknowledged: it does not come again, and another offer may.
        receive(488),
        prack(4, audio("recvonly")),
        receive(200, { body: "a=sendonly", headers: { CSeq: "4 PRACK" } }),
        receive(200, { headers: { CSeq: "2 INVITE" } }),
        send(ann, "ACK", 2, to),
        ...hangUp(ann, bob.number, 5, to),
      ]);
      const call = await called.promise;
      const over = new Promise((resolve) => call.on("ended", resolve));
      call.progress(183, {
        sdp: audio().replaceAll("[local_ip]", "127.0.0.1").replace("[media_port]", "9").replaceAll("\n", "\r\n"),
      });
      await caller.seen("a=sendonly");
      call.answer({ sdp: call.localSdp as string });
      await caller.end();
      await over;
    } finally {
      await atBob.close();
    }
  });

  void group.test("an ACK without the answer to our offer ends the call", async () => {
    const [ann, bob] = (await desks.desks({}, {})) as [Desk, Desk];
    const late = invite(ann, bob.number).map((step) => step.replace(/Content-Type[\s\S]*?\]\]>/, "Content-Length: 0\n\n]]>"));
    await desks.together(
      [bob, [...answered(bob), ...hungUp(bob)]],
      [
        ann,
        [
          ...late,
          receive(180),
          receive(200, { body: "m=audio [1-9][0-9]* RTP/AVP" }),
          send(ann, "ACK", 2, { to: bob.number }),
          receive("BYE", { headers: { Reason: "cause=488" } }),
          reply(ann, "200 OK"),
        ],
      ],
    );
  });

  void group.test("a phone without TLS that takes nothing but SRTP is called with keys", async () => {
    const [ann, bob] = (await desks.desks({}, {})) as [Desk, Desk];
    const key = `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:${Buffer.alloc(30, 7).toString("base64")}`;
    // Each call of SIPp's is one Call-ID: the first one has no keys, and is refused.
    const phone = await desks.begin(
      bob,
      [
        receive("INVITE", { keep: { other: "From", own: "To" } }).replace(
          "<action>",
          '<action><ereg regexp="RTP/SAVP" search_in="body" assign_to="keys"/>',
        ),
        '<nop test="keys" next="answer"/>',
        reply(bob, "406 Not Acceptable", { tag: true }),
        '<recv request="ACK" next="end"/>',
        '<label id="answer"/>',
        reply(bob, "200 OK", { tag: true, sdp: `${audio().replace("RTP/AVP", "RTP/SAVP")}\n${key}`, retransmits: 500 }),
        receive("ACK"),
        ...hungUp(bob),
        '<label id="end"/>',
      ],
      { calls: 2 },
    );
    const caller = await desks.begin(ann, [
      ...invite(ann, bob.number),
      receive(200, { body: "RTP/AVP" }),
      send(ann, "ACK", 2, { to: bob.number }),
      ...hangUp(ann, bob.number, 3),
    ]);
    await desks.ended(phone, caller);
  });

  void group.test("a phone that answers without a word about its media is hung up", async () => {
    const [ann, bob] = (await desks.desks({}, {})) as [Desk, Desk];
    const second = newBranch();
    await desks.together(
      [
        bob,
        [
          receive("INVITE"),
          reply(bob, "200 OK", { tag: true, retransmits: 500 }),
          receive("ACK"),
          receive("BYE", { headers: { Reason: "cause=488" } }),
          reply(bob, "200 OK"),
        ],
      ],
      [ann, [...invite(ann, bob.number, { second }), ...refused(ann, bob.number, 502, second)]],
    );
  });

  void group.test("a provider that wants longer registrations than ours gets them", async () => {
    const port = await freePort();
    const account = await desks.account();
    const registrar: Desk = { ...account, userName: "line", port };
    const brief = { tag: true, headers: ["Min-Expires: 900"] };
    const listening = await desks.begin(
      registrar,
      [
        receive("REGISTER", { headers: { Contact: "expires=60" } }),
        reply(registrar, "423 Interval Too Brief", brief),
        receive("REGISTER", { headers: { Contact: "expires=900" } }),
        reply(registrar, "200 OK", { tag: true, contact: "[last_Contact]" }).replace(
          "Contact: [last_Contact]",
          "[last_Contact:]",
        ),
      ],
      { host: "127.0.0.13" },
    );
    const settings = { kind: "registration", port, userName: "line", password: "secret", registrationSeconds: 60 };
    await provider(desks, "127.0.0.13", "+339", [settings]);
    await listening.end();
  });
});
