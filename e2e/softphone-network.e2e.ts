import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createAuthority, issueCertificate } from "../gateway/certificates/authority.ts";
import { openHouse } from "../services/voice/calls/testing/house.ts";
import { findTone } from "../services/voice/testing/tones.ts";
import { startCloud } from "../testing/cloud.ts";
import { installTestTools, phoneTools } from "../tools/test-tools.ts";
import { phonePage } from "./softphonePage.ts";

/** The console's phone in a Chromium whose network changes while it talks, as a telephone that leaves its Wi-Fi: a network namespace with two cards. */
await installTestTools({ ...phoneTools, "/usr/sbin/ip": "iproute2" });
const ip = (words: string) => execFileSync("/usr/sbin/ip", words.split(" "), { encoding: "utf8" });
const number = process.pid % 250;
const place = `khphone-${process.pid}`;
const cards = ["wifi", "mobile"].map((name, i) => ({
  name,
  // At the host; at most fifteen letters.
  port: `kh${name}${number}`,
  gateway: `198.19.${number}.${64 * i + 1}`,
  address: `198.19.${number}.${64 * i + 2}`,
}));
const [wifi, mobile] = cards as [(typeof cards)[0], (typeof cards)[0]];

// What runs before this one left when they were killed.
for (const [name = "", pid] of ip("netns list").matchAll(/^khphone-(\d+)/gm))
  if (!existsSync(`/proc/${pid}`)) ip(`netns del ${name}`);
ip(`netns add ${place}`);
after(() => ip(`netns del ${place}`));
ip(`-n ${place} link set lo up`);
for (const { name, port, gateway, address } of cards) {
  ip(`link add ${port} type veth peer name ${name} netns ${place}`);
  ip(`addr add ${gateway}/26 dev ${port}`);
  ip(`link set ${port} up`);
  ip(`-n ${place} addr add ${address}/26 dev ${name}`);
}
const connect = ({ name, gateway }: typeof wifi) => {
  ip(`-n ${place} link set ${name} up`);
  ip(`-n ${place} route replace default via ${gateway}`);
};
/** Nobody is told: what is sent from its address is lost. */
const walkAway = ({ name }: typeof wifi) => ip(`-n ${place} link set ${name} down`);
connect(wifi);

const { certificate, key } = await issueCertificate(await createAuthority({ name: "phones" }), [wifi.gateway]);
const house = await openHouse(startCloud, {
  listen: wifi.gateway,
  wss: { port: 0 },
  certificate: { cert: Buffer.from(certificate), key: Buffer.from(key) },
});
const noVoicemail = { voicemail: { enabled: false } };
const [ann, bob] = await Promise.all([
  house.account("101", "Ann", noVoicemail),
  house.account("102", "Bob", { ...noVoicemail, user: await house.office.member("bob", "viewer") }),
]);
const servers = [`wss://${wifi.gateway}:${house.phones.wssPort}`];
const page = await phonePage(async () => servers, chromiumThere());
const credential = await house.office.as("bob", "mySoftphoneCreate", { params: { extension: bob.extensionId } });
await page.evaluate(`openPhone(${JSON.stringify({ ...credential, name: "Bob", iceServers: [], servers })})`);
const becomes = (what: string) => page.waitForFunction(what, undefined, { polling: 100, timeout: 60_000 });
await becomes("phoneState.registration === 'registered'");
const desk = await house.phone(ann, { toneHz: 620 });

/** What the browser plays has energy now that it had not a moment ago. */
const hearsSound = () =>
  becomes(`(async () => {
    const energy = async () => {
      for (const report of (await peer().getStats()).values())
        if (report.type === "inbound-rtp" && report.kind === "audio") return report.totalAudioEnergy;
      return 0;
    };
    const before = await energy();
    await new Promise((done) => setTimeout(done, 300));
    return (await energy()) - before > 0.001;
  })()`);
async function goesOnFrom({ address }: typeof wifi): Promise<void> {
  await becomes(`(async () => {
    const reports = await peer().getStats();
    const { selectedCandidatePairId } = [...reports.values()].find(({ type }) => type === "transport");
    const pair = reports.get(selectedCandidatePairId);
    return reports.get(pair?.localCandidateId)?.address === ${JSON.stringify(address)};
  })()`);
  await hearsSound();
  await isHeard();
  await becomes("phoneState.registration === 'registered' && !phoneState.calls[0].interrupted");
  assert.equal(await page.evaluate("phoneState.calls[0].state"), "active");
}
/** And its own sound (Chromium's made microphone beeps) reaches the desk. */
async function isHeard(): Promise<void> {
  for (const deadline = Date.now() + 60_000; ; ) {
    const { samples } = await desk.heardFor(1.5);
    if (samples.slice(-12_000).some((sample) => Math.abs(sample) > 0.05)) return;
    assert.ok(Date.now() < deadline, "the desk hears nothing of the browser");
  }
}

test("a call goes on when the network changes: sound is agreed on anew, and hanging up is heard", async () => {
  // The connection of the call, wherever the phone keeps it.
  await page.evaluate(`{
    const Real = RTCPeerConnection;
    window.RTCPeerConnection = class extends Real { constructor(...words) { super(...words); window.peer = () => this; } };
  }`);
  await desk.dial("102");
  await becomes("phoneState.calls[0]?.state === 'ringing'");
  await page.evaluate(`phone.run({ kind: "accept", id: phoneState.calls[0].id, video: false })`);
  await desk.established();
  await hearsSound();
  await isHeard();

  walkAway(wifi);
  connect(mobile);
  await goesOnFrom(mobile);
  // A while without any.
  walkAway(mobile);
  await becomes("phoneState.calls[0].interrupted && phoneState.registration === 'lost'");
  connect(wifi);
  await goesOnFrom(wifi);

  const tone = findTone(await desk.heardFor(0.1), 620);
  assert.ok(tone.heardMs < 100, "it hears the browser, not itself");
  await desk.hangUp();
  await becomes("phoneState.calls[0].state === 'ended'");
  await page.evaluate("forgetCalls()");
});

/** Chromium in the namespace; what tells it what to do needs no network. */
function chromiumThere(): string {
  const folder = mkdtempSync(join(tmpdir(), "khmara-chromium-there-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const script = join(folder, "chromium");
  writeFileSync(script, `#!/bin/sh\nexec /usr/sbin/ip netns exec ${place} /usr/bin/chromium "$@"\n`);
  chmodSync(script, 0o755);
  return script;
}
