import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import { type WebSocket, WebSocketServer } from "ws";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { PhoneBrowser } from "./browserPhone.ts";
import { findTone } from "./tones.ts";

await installTestTools(phoneTools);
const browser = await PhoneBrowser.start();
const wire = await startWire();
after(async () => {
  await browser.close();
  wire.close();
});

/** Two phones with a wire between them: what one says the other hears; only REGISTER is answered here. */
async function startWire(): Promise<{ url: string; close: () => void }> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, handleProtocols: () => "sip" });
  await once(server, "listening");
  const sockets = new Set<WebSocket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("message", (data) => {
      const text = data.toString();
      if (text.startsWith("REGISTER ")) socket.send(accepted(text));
      else for (const other of sockets) if (other !== socket) other.send(text);
    });
  });
  return {
    url: `ws://127.0.0.1:${(server.address() as { port: number }).port}`,
    close: () => {
      for (const socket of sockets) socket.terminate();
      server.close();
    },
  };
}

function accepted(register: string): string {
  const kept = register.split("\r\n").filter((line) => /^(via|from|to|call-id|cseq|contact):/i.test(line));
  const lines = kept.map((line) =>
    /^to:/i.test(line) ? `${line};tag=wire` : /^contact:/i.test(line) ? `${line};expires=600` : line,
  );
  return `SIP/2.0 200 OK\r\n${lines.join("\r\n")}\r\nContent-Length: 0\r\n\r\n`;
}

test("two pages call each other: tones both ways, digits, hold, messages, hang up", async () => {
  const alice = await browser.phone({ user: "alice", password: "secret", server: wire.url, toneHz: 440 });
  const bob = await browser.phone({ user: "bob", password: "secret", server: wire.url, toneHz: 620 });
  await Promise.all([alice.registered(), bob.registered()]);
  const call = await alice.dial("sip:bob@127.0.0.1");
  const atBob = await bob.answer();
  await Promise.all([alice.established(), bob.established()]);

  for (const [phone, says] of [
    [alice, 620],
    [bob, 440],
  ] as const) {
    const figures = findTone(await phone.heardFor(4), says);
    assert.ok(figures.heardMs > 1000 && Math.abs(figures.level - -9) < 3, JSON.stringify(figures));
  }

  await alice.hold(call);
  await bob.heard();
  // What was under way when the hold began is heard before it is silent.
  await bob.heardFor(1);
  const silent = findTone(await bob.heardFor(2), 440);
  assert.equal(silent.heardMs, 0, JSON.stringify(silent));
  await alice.resume(call);
  await bob.heard();
  assert.ok(findTone(await bob.heardFor(4), 440).heardMs > 1000);

  await alice.press(call, "5");
  await alice.send("sip:bob@127.0.0.1", "Привіт");
  assert.equal((await bob.next("message")).param, "Привіт");
  assert.ok((await bob.figures(atBob)).some((report) => report["type"] === "inbound-rtp"));

  await bob.hangUp(atBob);
  await Promise.all([alice.closed(), bob.closed()]);
  await Promise.all([alice.close(), bob.close()]);
});

test("a call with a picture, and one that is refused", async () => {
  const alice = await browser.phone({ user: "alice", server: wire.url, video: true });
  const bob = await browser.phone({ user: "bob", server: wire.url, video: true });
  const call = await alice.dial("sip:bob@127.0.0.1");
  await bob.answer();
  await alice.established();
  for (;;) {
    const reports = await alice.figures(call);
    const picture = reports.find((report) => report["type"] === "inbound-rtp" && report["kind"] === "video");
    if (Number(picture?.["framesDecoded"] ?? 0) > 10) break;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await alice.hangUp(call);
  await bob.closed();
  await alice.closed();

  await alice.dial("sip:bob@127.0.0.1");
  await bob.decline(await bob.ringing());
  await alice.closed();
  await Promise.all([alice.close(), bob.close()]);
});
