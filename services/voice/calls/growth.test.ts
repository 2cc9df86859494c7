import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createAuthority, issueCertificate } from "../../../gateway/certificates/authority.ts";
import { startCloud } from "../../../testing/cloud.ts";
import { testDns } from "../../../testing/dns.ts";
import { freePort } from "../../../testing/ports.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { findTone } from "../testing/tones.ts";
import { openHouse } from "./testing/house.ts";
import { openBrowser } from "./testing/kinds.ts";
import { openOthers } from "./testing/others.ts";

/** Two voice processes behind one name: desk phones find them by SRV records, browsers by what the cloud tells them. */
await installTestTools(phoneTools);
const { certificate: cert, key } = await issueCertificate(await createAuthority({ name: "phones" }), ["127.0.0.1"]);
let started: Awaited<ReturnType<typeof startCloud>> | undefined;
const start: typeof startCloud = async (options) => {
  started = await startCloud(options);
  return started;
};
const house = await openHouse(start, {
  processId: "house",
  wss: { port: 0 },
  certificate: { cert: Buffer.from(cert), key: Buffer.from(key) },
});
const { as, within, database, member } = house.office;
const others = openOthers(house, started as NonNullable<typeof started>);
const second = await others.start("second", { certificate: { cert, key } });
await others.servedBy(second.processId);
const urls = {
  house: `wss://127.0.0.1:${house.phones.wssPort}/sip`,
  second: `wss://127.0.0.1:${second.wssPort}/sip`,
};
const dns = await testDns();
after(() => dns.close());
dns.a.set("sip.test", ["127.0.0.1"]);
dns.srv.set("_sip._udp.phones.test", [
  { target: "sip.test", port: second.sipPort },
  { target: "sip.test", port: house.phones.sipPort },
]);

const noVoicemail = { voicemail: { enabled: false } };
const [ann, bob, carol] = await Promise.all([
  house.account("101", "Ann", noVoicemail),
  house.account("102", "Bob", noVoicemail),
  house.account("103", "Carol", { ...noVoicemail, user: await member("carol", "viewer") }),
]);
const bySrv = { server: "phones.test", dns: dns.server };
const [atAnn, atBob] = await Promise.all([
  house.phone(ann, { ...bySrv, toneHz: 440 }),
  house.phone(bob, { ...bySrv, toneHz: 620 }),
]);
const params = { extension: carol.extensionId };
const doors = async (): Promise<string[]> => (await as("carol", "mySoftphoneDoorsGet", { params }))["webSocketUrls"];
const whereIs = async ({ userName }: { userName: string }) =>
  (
    await database.sql<{ processId: string }[]>`
      select process_id as "processId" from voice.registrations where user_name = ${userName} and expires_at > now()`
  ).map(({ processId }) => processId);
/** As the cloud says it. */
async function browserAt(server: string) {
  const { userName, password } = await as("carol", "mySoftphoneCreate", { params });
  return openPhone({ ...carol, userName, password }, 1000, { server });
}
const openPhone = await openBrowser(house);
const assertTone = (sound: Parameters<typeof findTone>[0], hz: number) =>
  assert.ok(findTone(sound, hz).heardMs > 1000, `${hz} Hz: ${JSON.stringify(findTone(sound, hz))}`);

test("phones are at the process that has their phone system, and move to the other when that drains", async () => {
  assert.deepEqual(await doors(), [urls.second, urls.house, "/sip"]);
  assert.deepEqual([await whereIs(ann), await whereIs(bob)], [[second.processId], [second.processId]]);
  const listed = async () => (await as("owner", "voiceProcessList"))["items"];
  await house.until(async () => (await listed())[1]?.webSocketUrl === urls.second, "its address in the list");
  assert.deepEqual(
    (await listed()).map(({ name, state, phoneSystems, mediaWorkers, rtpengines }: Record<string, unknown>) => [
      ...[name, state, phoneSystems, (mediaWorkers as unknown[]).length, rtpengines],
    ]),
    [
      ["house", "running", 0, 1, []],
      [second.processId, "running", 1, 1, []],
    ],
  );
  const inBrowser = await browserAt((await doors())[0] as string);
  await inBrowser.dial("102");
  await atBob.answer();
  await inBrowser.established();
  assertTone(await inBrowser.hears(2), 620);
  assertTone(await atBob.heardFor(2), 1000);

  // It drains: the call goes on; who does not speak is sent to the other one.
  second.child.kill("SIGUSR2");
  await others.servedBy("house");
  assert.equal((await doors())[0], urls.house);
  assertTone(await inBrowser.hears(2), 620);
  await atBob.hangUp();
  await inBrowser.closed();
  await inBrowser.phone.next("disconnected");
  const moved = await browserAt((await doors())[0] as string);
  for (const phone of [atAnn, atBob]) phone.forget();
  await atAnn.dial("102");
  await atBob.answer();
  await atAnn.established();
  assertTone(await atAnn.heardFor(2), 620);
  await atAnn.hangUp();
  await atBob.closed();
  // One that registers now is refused by the first of its addresses, and registers with the second.
  await house.phone(bob, bySrv);
  assert.ok((await whereIs(bob)).includes("house"));
  atAnn.forget();
  await atAnn.dial("103");
  await moved.answer();
  await atAnn.established();
  assertTone(await moved.hears(2), 440);
  assertTone(await atAnn.heardFor(2), 1000);
  await atAnn.hangUp();
  await moved.closed();
  second.child.kill("SIGKILL");
});

