import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CloudError } from "../../../kernel/errors.ts";
import { silentLog } from "../../../kernel/log.ts";
import { createFakeEngine } from "../testing/fakeDriver.ts";
import { reopeningDriver } from "./reopening.ts";

test("an engine that is not there at the start is used once it is", async () => {
  const fake = createFakeEngine();
  let isThere = false;
  let opened = 0;
  const driver = reopeningDriver(async () => {
    opened++;
    if (!isThere) throw new CloudError("unavailable", "The engine cannot be reached.");
    return fake;
  }, silentLog);
  const heard: string[] = [];
  const over = new AbortController();
  driver.watch((name) => heard.push(name), over.signal);
  await assert.rejects(driver.info(), /cannot be reached/);
  await assert.rejects(driver.members(), /cannot be reached/);
  assert.equal(opened, 1, "it is not asked again at once");
  isThere = true;
  await sleep(1100);
  assert.equal((await driver.info()).kind, "lxd");
  assert.equal(opened, 2);
  fake.addImage("x");
  assert.deepEqual(
    (await driver.imageList()).map(({ name }) => name),
    ["x"],
  );
  await assert.rejects(driver.instanceStart("none"), (error) => CloudError.is(error, "not_found"), "its own errors come through");
  await sleep(1200);
  await driver.instanceCreate({
    name: "kh-1",
    kind: "container",
    image: { name: "x" },
    size: { vcpus: 1, memoryBytes: 1, diskBytes: 1 },
    hostName: "a",
    cloudInit: {},
    interfaces: [],
    autoRestart: false,
    labels: {},
  });
  assert.deepEqual(heard, ["kh-1"], "a watch that began before the engine was there hears");
  over.abort();
  await driver.close();
});

test("a wrong setting is said with each call", async () => {
  const driver = reopeningDriver(
    () => Promise.reject(new CloudError("failed_precondition", "The engine has no storage pool khmara.")),
    silentLog,
  );
  await assert.rejects(driver.instanceList(), /no storage pool khmara/);
  await driver.close();
  await assert.rejects(driver.instanceList(), (error) => CloudError.is(error, "unavailable"));
});
