import { createSocket } from "node:dgram";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../../../../testing/ports.ts";
import type { Desks } from "./desks.ts";
import type { Flow } from "./registration.ts";
import {
  answered,
  asked,
  audio,
  type Desk,
  hangUp,
  hungUp,
  invite,
  newBranch,
  pause,
  perhaps,
  receive,
  register,
  reply,
  type Step,
  send,
} from "./script.ts";
import { provider, refused, stopsRinging } from "./sessions.ts";

/** From the INVITE to the ACK: a call that is answered. Its To with the tag is kept. */
const calls = (
  desk: Desk,
  to: string,
  options: { dialog?: string; kept?: string; sdp?: string; ringing?: boolean; tag?: string } = {},
): Step[] => {
  const { dialog, kept = "there", sdp, ringing = true, tag } = options;
  const inDialog = dialog === undefined ? {} : { dialog };
  return [
    ...invite(desk, to, { ...inDialog, ...(sdp === undefined ? {} : { sdp }) }),
    ...(ringing ? [receive(180)] : [perhaps(180)]),
    receive(200, { keep: { [kept]: "To" }, ...(tag === undefined ? {} : { keepTag: tag }) }),
    send(desk, "ACK", 2, { to, ...inDialog, toHeader: `[$${kept}]` }),
  ];
};
const reinvites = (desk: Desk, to: string, cseq: number, sdp: string, body: string): Step[] => [
  send(desk, "INVITE", cseq, { to, toHeader: "[$there]", sdp }),
  perhaps(100),
  receive(200, { body }),
  send(desk, "ACK", cseq, { to, toHeader: "[$there]" }),
];
/** It is told that the transfer is done, and is out of the call. */
const refers = (desk: Desk, to: string, cseq: number, target: string): Step[] => [
  send(desk, "REFER", cseq, {
    to,
    toHeader: "[$there]",
    headers: [`Refer-To: ${target}`, `Referred-By: <sip:${desk.userName}@${desk.domain}>`],
  }),
  receive(202),
  receive("NOTIFY", { headers: { Event: "refer" }, body: "SIP/2.0 100" }),
  reply(desk, "200 OK"),
  receive("NOTIFY", { headers: { "Subscription-State": "terminated" }, body: "SIP/2.0 200" }),
  reply(desk, "200 OK"),
];

