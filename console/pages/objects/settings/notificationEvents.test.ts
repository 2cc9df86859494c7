import assert from "node:assert/strict";
import { test } from "node:test";
import { eventNames } from "../../../../services/objects/notifications/contract.ts";
import { families, familyOf, isWhole, wholeFamily } from "./notificationEvents.ts";

test("every event that happens here is of a kind that a person can choose, and each choice is an event of the API", () => {
  assert.deepEqual(
    eventNames.filter((event) => familyOf(event) === undefined),
    [],
  );
  for (const family of families) assert.ok(eventNames.includes(wholeFamily(family)), family);
  assert.equal(isWhole("s3:ObjectAcl:Put"), true);
  assert.equal(isWhole("s3:ObjectCreated:*"), true);
  assert.equal(isWhole("s3:ObjectCreated:Put"), false);
});
