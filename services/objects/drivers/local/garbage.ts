import type { Database } from "./database.ts";
import type { Files } from "./files.ts";

const filesAtOnce = 500;
/** Long enough that deletions in a row share the folder syncs. */
const delayMs = 50;
const all = [Buffer.alloc(1), Buffer.from([0xff, 0xff])] as const;

/**
 * Removes the files of contents that nothing refers to any more. Each is in the garbage table from the commit that let go of
 * it until its removal is on disk, so none is forgotten; to remove one twice does no harm.
 */
export class GarbageCollector {
  readonly #database: Database;
  readonly #files: Files;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(database: Database, files: Files) {
    this.#database = database;
    this.#files = files;
  }

  soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      // What fails now is still in the table for the next time.
      this.collect().catch(() => {});
    }, delayMs).unref();
  }

  collect(): Promise<void> {
    this.#running = this.#running.catch(() => {}).then(() => this.#collect());
    return this.#running;
  }

  async #collect(): Promise<void> {
    for (;;) {
      const keys = this.#database.read((index) => index.range("garbage", ...all, filesAtOnce).map(({ key }) => key));
      if (keys.length === 0) return;
      const contentIds = keys.map((key) => key.toString("hex"));
      await Promise.all(contentIds.map((id) => this.#files.remove(id)));
      await this.#files.syncFoldersOf(contentIds);
      await this.#database.write((transaction) => {
        for (const key of keys) transaction.remove("garbage", key);
      });
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.collect();
  }
}
