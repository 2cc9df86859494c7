/**
 * A process for local.test.ts to kill: works at random on a store and tells on standard output what it is about to do and
 * what was acknowledged, each line written before the next step, so that the parent knows what must be there.
 * Arguments: directory, bucket, name of this process, seed, and "versioned" for a bucket that is to keep versions.
 */
import { writeSync } from "node:fs";
import type { Id } from "../../../../kernel/ids.ts";
import { bodyOf, pattern } from "../conformance.bodies.ts";
import { seededRandom } from "../conformance.listing.ts";
import { openLocalStore } from "./index.ts";

const [directory, bucketId, name, seed, versioned] = process.argv.slice(2) as [string, Id<"bucket">, string, string, string?];
const random = seededRandom(Number(seed));
const store = await openLocalStore({ directory });
if (versioned !== undefined) await store.settingsUpdate(bucketId, { versioning: "enabled" });
const tell = (line: object): void => {
  writeSync(1, `${JSON.stringify(line)}\n`);
};
tell({ ready: true });

async function work(worker: number): Promise<void> {
  for (let step = 0; ; step++) {
    const key = `${name}/${worker}/${Math.floor(random() * 4)}`;
    const kind = random();
    const small = random() < 0.5;
    const sizeBytes = Math.floor(random() * (small ? 10_000 : 300_000));
    const content = `${step * 1000 + worker}:${sizeBytes}`;
    let written: { versionId?: string } | undefined;
    const bytes = (): AsyncIterable<Buffer> => bodyOf(pattern(sizeBytes, step * 1000 + worker));
    if (kind < 0.55) {
      tell({ worker, key, content });
      written = await store.put(bucketId, key, bytes());
    } else if (kind < 0.7) {
      tell({ worker, key });
      written = await store.delete(bucketId, key);
    } else {
      const { uploadId } = await store.uploadCreate(bucketId, key);
      await store.partPut(bucketId, uploadId, 1, bytes());
      await store.partPut(bucketId, uploadId, 2, bodyOf("not used"));
      if (kind < 0.75) continue;
      if (kind < 0.8) {
        await store.uploadAbort(bucketId, uploadId);
        continue;
      }
      tell({ worker, key, content });
      written = await store.uploadComplete(bucketId, uploadId, [{ number: 1 }]);
    }
    tell({ worker, done: true, versionId: written?.versionId });
  }
}
await Promise.all(Array.from({ length: 8 }, (_, worker) => work(worker)));
