import { once } from "node:events";
import { test } from "node:test";
import { createAuthority, issueCertificate } from "../gateway/certificates/authority.ts";
import { openHouse } from "../services/voice/calls/testing/house.ts";
import { openOthers } from "../services/voice/calls/testing/others.ts";
import { startCloud } from "../testing/cloud.ts";
import { installTestTools, phoneTools } from "../tools/test-tools.ts";
import { phonePage } from "./softphonePage.ts";

/** The console's phone in a Chromium, with several voice processes: it finds the one that serves it, and the next when that ends, by itself. */
await installTestTools(phoneTools);
const { certificate: cert, key } = await issueCertificate(await createAuthority({ name: "phones" }), ["127.0.0.1"]);
let started: Awaited<ReturnType<typeof startCloud>> | undefined;
const house = await openHouse(
  async (options) => {
    started = await startCloud(options);
    return started;
  },
  { processId: "house", wss: { port: 0 }, certificate: { cert: Buffer.from(cert), key: Buffer.from(key) } },
);
const { as, database, member } = house.office;
const others = openOthers(house, started as unknown as Awaited<ReturnType<typeof startCloud>>);
const second = await others.start("second", { certificate: { cert, key } });
await others.servedBy(second.processId);
const noVoicemail = { voicemail: { enabled: false } };
const [ann, bob, carol] = await Promise.all([
  house.account("101", "Ann", noVoicemail),
  house.account("102", "Bob", { ...noVoicemail, user: await member("bob", "viewer") }),
  house.account("103", "Carol", { ...noVoicemail, user: await member("carol", "viewer") }),
]);
const params = { extension: carol.extensionId };
const doors = async (): Promise<string[]> =>
  (await as("carol", "mySoftphoneDoorsGet", { params }))["webSocketUrls"].filter((url: string) => !url.startsWith("/"));

const page = await phonePage(doors);
const credential = await as("carol", "mySoftphoneCreate", { params });
await page.evaluate(`openPhone(${JSON.stringify({ ...credential, name: "Carol", iceServers: [], servers: await doors() })})`);

/** Where the cloud would call it. */
const isAt = (processId: string) =>
  house.until(async () => {
    const rows = await database.sql<{ processId: string }[]>`
      select process_id as "processId" from voice.registrations
        where user_name = ${credential["userName"]} and expires_at > now()`;
    const { registration } = await page.evaluate<{ registration: string }>("phoneState");
    return registration === "registered" && rows.some((row) => row.processId === processId);
  }, `the browser at ${processId}`);
const callIs = (...states: string[]) =>
  page.waitForFunction(`${JSON.stringify(states)}.join() === phoneState.calls.map(({ state }) => state).join()`, undefined, {
    polling: 100,
    timeout: 60_000,
  });
/** Somebody calls it there: it rings. */
async function isCalledFrom(server: string): Promise<void> {
  const phone = await house.phone(ann, { server });
  await phone.dial("103");
  await callIs("ringing");
  await phone.hangUp();
  await callIs("ended");
  await page.evaluate("forgetCalls()");
  await phone.close();
}
const atHouse = () => `127.0.0.1:${house.phones.sipPort}`;

test("its process drains: the call goes on there, and then the browser is at the other one", async () => {
  await isAt(second.processId);
  const atBob = await house.phone(bob, { server: second.server });
  await page.evaluate(`phone.run({ kind: "invite", number: "102", video: false })`);
  await atBob.answer();
  await callIs("active");
  second.child.kill("SIGUSR2");
  await others.servedBy("house");
  // Whatever it tries meanwhile, its call stays where it is.
  const { samples, sampleRate } = await atBob.heardFor(0.1);
  await atBob.heardFor(samples.length / sampleRate + 4);
  await callIs("active");
  await atBob.hangUp();
  await callIs("ended");
  await page.evaluate("forgetCalls()");
  await isAt("house");
  await isCalledFrom(atHouse());
});

test("its process is killed: the browser finds the one that takes over", async () => {
  const third = await others.start("third", { certificate: { cert, key } });
  await others.servedBy(third.processId);
  await isAt(third.processId);
  await isCalledFrom(third.server);
  const ended = once(third.child, "exit");
  third.child.kill("SIGKILL");
  await ended;
  await others.servedBy("house");
  await isAt("house");
  await isCalledFrom(atHouse());
});

test("two of them change their cameras in the same moment: each is told of the other, whoever came first", async () => {
  const other = await phonePage(doors);
  const its = await as("bob", "mySoftphoneCreate", { params: { extension: bob.extensionId } });
  await other.evaluate(`openPhone(${JSON.stringify({ ...its, name: "Bob", iceServers: [], servers: await doors() })})`);
  await other.waitForFunction("phoneState.registration === 'registered'");
  const both = [page, other];
  const each = (code: string) => Promise.all(both.map((one) => one.evaluate(code)));
  await page.evaluate(`phone.run({ kind: "invite", number: "102", video: true })`);
  await other.waitForFunction("phoneState.calls[0]?.state === 'ringing'");
  await other.evaluate(`phone.run({ kind: "accept", id: phoneState.calls[0].id, video: true })`);
  const shows = (wanted: string) =>
    house.until(async () => (await each("phoneState.calls[0].receivesVideo")).join() === wanted, `what they see to be ${wanted}`);
  await shows("true,true");
  for (const [one, two] of [
    [false, false],
    [true, true],
    [false, true],
    [true, false],
    [true, true],
  ]) {
    const turn = (on: boolean | undefined) => `phone.run({ kind: "setVideo", id: phoneState.calls[0].id, on: ${on} })`;
    await Promise.all([page.evaluate(turn(one)), other.evaluate(turn(two))]);
    await shows(`${two},${one}`);
  }
  await page.evaluate(`phone.run({ kind: "bye", id: phoneState.calls[0].id })`);
  await callIs("ended");
});
