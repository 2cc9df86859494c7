import { CloudError, there } from "../../kernel/errors.ts";
import { type Id, newId } from "../../kernel/ids.ts";
import { defineOperation, type OperationDefinition } from "../../kernel/operations/definition.ts";
import { reserveQuota } from "../../kernel/quota.ts";
import { issueFor } from "./certificates.ts";
import type { DatabaseVersion } from "./contract.ts";
import { bringUp, endCreation, forgetDatabase, preparedSpec, readDatabase, takeAway } from "./creation.ts";
import type { ServerSpec, ServerUser } from "./driver.ts";
import { baseKey, labelKey, pruneLog, readLog, shipLog, storedLog } from "./log.ts";
import { containerOf, type DatabasesParts, prefixOf, specOf, volumeOf } from "./parts.ts";
import { definePower } from "./power.ts";
import { backupStore, type DatabaseRow, databaseStore, holdDatabase, releaseDatabase, userStore } from "./store.ts";

type CreateInput = { databaseId: string };
type RestoreInput = {
  databaseId: string;
  backupId: string;
  /** A moment, or where the log ends, or as soon as the backup is consistent. */
  until: string;
  /** The database that the backup is of, when what it has not yet handed over counts too. */
  sourceId: string | null;
};
type OnDatabase = { databaseId: string };
type Size = { memoryBytes: number; cpus: number; diskBytes: number };
type ResizeInput = { databaseId: string; from: Size; to: Size };
type UpgradeInput = { databaseId: string; from: DatabaseVersion; to: DatabaseVersion; incarnation: number };

const hour = 3600;
const day = 24 * hour;

export type DatabaseOperations = ReturnType<typeof defineDatabaseOperations>;

const untilOf = (text: string): "end" | "earliest" | Date => (text === "end" || text === "earliest" ? text : new Date(text));

