import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { newId } from "../../../kernel/ids.ts";
import { startCloud } from "../../../testing/cloud.ts";
import { startMailServer } from "../../../testing/mailServer.ts";
import { saveCallRecords, saveVoicemail } from "../records/saving.ts";
import type { CallRowWithLegs } from "../records/store/calls.ts";
import { openTestCloud } from "../testing/cloud.ts";
import { mailEmergency, mailLimit } from "./telling.ts";

const api = openTestCloud(await startCloud());
const { call, cloud } = api;
const server = await startMailServer({ security: "none", refuses: "nobody@example.org" });
const folder = mkdtempSync(join(tmpdir(), "khmara-mails-"));
after(() => server.close());
after(() => rmSync(folder, { recursive: true }));

let system = "";
let project = "";
let extension = "";
let account = "";
const place = () => ({ id: system, organisationId: api.organisation, projectId: project }) as never;
const mails = async (query = {}) => (await call("phoneMailList", { params: { phoneSystem: system }, query })).body.items;
const sent = (count: number) => api.until(() => server.mails.length >= count, `${count} mails`);
const content = (index: number) => server.mails[index]?.content ?? "";
/** The text part, out of quoted-printable or base64. */
function textOf(mail: string): string {
  const [head = "", ...rest] = mail.split("\r\n\r\n");
  const boundary = /boundary="?([^"\r\n;]+)/i.exec(head)?.[1];
  const part = boundary === undefined ? mail : (mail.split(`--${boundary}`)[1] ?? "").trimStart();
  const body = boundary === undefined ? rest.join("\r\n\r\n") : part.slice(part.indexOf("\r\n\r\n"));
  if (/transfer-encoding: base64/i.test(part)) return Buffer.from(body, "base64").toString();
  const bytes = body.replace(/=\r\n/g, "").replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString();
}
async function leave(bytes: number): Promise<string> {
  const path = join(folder, `${newId("recording")}.wav`);
  await writeFile(path, Buffer.alloc(bytes, 7));
  const file = { path, milliseconds: 65_000 };
  const message = { extensionId: extension as never, fromNumber: "+33123456789", fromName: "Zoé", file };
  return (await saveVoicemail(cloud.database, place(), message)).id;
}
const update = async (body: object) => {
  const answer = await call("extensionUpdate", { params: { extension }, body });
  assert.equal(answer.status, 200, answer.text);
};

before(async () => {
  ({ project, system } = await api.newSystem("Office", "FR"));
  const allowed = await call("webhookSettingsUpdate", { body: { allowedNetworks: ["127.0.0.0/8"] } });
  assert.equal(allowed.status, 200, allowed.text);
  const made = await call("mailAccountCreate", {
    body: {
      ...{ project, name: "post", host: "127.0.0.1", port: server.port, security: "none", sender: "office@example.org" },
      ...{ userName: server.user, password: server.password },
    },
  });
  assert.equal(made.status, 201, made.text);
  account = made.body.id;
  const body = { name: "Anna", number: "101", language: "uk", voicemail: { email: "anna@example.org" } };
  extension = (await call("extensionCreate", { params: { phoneSystem: system }, body })).body.id;
});

test("a voicemail without a mail account waits and says why; once there is one it goes out with its sound, once", async () => {
  await leave(40_000);
  await api.until(async () => (await mails())[0]?.attempts === 1, "the first attempt");
  const [waiting] = await mails({ state: "pending" });
  assert.match(waiting.message, /no mail account/);
  const other = await call("phoneSystemUpdate", {
    params: { phoneSystem: system },
    body: { mailAccountId: newId("mailAccount") },
  });
  assert.equal(other.status, 400, other.text);
  const chosen = await call("phoneSystemUpdate", { params: { phoneSystem: system }, body: { mailAccountId: account } });
  assert.equal(chosen.status, 200, chosen.text);
  await sent(1);
  await api.until(async () => (await mails({ state: "sent" })).length === 1, "the state");
  const mail = server.mails[0];
  assert.deepEqual([mail?.from, mail?.to, mail?.user], ["office@example.org", ["anna@example.org"], server.user]);
  assert.match(content(0), new RegExp(`Message-ID: <${waiting.id}@example.org>`, "i"));
  const text = textOf(content(0));
  assert.match(text, /Від кого: Zoé \(\+33123456789\)/);
  assert.match(text, /Тривалість: 1:05/);
  const sound = Buffer.from(/audio\/wav[\s\S]*?\r\n\r\n([A-Za-z0-9+/=\r\n]+)/.exec(content(0))?.[1] ?? "", "base64");
  assert.ok(sound.equals(Buffer.alloc(40_000, 7)), `${sound.length} bytes`);
  assert.equal((await call("voicemailList", { params: { phoneSystem: system } })).body.items.length, 1, "it is kept");
});

