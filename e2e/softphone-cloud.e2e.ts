import { after, before, test } from "node:test";
import { type Browser, chromium } from "playwright-core";
import { signInByApi } from "./browser.ts";
import { newCloud } from "./cloud.ts";

/**
 * The phone in the console with the cloud's own phone system: registered with the credentials that the API gives, through the door of the
 * console's own address, and spoken with the echo test. Calls between browsers: e2e/softphone.e2e.ts.
 */
const cloud = await newCloud({ phones: true });
let browser: Browser;

before(async () => {
  await cloud.start();
  browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--use-fake-device-for-media-stream",
      "--use-fake-ui-for-media-stream",
      "--autoplay-policy=no-user-gesture-required",
      "--disable-features=WebRtcHideLocalIpsWithMdns",
    ],
  });
});
after(async () => {
  await browser?.close();
  await cloud.remove();
});

test("somebody makes a phone system and an extension in the console, and hears themselves by the echo test", async () => {
  const context = await browser.newContext({ baseURL: cloud.url, permissions: ["microphone"], locale: "en" });
  context.setDefaultTimeout(60_000);
  await context.addInitScript(`{
    const Usual = RTCPeerConnection;
    window.connections = [];
    window.RTCPeerConnection = class extends Usual { constructor(...given) { super(...given); window.connections.push(this); } };
  }`);
  await signInByApi(context);
  const page = await context.newPage();
  await page.goto("/");
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
  await page.getByRole("button", { name: "Phone: Ready" }).click();
  const panel = page.getByRole("complementary", { name: "Phone", exact: true });
  await panel.getByRole("textbox", { name: "Name or number" }).fill("*60");
  await panel.getByRole("button", { name: "Call", exact: true }).click();
  await panel.getByRole("button", { name: "Mute", exact: true }).waitFor();
  await page.waitForFunction(
    `(async () => {
      for (const connection of window.connections)
        for (const report of (await connection.getStats()).values())
          if (report.type === "inbound-rtp" && report.kind === "audio" && report.totalAudioEnergy > 0.001) return true;
      return false;
    })()`,
    undefined,
    { polling: 500 },
  );
  await panel.getByRole("button", { name: "Hang up" }).click();
  await panel.getByText("Call ended").waitFor();
  await context.close();
});
