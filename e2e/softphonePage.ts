import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { chromium, type Page } from "playwright-core";
import { build, type Rolldown } from "vite";

/**
 * The engine of the console's phone on a page of its own (`openPhone`, `phone`, `phoneState`), in a Chromium of its own; the cloud is asked for servers as the console
 * asks it. No server has the page, so that it opens in every network.
 */
export async function phonePage(askServers: () => Promise<string[]>, executablePath = "/usr/bin/chromium"): Promise<Page> {
  const script = await builtScript();
  const browser = await chromium.launch({
    executablePath,
    args: [
      ...["--no-sandbox", "--disable-gpu", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"],
      // A page of no server is none of this machine's, and may not ask what is on it.
      "--disable-features=WebRtcHideLocalIpsWithMdns,LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets,LocalNetworkAccessChecksWebRTC",
    ],
  });
  after(() => browser.close());
  const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
  await page.exposeFunction("askServers", askServers);
  await page.route("http://localhost/", (route) => route.fulfill({ contentType: "text/html", body: "<title>Phone</title>" }));
  await page.goto("http://localhost/");
  await page.addScriptTag({ content: script, type: "module" });
  await page.waitForFunction("window.openPhone !== undefined");
  return page;
}

async function builtScript(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "khmara-softphone-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string) => JSON.stringify(join(import.meta.dirname, "../console/pages/phone/softphone", name));
  const entry = join(folder, "page.ts");
  writeFileSync(
    entry,
    `import { PhoneEngine } from ${file("engine.ts")};
    import { after, idle } from ${file("state.ts")};
    window.phoneState = idle;
    const told = (event) => { window.phoneState = after(window.phoneState, event); };
    window.forgetCalls = () => { for (const { id } of window.phoneState.calls) told({ kind: "forgotten", id }); };
    window.openPhone = (account) => {
      window.phone = new PhoneEngine({ account, askServers: () => window.askServers(), instance: crypto.randomUUID(), told, state: () => window.phoneState });
      window.phone.start();
    };`,
  );
  const [made] = (await build({
    configFile: false,
    logLevel: "warn",
    build: { write: false, minify: false, lib: { entry, formats: ["es"], fileName: "phone" } },
  })) as Rolldown.RolldownOutput[];
  return made?.output[0].code ?? "";
}