test("who was promised to be called back is, by the process that takes over from one that was killed", async () => {
  const third = await others.start("third");
  await others.servedBy(third.processId);
  dns.srv.set("_sip._udp.phones.test", [
    { target: "sip.test", port: third.sipPort },
    { target: "sip.test", port: house.phones.sipPort },
  ]);
  const queue = await as("owner", "callQueueCreate", {
    params: within,
    body: { name: "Help", number: "400", agents: [{ extension: bob.extensionId }], leaveWhenEmpty: false, callbackDigit: "5" },
  });
  const agent = { callQueue: queue["id"], extension: bob.extensionId };
  await as("owner", "queueAgentUpdate", { params: agent, body: { loggedIn: true, paused: true } });
  const waiting = async () => (await as("owner", "queueLiveGet", { params: { callQueue: queue["id"] } }))["waiting"];
  const direct = await house.phone(ann, { server: third.server, toneHz: 800 });
  await direct.dial("400");
  await direct.established();
  await house.until(async () => (await waiting()).length === 1, "the caller");
  await direct.press("5");
  await direct.closed();
  await house.until(async () => (await waiting())[0]?.callback === true, "the promise");
  for (const phone of [atAnn, atBob, direct]) phone.forget();
  const ended = once(third.child, "exit");
  third.child.kill("SIGKILL");
  await ended;
  await others.servedBy("house");
  await as("owner", "queueAgentUpdate", { params: agent, body: { paused: false } });
  const rings = await atBob.next("CALL_INCOMING");
  assert.match(rings.peeruri ?? "", /101@/);
  await atBob.command("accept");
  await direct.answer();
  await direct.established();
  const [ofAnn, ofBob] = await Promise.all([direct.heardFor(2), atBob.heardFor(4)]);
  assertTone(ofAnn, 620);
  assertTone(ofBob, 800);
});

test("a server with phones only joins by the database and the master key, and serves", async () => {
  const folder = mkdtempSync(join(tmpdir(), "khmara-voice-only-"));
  const { databaseUrl, masterKey } = started as NonNullable<typeof started>;
  const [sip, webSockets] = [await freePort(), await freePort()];
  const words = [
    `--data=${folder}`,
    `--sip-port=${sip}`,
    `--sip-web-socket-port=${webSockets}`,
    "--public-url=https://cloud.test",
  ];
  const run = () =>
    spawn(process.execPath, [join(import.meta.dirname, "../../../server/supervisor.ts"), "--voice-only", ...words], {
      env: { ...process.env, KHMARA_DATABASE_URL: databaseUrl },
      stdio: ["ignore", "pipe", "pipe"],
    });
  const said = (child: ReturnType<typeof run>) => {
    let text = "";
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (data) => (text += data));
    return () => text;
  };
  const without = run();
  const words1 = said(without);
  await once(without, "exit");
  assert.match(words1(), /Copy its secrets\/master\.key/);

  mkdirSync(join(folder, "secrets"), { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, "secrets", "master.key"), masterKey, { mode: 0o600 });
  const child = run();
  after(() => child.kill("SIGKILL"));
  const words2 = said(child);
  await house.until(
    () => words2().includes("Phones of https://cloud.test are served here too.") || child.exitCode !== null,
    "its word",
  );
  const processes = async (): Promise<string[]> =>
    (await as("owner", "voiceProcessList"))["items"].map(({ name }: { name: string }) => name);
  await house.until(
    async () => (await processes()).some((name) => name.endsWith(`:${sip}`)),
    `it in the list; it said ${words2()}`,
  );
  child.kill("SIGTERM");
  await once(child, "exit");
  assert.ok(!(await processes()).some((name) => name.endsWith(`:${sip}`)), "one that was stopped is not in the list");
  rmSync(folder, { recursive: true, force: true });
});
