import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openDatabase, type Tx } from "../../kernel/db/database.ts";
import { newId } from "../../kernel/ids.ts";
import { closeUsageSpans, openUsageSpan, recordUsage } from "../../kernel/metering/journal.ts";
import { testDatabase } from "../../testing/postgres.ts";
import { usageStore } from "./store.ts";

const { url, drop } = await testDatabase([]);
const database = openDatabase({ url });
after(async () => {
  await database.close();
  await drop();
});

test("what is held over time is counted in one unit, however its meter named it", async () => {
  const organisationId = newId("organisation");
  const [from, to] = [new Date("2026-03-01T10:00:00Z"), new Date("2026-03-01T10:01:00Z")];
  const of = (id: string) => ({ organisationId, service: "apps", resource: { kind: "app", id } });
  await database.transaction("system", async (tx) => {
    for (const [id, unit] of [
      ["one", "byte"],
      ["two", "byte_seconds"],
    ] as const) {
      await openUsageSpan(tx, { ...of(id), id, meter: "apps.memory", unit, from, rate: 10 });
      await closeUsageSpans(tx, id, to);
    }
    await recordUsage(tx, [{ ...of("one"), id: "three", meter: "apps.builds", unit: "seconds", from, to, quantity: 7 }]);
  });
  const filter = {
    organisationId,
    projectId: undefined,
    from: "2026-03-01T10:00:30.000Z",
    to: "2026-03-01T11:00:00.000Z",
  };
  const whole = { ...filter, from: "2026-03-01T10:00:00.000Z" };
  const read = <T>(work: (tx: Tx) => Promise<T>) => database.transaction("system", work);
  assert.deepEqual(
    [...(await read((tx) => usageStore.totals(tx, whole)))],
    [
      { meter: "apps.builds", unit: "seconds", total: "7" },
      { meter: "apps.memory", unit: "byte_seconds", total: "1200" },
    ],
  );
  // A span is cut where the period begins; a counted fact belongs to its beginning.
  assert.deepEqual(
    [...(await read((tx) => usageStore.totals(tx, filter)))],
    [{ meter: "apps.memory", unit: "byte_seconds", total: "600" }],
  );
  const records = await read((tx) => usageStore.list(tx, { ...whole, meter: "apps.memory", before: undefined, limit: 10 }));
  assert.deepEqual(
    records.map(({ unit, quantity }) => [unit, quantity]),
    [
      ["byte_seconds", "600"],
      ["byte_seconds", "600"],
    ],
  );
});
