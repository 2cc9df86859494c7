import assert from "node:assert/strict";
import { test } from "node:test";
import type { Database } from "../../kernel/db/database.ts";
import type { Log } from "../../kernel/log.ts";
import { collectChanges, folderOf } from "./changes.ts";

test("the folder of a key is above it, down to none", () => {
  const folders = {
    "a/b/c.txt": "a/b/",
    "a/b/": "a/",
    "a/": "",
    a: "",
    "/": "",
    "//": "/",
    "/a": "/",
    "..//up": "..//",
    "..//": "../",
  };
  for (const [key, folder] of Object.entries(folders)) assert.equal(folderOf(key), folder, key);
});

test("many folders at once are told as one, also where keys begin with a slash", async () => {
  const told: unknown[] = [];
  const sql = (_: readonly string[], events: readonly string[]) => {
    for (const event of events) told.push(JSON.parse(event).payload);
    return Promise.resolve([]);
  };
  const tx = { sql };
  const database = { transaction: (_: unknown, work: (tx: unknown) => unknown) => work(tx) } as unknown as Database;
  const log = { debug: () => {} } as unknown as Log;
  const changes = collectChanges(database, log);
  const bucket = { id: "bkt_1", organisationId: "org_1", projectId: "prj_1" };
  for (const key of ["/a", "//b", "photos/c", "..//up", "x/y/z", "é/ж", "/"]) changes.note(bucket, key);
  await changes.stop();
  // What came after they had become one stands beside it.
  assert.deepEqual(told, [
    { bucketId: "bkt_1", prefix: "" },
    { bucketId: "bkt_1", prefix: "é/" },
  ]);
});
