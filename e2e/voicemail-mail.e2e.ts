import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { readWav } from "../services/voice/prompts/wav.ts";
import { type Baresip, startBaresip } from "../services/voice/testing/baresip.ts";
import { findTone } from "../services/voice/testing/tones.ts";
import { eventually } from "../testing/launcher.ts";
import { startMailServer } from "../testing/mailServer.ts";
import { processTree } from "../testing/processes.ts";
import { installTestTools, phoneTools } from "../tools/test-tools.ts";
import { type Client, newCloud } from "./cloud.ts";

/** Desk phones at a real cloud: a message that one leaves comes as mail and plays, and a call does not notice that the control plane is killed. */
await installTestTools(phoneTools);
const cloud = await newCloud({ phones: true });
const server = await startMailServer({ security: "none" });
const phones: Baresip[] = [];
let client: Client;
let system: { id: string; domain: string };

async function phone(number: string, toneHz: number): Promise<Baresip> {
  const body = { number, name: `Phone ${number}`, voicemail: { email: `of-${number}@example.org`, deleteAfterMail: true } };
  const extension = await client.extensionCreate({ phoneSystem: system.id as never, ...body });
  const { account } = await client.phoneDeviceCreate({ extension: extension.id, kind: "desk", label: number });
  const made = await startBaresip({
    user: account.userName,
    password: account.password,
    domain: account.domain,
    server: `127.0.0.1:${cloud.phones?.sipPort}`,
    toneHz,
  });
  phones.push(made);
  await made.registered();
  return made;
}

const controlPlane = () => processTree(cloud.pid).find(({ command }) => command.includes("server/control."))?.pid as number;

before(async () => {
  await cloud.start();
  let projectId: string;
  ({ client, projectId } = await cloud.signIn());
  const project = projectId as never;
  await client.webhookSettingsUpdate({ allowedNetworks: ["127.0.0.0/8"] });
  const account = await client.mailAccountCreate({
    ...{ project, name: "post", host: "127.0.0.1", port: server.port, security: "none", sender: "phones@example.org" },
    ...{ userName: server.user, password: server.password },
  });
  const made = { project, name: "Office", country: "FR", mailAccountId: account.id };
  system = await client.phoneSystemCreate(made);
  // The voice process comes with the first phone system.
  const answers = () =>
    once(connect(cloud.phones?.sipPort ?? 0, "127.0.0.1"), "connect").then(
      () => true,
      () => false,
    );
  await eventually(answers, Boolean, 60_000);
});
after(async () => {
  await Promise.all(phones.map((each) => each.close()));
  await server.close();
  await cloud.remove();
});

test("a message that a phone leaves comes as mail with what was said, and is deleted then", async () => {
  const ann = await phone("101", 440);
  const bob = await phone("102", 620);
  await ann.dial("102");
  await bob.next("CALL_INCOMING");
  await bob.hangUp();
  await ann.established();
  await ann.press("#");
  await ann.heardFor(6);
  await ann.hangUp();
  await ann.closed();
  await eventually(
    () => server.mails.length,
    (count) => count === 1,
    60_000,
  );
  const mail = server.mails[0];
  assert.deepEqual([mail?.from, mail?.to], ["phones@example.org", ["of-102@example.org"]]);
  assert.match(mail?.content ?? "", /Subject: [^\r]*Message vocal de/);
  const encoded = /audio\/wav[\s\S]*?\r\n\r\n([A-Za-z0-9+/=\r\n]+)/.exec(mail?.content ?? "")?.[1] ?? "";
  const sound = readWav(Buffer.from(encoded, "base64"));
  const said = findTone(sound, 440);
  assert.ok(said.heardMs > 1500, JSON.stringify(said));
  const messages = async () => (await client.voicemailList({ phoneSystem: system.id as never })).items.length;
  await eventually(messages, (count) => count === 0, 60_000);
  const { items } = await client.phoneMailList({ phoneSystem: system.id as never });
  assert.deepEqual(
    items.map(({ kind, state, attempts }) => [kind, state, attempts]),
    [["voicemail", "sent", 1]],
  );
});

test("a call goes on while the control plane is killed and started again", async () => {
  const [ann, bob] = phones as [Baresip, Baresip];
  for (const each of phones) each.forget();
  await ann.dial("102");
  await bob.answer();
  await Promise.all([ann.established(), bob.established()]);
  const before = controlPlane();
  process.kill(before, "SIGKILL");
  const [atAnn, atBob] = await Promise.all([ann.heardFor(8), bob.heardFor(8)]);
  const state = () => client.activeCallList({ phoneSystem: system.id as never }).then(({ items }) => items[0]?.state, String);
  await eventually(state, (answer) => answer === "talking", 60_000);
  assert.notEqual(controlPlane(), before);
  for (const [sound, says] of [
    [atAnn, 620],
    [atBob, 440],
  ] as const) {
    const { heardMs, gaps } = findTone(sound, says);
    assert.ok(heardMs > 7000, `${heardMs} ms`);
    assert.deepEqual(
      gaps.filter(({ fromMs, toMs }) => toMs - fromMs > 200),
      [],
    );
  }
  await bob.hangUp();
  await ann.closed();
  const last = async () => (await client.phoneCallList({ phoneSystem: system.id as never })).items[0];
  const record = await eventually(last, (call) => call?.outcome === "answered", 60_000);
  assert.ok((record?.talkSeconds ?? 0) > 8, JSON.stringify(record));
});
