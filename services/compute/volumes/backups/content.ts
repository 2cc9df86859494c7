import { createHash } from "node:crypto";
import { type Readable, Transform } from "node:stream";
import type { Database } from "../../../../kernel/db/database.ts";
import { CloudError, notFound } from "../../../../kernel/errors.ts";
import type { ObjectsService } from "../../../objects/contract.ts";
import type { Progress } from "../../driver.ts";
import { type BackupRow, backupStore } from "./store.ts";

/** The bytes of backups, checked while they flow. */
export interface BackupContents {
  /** The stream fails at its end, instead of ending, when its bytes are not those that were written. */
  open(
    backupId: string,
    options?: { signal?: AbortSignal | undefined; progress?: Progress | undefined },
  ): Promise<{ content: Readable; sizeBytes: number; backup: BackupRow }>;
  /** Gives them to `use`; when that fails because the content does, with what is wrong with the content. */
  read<T>(
    backupId: string,
    options: { signal?: AbortSignal | undefined; progress?: Progress | undefined },
    use: (content: Readable, backup: BackupRow) => Promise<T>,
  ): Promise<T>;
}

export function openBackupContents(parts: { database: Database; objects: ObjectsService }): BackupContents {
  const { database, objects } = parts;

  const contents: BackupContents = {
    async open(backupId, { signal, progress } = {}) {
      const backup = await database.transaction("system", (tx) => backupStore.find(tx, backupId));
      if (!backup) throw notFound("backup");
      const { content, sizeBytes } = await openObject(backup, signal);
      const total = backup.sizeBytes ?? sizeBytes;
      const checked = checkedBytes(backup, (bytes) => progress?.(total === 0 ? 1 : bytes / total));
      content.once("error", (error) =>
        checked.destroy(CloudError.is(error, "unavailable") || signal?.aborted ? error : damaged(backup, error)),
      );
      checked.once("close", () => content.destroy());
      return { content: content.pipe(checked), sizeBytes, backup };
    },

    async read(backupId, options, use) {
      const { content, backup } = await contents.open(backupId, options);
      let failure: Error | undefined;
      content.on("error", (error) => {
        failure ??= error;
      });
      try {
        const result = await use(content, backup);
        if (failure) throw failure;
        // Whoever did not want all of it has not seen whether it is whole.
        if (!content.readableEnded) {
          for await (const _ of content);
          if (failure) throw failure;
        }
        return result;
      } catch (error) {
        throw failure && !options.signal?.aborted ? failure : error;
      } finally {
        content.destroy();
      }
    },
  };
  return contents;

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

function checkedBytes(backup: BackupRow, progress: (bytes: number) => void): Transform {
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
      const whole = bytes === backup.sizeBytes && hash.digest("hex") === backup.sha256;
      done(whole ? null : damaged(backup));
    },
  });
}
