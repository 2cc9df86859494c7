import assert from "node:assert/strict";
import { test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { freePort } from "../../../testing/ports.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { openDesks } from "./testing/flows/desks.ts";
import {
  answered,
  audio,
  contactOf,
  type Desk,
  hangUp,
  hungUp,
  invite,
  newBranch,
  perhaps,
  receive,
  register,
  reply,
  send,
  sendBack,
} from "./testing/flows/script.ts";
import { refused } from "./testing/flows/sessions.ts";
import { openHouse } from "./testing/house.ts";

await installTestTools(phoneTools);
const house = await openHouse(startCloud, { sipPort: await freePort() });
const desks = openDesks(house);
const two = async () => (await desks.desks({}, {})) as [Desk, Desk];
const plainTo = (desk: Desk, to: string) => `<sip:${to}@${desk.domain}>`;
const accepts = (desk: Desk, to: string) => [receive(180), receive(200, { keep: { there: "To" } }), send(desk, "ACK", 2, { to })];
/** Rings until it is told to stop, and answers all the same. */
const answersTooLate = (desk: Desk) => [
  receive("INVITE"),
  reply(desk, "180 Ringing", { tag: true }),
  receive("CANCEL"),
  reply(desk, "200 OK", { tag: true, sdp: audio() }).replace("[last_CSeq:]", "CSeq: 1 INVITE"),
  receive("ACK"),
  ...hungUp(desk),
];
const records = async (to: string) => {
  const { as, within } = house.office;
  const of = async () =>
    (await as("owner", "phoneCallList", { params: within, query: { limit: 200 } }))["items"].filter(
      (item: { toNumber: string }) => item.toNumber === to,
    );
  await house.until(async () => (await of()).length > 0, `the record of ${to}`);
  return of();
};

void test("messages that cross", { concurrency: 4 }, (group) => {
  void group.test("a CANCEL that comes after the 200 changes nothing", async () => {
    const [ann, bob] = await two();
    const second = newBranch();
    await desks.together(
      [bob, [...answered(bob), ...hungUp(bob)]],
      [
        ann,
        [
          ...invite(ann, bob.number, { second }),
          receive(180),
          receive(200, { keep: { there: "To" } }),
          send(ann, "CANCEL", 2, { to: bob.number, branch: second, toHeader: plainTo(ann, bob.number) }),
          receive(200),
          send(ann, "ACK", 2, { to: bob.number, toHeader: "[$there]" }),
          ...hangUp(ann, bob.number, 3, { toHeader: "[$there]" }),
        ],
      ],
    );
    assert.equal((await records(bob.number))[0].outcome, "answered");
  });

  void group.test("a phone that answers while the caller gives up is hung up", async () => {
    const [ann, bob] = await two();
    const second = newBranch();
    await desks.together(
      [bob, answersTooLate(bob)],
      [
        ann,
        [
          ...invite(ann, bob.number, { second }),
          receive(180),
          send(ann, "CANCEL", 2, { to: bob.number, branch: second, toHeader: plainTo(ann, bob.number) }),
          receive(200),
          ...refused(ann, bob.number, 487, second),
        ],
      ],
    );
    assert.equal((await records(bob.number))[0].outcome, "missed");
  });

  void group.test("two phones of one extension answer at once: one has the call, the other is hung up", async () => {
    const [ann, bob] = await two();
    const device = await house.device(bob.extensionId, bob.number);
    const second: Desk = { ...device, domain: bob.domain, port: await freePort() };
    await desks.play(second, [...register(second, 1), receive(200)]);
    const steps = [receive(180), perhaps(180), ...accepts(ann, bob.number).slice(1), ...hangUp(ann, bob.number, 3)];
    await desks.together(
      [bob, [...answered(bob), ...hungUp(bob)]],
      [second, answersTooLate(second)],
      [ann, [...invite(ann, bob.number), ...steps]],
    );
  });

  void group.test("both phones ask for other media at once", async () => {
    const [ann, bob] = await two();
    await desks.together(
      [
        bob,
        [
          ...answered(bob),
          sendBack(bob, "INVITE", 1, { sdp: audio("sendonly") }),
          perhaps(100),
          receive(200, { body: "a=recvonly" }),
          sendBack(bob, "ACK", 1),
          sendBack(bob, "INVITE", 2, { sdp: audio("sendonly").replace("a=sendonly", "a=sendrecv") }),
          perhaps(100),
          receive(200, { body: "a=sendrecv" }),
          sendBack(bob, "ACK", 2),
          ...hungUp(bob),
        ],
      ],
      [
        ann,
        [
          ...invite(ann, bob.number),
          ...accepts(ann, bob.number),
          // While the other one holds, or takes back, or neither: each of the two has its own description.
          send(ann, "INVITE", 3, { to: bob.number, sdp: audio("inactive") }),
          perhaps(100),
          receive(200, { body: "a=inactive" }),
          send(ann, "ACK", 3, { to: bob.number }),
          send(ann, "INVITE", 4, { to: bob.number, sdp: audio("inactive").replace("a=inactive", "a=sendrecv") }),
          perhaps(100),
          receive(200, { body: "a=sendrecv" }),
          send(ann, "ACK", 4, { to: bob.number }),
          '<pause milliseconds="1000"/>',
          ...hangUp(ann, bob.number, 5),
        ],
      ],
    );
  });

  void group.test("a re-INVITE before the last one is acknowledged has to wait", async () => {
    const [ann, bob] = await two();
    await desks.together(
      [bob, [...answered(bob), ...hungUp(bob)]],
      [
        ann,
        [
          ...invite(ann, bob.number),
          ...accepts(ann, bob.number),
          send(ann, "INVITE", 3, { to: bob.number, sdp: audio("sendonly") }),
          perhaps(100),
          receive(200),
          send(ann, "INVITE", 4, { to: bob.number, sdp: audio("inactive"), branch: "z9hG4bKfour[pid]" }),
          perhaps(100),
          receive(500, { headers: { "Retry-After": "[0-9]" } }),
          send(ann, "ACK", 4, { to: bob.number, branch: "z9hG4bKfour[pid]" }),
          send(ann, "ACK", 3, { to: bob.number }),
          ...hangUp(ann, bob.number, 5),
        ],
      ],
    );
  });

  void group.test("a lost ACK: the 200 comes again, and the call goes on", async () => {
    const [ann, bob] = await two();
    await desks.together(
      [bob, [...answered(bob), ...hungUp(bob)]],
      [
        ann,
        [
          ...invite(ann, bob.number),
          receive(180),
          receive(200, { keep: { there: "To" } }),
          // SIPp leaves copies out by itself; meanwhile several of them come.
          '<pause milliseconds="2000"/>',
          send(ann, "ACK", 2, { to: bob.number, toHeader: "[$there]" }),
          ...hangUp(ann, bob.number, 3, { toHeader: "[$there]" }),
        ],
      ],
    );
    assert.equal((await records(bob.number))[0].outcome, "answered");
  });

  void group.test("a PRACK that comes late: the 200 waits for it", async () => {
    const [ann, bob] = await two();
    const early = [
      receive("INVITE"),
      reply(bob, "183 Session Progress", { tag: true, sdp: audio() }),
      reply(bob, "200 OK", { tag: true, sdp: audio(), retransmits: 500 }),
      receive("ACK"),
      ...hungUp(bob),
    ];
    await desks.together(
      [bob, early],
      [
        ann,
        [
          ...invite(ann, bob.number, { headers: ["Supported: 100rel"] }),
          receive(183, { keep: { there: "To" }, keepSequence: "rseq" }),
          '<pause milliseconds="1200"/>',
          send(ann, "PRACK", 3, { to: bob.number, toHeader: "[$there]", headers: ["RAck: [$rseq] 2 INVITE"] }),
          // Of the PRACK and of the INVITE: before the PRACK it would not have been expected.
          receive(200),
          receive(200),
          send(ann, "ACK", 2, { to: bob.number, toHeader: "[$there]" }),
          ...hangUp(ann, bob.number, 4, { toHeader: "[$there]" }),
        ],
      ],
    );
  });

  void group.test("both hang up at once: each BYE has its answer", async () => {
    const [ann, bob] = await two();
    const late = [
      "SIP/2.0 200 OK",
      "Via:[$via]",
      "From:[$from]",
      "To:[$to]",
      "[last_Call-ID:]",
      "CSeq:[$seq]",
      "Content-Length: 0",
    ];
    await desks.together(
      [
        bob,
        [
          ...answered(bob),
          receive("BYE", { keep: { via: "Via", from: "From", to: "To", seq: "CSeq" } }),
          sendBack(bob, "BYE", 1),
          receive(200),
          `<send><![CDATA[\n${late.join("\n")}\n\n]]></send>`,
        ],
      ],
      [ann, [...invite(ann, bob.number), ...accepts(ann, bob.number), ...hangUp(ann, bob.number, 3)]],
    );
  });

  void group.test("REFER while it rings is refused, and the call goes on", async () => {
    const [ann, bob] = await two();
    const second = newBranch();
    await desks.together(
      [
        bob,
        [
          receive("INVITE"),
          reply(bob, "180 Ringing", { tag: true }),
          receive("CANCEL"),
          reply(bob, "200 OK"),
          reply(bob, "487 Request Terminated").replace("[last_CSeq:]", "CSeq: 1 INVITE"),
          receive("ACK"),
        ],
      ],
      [
        ann,
        [
          ...invite(ann, bob.number, { second }),
          receive(180, { keep: { there: "To" } }),
          send(ann, "REFER", 3, { to: bob.number, toHeader: "[$there]", headers: [`Refer-To: <sip:599@${ann.domain}>`] }),
          receive(603),
          send(ann, "CANCEL", 2, { to: bob.number, branch: second, toHeader: plainTo(ann, bob.number) }),
          receive(200),
          ...refused(ann, bob.number, 487, second),
        ],
      ],
    );
  });

  void group.test("who is sent on hangs up while the third phone rings: it stops ringing", async () => {
    const [ann, bob] = await two();
    const carol = await desks.desk();
    await desks.together(
      [
        carol,
        [
          receive("INVITE"),
          reply(carol, "180 Ringing", { tag: true }),
          receive("CANCEL"),
          reply(carol, "200 OK"),
          reply(carol, "487 Request Terminated").replace("[last_CSeq:]", "CSeq: 1 INVITE"),
          receive("ACK"),
        ],
      ],
      [bob, [...answered(bob), '<pause milliseconds="2000"/>', sendBack(bob, "BYE", 1), receive(200)]],
      [
        ann,
        [
          ...invite(ann, bob.number),
          ...accepts(ann, bob.number),
          send(ann, "REFER", 3, {
            to: bob.number,
            toHeader: "[$there]",
            contact: contactOf(ann),
            headers: [`Refer-To: <sip:${carol.number}@${ann.domain}>`],
          }),
          receive(202),
          receive("NOTIFY"),
          reply(ann, "200 OK"),
          receive("NOTIFY"),
          reply(ann, "200 OK"),
          ...hungUp(ann),
        ],
      ],
    );
  });
});
