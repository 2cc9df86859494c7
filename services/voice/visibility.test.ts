import assert from "node:assert/strict";
import { test } from "node:test";
import { newId } from "../../kernel/ids.ts";
import { startCloud } from "../../testing/cloud.ts";
import { leaseStore } from "./live/store/leases.ts";
import { openOffice } from "./testing/office.ts";

const { as, within, extension, organisation, database } = await openOffice(await startCloud());

test("every table of phone systems shows a tenant only what is theirs", async () => {
  await as("owner", "ringGroupCreate", { params: within, body: { name: "Sales" } });
  await extension("201", "Anna");
  const tables = await database.sql<{ name: string; secured: boolean; policies: number }[]>`
    select c.relname as name, c.relrowsecurity as secured,
      (select count(*)::int from pg_policies p where p.schemaname = 'voice' and p.tablename = c.relname) as policies
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'voice' and c.relkind = 'r' order by 1`;
  assert.ok(tables.length > 10);
  assert.deepEqual(
    tables.filter(({ secured, policies }) => !secured || policies === 0),
    [],
  );
  const seen = async (organisationId: string) => {
    const counts: Record<string, number> = {};
    await database.transaction({ organisationIds: [organisationId] }, async (tx) => {
      for (const { name } of tables) {
        const [row] = await tx.sql<{ count: number }[]>`select count(*)::int as count from voice.${tx.sql(name)}`;
        if (row && row.count > 0) counts[name] = row.count;
      }
    });
    return counts;
  };
  const own = await seen(organisation);
  assert.ok(own["elements"] === 1 && own["extensions"] === 1 && own["systems"] === 1);
  assert.deepEqual(await seen(newId("organisation")), {});

  // Nor what the cloud has for itself: its voice processes. Browsers of all are told where these are, and nothing else.
  await database.transaction("system", (tx) =>
    leaseStore.note(tx, "voice:5060", { webSocketUrl: "wss://voice.example:443/", calls: 3, engine: { workers: [], hosts: [] } }),
  );
  assert.deepEqual(await seen(organisation), own);
  const doors = await database.transaction({ organisationIds: [organisation] }, (tx) => leaseStore.doors(tx, within.phoneSystem));
  assert.deepEqual(doors, ["wss://voice.example:443/"]);
});