export function defineDatabaseOperations(parts: DatabasesParts): {
  create: OperationDefinition<CreateInput>;
  restore: OperationDefinition<RestoreInput>;
  restart: OperationDefinition<OnDatabase>;
  rename: OperationDefinition<OnDatabase>;
  stop: OperationDefinition<OnDatabase>;
  start: OperationDefinition<OnDatabase>;
  resize: OperationDefinition<ResizeInput>;
  upgrade: OperationDefinition<UpgradeInput>;
  delete: OperationDefinition<OnDatabase>;
} {
  const prepare = <I extends { databaseId: string }>(version?: (input: I) => string) => ({
    name: "prepare",
    deadlineSeconds: hour,
    async run({
      input,
      signal,
      progress,
    }: {
      input: I;
      signal: AbortSignal;
      progress: (fraction: number, message?: string) => void;
    }) {
      const wanted = version?.(input) ?? (await readDatabase(parts, input.databaseId)).version;
      await parts.driver().prepare(wanted, { signal, progress });
    },
  });

  const create = defineOperation<CreateInput>({
    kind: "databases.database.create",
    steps: [
      prepare<CreateInput>(),
      {
        name: "start",
        deadlineSeconds: 900,
        async run(context) {
          const { input, memory, signal } = context;
          memory["left"] = true;
          const row = await readDatabase(parts, input.databaseId);
          const spec = await bringUp(parts, input.databaseId, context, (each) => parts.driver().initialise(each, { signal }));
          await parts.driver().setUp(spec.name, { database: row.databaseName, owner: row.ownerName }, { signal });
        },
        async undo({ input, memory, signal }) {
          await takeAway(parts, input.databaseId, signal);
          memory["left"] = false;
        },
      },
    ],
    async finish(tx, { input, memory, error }, outcome) {
      const row = await endCreation(tx, input.databaseId, memory["left"] === true, outcome, error?.message);
      if (!row) return undefined;
      await insertUsers(tx, row, [{ name: row.ownerName, access: "owner" }]);
      return { databaseId: row.id };
    },
  });

  const restore = defineOperation<RestoreInput>({
    kind: "databases.database.restore",
    long: true,
    steps: [
      prepare<RestoreInput>(),
      {
        name: "log",
        deadlineSeconds: hour,
        async run({ input, signal, database }) {
          if (input.sourceId === null) return;
          const source = await database.transaction("system", (tx) => databaseStore.find(tx, input.sourceId as string));
          // Of one that does not run only what is in the bucket counts.
          if (source?.state !== "running") return;
          await parts.driver().archiveNow(containerOf(source), { signal });
          await shipLog(parts, source, signal);
        },
      },
      {
        name: "restore",
        deadlineSeconds: day,
        async run(context) {
          const { input, memory, signal, database } = context;
          memory["left"] = true;
          const backup = there(await database.transaction("system", (tx) => backupStore.find(tx, input.backupId)), "backup");
          const until = untilOf(input.until);
          // What an attempt before has begun may still run on this volume.
          await parts.driver().remove(containerOf({ id: input.databaseId as Id<"database"> }), { signal });
          const spec = await bringUp(parts, input.databaseId, context, async (each) =>
            parts.driver().restore(each, await restoreSource(parts, backup, until, signal), { signal }),
          );
          memory["users"] = await parts.driver().users(spec.name, { signal });
        },
        async undo({ input, memory, signal }) {
          await takeAway(parts, input.databaseId, signal);
          memory["left"] = false;
        },
      },
    ],
    async finish(tx, { input, memory, error }, outcome) {
      const row = await endCreation(tx, input.databaseId, memory["left"] === true, outcome, error?.message);
      if (!row) return undefined;
      await insertUsers(tx, row, memory["users"] as ServerUser[]);
      return { databaseId: row.id };
    },
  });

  /** Stopped, its settings written anew, started. */
  async function again(id: string, change: Partial<Size>, context: Parameters<typeof bringUp>[2]): Promise<void> {
    const { signal } = context;
    await parts.driver().stop(containerOf({ id: id as Id<"database"> }), { signal });
    const spec = { ...(await preparedSpec(parts, id)), ...change };
    await parts.driver().prepare(spec.version, { signal });
    await parts.driver().initialise(spec, { signal });
    await parts.driver().start(spec, context);
  }

  const restarting = (kind: string): OperationDefinition<OnDatabase> =>
    defineOperation<OnDatabase>({
      kind,
      steps: [
        {
          name: "restart",
          deadlineSeconds: 1800,
          run: (context) => again(context.input.databaseId, {}, context),
        },
      ],
      async finish(tx, { input, error }, outcome) {
        const row = await databaseStore.find(tx, input.databaseId, { lock: true });
        if (!row) return undefined;
        await databaseStore.update(tx, row.id, { ...ending(outcome, error?.message), operationId: null });
        return { databaseId: row.id };
      },
    });
  const restart = restarting("databases.database.restart");
  const rename = restarting("databases.database.rename");
  const { stop, start } = definePower(parts, prepare<OnDatabase>());

  const resize = defineOperation<ResizeInput>({
    kind: "databases.database.resize",
    steps: [
      {
        name: "resize",
        deadlineSeconds: 1800,
        async run(context) {
          const { input, signal } = context;
          const { databaseId, from, to } = input;
          if (from.memoryBytes !== to.memoryBytes || from.cpus !== to.cpus) return again(databaseId, to, context);
          const row = await readDatabase(parts, databaseId);
          // Whether it fits now is for the next look at its disk.
          await parts.driver().configure({ ...specOf(parts, row), ...to, certificate: await issueFor(parts, row) }, { signal });
        },
        undo: (context) => again(context.input.databaseId, context.input.from, { ...context, progress: () => {} }),
      },
    ],
    async finish(tx, { input, error }, outcome) {
      const { from, to } = input;
      const row = await databaseStore.find(tx, input.databaseId, { lock: true });
      if (!row) return undefined;
      if (outcome !== "succeeded") {
        await reserveQuota(tx, row, "databases.memory", from.memoryBytes - to.memoryBytes);
        await reserveQuota(tx, row, "databases.disk", from.diskBytes - to.diskBytes);
        await databaseStore.update(tx, row.id, { ...ending(outcome, error?.message), operationId: null });
        return undefined;
      }
      const now = new Date();
      const next = await databaseStore.update(tx, row.id, { ...to, state: "running", stateReason: null, operationId: null });
      await releaseDatabase(tx, row.id, now);
      await holdDatabase(tx, next, now);
      return { databaseId: row.id, ...to };
    },
  });

  /** The new one beside the old: nobody reaches it. */
  const besideOf = (row: DatabaseRow, input: UpgradeInput): ServerSpec => ({
    ...specOf(parts, row),
    name: `${containerOf(row)}-up`,
    volume: volumeOf({ id: row.id, incarnation: input.incarnation + 1 }),
    version: input.to,
    network: undefined,
    port: undefined,
    archive: false,
    readOnly: false,
  });

  const upgrade = defineOperation<UpgradeInput>({
    kind: "databases.database.upgrade",
    long: true,
    steps: [
      prepare<UpgradeInput>(({ to }) => to),
      {
        name: "copy",
        deadlineSeconds: day,
        async run({ input, signal, progress }) {
          const driver = parts.driver();
          const row = await readDatabase(parts, input.databaseId);
          const old = specOf(parts, row);
          const next = besideOf(row, input);
          // Without a network nobody writes into what is being copied.
          await driver.start({ ...old, network: undefined, port: undefined }, { signal, progress });
          await driver.remove(next.name, { signal });
          await driver.discard(next.volume, { signal });
          await driver.initialise(next, { signal });
          await driver.start(next, { signal, progress });
          await driver.copy(old.name, next.name, { signal });
          await driver.stop(next.name, { signal });
          await driver.remove(next.name, { signal });
        },
        async undo(context) {
          const { input, signal } = context;
          const driver = parts.driver();
          const row = await readDatabase(parts, input.databaseId);
          const next = besideOf(row, input);
          await driver.remove(next.name, { signal });
          await driver.remove(containerOf(row), { signal });
          await driver.discard(next.volume, { signal });
          await driver.start(specOf(parts, row), { signal });
        },
      },
      {
        name: "switch",
        deadlineSeconds: 1800,
        async run(context) {
          const { input, signal, database } = context;
          const driver = parts.driver();
          const row = await readDatabase(parts, input.databaseId);
          await driver.stop(containerOf(row), { signal });
          await driver.remove(containerOf(row), { signal });
          await database.transaction("system", (tx) =>
            databaseStore.update(tx, row.id, { version: input.to, incarnation: input.incarnation + 1 }),
          );
          const spec = await bringUp(parts, row.id, context, (each) => driver.initialise(each, { signal }));
          await driver.setUp(spec.name, { database: row.databaseName, owner: row.ownerName }, { signal });
        },
        async undo({ input, signal, database }) {
          await parts.driver().remove(containerOf({ id: input.databaseId as Id<"database"> }), { signal });
          await database.transaction("system", (tx) =>
            databaseStore.update(tx, input.databaseId, { version: input.from, incarnation: input.incarnation }),
          );
        },
      },
    ],
    async finish(tx, { input, error }, outcome) {
      const row = await databaseStore.find(tx, input.databaseId, { lock: true });
      if (!row) return undefined;
      await databaseStore.update(tx, row.id, {
        ...ending(outcome, error?.message),
        operationId: null,
        ...(outcome === "succeeded" && row.bucketId !== null ? { nextBackupAt: new Date(), recoverableUntil: null } : {}),
      });
      return { databaseId: row.id, version: row.version };
    },
  });

  const remove = defineOperation<OnDatabase>({
    kind: "databases.database.delete",
    steps: [
      {
        name: "delete",
        deadlineSeconds: hour,
        async run({ input, signal }) {
          const row = await readDatabase(parts, input.databaseId);
          const driver = parts.driver();
          await driver.remove(containerOf(row), { signal });
          // Of each upgrade the one before was kept.
          for (let incarnation = row.incarnation; incarnation > 0; incarnation--)
            await driver.discard(volumeOf({ id: row.id, incarnation }), { signal });
        },
      },
      {
        name: "log",
        deadlineSeconds: hour,
        async run({ input, database, log }) {
          const row = await readDatabase(parts, input.databaseId);
          if (row.bucketId === null) return;
          const backups = await database.transaction("system", (tx) => backupStore.ofPrefix(tx, prefixOf(row)));
          if (backups.length > 0) return;
          const gone = { bucketId: row.bucketId, prefix: prefixOf(row), databaseId: newId("database") };
          await pruneLog(parts, gone).catch((error) => {
            // The bucket may be gone before: then so is the log.
            if (!CloudError.is(error, "not_found")) throw error;
            log.info({ database: row.id }, "the bucket of a deleted database is gone");
          });
        },
      },
    ],
    async finish(tx, { input, error }, outcome) {
      const row = await databaseStore.find(tx, input.databaseId, { lock: true });
      if (!row) return undefined;
      if (outcome === "succeeded") {
        await forgetDatabase(tx, row);
        return { databaseId: row.id };
      }
      await databaseStore.update(tx, row.id, {
        operationId: null,
        state: "error",
        stateReason: `It could not be deleted: ${error?.message ?? "it was cancelled."} Delete it again.`,
      });
      return undefined;
    },
  });

  return { create, restore, restart, rename, stop, start, resize, upgrade, delete: remove };
}

