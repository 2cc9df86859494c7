import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Engine } from "./engine.ts";
import { withOwnIds } from "./userIds.ts";

test("the next instance is begun when the one before has its user ids, or has failed; its disk goes on beside", async () => {
  const configs = new Map<string, Record<string, string>>();
  const find = async (path: string) => {
    const config = configs.get(path.split("/").at(-1) as string);
    return config && { type: "container", config };
  };
  const engine = { client: { find } } as unknown as Engine;
  const told: string[] = [];
  const firstDisk = Promise.withResolvers<void>();
  const first = withOwnIds(engine, "first", async () => {
    told.push("first begun");
    configs.set("first", {});
    await firstDisk.promise;
    return "first made";
  });
  const second = withOwnIds(engine, "second", async () => {
    told.push("second begun");
    throw new Error("no room");
  });
  const third = withOwnIds(engine, "third", async () => void told.push("third begun"));
  second.catch(() => {});
  await sleep(100);
  assert.deepEqual(told, ["first begun"]);
  configs.set("first", { "volatile.idmap.base": "165536" });
  await assert.rejects(second, /no room/);
  await third;
  assert.deepEqual(told, ["first begun", "second begun", "third begun"]);
  firstDisk.resolve();
  assert.equal(await first, "first made");
});
