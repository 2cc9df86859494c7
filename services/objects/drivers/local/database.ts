import { join } from "node:path";
import { open, type RootDatabase, type Database as Table } from "lmdb";
import { CloudError } from "../../../../kernel/errors.ts";
import { asCloudError, storageFull } from "./failures.ts";
import type { Change, Journal, Snapshotted } from "./journal.ts";
import type { Mark } from "./journalFrames.ts";
import { Reserve } from "./reserve.ts";

type Bytes = Table<Uint8Array, Uint8Array>;

const tableNames = [
  /** bucket, key → ObjectRecord */
  "objects",
  /** bucket, key, order (newest first) → VersionRecord: versions that are not in "objects", and delete markers */
  "versions",
  /** bucket, key → order of the version "null", while that is in "versions" */
  "nullVersions",
  /** bucket → BucketSettings, once they are not those of every bucket */
  "settings",
  /** content id → Content */
  "contents",
  /** bucket, upload → UploadRecord */
  "uploads",
  /** bucket, key, upload → nothing: uploads in the order of their keys */
  "uploadOrder",
  /** bucket, upload, number → PartRecord */
  "parts",
  /** bucket, upload → key and version, as long as the object that the upload became is there */
  "completions",
  /** bucket → Account */
  "accounts",
  /** start, sequence, bucket → StorageFact */
  "facts",
  /** content id → nothing: files to remove */
  "garbage",
  /** milliseconds since 1970, content id → nothing: what to remove from the cluster some time after that */
  "clusterGarbage",
  /** name → number */
  "counters",
] as const;
export type TableName = (typeof tableNames)[number];
export const isTable = (name: string): name is TableName => tableNames.includes(name as TableName);

/** Where the journal stands, in the table "counters". */
export const journalMark = {
  key: Buffer.from("journal"),
  encode({ sequence, id }: Mark): Buffer {
    const out = Buffer.alloc(16);
    out.writeDoubleLE(sequence);
    id.copy(out, 8);
    return out;
  },
  decode(value: Uint8Array): Mark {
    const bytes = Buffer.from(value);
    return { sequence: bytes.readDoubleLE(), id: bytes.subarray(8) };
  },
};
/** Of no use to a rebuilt index, which compares the files itself. */
const notInJournal = new Set<TableName>(["garbage"]);
const changesInPage = 500;
/** EIO of errno(3). */
const inputOutputError = 5;

interface Waiting {
  work: (transaction: Transaction) => unknown;
  resolve: (value: never) => void;
  reject: (error: unknown) => void;
  /** It makes room: done on a full disk as well. */
  frees: boolean;
  result?: unknown;
  error?: unknown;
}

/** A commit holds the lock of all processes: no longer than this many operations. */
const largestBatch = 512;
/** Virtual address space, not disk: large enough that the map never has to grow under several processes. */
const mapBytes = 2 ** 40;

/** The view of the index inside the write lock: what is read here cannot change before the commit. */
export class Transaction {
  readonly nowMs: number;
  /** Work to do once before the commit, by name: totals of a bucket are written once for all operations of a batch. */
  readonly atEnd = new Map<string, () => void>();
  readonly #tables: Record<TableName, Bytes>;
  changes = 0;
  garbage = false;
  /** The journal gets an entry even when nothing changes. */
  isLogged = false;
  /** For the journal; absent where there is none. */
  readonly log: Change[] | undefined;

