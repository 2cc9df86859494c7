/** Disks of an app to a bucket and back. Whoever calls sees to it that nothing writes to them meanwhile. */
import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { Transform, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { CloudError, notFound } from "../../../kernel/errors.ts";
import type { AppsParts, CallOptions } from "../parts.ts";
import { kinds, volumeName } from "../running/spec.ts";
import { type DiskRow, diskStore } from "../running/store/disks.ts";
import { type BackupDisk, type BackupRow, backupStore } from "./store.ts";

export interface Copying {
  /** Copies the disks that its app has now, and makes it available. Harmless to repeat. */
  copy(backupId: string, options?: CallOptions): Promise<void>;
  /**
   * Replaces what is on the app's disks of the same names. All of it is read and compared with its checksum before anything is touched; repeated after a
   * crash it comes out the same. failed_precondition when it is not what was written, or the app has no such disk.
   */
  putBack(backupId: string, appId: string, options?: CallOptions): Promise<void>;
  /** Its objects. */
  erase(backup: Pick<BackupRow, "id" | "appId" | "bucketId">): Promise<void>;
}

const prefixOf = (backup: Pick<BackupRow, "id" | "appId">): string => `apps/${backup.appId}/${backup.id}/`;
const page = 1000;

export function createCopying(parts: AppsParts): Copying {
  const { database } = parts;
  const opened = (backupId: string): Promise<BackupRow> =>
    database.transaction("system", async (tx) => {
      const row = await backupStore.find(tx, backupId);
      if (!row) throw notFound("backup");
      return row;
    });

  /** Its disks, and an image of ours that the engine can look at them with. */
  const placeOfDisks = (appId: string): Promise<{ disks: DiskRow[]; image: string }> =>
    database.transaction("system", async (tx) => {
      const app = await parts.deploying.find(tx, appId);
      const release = app?.liveReleaseId === undefined ? undefined : await parts.deploying.release(tx, app.liveReleaseId);
      if (!app || !release)
        throw new CloudError(
          "failed_precondition",
          "The app was never deployed, so its disks are not there yet. Deploy it first.",
          {
            details: { resource: "app", reason: "app_not_deployed" },
          },
        );
      return { disks: await diskStore.ofApp(tx, appId), image: release.imageId };
    });

  async function write(backup: BackupRow, disk: DiskRow, content: Readable, signal?: AbortSignal): Promise<BackupDisk> {
    const key = `${prefixOf(backup)}${disk.name}.tar.gz`;
    const hash = createHash("sha256");
    const measured = new Transform({
      transform(piece, _, done) {
        hash.update(piece);
        done(null, piece);
      },
    });
    const [, written] = await Promise.all([
      // The disk may be large, and its copy is read once in a while: speed counts for more than the last percent.
      pipeline(content, createGzip({ level: 3 }), measured, { ...(signal ? { signal } : {}) }),
      parts.objects.write({
        bucketId: backup.bucketId,
        key,
        content: measured,
        contentType: "application/gzip",
        metadata: { app: backup.appId, disk: disk.name },
        ...(signal ? { signal } : {}),
      }),
    ]);
    return { name: disk.name, path: disk.path, key, sizeBytes: written.sizeBytes, sha256: hash.digest("hex") };
  }

  async function check(backup: BackupRow, { key, sha256, name }: BackupDisk, signal?: AbortSignal): Promise<void> {
    const hash = createHash("sha256");
    const { content } = await parts.objects.read({ bucketId: backup.bucketId, key, ...(signal ? { signal } : {}) });
    const sink = new Writable({
      write(piece, _, done) {
        hash.update(piece);
        done();
      },
    });
    await pipeline(content, sink, { ...(signal ? { signal } : {}) });
    if (hash.digest("hex") === sha256) return;
    throw new CloudError(
      "failed_precondition",
      `The copy of the disk ${name} in the bucket ${backup.bucketName} (${key}) is not what was written. Take another backup; nothing was changed.`,
      { details: { resource: "backup", reason: "backup_changed", disk: name } },
    );
  }

  return {
    async copy(backupId, { signal, onLine } = {}) {
      const backup = await opened(backupId);
      if (backup.state === "available") return;
      const { disks, image } = await placeOfDisks(backup.appId);
      const copied: BackupDisk[] = [];
      for (const disk of disks) {
        const volume = volumeName(disk);
        // One that no container was started with yet has nothing on it.
        if ((await parts.engine().volumeGet(volume, { signal })) === undefined) continue;
        const content = await parts.engine().volumeRead(volume, image, { signal });
        copied.push(await write(backup, disk, content, signal));
        onLine?.(`--> the disk ${disk.name} is in the bucket ${backup.bucketName}`);
      }
      await database.transaction("system", (tx) => backupStore.finish(tx, backup.id, copied));
    },

    async putBack(backupId, appId, { signal, onLine } = {}) {
      const backup = await opened(backupId);
      const { disks, image } = await placeOfDisks(appId);
      const wanted = backup.disks.map((copy) => {
        const disk = disks.find(({ name }) => name === copy.name);
        if (!disk)
          throw new CloudError(
            "failed_precondition",
            `The app has no disk ${copy.name}, which is in this backup. Add one, then restore again.`,
            {
              details: { resource: "app", reason: "disk_missing", disk: copy.name },
            },
          );
        return { copy, disk };
      });
      for (const { copy } of wanted) await check(backup, copy, signal);
      const engine = parts.engine();
      for (const { copy, disk } of wanted) {
        const volume = volumeName(disk);
        const { content } = await parts.objects.read({ bucketId: backup.bucketId, key: copy.key, ...(signal ? { signal } : {}) });
        await engine.volumeRemove(volume, { signal });
        await engine.volumeCreate({ name: volume, labels: { kind: kinds.disk, app: appId, disk: disk.id } }, { signal });
        const plain = createGunzip();
        await Promise.all([pipeline(content, plain), engine.volumeWrite(volume, image, plain, { signal })]);
        onLine?.(`--> the disk ${disk.name} is as it was`);
      }
    },

    async erase(backup) {
      const { bucketId } = backup;
      for (;;) {
        const found = await parts.objects.list({ bucketId, prefix: prefixOf(backup), limit: page });
        for (const { key } of found) await parts.objects.delete({ bucketId, key });
        if (found.length < page) return;
      }
    },
  };
}
