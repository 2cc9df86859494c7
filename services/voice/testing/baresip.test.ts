import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { after, test } from "node:test";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { type Baresip, type BaresipOptions, startBaresip } from "./baresip.ts";
import { findTone } from "./tones.ts";

await installTestTools(phoneTools);
const phones: Baresip[] = [];
after(async () => {
  await Promise.all(phones.map((phone) => phone.close()));
});

async function phone(options: BaresipOptions): Promise<Baresip> {
  const started = await startBaresip(options);
  phones.push(started);
  return started;
}

async function talk(one: Baresip, other: Baresip): Promise<void> {
  await one.dial(other.address);
  await other.answer();
  await Promise.all([one.established(), other.established()]);
}

test("two baresips call each other: tones both ways, digits, hold, hang up", async () => {
  const alice = await phone({ user: "alice", toneHz: 440 });
  const bob = await phone({ user: "bob", toneHz: 620 });
  await talk(alice, bob);
  assert.equal(await alice.calls(), 1);

  const [atAlice, atBob] = await Promise.all([alice.heardFor(3), bob.heardFor(3)]);
  for (const [sound, says] of [
    [atAlice, 620],
    [atBob, 440],
  ] as const) {
    const figures = findTone(sound, says);
    assert.ok(figures.heardMs > 2000, JSON.stringify(figures));
    assert.ok(Math.abs(figures.level - -9) < 2, JSON.stringify(figures));
    assert.equal(findTone(sound, 1060).heardMs, 0);
  }

  await alice.press("42#");
  assert.deepEqual([await bob.pressed(), await bob.pressed(), await bob.pressed()], ["4", "2", "#"]);

  await alice.hold();
  await bob.next("CALL_REMOTE_SDP", (event) => event.param === "offer");
  await alice.resume();
  await bob.next("CALL_REMOTE_SDP", (event) => event.param === "offer");

  await bob.hangUp();
  await Promise.all([alice.closed(), bob.closed()]);
  assert.equal(await alice.calls(), 0);
});

test("a call that is refused says why", async () => {
  const alice = await phone({ user: "alice" });
  const bob = await phone({ user: "bob" });
  await alice.dial(bob.address);
  await bob.next("CALL_INCOMING");
  await bob.hangUp();
  assert.match((await alice.closed()).param ?? "", /486/);
});

for (const [srtp, transport, codecs] of [
  ["sdes", "tcp", ["G722"]],
  ["dtls", "udp", ["opus"]],
] as const)
  test(`${srtp} with ${codecs} over ${transport}`, async () => {
    const options = { srtp, transport, codecs } as const;
    const alice = await phone({ user: "alice", ...options });
    const bob = await phone({ user: "bob", autoAnswer: true, ...options });
    await alice.dial(bob.address);
    await Promise.all([alice.established(), bob.established()]);
    const figures = findTone(await bob.heardFor(3), 440);
    assert.ok(figures.heardMs > 1500, JSON.stringify(figures));
  });

test("one that is killed takes no leave, and what was closed leaves no folder", async () => {
  const carol = await startBaresip({ user: "carol" });
  await carol.kill();
  await assert.rejects(carol.command("listcalls"), /has ended/);
  const folders = readdirSync(tmpdir()).filter((name) => name.startsWith("khmara-baresip-")).length;
  await carol.close();
  assert.equal(readdirSync(tmpdir()).filter((name) => name.startsWith("khmara-baresip-")).length, folders - 1);
});
