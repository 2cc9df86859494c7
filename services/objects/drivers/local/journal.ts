import { closeSync, existsSync, fdatasync, openSync, writeSync } from "node:fs";
import { mkdir, open, readdir, rename, stat, unlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { randomPiece } from "../../../../kernel/randomPiece.ts";
import { isMissing } from "./failures.ts";
import { syncFolder } from "./files.ts";
import { changeFrame, type Mark, marksIn, snapshotEnd, snapshotName, snapshotStart } from "./journalFrames.ts";
import { isOwned } from "./owners.ts";

/**
 * The second copy of the index: every commit is also appended to a file of the process that makes it, from which rebuild.ts makes a lost index
 * anew. It is written within the write lock, before the commit, so that no commit is missing in it; it is synced once a second, as
 * it is read only when the index, which is synced in each commit, is lost.
 *
 * Entries are chained: each names the one before it. One that was written for a commit that then failed is named by none.
 *
 * journal/<owner>.<number>.log is written by one process; `owner` is its folder in tmp/. journal/snapshot-<sequence> holds the whole index; what is
 * older than the newest one is removed.
 */
const syncEveryMs = 1000;
const longestFileBytes = 32 * 2 ** 20;
/** Shorter than this, or than twice the last snapshot, the journal is left to grow. */
const smallestCompactedBytes = 128 * 2 ** 20;
const snapshotBlockBytes = 2 ** 20;
const datasync = promisify(fdatasync);

export interface Change {
  table: string;
  key: Uint8Array;
  /** Absent: removed. */
  value?: Uint8Array;
}

/** What a snapshot is made of: the journal's place in the index, and pages of it. */
export interface Snapshotted {
  mark(): Mark | undefined;
  /** All there is at the moment of the reading of each page: with the entries since `mark` that makes one state. */
  pages(): Iterable<Change[]>;
  isEmpty(): boolean;
}

interface OpenFile {
  fd: number;
  path: string;
  bytes: number;
  syncing: Promise<void>;
}

export class Journal {
  readonly #folder: string;
  readonly #owners: string;
  readonly #owner: string;
  #file: OpenFile | undefined;
  #files = 0;
  #timer: NodeJS.Timeout | undefined;
  #compacting: Promise<void> | undefined;
  /** An entry could not be written (a full disk): the chain is broken until there is a snapshot. */
  #lacks = false;
  #closed = false;
  index: Snapshotted | undefined;

  private constructor(folder: string, owners: string, owner: string) {
    this.#folder = folder;
    this.#owners = owners;
    this.#owner = owner;
  }

  /** `own` is this process's folder among those of all processes. */
  static async open(directory: string, own: string): Promise<Journal> {
    const folder = join(directory, "journal");
    await mkdir(folder, { recursive: true });
    return new Journal(folder, join(own, ".."), basename(own));
  }

  /** The entry for a commit that is about to be made; returns what the next one names. It never keeps a commit from being made. */
  append(previous: Mark | undefined, changes: readonly Change[], nowMs: number): Mark {
    const mark = { sequence: (previous?.sequence ?? 0) + 1, id: randomPiece(8) };
    try {
      const frame = changeFrame(mark, previous, changes, nowMs);
      const file = this.#file ?? this.#begin();
      this.#file = file;
      for (let at = 0; at < frame.length; ) at += writeSync(file.fd, frame, at);
      file.bytes += frame.length;
      if (file.bytes > longestFileBytes) {
        this.#roll();
        this.#compactSoon();
      } else this.#syncSoon();
    } catch {
      // Half an entry would end the file for its reader.
      this.#roll();
      this.#lacks = true;
    }
    if (this.#lacks) this.#compactSoon();
    return mark;
  }

  #begin(): OpenFile {
    const path = join(this.#folder, `${this.#owner}.${this.#files++}.log`);
    return { fd: openSync(path, "ax", 0o600), path, bytes: 0, syncing: syncFolder(this.#folder).catch(() => {}) };
  }

  #roll(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    void this.#sync(file).finally(() => closeSync(file.fd));
  }

  #syncSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (this.#file !== undefined) void this.#sync(this.#file);
    }, syncEveryMs).unref();
  }

  #sync(file: OpenFile): Promise<void> {
    // What cannot be synced is at worst lost with the machine and the index together.
    file.syncing = file.syncing.then(() => datasync(file.fd)).catch(() => {});
    return file.syncing;
  }

  #compactSoon(): void {
    if (this.#closed || this.#compacting !== undefined) return;
    this.#compacting = this.#compactIfDue()
      // A full disk, say: tried again with one of the next commits.
      .catch(() => {})
      .finally(() => {
        this.#compacting = undefined;
      });
  }

  /** Looks whether the end of the chain is on disk; a machine that stopped without a word may have lost it. */
  checkSoon(): void {
    const mark = this.index?.mark();
    if (mark === undefined && this.index?.isEmpty() !== false) return;
    this.#compacting = (async () => {
      if (mark !== undefined && (await this.#has(mark))) return;
      this.#lacks = true;
      await this.#compactIfDue();
    })()
      .catch(() => {})
      .finally(() => {
        this.#compacting = undefined;
      });
  }

  async #has({ sequence, id }: Mark): Promise<boolean> {
    const files = await this.#list();
    if (files.some(({ snapshot }) => snapshot !== undefined && snapshot >= sequence)) return true;
    for (const { path, snapshot } of files.toSorted((a, b) => b.modifiedAtMs - a.modifiedAtMs)) {
      if (snapshot !== undefined) continue;
      for await (const found of marksIn(path)) if (found.sequence === sequence && found.id.equals(id)) return true;
    }
    return false;
  }

  async #list() {
    const names = (await readdir(this.#folder)).filter((name) => !name.endsWith(".new"));
    const files = [];
    for (const name of names) {
      const path = join(this.#folder, name);
      const found = await stat(path).catch(() => undefined);
      const snapshot = snapshotName.exec(name)?.[1];
      if (found !== undefined)
        files.push({
          path,
          name,
          sizeBytes: found.size,
          modifiedAtMs: found.mtimeMs,
          snapshot: snapshot === undefined ? undefined : Number(snapshot),
        });
    }
    return files;
  }

  async #compactIfDue(): Promise<void> {
    const files = await this.#list();
    const sizeOf = (some: typeof files) => some.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const snapshots = sizeOf(files.filter(({ snapshot }) => snapshot !== undefined));
    if (!this.#lacks && sizeOf(files) - snapshots < Math.max(smallestCompactedBytes, 2 * snapshots)) return;
    await this.compact();
  }

  /** Writes a snapshot of the index, and removes what is older. */
  async compact(): Promise<void> {
    const mark = this.index?.mark();
    if (this.index === undefined || mark === undefined) return;
    this.#lacks = false;
    this.#roll();
    const path = join(this.#folder, `snapshot-${String(mark.sequence).padStart(16, "0")}`);
    const unfinished = `${path}.${this.#owner}.new`;
    try {
      await this.#writeSnapshot(unfinished, mark, this.index);
      await rename(unfinished, path);
      await syncFolder(this.#folder);
    } catch (error) {
      this.#lacks = true;
      await unlink(unfinished).catch(() => {});
      throw error;
    }
    await this.#removeOlder(mark);
  }

  async #writeSnapshot(path: string, mark: Mark, index: Snapshotted): Promise<void> {
    const file = await open(path, "w", 0o600);
    try {
      await file.appendFile(snapshotStart(mark));
      let waiting: Buffer[] = [];
      let bytes = 0;
      const flush = async (): Promise<void> => {
        await file.appendFile(Buffer.concat(waiting));
        waiting = [];
        bytes = 0;
      };
      for (const page of index.pages()) {
        if (this.#closed) throw new Error("The store is closed.");
        const frame = changeFrame(mark, undefined, page, 0);
        waiting.push(frame);
        bytes += frame.length;
        if (bytes > snapshotBlockBytes) await flush();
        // Requests come first.
        await new Promise((resolve) => setImmediate(resolve));
      }
      waiting.push(snapshotEnd(mark));
      await flush();
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async #removeOlder({ sequence }: Mark): Promise<void> {
    for (const { path, name, snapshot } of await this.#list()) {
      if (snapshot !== undefined ? snapshot < sequence : (await this.#isFinished(name)) && (await lastIn(path)) <= sequence)
        await unlink(path).catch((error) => {
          if (!isMissing(error)) throw error;
        });
    }
  }

  /** Nobody will write to it again. */
  async #isFinished(name: string): Promise<boolean> {
    const owner = name.slice(0, name.indexOf("."));
    if (owner === this.#owner) return this.#file === undefined || basename(this.#file.path) !== name;
    const folder = join(this.#owners, owner);
    if (!existsSync(folder) || !(await isOwned(folder))) return true;
    const number = Number(name.split(".")[1]);
    return existsSync(join(this.#folder, `${owner}.${number + 1}.log`));
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#closed = true;
    await this.#compacting;
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    await this.#sync(file);
    closeSync(file.fd);
  }
}

async function lastIn(path: string): Promise<number> {
  let last = 0;
  for await (const { sequence } of marksIn(path)) last = Math.max(last, sequence);
  return last;
}
