import assert from "node:assert/strict";
import { test } from "node:test";
import { startCloud } from "../../../testing/cloud.ts";
import { installTestTools, phoneTools } from "../../../tools/test-tools.ts";
import { openHouse } from "../calls/testing/house.ts";
import { readWav, type Sound, writeWav } from "../prompts/wav.ts";
import { whenSaid } from "../testing/clips.ts";
import { findTone, tone } from "../testing/tones.ts";

await installTestTools(phoneTools);
const house = await openHouse(startCloud);
const { as, ask, within } = house.office;
await house.office.member("viewer", "viewer");
const ann = await house.account("101", "Ann");
const phone = await house.phone(ann);
const params = { ...within, language: "fr", prompt: "echo" };
const own = Buffer.from(writeWav(tone([1300], 2, { sampleRate: 44_100 })));

/** What a phone hears before the echo. */
async function heard(isSo: (sound: Sound) => boolean | Promise<boolean>, what: string): Promise<void> {
  const before = (await phone.heard()).length;
  await phone.dial("*60");
  await phone.established();
  await house.until(async () => {
    const sounds = await phone.heard();
    return sounds.length > before && (await isSo(sounds.at(-1) as Sound));
  }, what);
  await phone.hangUp();
  await phone.closed();
}

test("the words of a phone system are listed with their texts, searched, replaced and given back", async () => {
  const all: string[] = [];
  for (let cursor = ""; ; ) {
    const page = await as("viewer", "phonePromptList", { params: within, query: { limit: 100, ...(cursor && { cursor }) } });
    all.push(...page["items"].map(({ prompt }: { prompt: string }) => prompt));
    if (page["nextCursor"] === undefined) break;
    cursor = page["nextCursor"];
  }
  assert.equal(new Set(all).size, all.length);
  assert.ok(all.length > 250, `${all.length} words`);
  const ukrainian = await as("viewer", "phonePromptList", {
    params: within,
    query: { language: "uk", search: "НОВЕ повідомлення" },
  });
  assert.deepEqual(
    ukrainian["items"].map(({ prompt }: { prompt: string }) => prompt),
    ["voicemail_new_one"],
  );

  const shipped = await ask("viewer", "phonePromptDownload", { params });
  assert.equal(shipped.headers["content-type"], "audio/wav");
  assert.ok(readWav(shipped.raw).samples.length > 8000);
  assert.equal((await ask("viewer", "phonePromptUpload", { params, bytes: own })).status, 403);
  const unknown = { params: { ...params, prompt: "nothing_of_ours" }, bytes: own };
  assert.equal((await ask("owner", "phonePromptUpload", unknown)).status, 404);
  assert.equal((await ask("owner", "phonePromptDelete", { params })).status, 404, "nothing was replaced");
  assert.equal((await ask("owner", "phonePromptUpload", { params, bytes: Buffer.from("no sound") })).status, 400);

  const replaced = await as("owner", "phonePromptUpload", { params, bytes: own, query: { fileName: "ours.wav" } });
  assert.deepEqual([replaced["own"].fileName, replaced["own"].seconds], ["ours.wav", 2]);
  const ours = await as("viewer", "phonePromptList", { params: within, query: { own: true } });
  assert.deepEqual(ours["items"], [replaced]);
  const now = readWav((await ask("viewer", "phonePromptDownload", { params })).raw);
  assert.ok(findTone(now, 1300).heardMs > 1800);
  assert.deepEqual((await ask("viewer", "phonePromptDownload", { params, query: { shipped: true } })).raw, shipped.raw);
  await as("owner", "phonePromptDelete", { params });
  assert.deepEqual((await as("viewer", "phonePromptList", { params: within, query: { own: true } }))["items"], []);
  assert.deepEqual((await ask("viewer", "phonePromptDownload", { params })).raw, shipped.raw);
  const open = await house.office.database.sql`
    select 1 from kernel.usage_records where meter = 'voice.recording.bytes' and to_at is null`;
  assert.equal(open.length, 0, "what was given back is metered no longer");
});

test("a phone hears the own words, also a text that was spoken, and then the shipped ones again", async () => {
  await as("owner", "phonePromptUpload", { params, bytes: own });
  await heard((sound) => findTone(sound, 1300).heardMs > 1500, "the own word");

  const spoken = await ask("owner", "phoneSpeechCreate", {
    params: within,
    body: { language: "uk", text: "Такого номера у нас немає." },
  });
  assert.equal(spoken.status, 200, String(spoken.raw));
  assert.ok(readWav(spoken.raw).samples.length > 16_000, "longer than a second");
  await as("owner", "phonePromptUpload", { params, bytes: spoken.raw });
  await heard(
    (sound) => sound.samples.some((sample) => Math.abs(sample) > 3000) && findTone(sound, 1300).heardMs < 200,
    "the text",
  );

  await as("owner", "phonePromptUpload", { params, bytes: own });
  await house.restart();
  await phone.registered();
  await heard((sound) => findTone(sound, 1300).heardMs > 1500, "the own word after a restart");
  await as("owner", "phonePromptDelete", { params });
  await heard(async (sound) => (await whenSaid(sound, "fr", "echo")) !== undefined, "the shipped word");
});