test("deleted after the mail where that is wished, but not when the sound was too long for it", async () => {
  await update({ language: "fr", voicemail: { deleteAfterMail: true } });
  const short = await leave(1000);
  await sent(2);
  assert.match(textOf(content(1)), /Durée : 1:05[\s\S]*effacé/);
  const list = async () => (await call("voicemailList", { params: { phoneSystem: system } })).body.items;
  await api.until(async () => (await list()).every(({ id }: { id: string }) => id !== short), "the deletion");
  const long = await leave(12_000_001);
  await sent(3);
  assert.match(textOf(content(2)), /trop long/);
  await api.until(async () => (await mails({ state: "sent" })).length === 3, "the third one");
  assert.ok((await list()).some(({ id }: { id: string }) => id === long));
});

test("a mailbox that is refused is given up at once, told, and tried anew when asked", async () => {
  await update({ voicemail: { email: "nobody@example.org", deleteAfterMail: false } });
  await leave(1000);
  await api.until(async () => (await mails({ state: "failed" })).length === 1, "the end of it");
  const [failed] = await mails({ state: "failed" });
  assert.match(failed.message, /No such mailbox/);
  const again = await call("phoneMailRetry", { params: { phoneMail: failed.id } });
  assert.equal(again.body.state, "pending", again.text);
  await api.until(async () => (await mails({ state: "failed" })).length === 1, "the end of it once more");
  const [done] = await mails({ state: "sent" });
  assert.equal((await call("phoneMailRetry", { params: { phoneMail: done.id } })).status, 409);
});

test("missed calls, emergencies, a low balance and limits are told of", async () => {
  await update({ language: "en", missedCallEmail: "anna@example.org" });
  const settings = {
    emergency: { alertEmails: ["a@example.org", "b@example.org"] },
    balanceAlert: { below: "5", emails: ["money@example.org"] },
  };
  assert.equal((await call("phoneSystemUpdate", { params: { phoneSystem: system }, body: settings })).status, 200);
  await call("phoneCreditCreate", { params: { phoneSystem: system }, body: { amount: "7" } });
  const before = server.mails.length;
  const { id: _, ...where } = place() as Record<string, string>;
  const record = (price: string | null, more: Partial<CallRowWithLegs>): CallRowWithLegs =>
    ({
      ...where,
      ...{
        id: newId("call"),
        systemId: system,
        direction: "inbound",
        outcome: "missed",
        fromNumber: "anonymous",
        fromName: null,
      },
      ...{ toNumber: "101", toName: null, extensionIds: [], trunkId: null, phoneNumberId: null, queueId: null },
      ...{ serviceLevelSeconds: null, country: null, startedAt: new Date(), answeredAt: null, endedAt: new Date() },
      ...{ waitSeconds: 1, talkSeconds: 0, cause: 487, reason: null, hungUpBy: "caller", cost: null, price, currency: "EUR" },
      ...{ quality: null, legs: [] },
      ...more,
    }) as CallRowWithLegs;
  const leg = (kind: string) => ({ kind, id: extension, startedAt: new Date().toISOString() });
  const save = (row: CallRowWithLegs) => cloud.database.transaction("system", (tx) => saveCallRecords(tx, [row]));
  await save(record(null, { legs: [leg("trunk"), leg("extension")] }));
  for (let i = 0; i < 2; i++) await save(record("2.50", { direction: "outbound", answeredAt: new Date(), outcome: "answered" }));
  await cloud.database.transaction("system", (tx) =>
    mailEmergency(tx, system, { fromNumber: "101", fromName: "Anna", number: "112" }),
  );
  await cloud.database.transaction("system", (tx) =>
    mailLimit(tx, system, { limit: "countries", fromNumber: "101", fromName: "Anna", number: "+49301234567" }),
  );
  await sent(before + 6);
  await api.until(async () => (await mails({ state: "pending" })).length === 0, "all");
  const texts = server.mails.slice(before).map(({ to, content: mail }) => `${to} ${textOf(mail)}`);
  assert.equal(texts.length, 6, texts.join("\n"));
  for (const wanted of [
    /^anna@example.org a hidden number called Anna \(101\), and nobody answered/m,
    /^a@example.org Anna \(101\) a appelé le numéro d’urgence 112/m,
    /^b@example.org Anna/m,
    /^a@example.org Un pays qui n’est pas autorisé a été appelé\.\r?\nAppel\s: Anna \(101\) vers \+49301234567/m,
    /^money@example.org [\s\S]*4,50\s€/m,
  ])
    assert.ok(
      texts.some((text) => wanted.test(text)),
      `${wanted} in ${texts.join("\n")}`,
    );
});

test("the account stays as long as the phone system mails by it", async () => {
  const params = { mailAccount: account };
  const refused = await call("mailAccountDelete", { params });
  assert.equal(refused.status, 409, refused.text);
  assert.match(refused.text, /the phone system Office/);
  await call("phoneSystemUpdate", { params: { phoneSystem: system }, body: { mailAccountId: null } });
  assert.equal((await call("mailAccountDelete", { params })).status, 204);
});
