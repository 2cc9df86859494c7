import type { Database } from "./database.ts";
import type { Placing } from "./placing.ts";

const filesAtOnce = 500;
/** Long enough that deletions in a row share the folder syncs. */
const delayMs = 50;
/** How often is looked for what the cluster may remove now. */
const clusterEveryMs = 60_000;
const timeBytes = 6;
const makesRoom = { frees: true };
const all = [Buffer.alloc(1), Buffer.from([0xff, 0xff])] as const;

/**
 * Removes the files of contents that nothing refers to any more. Each is in the garbage table from the commit that let go of
 * it until its removal is on disk, so none is forgotten; to remove one twice does no harm.
 */
export class GarbageCollector {
  readonly #database: Database;
  readonly #places: Placing;
  readonly #now: () => number;
  readonly #graceMs: number;
  readonly #clusterTimer: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  /** `graceMs`: what the cluster keeps so long for those who read it. */
  constructor(database: Database, places: Placing, { now, graceMs }: { now: () => number; graceMs: number }) {
    this.#database = database;
    this.#places = places;
    this.#now = now;
    this.#graceMs = graceMs;
    if (places.cluster !== undefined)
      this.#clusterTimer = setInterval(() => this.collect().catch(() => {}), clusterEveryMs).unref();
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
    await this.#collectFiles();
    await this.#collectCluster();
  }

  async #collectCluster(): Promise<void> {
    const { cluster } = this.#places;
    if (cluster === undefined) return;
    for (;;) {
      const until = Buffer.alloc(timeBytes);
      until.writeUIntBE(Math.max(this.#now() - this.#graceMs, 0), 0, timeBytes);
      const keys = this.#database.read((index) =>
        index.range("clusterGarbage", Buffer.alloc(1), until, filesAtOnce).map(({ key }) => key),
      );
      if (keys.length === 0) return;
      await cluster.remove(keys.map((key) => key.toString("hex", timeBytes)));
      await this.#database.write((transaction) => {
        for (const key of keys) transaction.remove("clusterGarbage", key);
      }, makesRoom);
    }
  }

  async #collectFiles(): Promise<void> {
    const { files } = this.#places;
    for (;;) {
      const keys = this.#database.read((index) => index.range("garbage", ...all, filesAtOnce).map(({ key }) => key));
      if (keys.length === 0) return;
      const contentIds = keys.map((key) => key.toString("hex"));
      await Promise.all(contentIds.map((id) => files.remove(id)));
      await files.syncFoldersOf(contentIds);
      await this.#database.write((transaction) => {
        for (const key of keys) transaction.remove("garbage", key);
      }, makesRoom);
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    clearInterval(this.#clusterTimer);
    await this.collect();
  }
}
