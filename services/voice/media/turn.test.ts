import { strict as assert } from "node:assert";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { silentLog } from "../../../kernel/log.ts";
import { freePort } from "../../../testing/ports.ts";
import { installTestTools } from "../../../tools/test-tools.ts";
import { startCoturn } from "./coturn.ts";
import { openMediaEngine } from "./openEngine.ts";
import { BrowserPeer, openBrowser } from "./testing/browserPeer.ts";
import { RtpPeer, until } from "./testing/rtpPeer.ts";
import { turnCredentials, turnUrls } from "./turn.ts";

const program = "/usr/bin/turnserver";
await installTestTools({ "/usr/bin/chromium": "chromium", [program]: "coturn" });
// coturn hands nothing on to loopback.
const address = Object.values(networkInterfaces())
  .flat()
  .find((card) => card?.family === "IPv4" && !card.internal)?.address as string;
const folder = mkdtempSync(join(tmpdir(), "khmara-turn-"));
const secret = createHash("sha256").update(randomBytes(16)).digest("hex");
const port = await freePort();
const turn = startCoturn({ program, folder, listen: address, port, addresses: [address], secret, log: silentLog });
const engine = await openMediaEngine({
  kind: "embedded",
  workers: 1,
  ports: [33_500, 33_599],
  listen: address,
  advertised: [address],
});
const browser = await openBrowser();
after(async () => {
  await browser.close();
  await engine.close();
  await turn.close();
  RtpPeer.closeAll();
  rmSync(folder, { recursive: true });
});
await until(
  "coturn answers",
  () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(port, address, () => resolve(true));
      socket.once("error", () => resolve(false)).once("connect", () => socket.destroy());
    }),
);

async function talk(urls: string[], name: string): Promise<void> {
  const call = engine.call(name);
  const ice = turnCredentials({ secret, user: "ada", validSeconds: 600, now: Date.now(), urls });
  const page = await BrowserPeer.open(browser, 600, undefined, { iceServers: [ice], iceTransportPolicy: "relay" });
  const leg = call.leg();
  const phone = await RtpPeer.open({ frequency: 1000 });
  const phoneLeg = call.leg();
  await page.offer();
  const offer = await page.gathered();
  assert.match(offer, /typ relay/);
  assert.doesNotMatch(offer, /typ (host|srflx)/);
  phone.connect(await phoneLeg.answer(phone.sdp()));
  await page.accept(await leg.answer(offer, { codecs: ["opus"] }));
  await engine.bridge(leg, phoneLeg);
  await until("the phone hears 600 Hz", () => phone.level(600) > -25);
  await until("the browser hears 1000 Hz", async () => (await page.level(1000)) > -30);
  phone.close();
  await page.close();
  await call.close();
}

test("a browser whose network lets nothing through but TURN talks: over UDP, and over TCP", async () => {
  const [udp, tcp] = turnUrls({ host: address, port }) as [string, string];
  await talk([udp], "udp");
  await talk([tcp], "tcp");
});

test("a stranger gets nothing, and credentials end", async () => {
  const urls = turnUrls({ host: address, port });
  const late = turnCredentials({ secret, user: "ada", validSeconds: 600, now: Date.now() - 3_600_000, urls });
  const wrong = turnCredentials({ secret: "guessed", user: "ada", validSeconds: 600, now: Date.now(), urls });
  for (const ice of [late, wrong]) {
    const page = await BrowserPeer.open(browser, 600, undefined, { iceServers: [ice], iceTransportPolicy: "relay" });
    await page.offer();
    assert.doesNotMatch(await page.gathered(), /typ relay/);
    await page.close();
  }
});