  constructor(tables: Record<TableName, Bytes>, nowMs: number, logged = false) {
    this.#tables = tables;
    this.nowMs = nowMs;
    this.log = logged ? [] : undefined;
  }
  get(table: TableName, key: Uint8Array): Uint8Array | undefined {
    return this.#tables[table].getBinary(key);
  }
  put(table: TableName, key: Uint8Array, value: Uint8Array): void {
    this.changes++;
    if (!notInJournal.has(table)) this.log?.push({ table, key, value });
    void this.#tables[table].put(key, value);
  }
  remove(table: TableName, key: Uint8Array): void {
    this.changes++;
    if (!notInJournal.has(table)) this.log?.push({ table, key });
    void this.#tables[table].remove(key);
  }
  /** Entries from `start` up to but not including `end`; collected, since writing moves cursors. */
  range(
    table: TableName,
    start: Uint8Array,
    end: Uint8Array,
    limit = Number.MAX_SAFE_INTEGER,
  ): { key: Buffer; value: Uint8Array }[] {
    return collect(this.#tables[table], start, end, limit);
  }
}

const collect = (table: Bytes, start: Uint8Array, end: Uint8Array, limit: number): { key: Buffer; value: Uint8Array }[] => {
  const found: { key: Buffer; value: Uint8Array }[] = [];
  for (const { key, value } of table.getRange({ start, end })) {
    if (found.length >= limit) break;
    found.push({ key: asBuffer(key), value });
  }
  return found;
};

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

/**
 * The index: LMDB, shared by every process that opens the directory. Writes of one process are gathered into one
 * transaction; while that one is synced to disk the next gathers. A write's promise resolves after LMDB's own commit, which
 * returns once data and meta page are on disk (overlappingSync, where it returns earlier, is off).
 */
export class Database {
  readonly #root: RootDatabase<Uint8Array, Uint8Array>;
  readonly #tables: Record<TableName, Bytes>;
  readonly #now: () => number;
  readonly #journal: Journal | undefined;
  readonly #reserve: Reserve;
  #waiting: Waiting[] = [];
  #draining: Promise<void> | undefined;
  #closed = false;
  /** Called after a commit that left files to remove. */
  onGarbage: () => void = () => {};

  constructor(path: string, now: () => number, journal?: Journal) {
    this.#now = now;
    this.#journal = journal;
    const binary = { encoding: "binary", keyEncoding: "binary" } as const;
    this.#root = open<Uint8Array, Uint8Array>({
      path,
      ...binary,
      noSubdir: false,
      overlappingSync: false,
      // Batches are made here. lmdb-js's own would leave a promise without a handler when a commit fails.
      eventTurnBatching: false,
      mapSize: mapBytes,
      maxDbs: 32,
      maxReaders: 512,
    });
    this.#reserve = new Reserve(join(path, "reserve"));
    this.#tables = Object.fromEntries(
      tableNames.map((name) => [name, this.#root.openDB<Uint8Array, Uint8Array>({ name, ...binary })]),
    ) as Record<TableName, Bytes>;
    if (journal !== undefined) {
      journal.index = this.#snapshotted();
      journal.checkSoon();
    }
  }

