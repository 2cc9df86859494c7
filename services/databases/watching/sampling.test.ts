import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openDatabase } from "../../../kernel/db/database.ts";
import { newId } from "../../../kernel/ids.ts";
import { testDatabase } from "../../../testing/postgres.ts";
import type { DatabasesParts } from "../parts.ts";
import { coarseStep, createSampler, fineStep, keptDays, rateOf } from "./sampling.ts";
import { sampleStore } from "./store.ts";

const throwaway = await testDatabase(["identity", "databases"]);
const database = openDatabase({ url: throwaway.url });
after(async () => {
  await database.close();
  await throwaway.drop();
});

test("a rate is known between two counts of one server alone", () => {
  const count = (cpuSeconds: number, atMs: number) => ({ cpuSeconds, transactions: cpuSeconds * 10, atMs });
  assert.equal(rateOf(undefined, count(1, 0), "cpuSeconds"), null);
  assert.equal(rateOf(count(1, 0), count(16, 30_000), "cpuSeconds"), 0.5);
  assert.equal(rateOf(count(1, 0), count(16, 30_000), "transactions"), 5);
  assert.equal(rateOf(count(16, 0), count(1, 30_000), "cpuSeconds"), null, "it was started anew");
  assert.equal(rateOf(count(1, 0), count(2, 600_000), "cpuSeconds"), null, "too long ago to say anything of now");
});

test("a day is kept finely, a month coarsely, and what is older goes", async () => {
  const [organisation, project, id] = [newId("organisation"), newId("project"), newId("database")];
  const now = new Date("2026-11-22T12:00:00Z");
  await database.sql`insert into identity.organisations (id, name, slug, created_at) values (${organisation}, 'a', 'school', now())`;
  await database.sql`insert into identity.projects (id, organisation_id, name, slug, created_at) values (${project}, ${organisation}, 'a', 'lessons', now())`;
  await database.sql`
    insert into databases.databases (id, organisation_id, project_id, name, engine, version, state, memory_bytes, cpus, disk_bytes, database_name,
      owner_name, backup_hour, keep_days, created_at)
    values (${id}, ${organisation}, ${project}, 'a', 'postgres', '18', 'running', 1, 1, 1, 'a', 'a', 2, 7, now())`;
  const sample = (step: number, hoursAgo: number, connections: number, databaseId: string = id) =>
    database.transaction("system", (tx) =>
      sampleStore.insert(tx, step, Math.floor((now.getTime() / 1000 - hoursAgo * 3600) / step), {
        databaseId,
        organisationId: organisation,
        cpuPercent: connections === 1 ? null : connections,
        memoryBytes: 1000,
        diskBytes: null,
        connections,
        transactionsPerSecond: 1,
      }),
    );
  await sample(fineStep, 1, 7);
  await sample(fineStep, 30, 1);
  await sample(fineStep, 30 - 1 / 60, 3);
  await sample(coarseStep, keptDays * 24 - 1, 5);
  await sample(coarseStep, keptDays * 24 + 1, 9);
  await sample(fineStep, 2, 9, newId("database"));
  const sampler = createSampler({ database } as DatabasesParts);
  for (let twice = 0; twice < 2; twice++) {
    await sampler.upkeep(now);
    const rows =
      await database.sql`select step, connections::float8 as connections, cpu_percent::float8 as cpu from databases.samples order by step, slot`;
    assert.deepEqual(
      rows.map(({ step, connections, cpu }) => [step, connections, cpu]),
      [
        [fineStep, 7, 7],
        [coarseStep, 5, 5],
        [coarseStep, 2, 3],
      ],
    );
  }
  const span = { databaseId: id, from: new Date(now.getTime() - 86_400_000), to: now, stepSeconds: 3600, sampleStep: fineStep };
  const averages = await database.transaction("system", (tx) => sampleStore.averages(tx, span));
  assert.deepEqual(
    averages.map(({ at, connections }) => [at.toISOString(), connections]),
    [["2026-11-22T11:00:00.000Z", 7]],
  );
});