/** After work that has been undone, or that nothing undoes, the health worker finds out what is so. */
export const ending = (
  outcome: "succeeded" | "failed" | "cancelled",
  message: string | undefined,
): { state: "running" | "failing"; stateReason: string | null } =>
  outcome === "succeeded"
    ? { state: "running", stateReason: null }
    : { state: "failing", stateReason: message ?? "It was cancelled." };

export async function restoreSource(
  parts: DatabasesParts,
  backup: Parameters<typeof baseKey>[0] & Parameters<typeof storedLog>[1] & { firstLog: string | null; lastLog: string | null },
  until: "end" | "earliest" | Date,
  signal: AbortSignal,
) {
  const { bucketId } = backup;
  const { content } = await parts.objects.read({ bucketId, key: labelKey(backup), signal });
  let label = "";
  for await (const piece of content) label += String(piece);
  const range = { firstLog: backup.firstLog ?? "", lastLog: backup.lastLog ?? "" };
  const files = parts.driver().logNeeded(await storedLog(parts, backup), range, until);
  if (!files.some((file) => file >= range.lastLog))
    throw new CloudError(
      "failed_precondition",
      "The log that this backup needs is not in its bucket any more. Use another backup.",
      {
        details: { resource: "backup", reason: "log_missing" },
      },
    );
  return {
    base: async () => (await parts.objects.read({ bucketId, key: baseKey(backup), signal })).content,
    label,
    log: readLog(parts, backup, files, signal),
    until,
  };
}

async function insertUsers(
  tx: Parameters<typeof userStore.find>[0],
  row: DatabaseRow,
  users: readonly ServerUser[],
): Promise<void> {
  const now = new Date();
  for (const { name, access } of users)
    await userStore.insert(tx, {
      id: newId("databaseUser"),
      organisationId: row.organisationId,
      projectId: row.projectId,
      databaseId: row.id,
      name,
      access: name === row.ownerName ? "owner" : access,
      state: "active",
      createdAt: now,
      changedAt: now,
    });
}
