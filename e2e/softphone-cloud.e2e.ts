import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { createClient } from "../client/client.ts";
import { readWav } from "../services/voice/prompts/wav.ts";
import { type Baresip, startBaresip } from "../services/voice/testing/baresip.ts";
import { findTone, loudness } from "../services/voice/testing/tones.ts";
import { installTestTools, phoneTools } from "../tools/test-tools.ts";
import { type Client, newCloud, owner } from "./cloud.ts";
import { browserSaying, ConsolePhone } from "./consolePhone.ts";

/**
 * The phone in the console with the cloud's own phone system: three Chromiums, each with a tone as its microphone, and a phone on a desk. What is
 * heard is measured. Each test stands on the one before. Calls between browsers without our phone system: e2e/softphone.e2e.ts.
 */
await installTestTools(phoneTools);
const cloud = await newCloud({ phones: true });
const folder = mkdtempSync(join(tmpdir(), "khmara-softphone-cloud-"));
const hz = { olena: 440, taras: 620, iryna: 830, desk: 1100 } as const;
const browsers: Browser[] = [];
let olena: ConsolePhone;
let taras: ConsolePhone;
let iryna: ConsolePhone;
let desk: Baresip | undefined;
let client: Client;
let place: { organisationId: string; projectId: string };
let system: { id: never; domain: string };
const extensions: Record<string, never> = {};
let olenaNumber = "";
let broken = false;

/** Stands on the one before: after a failure the rest does not begin. */
const story = (name: string, work: () => Promise<void>) =>
  test(name, async () => {
    if (broken) throw new Error("The story ended before.");
    broken = true;
    await work();
    broken = false;
  });

async function atConsole(toneHz: number, who: { email: string; password: string }): Promise<ConsolePhone> {
  const browser = await browserSaying(toneHz, folder);
  browsers.push(browser);
  return await ConsolePhone.open(browser, cloud.url, who);
}

/** Somebody with an extension, at the console. */
async function person(name: string, number: string, toneHz: number, settings: object): Promise<ConsolePhone> {
  const who = { email: `${name.toLowerCase()}@example.org`, password: "correct horse battery staple" };
  const { organisationId, projectId } = place;
  const { link } = await client.invitationCreate({
    organisation: organisationId as never,
    project: projectId as never,
    email: who.email,
    role: "viewer",
  });
  const accepted = await createClient({ baseUrl: cloud.url }).invitationAccept({
    token: link?.split("#")[1] as string,
    name,
    password: who.password,
  });
  const made = await client.extensionCreate({
    phoneSystem: system.id,
    name,
    number,
    user: accepted.principal.id as never,
    ...settings,
  });
  extensions[name] = made.id as never;
  const phone = await atConsole(toneHz, who);
  await phone.ready();
  return phone;
}

before(async () => {
  await cloud.start();
  ({ client, ...place } = await cloud.signIn());
  olena = await atConsole(hz.olena, owner);
});
after(async () => {
  await Promise.all(browsers.map((browser) => browser.close()));
  await desk?.close();
  await cloud.remove();
  rmSync(folder, { recursive: true, force: true });
});

