import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Browser, chromium, type Page } from "playwright-core";
import { MadeCloud } from "./madeCloud.ts";
import { madePhone } from "./madePhone.ts";
import { softphoneUsers } from "./madePhonePeople.ts";
import { SipRelay, type SipUser } from "./madeSip.ts";

/**
 * The phone in the console, browser to browser: SIP over WebSocket through a proxy that is not ours, sound and pictures by WebRTC. What a whole
 * phone system makes of calls is tested with the cloud's own (services/voice/calls).
 */
let people = 0;
const cloud = new MadeCloud(madePhone(() => softphoneUsers[people++ % softphoneUsers.length]));
const relay = new SipRelay(cloud.server, "lyceum.example", softphoneUsers);
const pictures = process.env["KHMARA_PICTURES"];
let url = "";
let browser: Browser;

before(async () => {
  url = await cloud.start();
  if (pictures) mkdirSync(pictures, { recursive: true });
  browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--use-fake-device-for-media-stream",
      "--use-fake-ui-for-media-stream",
      "--autoplay-policy=no-user-gesture-required",
      // Names of .local need a service that this machine may lack.
      "--disable-features=WebRtcHideLocalIpsWithMdns",
    ],
  });
});
after(async () => {
  await browser?.close();
  await cloud.stop();
});

const phoneSize = { width: 390, height: 844 };

/** A person at the console, whose phone is ready. */
async function person(size = { width: 1280, height: 860 }): Promise<Page> {
  const context = await browser.newContext({ baseURL: url, viewport: size, permissions: ["microphone", "camera"], locale: "en" });
  context.setDefaultTimeout(60_000);
  await context.addInitScript(`{
    const Usual = RTCPeerConnection;
    window.connections = [];
    window.RTCPeerConnection = class extends Usual { constructor(...given) { super(...given); window.connections.push(this); } };
  }`);
  const page = await context.newPage();
  await page.goto("/o/home/p/default/phone");
  await ready(page);
  return page;
}
const ready = (page: Page) => page.getByRole("button", { name: "Phone: Ready" }).waitFor();
const panel = (page: Page) => page.getByRole("complementary", { name: "Phone", exact: true });
const act = (page: Page, name: string) => panel(page).getByRole("button", { name, exact: true }).click();

async function call(page: Page, number: string): Promise<void> {
  if ((await panel(page).count()) === 0) await page.getByRole("button", { name: "Phone: Ready" }).click();
  await panel(page).getByRole("textbox", { name: "Name or number" }).fill(number);
  await act(page, "Call");
}
const incoming = (page: Page) => page.getByRole("region", { name: /^Call from/ });
const answer = (page: Page, name = "Answer") => incoming(page).getByRole("button", { name, exact: true }).click();
const speaks = (page: Page) => panel(page).getByRole("button", { name: "Mute", exact: true }).waitFor();
const isReady = (page: Page) => panel(page).getByRole("textbox", { name: "Name or number" }).waitFor();

/** Packets of sound that arrive in every call of the page, from now on. */
async function hears(page: Page, calls = 1): Promise<void> {
  await page.waitForFunction(
    `(async () => {
      let heard = 0;
      for (const connection of window.connections) {
        if (connection.connectionState !== "connected") continue;
        for (const report of (await connection.getStats()).values())
          if (report.type === "inbound-rtp" && report.kind === "audio" && report.totalAudioEnergy > (connection.energy ?? 0) + 0.0001) {
            heard++;
            connection.last = report.totalAudioEnergy;
          }
      }
      if (heard < ${calls}) return false;
      for (const connection of window.connections) connection.energy = connection.last;
      return true;
    })()`,
    undefined,
    { polling: 500 },
  );
}

