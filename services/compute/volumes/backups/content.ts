import { createHash } from "node:crypto";
import { type Readable, Transform } from "node:stream";
import type { Database } from "../../../../kernel/db/database.ts";
import { CloudError, notFound } from "../../../../kernel/errors.ts";
import type { ObjectsService } from "../../../objects/contract.ts";
import type { Progress } from "../../driver.ts";
import { type BackupRow, backupStore } from "./store.ts";

type ReadOptions = { signal?: AbortSignal | undefined; progress?: Progress | undefined };

/** The bytes of backups, checked while they flow. */
export interface BackupContents {
  /**
   * The stream fails at its end, instead of ending, when its bytes are not those that were written. Then, whatever `use` makes of
   * that, this fails with words about the backup. What `use` has not read is read to the end, and checked.
   */
  read<T>(backupId: string, options: ReadOptions, use: (content: Readable, backup: BackupRow) => Promise<T>): Promise<T>;
}

export function openBackupContents(parts: { database: Database; objects: ObjectsService }): BackupContents {
  const { database, objects } = parts;

  return {
    async read(backupId, { signal, progress }, use) {
      const backup = await database.transaction("system", (tx) => backupStore.find(tx, backupId));
      if (!backup) throw notFound("backup");
      const object = await openObject(backup, signal);
      const total = backup.sizeBytes ?? object.sizeBytes;
      let wrong: CloudError | undefined;
      const content = checkedBytes(
        backup,
        (bytes) => progress?.(total === 0 ? 1 : bytes / total),
        (error) => {
          wrong = error;
        },
      );
      object.content.once("error", (error) => {
        if (!CloudError.is(error, "unavailable") && !signal?.aborted) wrong ??= damaged(backup, error);
        content.destroy(wrong ?? error);
      });
      content.once("close", () => object.content.destroy());
      // It is looked at where it is read; an error must not end the process where nobody does.
      content.on("error", () => {});
      object.content.pipe(content);
      try {
        const result = await use(content, backup);
        if (!content.readableEnded && !content.destroyed) for await (const _ of content);
        if (wrong) throw wrong;
        return result;
      } catch (error) {
        throw signal?.aborted ? error : (wrong ?? error);
      } finally {
        content.destroy();
      }
    },
  };

  async function openObject(backup: BackupRow, signal: AbortSignal | undefined) {
    try {
      return await objects.read({ bucketId: backup.bucketId, key: backup.key, ...(signal ? { signal } : {}) });
    } catch (error) {
      if (CloudError.is(error, "not_found")) {
        await database.transaction("system", async (tx) => {
          const row = await backupStore.find(tx, backup.id, { lock: true });
          if (row?.state === "available") {
            await backupStore.update(tx, row.id, { state: "missing", stateReason: "Its object was deleted from the bucket." });
          }
        });
        throw new CloudError(
          "failed_precondition",
          `The object of this backup, ${backup.key} in the bucket ${backup.bucketName}, was deleted. Use another backup.`,
          { details: { resource: "backup", reason: "object_missing" }, cause: error },
        );
      }
      // The store itself knows its damaged objects.
      throw CloudError.is(error, "internal") ? damaged(backup, error) : error;
    }
  }
}

const damaged = (backup: BackupRow, cause?: unknown): CloudError =>
  new CloudError(
    "failed_precondition",
    `The object of this backup, ${backup.key} in the bucket ${backup.bucketName}, is damaged: its bytes are not those that were written. Use another backup.`,
    { details: { resource: "backup", reason: "object_damaged" }, cause },
  );

function checkedBytes(backup: BackupRow, progress: (bytes: number) => void, onDamage: (error: CloudError) => void): Transform {
  const hash = createHash("sha256");
  let bytes = 0;
  return new Transform({
    transform(piece: Buffer, _encoding, done) {
      hash.update(piece);
      bytes += piece.length;
      progress(bytes);
      done(null, piece);
    },
    flush(done) {
      if (bytes === backup.sizeBytes && hash.digest("hex") === backup.sha256) return done();
      const error = damaged(backup);
      onDamage(error);
      done(error);
    },
  });
}