/** A port of a phone at which its sound comes in. */
async function ear() {
  const socket = createSocket("udp4");
  let packets = 0;
  socket.on("message", (bytes) => {
    // RTP of G.711, not RTCP.
    if ((bytes[1] ?? 0) % 128 === 0) packets++;
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return { port: socket.address().port, packets: () => packets, close: () => socket.close() };
}

const make = (desks: Desks, key: string, body: object) =>
  desks.house.office.as("owner", key, { params: desks.house.office.within, body });
const toExtension = (desk: Desk) => ({ kind: "extension", id: desk.extensionId });

/** Ends the call of an extension over the API, once it is one of so many parties as are told. */
async function endCall(desks: Desks, state: string, isIt: (call: { from: string; to: string }) => boolean): Promise<void> {
  const { as, within } = desks.house.office;
  let id: string | undefined;
  await desks.house.until(async () => {
    const { items } = await as("owner", "activeCallList", { params: within, query: { limit: 200 } });
    id = items.find((call: { from: string; to: string; state: string }) => call.state === state && isIt(call))?.id;
    return id !== undefined;
  }, `a call that is ${state}`);
  await as("owner", "activeCallAct", { params: { activeCall: id as string }, body: { do: { action: "hang_up" } } });
}
const between = (one: Desk, other: { number: string }) => (call: { from: string; to: string }) =>
  call.from === one.number && call.to === other.number;

/** RFC 5359 section 2. */
export const services: Record<string, Flow> = {
  "call hold and music on hold": async (desks) => {
    const [ann, bob] = (await desks.desks({}, {})) as [Desk, Desk];
    const sound = await ear();
    const here = (step: Step) => step.replace("[media_port]", String(sound.port));
    const b = await desks.begin(bob, [...answered(bob).map(here), ...hungUp(bob)]);
    const a = await desks.begin(ann, [
      ...calls(ann, bob.number),
      ...reinvites(ann, bob.number, 3, audio("sendonly"), "a=recvonly"),
      pause(1500),
      ...reinvites(ann, bob.number, 4, audio(), "a=sendrecv"),
      ...hungUp(ann),
    ]);
    await desks.house.until(() => sound.packets() > 20, "the music");
    await a.seen("CSeq: 4 ACK");
    let before = -1;
    await desks.house.until(async () => {
      const same = before === sound.packets();
      before = sound.packets();
      await sleep(300);
      return same;
    }, "the end of the music");
    await endCall(desks, "talking", between(ann, bob));
    await desks.ended(a, b);
    sound.close();
  },

  "consultation hold": async (desks) => {
    const [ann, bob, carol] = (await desks.desks({}, {}, {})) as [Desk, Desk, Desk];
    await desks.together(
      [bob, [...answered(bob), ...hungUp(bob)]],
      [carol, [...answered(carol), ...hungUp(carol)]],
      [
        ann,
        [
          ...calls(ann, bob.number),
          ...reinvites(ann, bob.number, 3, audio("sendonly"), "a=recvonly"),
          ...calls(ann, carol.number, { dialog: "second", kept: "aside" }),
          ...hangUp(ann, carol.number, 3, { dialog: "second", toHeader: "[$aside]" }),
          ...reinvites(ann, bob.number, 4, audio(), "a=sendrecv"),
          ...hangUp(ann, bob.number, 5, { toHeader: "[$there]" }),
        ],
      ],
    );
  },

  "transfer, unattended": async (desks) => {
    const [ann, bob, carol] = (await desks.desks({}, {}, {})) as [Desk, Desk, Desk];
    const b = await desks.begin(bob, [...answered(bob), ...hungUp(bob)]);
    const c = await desks.begin(carol, [...answered(carol, { headers: { From: `sip:${bob.number}@` } }), ...hungUp(carol)]);
    const target = `<sip:${carol.number}@${ann.domain}>`;
    await desks.play(ann, [...calls(ann, bob.number), ...refers(ann, bob.number, 3, target), ...hungUp(ann)]);
    await endCall(desks, "talking", between(bob, carol));
    await desks.ended(b, c);
  },

  "transfer, attended": async (desks) => {
    const [ann, bob, carol] = (await desks.desks({}, {}, {})) as [Desk, Desk, Desk];
    const b = await desks.begin(bob, [...answered(bob), ...hungUp(bob)]);
    const c = await desks.begin(carol, [...answered(carol), ...hungUp(carol)]);
    const dialog = "second///[call_id]".replaceAll("/", "%2F");
    const replaces = `Replaces=${dialog}%3Bto-tag%3D[$tag]%3Bfrom-tag%3D[pid]f[call_number]second`;
    const target = `<sip:${carol.number}@${ann.domain}?${replaces}>`;
    await desks.play(ann, [
      ...calls(ann, bob.number),
      ...reinvites(ann, bob.number, 3, audio("sendonly"), "a=recvonly"),
      ...calls(ann, carol.number, { dialog: "second", kept: "aside", tag: "tag" }),
      ...refers(ann, bob.number, 4, target),
      // On both lines.
      ...hungUp(ann),
      ...hungUp(ann),
    ]);
    await endCall(desks, "talking", between(bob, carol));
    await desks.ended(b, c);
  },

  "transfer by instant message: where to call next is written to the other one": async (desks) => {
    const [ann, bob, carol] = (await desks.desks({}, {}, {})) as [Desk, Desk, Desk];
    const text = `sip:${carol.number}@${ann.domain}`;
    await desks.together(
      [bob, [receive("MESSAGE", { body: text, headers: { From: `sip:${ann.number}@` } }), reply(bob, "200 OK", { tag: true })]],
      [ann, [...asked(ann, "MESSAGE", bob.number, { status: 407, body: { type: "text/plain", text } }), receive(202)]],
    );
    await desks.together(
      [carol, [...answered(carol), ...hungUp(carol)]],
      [bob, [...calls(bob, carol.number), ...hangUp(bob, carol.number, 3, { toHeader: "[$there]" })]],
    );
  },

  "call forwarding: unconditional": async (desks) => {
    const [ann, carol] = (await desks.desks({}, {})) as [Desk, Desk];
    const bob = await desks.desk({ forwarding: { always: toExtension(carol) } });
    await desks.together(
      [carol, [...answered(carol), ...hungUp(carol)]],
      [ann, [...calls(ann, bob.number), ...hangUp(ann, bob.number, 3, { toHeader: "[$there]" })]],
    );
  },

  "call forwarding: busy": async (desks) => {
    const [ann, carol] = (await desks.desks({}, {})) as [Desk, Desk];
    const bob = await desks.desk({ forwarding: { busy: toExtension(carol) } });
    const busy = [receive("INVITE"), reply(bob, "486 Busy Here", { tag: true, retransmits: 500 }), receive("ACK")];
    await desks.together(
      [bob, busy],
      [carol, [...answered(carol), ...hungUp(carol)]],
      [ann, [...calls(ann, bob.number), ...hangUp(ann, bob.number, 3, { toHeader: "[$there]" })]],
    );
  },

  "call forwarding: no answer": async (desks) => {
    const [ann, carol] = (await desks.desks({}, {})) as [Desk, Desk];
    const bob = await desks.desk({ ringSeconds: 5, forwarding: { noAnswer: toExtension(carol) } });
    const steps = calls(ann, bob.number);
    // It rings at both, one after the other.
    steps.splice(-2, 0, perhaps(180));
    await desks.together(
      [bob, stopsRinging(bob)],
      [carol, [...answered(carol), ...hungUp(carol)]],
      [ann, [...steps, ...hangUp(ann, bob.number, 3, { toHeader: "[$there]" })]],
    );
  },

  "three-way conference: one is added by who talks, one joins": async (desks) => {
    const [ann, bob, carol] = (await desks.desks({}, {}, {})) as [Desk, Desk, Desk];
    const room = { number: "800" };
    await make(desks, "conferenceRoomCreate", { name: "Room", ...room });
    const b = await desks.begin(bob, [...answered(bob), ...hungUp(bob)]);
    const own = calls(ann, room.number, { dialog: "room", kept: "aside", ringing: false });
    const a = await desks.begin(ann, [
      ...calls(ann, bob.number),
      ...refers(ann, bob.number, 3, `<sip:${room.number}@${ann.domain}>`),
      ...hungUp(ann),
      ...own,
      ...hungUp(ann),
    ]);
    const c = await desks.begin(carol, [...calls(carol, room.number, { ringing: false }), ...hungUp(carol)]);
    for (const desk of [ann, bob, carol]) await endCall(desks, "conference", between(desk, room));
    await desks.ended(a, b, c);
  },

  "find-me: one place after the other": async (desks) => {
    const [ann, bob, carol, dan] = (await desks.desks({}, {}, {}, {})) as [Desk, Desk, Desk, Desk];
    const members = [bob, carol, dan].map((desk) => ({ target: toExtension(desk) }));
    await make(desks, "ringGroupCreate", { name: "Find me", number: "810", strategy: "in_order", ringSeconds: 3, members });
    const busy = [receive("INVITE"), reply(bob, "486 Busy Here", { tag: true, retransmits: 500 }), receive("ACK")];
    const steps = calls(ann, "810");
    steps.splice(-2, 0, perhaps(180));
    await desks.together(
      [bob, busy],
      [carol, stopsRinging(carol)],
      [dan, [...answered(dan), ...hungUp(dan)]],
      [ann, [...steps, ...hangUp(ann, "810", 3, { toHeader: "[$there]" })]],
    );
  },

  "single-line extension: all its phones ring, one answers": async (desks) => {
    const [ann, bob] = (await desks.desks({}, {})) as [Desk, Desk];
    const device = await desks.house.device(bob.extensionId, bob.number);
    const second: Desk = { ...device, domain: bob.domain, port: await freePort() };
    await desks.play(second, [...register(second, 1), receive(200)]);
    const first = await desks.begin(bob, stopsRinging(bob, "cause=200"));
    const other = await desks.begin(second, [...answered(second), ...hungUp(second)]);
    const steps = calls(ann, bob.number);
    steps.splice(-2, 0, perhaps(180));
    await desks.ended(first, other, await desks.begin(ann, [...steps, ...hangUp(ann, bob.number, 3, { toHeader: "[$there]" })]));
  },

  "incoming call screening": async (desks) => {
    const bob = await desks.desk();
    const host = "127.0.0.13";
    const port = await freePort();
    const number = "+33199777001";
    await make(desks, "phoneNumberCreate", { number, destination: toExtension(bob) });
    await make(desks, "blockedCallerCreate", { pattern: "+33155*", direction: "inbound", action: "reject", name: "Sales" });
    await provider(desks, host, "+339", [{ port, sourceAddresses: [host] }]);
    const line: Desk = { ...bob, userName: "line", port };
    const from = (caller: string) => ({ fromHeader: `<sip:${caller}@${host}>;tag=[pid]f[call_number]` });
    const toHeader = `<sip:${number}@${host}>`;
    const branch = newBranch();
    const blocked = { to: number, branch, ...from("+33155000001") };
    await desks.play(
      line,
      [
        send(line, "INVITE", 1, { ...blocked, toHeader, sdp: audio() }),
        perhaps(100),
        receive(603),
        send(line, "ACK", 1, blocked),
      ],
      { host },
    );
    const b = await desks.begin(bob, [...answered(bob), ...hungUp(bob)]);
    const welcome = { to: number, ...from("+33144000002") };
    const there = await desks.begin(
      line,
      [
        send(line, "INVITE", 1, { ...welcome, toHeader, sdp: audio() }),
        perhaps(100),
        receive(180),
        receive(200),
        send(line, "ACK", 1, welcome),
        ...hangUp(line, number, 2, welcome),
      ],
      { host },
    );
    await desks.ended(b, there);
  },

  "outgoing call screening": async (desks) => {
    const none = { internal: true, national: true, mobile: true, international: false, premium: false };
    const ann = await desks.desk({ permissions: none });
    const second = newBranch();
    await desks.play(ann, [...invite(ann, "+4930123456", { second }), ...refused(ann, "+4930123456", 403, second)]);
  },

  "call park, and fetched from another phone": async (desks) => {
    const [ann, bob, carol] = (await desks.desks({}, {}, {})) as [Desk, Desk, Desk];
    await make(desks, "parkingLotCreate", { name: "Lot", number: "820", firstSlot: "821", slots: 2 });
    const b = await desks.begin(bob, [...answered(bob), ...hungUp(bob)]);
    await desks.play(ann, [...calls(ann, bob.number), ...refers(ann, bob.number, 3, `<sip:820@${ann.domain}>`), ...hungUp(ann)]);
    // Whoever parked it is called and told where.
    await desks.play(ann, [...answered(ann), ...hungUp(ann)]);
    const c = await desks.begin(carol, [...calls(carol, "821", { ringing: false }), ...hungUp(carol)]);
    await c.seen("ACK sip:");
    await endCall(desks, "talking", ({ from }) => from === bob.number);
    await desks.ended(b, c);
  },

  "call pickup": async (desks) => {
    const [ann, bob, carol] = (await desks.desks({}, {}, {})) as [Desk, Desk, Desk];
    const b = await desks.begin(bob, stopsRinging(bob));
    const a = await desks.begin(ann, [...calls(ann, bob.number), ...hangUp(ann, bob.number, 3, { toHeader: "[$there]" })]);
    await b.seen("180 Ringing");
    const c = await desks.begin(carol, [...calls(carol, `**${bob.number}`, { ringing: false }), ...hungUp(carol)]);
    await desks.ended(a, b, c);
  },

  "automatic redial: a phone that watches who is busy calls when that is over": async (desks) => {
    const [ann, bob, carol] = (await desks.desks({}, { callWaiting: false }, {})) as [Desk, Desk, Desk];
    const b = await desks.begin(bob, [...answered(bob), ...hungUp(bob)]);
    const c = await desks.begin(carol, [...calls(carol, bob.number), ...hungUp(carol)]);
    await c.seen("ACK sip:");
    const second = newBranch();
    await desks.play(ann, [...invite(ann, bob.number, { second }), ...refused(ann, bob.number, 486, second)]);
    const watch = ["Event: dialog", "Accept: application/dialog-info+xml", "Expires: 600"];
    const a = await desks.begin(ann, [
      ...asked(ann, "SUBSCRIBE", bob.number, { status: 401, headers: watch }),
      receive(200),
      receive("NOTIFY", { body: "<state>confirmed" }),
      reply(ann, "200 OK"),
      receive("NOTIFY", { body: "dialog-info", without: "<state>confirmed" }),
      reply(ann, "200 OK"),
    ]);
    await a.seen("<state>confirmed");
    await endCall(desks, "talking", between(carol, bob));
    await desks.ended(a, b, c);
    await desks.together(
      [bob, [...answered(bob), ...hungUp(bob)]],
      [ann, [...calls(ann, bob.number), ...hangUp(ann, bob.number, 3, { toHeader: "[$there]" })]],
    );
  },

  "click to dial": async (desks) => {
    const [ann, bob] = (await desks.desks({}, {})) as [Desk, Desk];
    const a = await desks.begin(ann, [...answered(ann), ...hungUp(ann)]);
    const b = await desks.begin(bob, [...answered(bob), ...hungUp(bob)]);
    await make(desks, "callStart", { extension: ann.extensionId, to: bob.number });
    await b.seen("ACK sip:");
    await endCall(desks, "talking", between(ann, bob));
    await desks.ended(a, b);
  },
};