story("somebody makes a phone system and an extension in the console, and hears themselves by the echo test", async () => {
  const { page } = olena;
  await page.getByRole("link", { name: "Phone", exact: true }).click();
  await page.getByRole("combobox", { name: "Country" }).fill("Ukraine");
  await page.getByRole("option", { name: "Ukraine" }).click();
  await page.getByRole("button", { name: "Make a phone system" }).click();
  await page.getByRole("link", { name: "Make an extension for yourself" }).click();
  await page.getByRole("button", { name: "New extension" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Name" }).fill("Olena");
  await dialog.getByRole("combobox", { name: "Person" }).click();
  await page.getByRole("option").nth(1).click();
  await dialog.getByRole("button", { name: "New extension" }).click();
  await page.getByRole("heading", { name: "Olena" }).waitFor();
  await olena.call("*60");
  await olena.speaks();
  await olena.hears(hz.olena);
  await olena.press("Hang up");
  await olena.says("Call ended");
  const [made] = (await client.phoneSystemList({ project: place.projectId as never })).items;
  system = made as never;
  olenaNumber = (await client.extensionList({ phoneSystem: system.id })).items[0]?.number as string;
});

story("two people: each hears the other's tone; music while on hold; handed on to a third", async () => {
  [taras, iryna] = await Promise.all([
    person("Taras", "202", hz.taras, { ringSeconds: 60 }),
    person("Iryna", "203", hz.iryna, { ringSeconds: 60 }),
  ]);
  await olena.call("202");
  await taras.incoming.getByText("Olena").first().waitFor();
  await taras.answer();
  await Promise.all([olena.speaks(), taras.speaks()]);
  await Promise.all([olena.hears(hz.taras), taras.hears(hz.olena)]);
  await olena.says("Good line");
  await olena.press("Hold");
  await olena.says("On hold");
  await musicFor(taras);
  await olena.press("Resume");
  await Promise.all([olena.hears(hz.taras), taras.hears(hz.olena)]);
  await olena.press("Transfer");
  await olena.write("203");
  await olena.press("Transfer now");
  // It is said for a moment only.
  await Promise.all([olena.says("Transferred"), iryna.answer()]);
  await Promise.all([taras.hears(hz.iryna, [hz.olena]), iryna.hears(hz.taras, [hz.olena])]);
  await iryna.press("Hang up");
  await taras.idle();
});

/** Something is heard, and it is not Olena. */
async function musicFor(who: ConsolePhone): Promise<void> {
  for (const deadline = Date.now() + 60_000; ; ) {
    const sound = await who.heard(1);
    if (loudness(sound.samples) > -50 && findTone(sound, hz.olena).heardMs < 200) return;
    assert.ok(Date.now() < deadline, "no music on hold");
  }
}

story("a call with a picture, from the camera and the microphone that were chosen", async () => {
  await olena.open();
  await olena.press("Microphone, speaker and ringing");
  const meter = async (name: string) =>
    Number(await olena.panel.getByRole("progressbar", { name }).getAttribute("aria-valuenow"));
  const moves = async (name: string) => {
    for (const deadline = Date.now() + 60_000; (await meter(name)) < 30; )
      assert.ok(Date.now() < deadline, `${name} stays still`);
  };
  await moves("Level of the microphone");
  assert.equal(await meter("Level of the speaker"), 0);
  await olena.press("Play a tone");
  await moves("Level of the speaker");
  // Not the second: its pictures (depth) are never encoded.
  for (const [label, name] of [
    ["Camera", /fake_device_2/],
    ["Microphone", /Fake Audio Input 2/],
  ] as const) {
    await olena.panel.getByRole("combobox", { name: label, exact: true }).click();
    await olena.page.getByRole("option", { name }).click();
  }
  await olena.press("Show my picture");
  await olena.page.waitForFunction("document.querySelector('aside video')?.videoWidth > 0");
  const camera = await olena.page.evaluate<string>("document.querySelector('aside video').srcObject.getTracks()[0].label");
  assert.match(camera, /fake_device_2/);
  await olena.press("Back");
  await olena.call("202", "Call with video");
  await taras.answer("With video");
  await Promise.all([olena.speaks(), taras.speaks()]);
  const sees = (who: ConsolePhone) =>
    who.page.waitForFunction("[...document.querySelectorAll('video')].filter(({ videoWidth }) => videoWidth > 0).length === 2");
  await Promise.all([sees(olena), sees(taras)]);
  const labels = await olena.page.evaluate<string[]>(
    "window.connections.at(-1).getSenders().map(({ track }) => track?.label ?? '').sort()",
  );
  assert.match(labels.join("; "), /Fake Audio Input 2.*; fake_device_2/);
  await Promise.all([olena.hears(hz.taras), taras.hears(hz.olena)]);
  await olena.press("Stop video");
  await taras.says("Olena shows no picture");
  await olena.press("Video");
  await Promise.all([sees(olena), sees(taras)]);
  await olena.panel.getByRole("button", { name: "Stop video" }).waitFor();
  await taras.press("Stop video");
  await olena.says("Taras shows no picture");
  // Both off: what is left is the call.
  await olena.press("Stop video");
  await taras.page.waitForFunction("document.querySelector('aside video') === null");
  await Promise.all([olena.hears(hz.taras), taras.hears(hz.olena)]);
  const entry = iryna.panel.getByRole("list", { name: "Directory" }).getByRole("button", { name: /Taras/ });
  await iryna.open();
  await entry.filter({ hasText: "On the phone" }).waitFor();
  await taras.press("Hang up");
  await olena.idle();
  await entry.filter({ hasText: "Available" }).waitFor();
});

story("the phone on a desk calls the browser, and is called by it; both stand in the history", async () => {
  const made = await client.extensionCreate({ phoneSystem: system.id, name: "Reception", number: "204" });
  const { account } = await client.phoneDeviceCreate({ extension: made.id, kind: "desk", label: "Desk" });
  desk = await startBaresip({
    user: account.userName,
    password: account.password,
    domain: system.domain,
    server: `127.0.0.1:${cloud.phones?.sipPort}`,
    toneHz: hz.desk,
  });
  await desk.registered();
  await desk.dial(olenaNumber);
  await olena.incoming.getByText("Reception").first().waitFor();
  await olena.answer();
  await olena.hears(hz.desk);
  assert.ok(findTone(await desk.heardFor(3), hz.olena).heardMs > 1000);
  await desk.hangUp();
  await olena.idle();
  await desk.closed();
  desk.forget();
  await olena.call("204");
  await desk.answer();
  await olena.hears(hz.desk);
  await olena.press("Hang up");
  await desk.closed();
  await olena.idle();
  await olena.panel.getByRole("tab", { name: "Recent" }).click();
  const recent = olena.panel.getByRole("list", { name: "Recent" }).getByRole("button", { name: /Reception/ });
  await recent.filter({ hasText: "Incoming" }).waitFor();
  await recent.filter({ hasText: "Outgoing" }).click();
  await desk.next("CALL_INCOMING");
  await olena.press("Hang up");
  await olena.panel.getByRole("tab", { name: "Keypad" }).click();
});

/** The tones of a sound that plays in the page, as the browser gives them to its speaker: dB of each. */
const playing = (label: string, ...tones: number[]) => `(async () => {
  const audio = document.querySelector('audio[aria-label="${label}"]');
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
  context.createMediaStreamSource(audio.captureStream()).connect(analyser);
  const bins = new Float32Array(analyser.frequencyBinCount);
  const levels = ${JSON.stringify(tones.map(() => -200))};
  for (let round = 0; round < 15; round++) {
    await new Promise((later) => setTimeout(later, 100));
    analyser.getFloatFrequencyData(bins);
    ${JSON.stringify(tones)}.forEach((hz, at) => {
      levels[at] = Math.max(levels[at], bins[Math.round((hz * analyser.fftSize) / context.sampleRate)]);
    });
  }
  return levels;
})()`;

/** Recorded by a button in the call; played among one's recordings. */
async function recordsAndPlays(phone: ConsolePhone, from: string, to: string, hang: () => Promise<void>): Promise<void> {
  const { page } = phone;
  await phone.press("Record");
  await phone.says("Being recorded");
  await phone.heard(4);
  await phone.press("Stop recording");
  await phone.panel.getByText("Being recorded").waitFor({ state: "detached" });
  await hang();
  await page.getByRole("link", { name: "My phone", exact: true }).click();
  await page.getByRole("link", { name: "Recordings", exact: true }).click();
  const label = `${from} – ${to}`;
  await page.getByRole("button", { name: `Play: ${label}` }).click();
  await page.waitForFunction(`document.querySelector('audio[aria-label="${label}"]')?.currentTime > 0.3`);
  const levels = await page.evaluate<number[]>(playing(label, hz.taras, hz.iryna));
  assert.ok(
    levels.every((level) => level > -60),
    `both are heard: ${levels}`,
  );
}

story("nobody answers: a voicemail is left, and is played and sought through in the page", async () => {
  await client.phoneSystemUpdate({ phoneSystem: system.id, recording: { mode: "on_demand", announce: false } });
  await client.extensionUpdate({ extension: extensions["Iryna"] as never, ringSeconds: 5 });
  await taras.call("203");
  await iryna.incoming.waitFor();
  await iryna.incoming.waitFor({ state: "detached" });
  await taras.speaks();
  // The greeting, then the tone, then what is said.
  let waiting = true;
  for (const deadline = Date.now() + 60_000; waiting && Date.now() < deadline; )
    waiting = loudness((await taras.heard(2)).samples) > -60;
  assert.equal(waiting, false, "the greeting does not end");
  await taras.heard(4);
  await taras.press("Hang up");
  await taras.idle();
  await iryna.open();
  await iryna.press("1 new voicemail");
  await iryna.press("Play: Taras");
  await iryna.page.waitForFunction("document.querySelector('audio')?.currentTime > 0.5");
  const seconds = await iryna.page.evaluate<number>("document.querySelector('audio').duration");
  assert.ok(seconds > 3, String(seconds));
  await iryna.page.evaluate("document.querySelector('audio').currentTime = 0");
  await iryna.page.waitForFunction("document.querySelector('audio').currentTime > 0.2");
  const address = await iryna.page.evaluate<string>("document.querySelector('audio').src");
  const file = await iryna.page.context().request.get(address);
  const { heardMs } = findTone(readWav(await file.body()), hz.taras);
  assert.ok(heardMs > 2000, String(heardMs));
  await iryna.panel.getByText("New", { exact: false }).waitFor({ state: "detached" });
  await iryna.press("Call back: Taras");
  await taras.answer();
  await iryna.hears(hz.taras);
  await recordsAndPlays(iryna, "203", "202", () => taras.press("Hang up"));
  await iryna.panel.getByRole("tab", { name: "Voicemail" }).click();
  await iryna.press("Delete the message of Taras");
  await iryna.says("No messages.");
  const [deleted] = (await client.voicemailList({ phoneSystem: system.id, folder: "deleted" })).items;
  assert.deepEqual([deleted?.folder, deleted?.heard], ["deleted", true]);
  await iryna.panel.getByRole("tab", { name: "Keypad" }).click();
});

story("a prompt is spoken into the browser, played and kept: whoever calls hears it, as long as it is", async () => {
  const { page } = olena;
  await page.goto(`${new URL(page.url()).pathname.replace(/\/p\/default.*/, "/p/default/phone")}/prompts?q=dnd_off`);
  const prompts = page.getByRole("table", { name: "Prompts" });
  await prompts.getByRole("cell", { name: "dnd_off", exact: true }).waitFor();
  await prompts.getByRole("button").first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Record", exact: true }).click();
  await dialog.getByRole("button", { name: /^Stop · 0:0[3-9]/ }).click();
  await dialog.getByLabel("Your recording").waitFor();
  await page.evaluate("document.querySelector('[role=dialog] audio').play()");
  await page.waitForFunction("document.querySelector('[role=dialog] audio').currentTime > 0.5");
  const seconds = await page.evaluate<number>("document.querySelector('[role=dialog] audio').duration");
  assert.ok(seconds >= 2.5, String(seconds));
  await dialog.getByRole("button", { name: "Save the recording" }).click();
  await dialog.waitFor({ state: "detached" });
  await prompts.getByText("Own", { exact: true }).waitFor();
  const { featureCodes, language } = await client.phoneSystemGet({ phoneSystem: system.id });
  const own = await client.phonePromptDownload({ phoneSystem: system.id, language, prompt: "dnd_off" } as never);
  const kept = findTone(readWav(Buffer.from(await own.arrayBuffer())), hz.olena);
  assert.ok(Math.abs(kept.heardMs - seconds * 1000) < 400, JSON.stringify({ kept, seconds }));
  await taras.call(String(featureCodes.doNotDisturbOff));
  const { heardMs, gaps } = findTone(await taras.heard(seconds + 3), hz.olena);
  assert.ok(Math.abs(heardMs - seconds * 1000) < 500, JSON.stringify({ heardMs, seconds, gaps }));
  await taras.idle();
});

story("a queue: an agent logs in, somebody waits, is answered; the board moves", async () => {
  const queue = await client.callQueueCreate({
    phoneSystem: system.id,
    name: "Support",
    number: "400",
    agents: [{ extension: extensions["Iryna"] as never, priority: 1 }],
  });
  const { page } = olena;
  await page.getByRole("link", { name: "Phone", exact: true }).first().click();
  await page.goto(`${new URL(page.url()).pathname.replace(/\/phone.*/, "/phone")}/queues/${queue.id}`);
  await olena.ready();
  const state = (words: string) => page.getByRole("button", { name: `Change Iryna: ${words}` }).waitFor();
  await state("Logged out");
  await iryna.page.goto(`${new URL(page.url()).pathname.replace(/\/phone.*/, "/my-phone")}`);
  await iryna.ready();
  await iryna.page.getByRole("switch", { name: "Support" }).click();
  await state("Free");
  await (desk as Baresip).dial("400");
  await state("Ringing");
  await page.getByText("Reception").first().waitFor();
  await iryna.answer();
  await state("Talking");
  await iryna.hears(hz.desk);
  await iryna.press("Hang up");
  await page.getByText("1 of 1").waitFor();
});