test("two people: registered with a password, called, spoken with, on hold, keys, hung up", async () => {
  const [olena, taras] = [await person(), await person()];
  const [first, second] = softphoneUsers as [SipUser, SipUser, SipUser];
  assert.ok(relay.has(first.user) && relay.has(second.user));
  await call(olena, second.user);
  if (pictures) await olena.screenshot({ path: join(pictures, "softphone-calling.png") });
  await incoming(taras).getByText("is calling").waitFor();
  if (pictures) await taras.screenshot({ path: join(pictures, "softphone-incoming.png") });
  await answer(taras);
  await Promise.all([speaks(olena), speaks(taras)]);
  await Promise.all([hears(olena), hears(taras)]);
  await olena.getByText("Good line").waitFor();
  if (pictures) await olena.screenshot({ path: join(pictures, "softphone-speaking.png") });
  await act(olena, "Hold");
  await taras.getByText("They put you on hold").waitFor();
  await panel(olena).getByText("On hold").waitFor();
  await act(olena, "Resume");
  await taras.getByText("They put you on hold").waitFor({ state: "detached" });
  await Promise.all([hears(olena), hears(taras)]);
  await act(olena, "Keypad");
  await olena.keyboard.press("5");
  await act(olena, "#");
  await panel(olena).getByText("5#", { exact: true }).waitFor();
  await act(olena, "Back");
  await act(olena, "Mute");
  await panel(olena).getByRole("button", { name: "Unmute" }).waitFor();
  // One goes to another page: the call goes on.
  await olena.evaluate("history.pushState({}, '', '/account'); dispatchEvent(new PopStateEvent('popstate'))");
  await olena.getByRole("heading", { level: 1 }).first().waitFor();
  await hears(olena);
  await act(taras, "Hang up");
  await panel(olena).getByText("Call ended").waitFor();
  await isReady(olena);
  await Promise.all([olena.context().close(), taras.context().close()]);
});

test("a call that is declined, one that is called off, a number that is not there: each says why", async () => {
  const [olena, taras] = [await person(), await person()];
  const names = softphoneUsers.map(({ user }) => user);
  const tarasNumber = names[(people - 1) % names.length] as string;
  await call(olena, tarasNumber);
  await answer(taras, "Decline");
  await panel(olena).getByText("Declined").waitFor();
  await call(olena, tarasNumber);
  await incoming(taras).getByText("is calling").waitFor();
  await act(olena, "Hang up");
  await incoming(taras).waitFor({ state: "detached" });
  await isReady(olena);
  await call(olena, "999");
  await panel(olena).getByText("This number does not exist").waitFor();
  await Promise.all([olena.context().close(), taras.context().close()]);
});

test("three people: the second call puts the first on hold, both are merged, all hear each other; then a transfer of both kinds", async () => {
  const [olena, taras, iryna] = [await person(), await person(), await person()];
  const names = softphoneUsers.map(({ user }) => user);
  const number = (index: number) => names[(people - 3 + index) % names.length] as string;
  await call(olena, number(1));
  await answer(taras);
  await speaks(olena);
  await act(olena, "Add call");
  await call(olena, number(2));
  await taras.getByText("They put you on hold").waitFor();
  await answer(iryna);
  await speaks(olena);
  await act(olena, "Merge");
  await panel(olena).getByText("Conference").first().waitFor();
  await Promise.all([hears(olena, 2), hears(taras), hears(iryna)]);
  if (pictures) await olena.screenshot({ path: join(pictures, "softphone-conference.png") });
  await act(olena, "Split");
  await panel(olena).getByText("On hold").first().waitFor();
  // Now with a word before: whoever is on hold is asked for, and handed over.
  await act(olena, "Transfer");
  await panel(olena).getByRole("textbox", { name: "Name or number" }).fill("777");
  await act(olena, "Transfer now");
  await panel(olena).getByText("Transferred").first().waitFor();
  const refer = relay.seen.findLast(({ method }) => method === "REFER");
  assert.match(refer?.headers["refer-to"] ?? "", /sip:777@lyceum\.example/);
  await act(olena, "Resume");
  await speaks(olena);
  await act(olena, "Transfer");
  await panel(olena).getByRole("textbox", { name: "Name or number" }).fill(number(2));
  await act(olena, "Ask first");
  await answer(iryna, "Answer").catch(() => answer(iryna, "Hold and answer"));
  await panel(olena)
    .getByRole("button", { name: /^Hand over/ })
    .click();
  await panel(olena).getByText("Transferred").first().waitFor();
  await act(olena, "Hang up");
  const attended = relay.seen.findLast(({ method }) => method === "REFER");
  assert.match(attended?.headers["refer-to"] ?? "", /Replaces=.+to-tag%3D.+from-tag%3D/);
  await Promise.all([olena, taras, iryna].map((page) => page.context().close()));
});

test("pictures: switched on in a call, seen by the other side, switched off again", async () => {
  const [olena, taras] = [await person(), await person()];
  const names = softphoneUsers.map(({ user }) => user);
  await call(olena, names[(people - 1) % names.length] as string);
  await answer(taras);
  await speaks(olena);
  await act(olena, "Video");
  await taras.waitForFunction("document.querySelector('video')?.videoWidth > 0");
  await panel(taras).getByRole("button", { name: "Video", exact: true }).click();
  await olena.waitForFunction("[...document.querySelectorAll('video')].filter(({ videoWidth }) => videoWidth > 0).length === 2");
  await act(olena, "Stop video");
  await panel(olena).getByRole("button", { name: "Video", exact: true }).waitFor();
  await Promise.all([hears(olena), hears(taras)]);
  await Promise.all([olena.context().close(), taras.context().close()]);
});

