import assert from "node:assert/strict";
import { freePort } from "../../../../../testing/ports.ts";
import type { Desks } from "./desks.ts";
import type { Flow } from "./registration.ts";
import {
  answered,
  audio,
  type Desk,
  hangUp,
  hungUp,
  invite,
  newBranch,
  perhaps,
  receive,
  register,
  reply,
  type Step,
  send,
} from "./script.ts";

/** A refused INVITE of number 2 is acknowledged; before that it may be told why. */
export const refused = (desk: Desk, to: string, status: number, branch: string): Step[] => [
  perhaps(183),
  receive(status),
  send(desk, "ACK", 2, { to, branch }),
];

const rings = (desk: Desk): Step[] => [receive("INVITE"), reply(desk, "180 Ringing", { tag: true })];
export const stopsRinging = (desk: Desk, reason?: string): Step[] => [
  ...rings(desk),
  receive("CANCEL", reason === undefined ? { keep: { via: "Via" } } : { keep: { via: "Via" }, headers: { Reason: reason } }),
  reply(desk, "200 OK"),
  reply(desk, "487 Request Terminated", { headers: [] }).replace("[last_CSeq:]", "CSeq: 1 INVITE"),
  receive("ACK"),
];
const turnsDown = (desk: Desk, status: string): Step[] => [
  receive("INVITE"),
  reply(desk, "180 Ringing", { tag: true }),
  reply(desk, status, { tag: true, retransmits: 500 }),
  receive("ACK"),
];

/** What the record of the last call to a number says. */
async function outcomeOf(desks: Desks, to: string): Promise<[string, number]> {
  let record: Record<string, never> | undefined;
  const { office, until } = desks.house;
  await until(async () => {
    const { items } = await office.as("owner", "phoneCallList", { params: office.within, query: { limit: 200 } });
    record = items.find((item: Record<string, string>) => item["toNumber"] === to);
    return record !== undefined;
  }, `the record of a call to ${to}`);
  return [record?.["outcome"] as unknown as string, record?.["cause"] as unknown as number];
}

/** A provider at an address of its own, and a way to it for numbers with this prefix; each trunk is a port there. */
export async function provider(
  desks: Desks,
  address: string,
  prefix: string,
  trunks: { port: number; [key: string]: unknown }[],
) {
  const { as, within } = desks.house.office;
  const ids: string[] = [];
  for (const trunk of trunks) {
    const body = { name: `Line ${trunk.port}`, kind: "ip", host: address, transport: "udp", qualifySeconds: 0, ...trunk };
    ids.push((await as("owner", "trunkCreate", { params: within, body }))["id"]);
  }
  await as("owner", "outboundRouteCreate", { params: within, body: { name: prefix, prefixes: [prefix], trunks: ids } });
}
const line = (desk: Desk, port: number): Desk => ({ ...desk, userName: "line", port });

