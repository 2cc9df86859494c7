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