/** From now on the browser gives the page none of these; of none: everything again. */
const refuse = (page: Page, kinds: ("audio" | "video")[]) =>
  page.evaluate(`{
    const devices = navigator.mediaDevices;
    window.given ??= devices.getUserMedia.bind(devices);
    devices.getUserMedia = async (wanted) => {
      if (${JSON.stringify(kinds)}.some((kind) => wanted[kind])) throw new DOMException("", "NotAllowedError");
      return window.given(wanted);
    };
  }`);

test("no microphone, no camera, no network: each is said with what to do, and the call or the phone goes on", async () => {
  const [olena, taras] = [await person(), await person(phoneSize)];
  const names = softphoneUsers.map(({ user }) => user);
  const tarasNumber = names[(people - 1) % names.length] as string;
  await refuse(taras, ["audio"]);
  await call(olena, tarasNumber);
  await answer(taras);
  await incoming(taras).getByText("This microphone cannot be used").waitFor();
  // It rings on: allowed after all, it is answered.
  await refuse(taras, []);
  await answer(taras);
  await Promise.all([speaks(olena), speaks(taras)]);
  await Promise.all([hears(olena), hears(taras)]);
  await refuse(olena, ["video"]);
  await act(olena, "Video");
  await panel(olena).getByText("The camera cannot be used").waitFor();
  await Promise.all([hears(olena), hears(taras)]);
  await act(taras, "Hang up");
  await isReady(olena);
  await refuse(olena, ["audio"]);
  await call(olena, tarasNumber);
  await panel(olena).getByText("The browser may not use the microphone").waitFor();
  await taras.context().setOffline(true);
  if ((await panel(taras).count()) === 0) await taras.getByRole("button", { name: /^Phone: / }).click();
  await panel(taras).getByText("This device has no network").waitFor();
  await taras.context().setOffline(false);
  await panel(taras).getByText("Ready", { exact: true }).waitFor();
  // What is pressed with a thumb is large enough for it.
  const small = await taras.evaluate<string[]>(`[...document.querySelectorAll("aside button")]
    .filter((button) => button.offsetHeight > 0 && (button.offsetHeight < 44 || button.offsetWidth < 44))
    .map((button) => button.getAttribute("aria-label") ?? button.textContent)`);
  assert.deepEqual(small, []);
  await Promise.all([olena.context().close(), taras.context().close()]);
});

test("the session ends in a call: the call goes on, and only then one signs in again", async () => {
  const [olena, taras] = [await person(phoneSize), await person()];
  const names = softphoneUsers.map(({ user }) => user);
  await call(olena, names[(people - 1) % names.length] as string);
  await answer(taras);
  await speaks(olena);
  await olena.route("**/api/v1/**", (route) =>
    route.fulfill({ status: 401, json: { error: { code: "unauthenticated", message: "Sign in.", details: {} } } }),
  );
  await act(olena, "Add call");
  await Promise.all([
    olena.waitForResponse((response) => response.status() === 401),
    panel(olena).getByRole("tab", { name: "Recent" }).click(),
  ]);
  await Promise.all([hears(olena), hears(taras)]);
  assert.doesNotMatch(olena.url(), /sign-in/);
  await act(taras, "Hang up");
  await olena.waitForURL(/\/sign-in\?.*expired/);
  await Promise.all([olena.context().close(), taras.context().close()]);
});

test("two tabs: one has the phone, the other shows and steers it, and gets it when the first is closed; a cut line comes back", async () => {
  const olena = await person();
  const other = await olena.context().newPage();
  await other.goto("/o/home/p/default/phone");
  await ready(other);
  await other.getByRole("button", { name: "Phone: Ready" }).click();
  await panel(other).getByText("The phone is in another tab").waitFor();
  const taras = await person();
  const names = softphoneUsers.map(({ user }) => user);
  await call(other, names[(people - 1) % names.length] as string);
  await answer(taras);
  await speaks(other);
  await hears(olena);
  assert.equal(await other.evaluate("window.connections.length"), 0);
  await act(other, "Hang up");
  await isReady(other);
  await olena.close();
  await panel(other).getByText("The phone is in another tab").waitFor({ state: "detached" });
  await panel(other).getByText("Ready", { exact: true }).waitFor();
  relay.cut();
  // Colleagues are not connected either.
  await panel(other).getByText("Not connected").first().waitFor();
  await panel(other).getByText("Ready", { exact: true }).waitFor();
  await Promise.all([other.context().close(), taras.context().close()]);
});