/** RFC 3665 section 3. */
export const sessions: Record<string, Flow> = {
  "3.1 and 3.2 successful session establishment, through us as the proxies": async (desks) => {
    const [ann, bob] = (await desks.desks({}, {})) as [Desk, Desk];
    await desks.together(
      [bob, [...answered(bob, { headers: { From: `sip:${ann.number}@` } }), ...hungUp(bob)]],
      [
        ann,
        [
          ...invite(ann, bob.number),
          receive(180),
          receive(200, { headers: { Contact: "sip:" }, body: "m=audio [1-9][0-9]* RTP/AVP" }),
          send(ann, "ACK", 2, { to: bob.number }),
          ...hangUp(ann, bob.number, 3),
        ],
      ],
    );
    assert.deepEqual(await outcomeOf(desks, bob.number), ["answered", 200]);
  },

  "3.3 with multiple proxy authentication: we ask the phone, the provider asks us": async (desks) => {
    const ann = await desks.desk();
    const port = await freePort();
    const account = { port, userName: "line", password: "secret of the line" };
    await provider(desks, "127.0.0.11", "+331", [account]);
    const trunk = line(ann, port);
    const challenge = 'WWW-Authenticate: Digest realm="line", nonce="abc", qop="auth", algorithm=MD5';
    const there = await desks.begin(
      trunk,
      [
        receive("INVITE", { without: "Authorization:" }),
        reply(trunk, "401 Unauthorized", { tag: true, headers: [challenge], retransmits: 500 }),
        receive("ACK"),
        `<recv request="INVITE"><action><verifyauth assign_to="right" username="line" password="${account.password}"/></action></recv>`,
        '<nop test="right" next="good"/><nop><action><error message="The password is wrong."/></action></nop><label id="good"/>',
        reply(trunk, "200 OK", { tag: true, sdp: audio(), retransmits: 500 }),
        receive("ACK"),
        ...hungUp(trunk),
      ],
      { host: "127.0.0.11" },
    );
    const steps = [
      ...invite(ann, "+33199000001"),
      perhaps(180),
      receive(200),
      send(ann, "ACK", 2, { to: "+33199000001" }),
      ...hangUp(ann, "+33199000001", 3),
    ];
    await desks.ended(there, await desks.begin(ann, steps));
  },

  "3.4 with proxy failure: the next trunk is taken": async (desks) => {
    const ann = await desks.desk();
    const [first, second] = [await freePort(), await freePort()];
    await provider(desks, "127.0.0.12", "+332", [{ port: first }, { port: second }]);
    const [broken, works] = [line(ann, first), line(ann, second)];
    const host = { host: "127.0.0.12" };
    const fails = await desks.begin(
      broken,
      [receive("INVITE"), reply(broken, "503 Service Unavailable", { tag: true, retransmits: 500 }), receive("ACK")],
      host,
    );
    const takes = await desks.begin(works, [...answered(works), ...hungUp(works)], host);
    const number = "+33299000002";
    const steps = [
      ...invite(ann, number),
      receive(180),
      receive(200),
      send(ann, "ACK", 2, { to: number }),
      ...hangUp(ann, number, 3),
    ];
    await desks.ended(fails, takes, await desks.begin(ann, steps));
  },

  "3.5 behind a gateway: a phone whose contact leads nowhere is found where it is": async (desks) => {
    const ann = await desks.desk();
    const bob = await desks.account();
    const contact = `<sip:${bob.userName}@10.99.99.99:5060>`;
    const inside = (step: Step) => step.replaceAll(/<sip:[^>]*\[local_ip\]:\[local_port\][^>]*>/g, contact);
    await desks.play(
      bob,
      [...register(bob, 1).map(inside), receive(200)].map((step) => step.replaceAll("c=IN IP4 [local_ip]", "")),
    );
    const hidden = (step: Step) => inside(step).replaceAll("IP4 [local_ip]", "IP4 10.99.99.99");
    const steps = [...invite(ann, bob.number), receive(180), receive(200), send(ann, "ACK", 2, { to: bob.number })];
    await desks.together(
      [bob, [...answered(bob), ...hungUp(bob)].map(hidden)],
      [ann, [...steps, ...hangUp(ann, bob.number, 3)].map((step) => step.replaceAll("IP4 [local_ip]", "IP4 10.99.99.98"))],
    );
  },

  "3.6 with SDP in the ACK": async (desks) => {
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
          send(ann, "ACK", 2, { to: bob.number, sdp: audio() }),
          ...hangUp(ann, bob.number, 3),
        ],
      ],
    );
  },

  "3.7 with re-INVITE: the caller's media move": async (desks) => {
    const [ann, bob] = (await desks.desks({}, {})) as [Desk, Desk];
    const moved = audio("sendonly", String(await freePort())).replace("a=sendonly", "a=sendrecv");
    await desks.together(
      [bob, [...answered(bob), ...hungUp(bob)]],
      [
        ann,
        [
          ...invite(ann, bob.number),
          receive(180),
          receive(200),
          send(ann, "ACK", 2, { to: bob.number }),
          send(ann, "INVITE", 3, { to: bob.number, sdp: moved }),
          perhaps(100),
          receive(200, { body: "a=sendrecv" }),
          send(ann, "ACK", 3, { to: bob.number }),
          ...hangUp(ann, bob.number, 4),
        ],
      ],
    );
  },

  "3.8 no answer: the caller gives up": async (desks) => {
    const [ann, bob] = (await desks.desks({}, {})) as [Desk, Desk];
    const second = newBranch();
    await desks.together(
      [bob, stopsRinging(bob)],
      [
        ann,
        [
          ...invite(ann, bob.number, { second }),
          receive(180),
          send(ann, "CANCEL", 2, { to: bob.number, branch: second, toHeader: `<sip:${bob.number}@${ann.domain}>` }),
          receive(200),
          ...refused(ann, bob.number, 487, second),
        ],
      ],
    );
    assert.deepEqual(await outcomeOf(desks, bob.number), ["missed", 487]);
  },

  "3.9 busy": async (desks) => {
    const [ann, bob] = (await desks.desks({}, {})) as [Desk, Desk];
    const second = newBranch();
    await desks.together(
      [bob, turnsDown(bob, "486 Busy Here")],
      [ann, [...invite(ann, bob.number, { second }), receive(180), ...refused(ann, bob.number, 486, second)]],
    );
    assert.deepEqual(await outcomeOf(desks, bob.number), ["busy", 486]);
  },

  "3.10 no response: a phone that is there no longer": async (desks) => {
    const [ann, bob] = (await desks.desks({}, { ringSeconds: 5 })) as [Desk, Desk];
    const second = newBranch();
    await desks.play(ann, [...invite(ann, bob.number, { second }), ...refused(ann, bob.number, 480, second)]);
    assert.deepEqual(await outcomeOf(desks, bob.number), ["missed", 480]);
  },

  "3.11 temporarily unavailable": async (desks) => {
    const [ann, bob] = (await desks.desks({}, {})) as [Desk, Desk];
    const second = newBranch();
    await desks.together(
      [bob, turnsDown(bob, "480 Temporarily Unavailable")],
      [ann, [...invite(ann, bob.number, { second }), receive(180), ...refused(ann, bob.number, 480, second)]],
    );
    assert.deepEqual(await outcomeOf(desks, bob.number), ["missed", 480]);
  },

  "a phone that rings too long is told to stop, and the caller that nobody answers": async (desks) => {
    const [ann, bob] = (await desks.desks({}, { ringSeconds: 5 })) as [Desk, Desk];
    const second = newBranch();
    await desks.together(
      [bob, stopsRinging(bob)],
      [ann, [...invite(ann, bob.number, { second }), receive(180), ...refused(ann, bob.number, 480, second)]],
    );
  },

  "requests that cannot be understood get the right answer, before anybody is asked for a password": async (desks) => {
    const ann = await desks.desk();
    const to = "199";
    const toHeader = `<sip:${to}@${ann.domain}>`;
    let cseq = 0;
    const wrong = (status: number, change: (step: Step) => Step, more: object = {}): Step[] => {
      const branch = newBranch();
      const number = ++cseq;
      return [
        change(send(ann, "INVITE", number, { to, toHeader, branch, sdp: audio(), ...more })),
        perhaps(100),
        receive(status, { keep: { refused: "To" } }),
        send(ann, "ACK", number, { to, toHeader: "[$refused]", branch }),
      ];
    };
    const same = (step: Step) => step;
    await desks.play(ann, [
      ...wrong(400, (step) => step.replace(/Contact: [^\n]*\n/, "")),
      ...wrong(415, (step) => step.replace("application/sdp", "application/x-unknown")),
      ...wrong(420, same, { headers: ["Require: teleportation"] }),
      ...wrong(481, same, { headers: ["Replaces: no-such-call;to-tag=a;from-tag=b"] }),
      ...wrong(483, (step) => step.replace("Max-Forwards: 70", "Max-Forwards: 0")),
      send(ann, "BYE", 50, { to, toHeader: `${toHeader};tag=none` }),
      receive(481),
      send(ann, "DANCE", 51, { to, toHeader }),
      receive(501, { headers: { Allow: "INVITE" } }),
    ]);
  },
};
