/** Whole instances and volumes as one tarball. The engine writes it to its own disk first; it is deleted there once it has been read. */
import { PassThrough, pipeline, type Readable } from "node:stream";
import { CloudError } from "../../../../kernel/errors.ts";
import type { CallOptions } from "../../driver.ts";
import { deadlines, type Engine, settings, whenFree, wordsOf } from "./engine.ts";

/** The engine deletes those of instances by itself then; those of volumes are found by `deleteBackups`. */
const lifetimeMs = 24 * 3_600_000;
const name = "khmara";

export interface Export {
  sizeBytes?: number;
  content: Readable;
}

/** `owner`: the path of the instance or volume. `cleanUp` follows when all was read, or the reader went away. */
export async function exportBackup(
  engine: Engine,
  owner: string,
  cleanUp: () => Promise<void>,
  options?: CallOptions,
): Promise<Export> {
  const done = async (): Promise<void> => {
    await engine.client
      .delete(`${owner}/backups/${name}`, { operationTimeoutMs: deadlines.change })
      .then(cleanUp)
      .catch((error) => engine.log.warn({ error, owner }, "an exported backup was not deleted"));
  };
  try {
    // Of an earlier call that was cut off.
    await engine.client.delete(`${owner}/backups/${name}`, settings(options, deadlines.change));
    await make(engine, owner, options);
    const { content, sizeBytes } = await engine.client.download(`${owner}/backups/${name}/export`, { signal: options?.signal });
    const out = new PassThrough();
    out.once("close", () => void done());
    pipeline(content, out, () => {});
    return { content: out, ...(sizeBytes === undefined ? {} : { sizeBytes }) };
  } catch (error) {
    await done();
    throw error;
  }
}

async function make(engine: Engine, owner: string, options?: CallOptions): Promise<void> {
  const request = (algorithm: string) =>
    whenFree(
      () =>
        engine.client.post(
          `${owner}/backups`,
          {
            name,
            expires_at: new Date(Date.now() + lifetimeMs).toISOString(),
            instance_only: true,
            volume_only: true,
            optimized_storage: false,
            compression_algorithm: algorithm,
          },
          settings(options, deadlines.copy),
        ),
      options,
    );
  try {
    await request("zstd");
  } catch (error) {
    if (!/zstd|executable file not found/i.test(wordsOf(error))) throw backupFailure(error);
    engine.log.info("the engine's machine has no zstd; backups are compressed with gzip, which is slower");
    await request("gzip").catch((failure) => {
      throw backupFailure(failure);
    });
  }
}

function backupFailure(error: unknown): unknown {
  if (!/no space left/i.test(wordsOf(error))) return error;
  return new CloudError(
    "storage_full",
    "The engine's disk has no room for the export. Free some on the disk of its backups (storage.backups_volume, or else /var/lib).",
    { cause: error, details: { reason: "backup_space" } },
  );
}
