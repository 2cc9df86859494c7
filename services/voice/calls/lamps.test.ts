import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { after, test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { voicemailChannel } from "../records/store/voicemails.ts";
import { type Account, openHouse } from "./testing/house.ts";

await installTestTools(phoneTools);
const house = await openHouse(startCloud);
const { database } = house.office;
const ann = await house.account("201", "Ann");
const bob = await house.account("202", 'Bob & "Co"');
const phoneOfAnn = await house.phone(ann);
const phoneOfBob = await house.phone(bob, { traced: true });

const md5 = (text: string): string => createHash("md5").update(text).digest("hex");

/** A panel of lamps, written down to the bytes: it asks with a password, and answers each NOTIFY. */
async function panel({ userName, password }: Account) {
  const news: { event: string; state: string; body: string }[] = [];
  const answers = new Map<string, (text: string) => void>();
  const socket = createSocket("udp4");
  after(() => void socket.close());
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const here = `127.0.0.1:${socket.address().port}`;
  const header = (text: string, name: string) => new RegExp(`^${name}: *(.*)$`, "im").exec(text)?.[1]?.trim() ?? "";
  socket.on("message", (bytes, { port, address }) => {
    const text = bytes.toString();
    if (!text.startsWith("NOTIFY ")) return answers.get(header(text, "Call-ID"))?.(text);
    news.push({ event: header(text, "Event"), state: header(text, "Subscription-State"), body: text.split("\r\n\r\n")[1] ?? "" });
    const kept = text.split("\r\n").filter((line) => /^(Via|From|To|Call-ID|CSeq):/i.test(line));
    socket.send(`SIP/2.0 200 OK\r\n${kept.join("\r\n")}\r\nContent-Length: 0\r\n\r\n`, port, address);
  });
  let count = 0;
  const subscribe = async (event: string, number: string, expires = "600"): Promise<{ status: number; text: string }> => {
    const uri = `sip:${number}@${house.domain}`;
    const id = `${socket.address().port}-${++count}`;
    const ask = async (cseq: number, more: string[]): Promise<string> => {
      const { promise, resolve } = Promise.withResolvers<string>();
      answers.set(id, resolve);
      const lines = [
        `SUBSCRIBE ${uri} SIP/2.0`,
        `Via: SIP/2.0/UDP ${here};branch=z9hG4bK${id}-${cseq};rport`,
        ...["Max-Forwards: 70", `From: <sip:${userName}@${house.domain}>;tag=${id}`, `To: <${uri}>`, `Call-ID: ${id}`],
        ...[`CSeq: ${cseq} SUBSCRIBE`, `Contact: <sip:${userName}@${here}>`, `Event: ${event}`, `Expires: ${expires}`],
        ...[...more, "Content-Length: 0", "", ""],
      ];
      socket.send(lines.join("\r\n"), house.phones.sipPort, "127.0.0.1");
      return promise;
    };
    const statusOf = (text: string) => Number(text.slice(8, 11));
    const first = await ask(1, []);
    if (statusOf(first) !== 401) return { status: statusOf(first), text: first };
    const challenge = first.split("\r\n").find((line) => /^WWW-Authenticate:.*algorithm=MD5/i.test(line)) ?? "";
    const value = (name: string) => new RegExp(`${name}="([^"]*)"`).exec(challenge)?.[1] ?? "";
    const secret = md5(`${userName}:${value("realm")}:${password}`);
    const response = md5(`${secret}:${value("nonce")}:00000001:c:auth:${md5(`SUBSCRIBE:${uri}`)}`);
    const given = `username="${userName}", realm="${value("realm")}", nonce="${value("nonce")}", uri="${uri}", response="${response}", algorithm=MD5, qop=auth, cnonce="c", nc=00000001`;
    const second = await ask(2, [`Authorization: Digest ${given}`]);
    return { status: statusOf(second), text: second };
  };
  const last = (event: string) => news.findLast((each) => each.event === event);
  return { news, subscribe, last };
}

test("a baresip's lamp for messages: off, and on when there is one", async () => {
  // Not by an event: it is told as soon as it is registered, perhaps before our control connection is there.
  await house.until(() => /^Messages-Waiting: no/im.test(phoneOfBob.output), "a lamp that is off");
  const [system] = await database.sql<{ id: string; organisationId: string; projectId: string }[]>`
    select system_id as id, organisation_id as "organisationId", project_id as "projectId" from voice.extensions where id = ${bob.extensionId}`;
  assert.ok(system);
  await database.sql`insert into voice.voicemails (id, organisation_id, project_id, system_id, extension_id, audio_id, folder, heard, from_number, size_bytes, milliseconds, created_at)
    values ('vcm_1', ${system.organisationId}, ${system.projectId}, ${system.id}, ${bob.extensionId}, 'pau_1', 'new', false, '201', 1, 1, now())`;
  await database.sql`select pg_notify(${voicemailChannel}, ${`${system.id} ${bob.extensionId}`})`;
  const { param } = await phoneOfBob.next("MWI_NOTIFY", (event) => /Messages-Waiting: yes/i.test(event.param ?? ""));
  assert.match(param ?? "", /Voice-Message: 1\/0/i);
});

test("busy lamps: idle, rings, speaks, idle again; and who is there", async () => {
  const { subscribe, last } = await panel(ann);
  assert.equal((await subscribe("dialog", "202")).status, 200);
  assert.equal((await subscribe("presence", "202")).status, 200);
  const shows = (event: string, pattern: RegExp) =>
    house.until(() => pattern.test(last(event)?.body ?? ""), `${event} ${pattern}, not ${last(event)?.body}`);
  await shows("dialog", /state="full" entity="sip:202@[^"]*"><\/dialog-info>/);
  await shows("presence", /<basic>open<\/basic>.*<rpid:activities><\/rpid:activities>/);
  await phoneOfAnn.dial("202");
  await shows("dialog", /direction="recipient"><state>early<\/state>/);
  await phoneOfBob.answer();
  await shows("dialog", /<state>confirmed<\/state><remote><identity display="Ann">sip:201@/);
  await shows("presence", /on-the-phone/);
  await phoneOfBob.hangUp();
  await shows("dialog", /"><\/dialog-info>/);
  await shows("presence", /<rpid:activities><\/rpid:activities>/);
  await phoneOfBob.close();
});

/** The lamp of a number as this panel shows it now. */
const lampOf = ({ news }: Awaited<ReturnType<typeof panel>>, number: string) => {
  const body = news.findLast((each) => each.body.includes(`entity="sip:${number}@`))?.body ?? "";
  return body.includes("<state>confirmed</state>") ? (/display="(.*?)"/.exec(body)?.[1] ?? "lit") : "off";
};

test("a lamp for each place where calls are parked: who waits there; the place is free again, and the next one's", async () => {
  const { as, within } = house.office;
  const lot = { name: "Lot", number: "600", firstSlot: "601", slots: 1, timeoutSeconds: 60 };
  await as("owner", "parkingLotCreate", { params: within, body: lot });
  const noVoicemail = { voicemail: { enabled: false } };
  const accounts = await Promise.all(
    ["203 Carol", "204 Dan", "205 Eve"].map((each) => house.account(each.slice(0, 3), each.slice(4), noVoicemail)),
  );
  const [carol, dan, eve] = await Promise.all(accounts.map((account) => house.phone(account)));
  assert.ok(carol && dan && eve);
  const lamps = await panel(ann);
  assert.equal((await lamps.subscribe("dialog", "601")).status, 200);
  assert.equal((await lamps.subscribe("dialog", "602")).status, 404);
  const shows = (wanted: string) =>
    house.until(() => lampOf(lamps, "601") === wanted, `${wanted} at 601, not ${lampOf(lamps, "601")}`);
  const isParked = async (phone: typeof carol, name: string) => {
    await phone.dial("204");
    await dan.answer();
    await phone.established();
    await dan.transfer("600");
    await shows(name);
    await dan.closed();
    // It is told the place, and does not listen.
    await dan.next("CALL_INCOMING");
    await dan.hangUp();
    await dan.closed();
    dan.forget();
  };
  await shows("off");
  await isParked(carol, "Carol");
  phoneOfAnn.forget();
  await phoneOfAnn.dial("601");
  await phoneOfAnn.established();
  await shows("off");
  await isParked(eve, "Eve");
  await phoneOfAnn.hangUp();
  await carol.closed();
  assert.equal(lampOf(lamps, "601"), "Eve");
  phoneOfAnn.forget();
  await phoneOfAnn.dial("601");
  await phoneOfAnn.established();
  await shows("off");
  await eve.hangUp();
  await phoneOfAnn.closed();
});

test("lamps of what codes turn on, whoever turns it: do not disturb, forwarding, opening hours, agents", async () => {
  const { as, within } = house.office;
  const everyDay = { days: [1, 2, 3, 4, 5, 6, 7], from: "00:00", to: "24:00" };
  const condition = await as("owner", "timeConditionCreate", {
    params: within,
    body: { name: "Hours", number: "550", hours: [everyDay] },
  });
  const agents = [{ extension: ann.extensionId }];
  const queue = await as("owner", "callQueueCreate", { params: within, body: { name: "Help", number: "400", agents } });
  const lamps = await panel(ann);
  const keys = ["*78", "*72", "*28550", "*45", "*47"];
  for (const key of keys) assert.equal((await lamps.subscribe("dialog", key)).status, 200, key);
  for (const key of ["*28551", "*97", "*78201"]) assert.equal((await lamps.subscribe("dialog", key)).status, 404, key);
  assert.equal((await lamps.subscribe("presence", "201")).status, 200);
  const shows = (...lit: string[]) =>
    house.until(() => keys.every((key) => (lampOf(lamps, key) === "lit") === lit.includes(key)), `the lamps of ${lit}`);
  await shows();
  const extension = (body: object) => as("owner", "extensionUpdate", { params: { extension: ann.extensionId }, body });
  await extension({ doNotDisturb: true });
  await shows("*78");
  await house.until(() => lamps.last("presence")?.body.includes("<rpid:busy/>") === true, "that she is busy");
  await extension({ doNotDisturb: false, forwarding: { always: { kind: "extension", id: bob.extensionId } } });
  await shows("*72");
  phoneOfAnn.forget();
  for (const code of ["*73", "*28550", "*45", "*47"]) {
    await phoneOfAnn.dial(code);
    await phoneOfAnn.closed();
  }
  await shows("*28550", "*45", "*47");
  const params = { callQueue: queue["id"], extension: ann.extensionId };
  await as("owner", "queueAgentUpdate", { params, body: { loggedIn: false, paused: false } });
  await as("owner", "timeConditionUpdate", { params: { timeCondition: condition["id"] }, body: { override: "none" } });
  await shows();
});

test("one look, and what is not for everybody", async () => {
  const { news, subscribe } = await panel(ann);
  assert.equal((await subscribe("dialog", "202", "0")).status, 200);
  await house.until(() => news.length > 0, "a single look");
  assert.match(news[0]?.state ?? "", /^terminated/);
  assert.equal((await subscribe("message-summary", "202")).status, 403, "another's messages");
  assert.equal((await subscribe("message-summary", "201")).status, 200);
  assert.equal((await subscribe("dialog", "299")).status, 404);
  const strange = await subscribe("weather", "202");
  assert.equal(strange.status, 489);
  assert.match(strange.text, /^Allow-Events: message-summary, dialog, presence/m);
  assert.equal((await subscribe("dialog", "202", "5")).status, 423);
  const { subscribe: asStranger } = await panel({ ...ann, password: "guessed" });
  assert.equal((await asStranger("dialog", "202")).status, 401);
});
