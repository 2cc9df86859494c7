import assert from "node:assert/strict";
import { test } from "node:test";
import { migratedDatabase } from "../testing/kernel-fixture.ts";
import { audit, verifyChain } from "./audit.ts";
import { newId } from "./ids.ts";

const { database } = await migratedDatabase();

async function chainOf(length: number): Promise<string> {
  const organisationId = newId("organisation");
  for (let i = 0; i < length; i++) {
    await database.transaction("system", async (tx) =>
      audit(tx, {
        action: "things.thing.create",
        actor: { kind: "user", id: "usr_1", name: "Євген" },
        organisationId,
        resource: { kind: "thing", id: `t${i}` },
        after: { name: `"quoted" ${i}`, size: 1.5, list: [1, null, { z: 1, a: undefined }], at: new Date(0) },
      }),
    );
  }
  return organisationId;
}

test("a chain verifies, also when its entries were written in parallel", async () => {
  const organisationId = newId("organisation");
  await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      database.transaction("system", async (tx) => {
        audit(tx, {
          action: "a.b.c",
          actor: { kind: "system", name: "x" },
          organisationId,
          resource: { kind: "thing", id: `${i}` },
        });
        audit(tx, {
          action: "a.b.d",
          actor: { kind: "system", name: "x" },
          organisationId,
          resource: { kind: "thing", id: `${i}` },
        });
      }),
    ),
  );
  const report = await verifyChain(database.sql, organisationId);
  assert.equal(report.firstInvalid, undefined);
  assert.equal(report.sequence, 80);
});

test("what was rolled back left no entry", async () => {
  const organisationId = newId("organisation");
  await assert.rejects(
    database.transaction("system", async (tx) => {
      audit(tx, { action: "a.b.c", actor: { kind: "system", name: "x" }, organisationId, resource: { kind: "thing", id: "1" } });
      tx.beforeCommit(() => Promise.reject(new Error("no")));
    }),
  );
  assert.equal((await verifyChain(database.sql, organisationId)).sequence, 0);
});

for (const [what, tamper, sequence] of [
  [
    "changed",
    (chain: string) =>
      database.sql`update kernel.audit_entries set actor_name = 'Mallory' where chain = ${chain} and sequence = 3`,
    3,
  ],
  [
    "changed in its detail",
    (chain: string) =>
      database.sql`update kernel.audit_entries set after = '{"size": 2}' where chain = ${chain} and sequence = 4`,
    4,
  ],
  ["removed", (chain: string) => database.sql`delete from kernel.audit_entries where chain = ${chain} and sequence = 2`, 2],
  [
    "cut off at the end",
    (chain: string) => database.sql`delete from kernel.audit_entries where chain = ${chain} and sequence > 3`,
    4,
  ],
] as const) {
  test(`an entry that was ${what} is found`, async () => {
    const chain = await chainOf(5);
    assert.equal((await verifyChain(database.sql, chain)).firstInvalid, undefined);
    await tamper(chain);
    assert.equal((await verifyChain(database.sql, chain)).firstInvalid?.sequence, sequence);
  });
}
