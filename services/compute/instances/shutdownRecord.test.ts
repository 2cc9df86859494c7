import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { CloudError } from "../../../kernel/errors.ts";
import { createFakeEngine } from "../testing/fakeDriver.ts";
import { shutItselfDown } from "./shutdownRecord.ts";

/** utmp(5) on amd64. */
function record(type: number, user: string): Buffer {
  const bytes = Buffer.alloc(384);
  bytes.writeInt16LE(type, 0);
  bytes.write(user, 44, "latin1");
  return bytes;
}
const boot = record(2, "reboot");
const reached = record(1, "runlevel");
const down = record(1, "shutdown");
const login = record(7, "anna");

/** What is said of a guest with these records; the engine fails so often before it answers. */
async function judged(records: Buffer[] | undefined, failures = 0): Promise<boolean | undefined> {
  const engine = createFakeEngine();
  engine.faults.fail("fileRead", { times: failures });
  engine.addImage("image");
  await engine.instanceCreate({
    name: "kh-1",
    kind: "container",
    image: { name: "image" },
    size: { vcpus: 1, memoryBytes: 1, diskBytes: 1 },
    hostName: "web",
    cloudInit: {},
    interfaces: [],
    autoRestart: true,
    labels: {},
  });
  if (records) await engine.fileWrite("kh-1", "/var/log/wtmp", Readable.from(records));
  return shutItselfDown(engine, "kh-1");
}

test("a guest that wrote its shutdown down shut itself down", async () => {
  assert.equal(await judged([boot, reached, login, down]), true);
  assert.equal(await judged([boot, down, boot, reached, down, login]), true);
});

test("one whose last boot has no shutdown after it died", async () => {
  assert.equal(await judged([boot, reached, login]), false);
  assert.equal(await judged([boot, down, boot]), false);
});

test("of one that keeps no such records, or cannot be looked into, nothing is said", async () => {
  assert.equal(await judged(undefined), undefined);
  assert.equal(await judged([]), undefined);
  assert.equal(await judged([login, login]), undefined);
});

test("many logins since the last boot do not hide it; only half a record is passed over", async () => {
  const logins = Array.from({ length: 3000 }, () => login);
  assert.equal(await judged([down, boot, ...logins]), false);
  assert.equal(await judged([...Array.from({ length: 9000 }, () => login), boot, down, login.subarray(0, 100)]), true);
});

test("an engine that is still busy with the stop is asked again", async () => {
  assert.equal(await judged([boot], 2), false);
  const engine = createFakeEngine();
  engine.faults.fail("fileRead", { error: new CloudError("not_found", "There is no such file."), times: 1 });
  assert.equal(await shutItselfDown(engine, "kh-1"), undefined);
  assert.equal(engine.faults.count("fileRead"), 1);
});