  #snapshotted(): Snapshotted {
    const page = (table: TableName, start: Buffer) => this.read((index) => index.range(table, start, lastKey, changesInPage));
    return {
      mark: () => this.read((index) => journalMarkIn(index)),
      isEmpty: () => this.count("contents") + this.count("settings") === 0,
      *pages() {
        for (const table of tableNames) {
          if (notInJournal.has(table)) continue;
          for (let start = firstKey; ; ) {
            const entries = page(table, start);
            yield entries.map(({ key, value }) => ({ table, key, value: Buffer.from(value) }));
            const last = entries.at(-1);
            if (entries.length < changesInPage || last === undefined) break;
            start = Buffer.concat([last.key, firstKey.subarray(0, 1)]);
          }
        }
      },
    };
  }

  count(table: TableName): number {
    let count = 0;
    this.read((index) => {
      for (const _ of index.walk(table, firstKey, lastKey)) count++;
    });
    return count;
  }

  /** All at once. */
  keys(table: TableName): Buffer[] {
    return this.read((index) => [...index.walk(table, firstKey, lastKey)].map(({ key }) => Buffer.from(key)));
  }

  /** Tells the journal of the changes, and the index where the journal stands then. */
  #log({ log, nowMs, isLogged }: Transaction): void {
    if (this.#journal === undefined || log === undefined || (log.length === 0 && !isLogged)) return;
    const counters = this.#tables.counters;
    const before = counters.getBinary(journalMark.key);
    const mark = this.#journal.append(before && journalMark.decode(before), log, nowMs);
    void counters.put(journalMark.key, journalMark.encode(mark));
  }

  /**
   * Runs `work` inside the write lock and resolves with its result once the commit is on disk. Before its first write
   * `work` may throw a CloudError, which refuses this operation alone; it may be run again, so it changes nothing else.
   */
  write<T>(work: (transaction: Transaction) => T, { frees = false } = {}): Promise<T> {
    if (this.#closed) return Promise.reject(new CloudError("unavailable", "The object store is closed."));
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ work, resolve: resolve as (value: never) => void, reject, frees });
      this.#draining ??= this.#drain();
    });
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch: Waiting[] = [];
      try {
        // Whoever comes while the lock is waited for still joins.
        await this.#commit(() => {
          batch.push(...this.#waiting.splice(0, largestBatch));
          return batch;
        });
        settle(batch);
      } catch (error) {
        if (batch.length === 0) batch.push(...this.#waiting.splice(0, largestBatch));
        await this.#oneByOne(batch, error);
      }
    }
    this.#draining = undefined;
  }

  /** What made the whole batch fail must not fail the others of it. What makes room comes first. */
  async #oneByOne(batch: Waiting[], failure: unknown): Promise<void> {
    const isFull = (error: unknown) => CloudError.is(error, "storage_full");
    let last = failure;
    for (const waiting of batch.toSorted((one, other) => Number(other.frees) - Number(one.frees))) {
      // Alone it has just failed.
      let error = batch.length === 1 ? last : undefined;
      if (error === undefined) error = await this.#alone(waiting);
      if (isFull(error) && waiting.frees && this.#reserve.use()) error = await this.#alone(waiting);
      if (error === undefined) settle([waiting]);
      else waiting.reject(error);
      last = error;
    }
  }

  async #alone(waiting: Waiting): Promise<unknown> {
    try {
      await this.#commit(() => [waiting]);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  async #commit(gather: () => Waiting[]): Promise<void> {
    let garbage = false;
    try {
      // As a child of LMDB's transaction: an exception in the middle takes back the whole batch.
      await this.#root.childTransaction(() => {
        const transaction = new Transaction(this.#tables, this.#now(), this.#journal !== undefined);
        for (const waiting of gather()) {
          const before = transaction.changes;
          delete waiting.error;
          try {
            if (!waiting.frees && !this.#reserve.isWhole()) throw storageFull();
            waiting.result = waiting.work(transaction);
          } catch (error) {
            if (!CloudError.is(error) || transaction.changes !== before) throw error;
            waiting.error = error;
          }
        }
        for (const finish of transaction.atEnd.values()) finish();
        this.#log(transaction);
        garbage = transaction.garbage;
      });
    } catch (error) {
      const cause = await commitCause(error);
      // To LMDB a write that the disk took half of is an input/output error.
      throw (cause as { code?: unknown }).code === inputOutputError && this.#reserve.isScarce()
        ? storageFull(cause)
        : asCloudError(cause);
    }
    if (garbage) this.onGarbage();
  }

  /**
   * Makes the journal go on behind the last commit. What a process that died had written there for a commit that it never made is named by none from
   * then on: else it would come back with the next index that is made from the journal, after its file was removed.
   */
  disown(): Promise<void> {
    return this.write(
      (transaction) => {
        transaction.isLogged = true;
      },
      { frees: true },
    );
  }

  /** Reads the newest commit of any process; `view` is synchronous and so sees one state. */
  read<T>(view: (tables: ReadView) => T): T {
    if (this.#closed) throw new CloudError("unavailable", "The object store is closed.");
    this.#root.resetReadTxn();
    return view(this.#view);
  }

  readonly #view: ReadView = {
    get: (table, key) => this.#tables[table].getBinary(key),
    range: (table, start, end, limit) => collect(this.#tables[table], start, end, limit),
    walk: (table, start, end) => this.#tables[table].getRange({ start, end }),
  };

  async close(): Promise<void> {
    while (this.#draining !== undefined) await this.#draining;
    await this.#journal?.close();
    this.#closed = true;
    await this.#root.close();
  }
}

const journalMarkIn = (index: ReadView): Mark | undefined => {
  const stored = index.get("counters", journalMark.key);
  return stored && journalMark.decode(stored);
};

const firstKey = Buffer.alloc(1);
const lastKey = Buffer.from([0xff, 0xff]);

export interface ReadView {
  get(table: TableName, key: Uint8Array): Uint8Array | undefined;
  range(table: TableName, start: Uint8Array, end: Uint8Array, limit: number): { key: Buffer; value: Uint8Array }[];
  /** Lazily; to be consumed before the view ends. */
  walk(table: TableName, start: Uint8Array, end: Uint8Array): Iterable<{ key: Uint8Array; value: Uint8Array }>;
}

function settle(batch: Waiting[]): void {
  for (const { error, result, resolve, reject } of batch) {
    if (error !== undefined) reject(error);
    else resolve(result as never);
  }
}

/** lmdb-js hides the reason of a failed commit in a promise, which may never settle. */
async function commitCause(error: unknown): Promise<unknown> {
  const { commitError } = error as { commitError?: Promise<unknown> };
  if (commitError === undefined) return error;
  const timeout = new Promise((resolve) => setTimeout(resolve, 1000, error));
  return Promise.race([commitError.catch((cause: unknown) => cause), timeout]);
}
