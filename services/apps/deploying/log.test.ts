import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { maximumDeploymentLogBytes } from "./contract.ts";
import { openDeploymentLogs } from "./log.ts";

const directory = await mkdtemp(join(tmpdir(), "khmara-deployment-log-"));
const logs = openDeploymentLogs(directory);
after(() => rm(directory, { recursive: true, force: true }));

test("lines are appended, over several openings, without what a terminal obeys", async () => {
  for (const text of ["one", "\u001b[31mred\u001b[0m \u0007bell\r", "two\tthree"]) {
    const log = await logs.open("a");
    log.line(text);
    await log.close();
  }
  assert.deepEqual(await logs.read("a", 0), {
    offset: 0,
    nextOffset: 23,
    text: "one\nred bell\ntwo\tthree\n",
    truncated: false,
  });
  assert.equal((await logs.read("a", 4)).text, "red bell\ntwo\tthree\n");
  assert.deepEqual(await logs.read("nobody", 0), { offset: 0, nextOffset: 0, text: "", truncated: false });
});

test("a letter is never cut in two, wherever the part ends", async () => {
  const log = await logs.open("b");
  for (let line = 0; line < 100; line++) log.line("я𝄞".repeat(700));
  await log.close();
  let text = "";
  for (let offset = 0; ; ) {
    const part = await logs.read("b", offset);
    if (part.text === "") break;
    assert.ok(Buffer.byteLength(part.text) <= 256 * 1024);
    text += part.text;
    offset = part.nextOffset;
  }
  assert.equal(text, `${"я𝄞".repeat(700)}\n`.repeat(100));
});

test("it is bounded, and says so; whoever is killed meanwhile goes on within the bound", async () => {
  for (let opening = 0; opening < 3; opening++) {
    const log = await logs.open("c");
    for (let line = 0; line < 1000; line++) log.line("x".repeat(4000));
    await log.close();
  }
  assert.equal(await logs.size("c"), maximumDeploymentLogBytes);
  const end = await logs.read("c", maximumDeploymentLogBytes - 100);
  assert.equal(end.truncated, true);
  assert.match(end.text, /longer than what is kept of it\.\n$/);
  const line = await logs.open("d");
  line.line("y".repeat(100_000));
  await line.close();
  assert.ok((await logs.size("d")) < 9000, "a line is bounded too");
});

test("whoever waits is woken by what is written, before there is a file too", async () => {
  const controller = new AbortController();
  const waiting = (async () => {
    while ((await logs.size("e")) === 0) await logs.grown("e", 0, controller.signal);
  })();
  const log = await logs.open("e");
  log.line("first");
  await log.close();
  await waiting;
  const ended = logs.grown("e", 6, controller.signal);
  controller.abort();
  await ended;
});
