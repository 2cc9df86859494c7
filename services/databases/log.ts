/** The way of a server's log into its bucket, and out of it again. */
import type { Readable } from "node:stream";
import { CloudError } from "../../kernel/errors.ts";
import { containerOf, type DatabasesParts, prefixOf } from "./parts.ts";
import { type BackupRow, backupStore, type DatabaseRow, databaseStore } from "./store.ts";

type Parts = Pick<DatabasesParts, "database" | "objects" | "driver">;

const folder = (prefix: string): string => `${prefix}wal/`;
const keyOf = (prefix: string, file: string): string => `${folder(prefix)}${file}.gz`;
export const baseKey = (backup: Pick<BackupRow, "prefix" | "id">): string => `${backup.prefix}base/${backup.id}.tar.gz`;
export const labelKey = (backup: Pick<BackupRow, "prefix" | "id">): string => `${backup.prefix}base/${backup.id}.label`;

/** Takes what is finished to the bucket; only what is durable there leaves the server. Two at once do the same twice, and no harm. */
export async function shipLog(parts: Parts, row: DatabaseRow, signal?: AbortSignal): Promise<void> {
  const { bucketId } = row;
  if (bucketId === null) return;
  const driver = parts.driver();
  const name = containerOf(row);
  const files = await driver.archived(name, { signal });
  for (const file of files) {
    let content: Readable;
    try {
      content = await driver.archivedRead(name, file.name, { signal });
      const { sizeBytes } = await parts.objects.write({
        bucketId,
        key: keyOf(prefixOf(row), file.name),
        content,
        contentType: "application/gzip",
        metadata: { "khmara-database": row.id },
        ...(signal ? { signal } : {}),
      });
      if (sizeBytes !== file.sizeBytes)
        throw new CloudError(
          "internal",
          `A file of the log of ${row.name} came with ${sizeBytes} bytes instead of ${file.sizeBytes}.`,
        );
    } catch (error) {
      throw aboutBucket(error, row.bucketName ?? bucketId);
    }
    await driver.archivedRemove(name, [file.name], { signal });
    await parts.database.transaction("system", (tx) => databaseStore.note(tx, row.id, { recoverableUntil: file.at }));
  }
}

export function aboutBucket(error: unknown, bucket: string): unknown {
  if (!CloudError.is(error, "not_found")) return error;
  return new CloudError(
    "failed_precondition",
    `The bucket ${bucket} does not exist any more, and with it the backups that were there.`,
    {
      details: { resource: "bucket", reason: "bucket_missing" },
      cause: error,
    },
  );
}

/** Names of all files of the log that the bucket has, in order. */
export async function storedLog(
  parts: Pick<Parts, "objects">,
  backup: Pick<BackupRow, "bucketId" | "prefix">,
): Promise<string[]> {
  const prefix = folder(backup.prefix);
  const names: string[] = [];
  for (let after: string | undefined; ; ) {
    const objects = await parts.objects.list({
      bucketId: backup.bucketId,
      prefix,
      limit: 1000,
      ...(after === undefined ? {} : { after }),
    });
    for (const { key } of objects) names.push(key.slice(prefix.length).replace(/\.gz$/, ""));
    if (objects.length < 1000) return names;
    after = objects.at(-1)?.key;
  }
}

export async function* readLog(
  parts: Pick<Parts, "objects">,
  backup: Pick<BackupRow, "bucketId" | "prefix">,
  files: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<{ name: string; sizeBytes: number; content: Readable }> {
  for (const name of files) {
    const { content, sizeBytes } = await parts.objects.read({
      bucketId: backup.bucketId,
      key: keyOf(backup.prefix, name),
      signal,
    });
    yield { name, sizeBytes, content };
  }
}

/** Deletes what no backup of this incarnation needs any more; with the last backup of a database that is gone, all of it. */
export async function pruneLog(parts: Parts, backup: Pick<BackupRow, "bucketId" | "prefix" | "databaseId">): Promise<void> {
  const { rows, lives } = await parts.database.transaction("system", async (tx) => ({
    rows: await backupStore.ofPrefix(tx, backup.prefix),
    lives: await databaseStore.find(tx, backup.databaseId),
  }));
  // One that is being made begins somewhere that is not known yet.
  if (rows.some(({ state }) => state === "creating")) return;
  const files = await storedLog(parts, backup);
  const first = rows.find(({ state, firstLog }) => state === "available" && firstLog !== null)?.firstLog;
  // Of one that lives the next backup is still to come: without any, no log is of use.
  const obsolete = first ? parts.driver().logObsolete(files, first) : lives && prefixOf(lives) === backup.prefix ? [] : files;
  for (const file of obsolete) await parts.objects.delete({ bucketId: backup.bucketId, key: keyOf(backup.prefix, file) });
}
