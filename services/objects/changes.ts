import type { Database } from "../../kernel/db/database.ts";
import { emit } from "../../kernel/events.ts";
import type { Log } from "../../kernel/log.ts";
import type { ObjectStore } from "./driver.ts";

const everyMs = 1000;
/** More folders than this at once are told as one, the folder that has them all. */
const maxFolders = 4;

type Subject = { id: string; organisationId: string; projectId: string };

/** The folder that shows a key: "a/b/" of "a/b/c.txt", "a/" of the folder "a/b/", nothing of "/". */
export const folderOf = (key: string): string =>
  // A place before the first letter would count as the first one: "/" would be its own folder.
  key.length < 2 ? "" : key.slice(0, key.lastIndexOf("/", key.length - 2) + 1);

/** The live event for changes that are many: collected, told once a second, not more than a few for each bucket. */
export interface Changes {
  note(bucket: Subject, key: string): void;
  flush(): Promise<void>;
  stop(): Promise<void>;
}

export function collectChanges(database: Database, log: Log): Changes {
  let noted = new Map<string, { bucket: Subject; folders: Set<string> }>();
  let timer: NodeJS.Timeout | undefined;
  let flushing: Promise<void> | undefined;

  const later = () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      flush().catch((error) => {
        log.debug({ err: error }, "changes of objects could not be told yet");
        later();
      });
    }, everyMs).unref();
  };

  function note(bucket: Subject, key: string): void {
    const entry = noted.get(bucket.id) ?? { bucket, folders: new Set() };
    noted.set(bucket.id, entry);
    entry.folders.add(folderOf(key));
    if (entry.folders.size > maxFolders) entry.folders = new Set([commonFolder(entry.folders)]);
    later();
  }

  async function flush(): Promise<void> {
    await flushing?.catch(() => {});
    const taken = noted;
    if (taken.size === 0) return;
    noted = new Map();
    flushing = database.transaction("system", async (tx) => {
      for (const { bucket, folders } of taken.values()) {
        for (const prefix of folders) {
          await emit(tx, {
            type: "objects.object.changed",
            organisationId: bucket.organisationId,
            projectId: bucket.projectId,
            payload: { bucketId: bucket.id, prefix },
          });
        }
      }
    });
    try {
      await flushing;
    } catch (error) {
      // Told with the next round: a folder, not a key, so that this stays small.
      for (const { bucket, folders } of taken.values()) for (const folder of folders) note(bucket, `${folder}.`);
      throw error;
    } finally {
      flushing = undefined;
    }
  }

  return {
    note,
    flush,
    async stop() {
      clearTimeout(timer);
      await flush().catch(() => {});
      clearTimeout(timer);
    },
  };
}

function commonFolder(folders: Iterable<string>): string {
  const [first = "", ...rest] = folders;
  let common = first;
  for (const folder of rest) while (!folder.startsWith(common)) common = folderOf(common);
  return common;
}

/** The store as it is, but for telling what was changed in it. */
export function watchStore(store: ObjectStore, changed: (bucketId: string, keys: Iterable<string>) => void): ObjectStore {
  const watched: Partial<ObjectStore> = {
    async put(bucketId, key, body, options) {
      const object = await store.put(bucketId, key, body, options);
      changed(bucketId, [key]);
      return object;
    },
    async delete(bucketId, key, options) {
      const deleted = await store.delete(bucketId, key, options);
      if (deleted) changed(bucketId, [key]);
      return deleted;
    },
    async deleteMany(bucketId, names, options) {
      const results = await store.deleteMany(bucketId, names, options);
      changed(
        bucketId,
        results.flatMap(({ deletion }) => deletion?.key ?? []),
      );
      return results;
    },
    async copy(source, target, options) {
      const object = await store.copy(source, target, options);
      changed(target.bucketId, [target.key]);
      return object;
    },
    async uploadComplete(bucketId, uploadId, parts, options) {
      const object = await store.uploadComplete(bucketId, uploadId, parts, options);
      changed(bucketId, [object.key]);
      return object;
    },
  };
  const bound = new Map<PropertyKey, unknown>(Object.entries(watched));
  return new Proxy(store, {
    get(target, name) {
      const known = bound.get(name);
      if (known !== undefined) return known;
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== "function") return value;
      const method = value.bind(target) as unknown;
      bound.set(name, method);
      return method;
    },
  });
}
