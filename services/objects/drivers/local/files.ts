import { randomInt } from "node:crypto";
import { type FileHandle, link, mkdir, open, readdir, rename, rm, stat, statfs, unlink } from "node:fs/promises";
import { join } from "node:path";
import { newContentId } from "./contents.ts";
import { ignoreMissing, storageFull } from "./failures.ts";
import { isOwned, OwnFolder } from "./owners.ts";

/** After this many files the store goes on in other folders: few folders to sync, and none of them large. */
const filesPerFolder = 1000;
export const contentName = /^[0-9a-f]{32}$/;

/**
 * The files: data/<xx>/<yy>/<content id>, and tmp/<process>/ for what is not in the index yet. A file is written under its
 * temporary name, synced, linked into place, and the folder synced; then the index commits; then the temporary name goes.
 * So the temporary name marks a file that the index may not know: what a dead owner left is settled from it at the next
 * open, without looking at all files.
 */
export class Files {
  readonly #data: string;
  readonly #tmp: string;
  readonly #own: OwnFolder;
  readonly #syncs = new Map<string, { running: Promise<void>; next?: Promise<void> }>();
  readonly #folders = new Set<number>();
  #folder = randomInt(65536);
  #left = filesPerFolder;
  #pins = 0;

  private constructor(data: string, tmp: string, own: OwnFolder) {
    this.#data = data;
    this.#tmp = tmp;
    this.#own = own;
  }

  static async open(directory: string): Promise<Files> {
    const data = join(directory, "data");
    const tmp = join(directory, "tmp");
    await mkdir(data, { recursive: true });
    await mkdir(tmp, { recursive: true });
    return new Files(data, tmp, await OwnFolder.create(tmp));
  }

  /** Of this process: others see by it that it lives. */
  get ownFolder(): string {
    return this.#own.path;
  }

  pathOf(contentId: string): string {
    return join(this.#data, contentId.slice(28, 30), contentId.slice(30), contentId);
  }

  nextId(): string {
    if (this.#left-- === 0) {
      this.#folder = randomInt(65536);
      this.#left = filesPerFolder;
    }
    return newContentId(this.#folder);
  }

  /** Where the file is until it is placed. */
  temporaryPath(contentId: string): string {
    return join(this.#own.path, contentId);
  }

  /** storage_full for what cannot fit: it would fail at its end only, and leave no room to anybody until then. */
  async checkRoom(sizeBytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.#tmp);
    if (bavail * bsize < sizeBytes) throw storageFull();
  }

  create(contentId: string): Promise<FileHandle> {
    return open(this.temporaryPath(contentId), "wx", 0o600);
  }

  /** Makes the written and synced file durable under its own name. */
  async place(contentId: string): Promise<void> {
    await this.#makeFolder(contentId);
    await link(this.temporaryPath(contentId), this.pathOf(contentId));
    await this.#sync(join(this.pathOf(contentId), ".."));
  }

  /** The index has it: the temporary name has done its work. */
  settle(contentId: string): Promise<void> {
    return ignoreMissing(unlink(this.temporaryPath(contentId)));
  }

  /** The index does not have it. The temporary name goes last: until then the next open would find the rest. */
  async discard(contentId: string): Promise<void> {
    await ignoreMissing(unlink(this.pathOf(contentId)));
    await this.settle(contentId);
  }

  /** Puts a damaged file aside, to quarantine/, for whoever looks what is left of it. */
  async quarantine(contentId: string): Promise<void> {
    const folder = join(this.#data, "..", "quarantine");
    await mkdir(folder, { recursive: true });
    await ignoreMissing(rename(this.pathOf(contentId), join(folder, contentId)));
    await syncFolder(folder);
    await this.syncFoldersOf([contentId]);
  }

  remove(contentId: string): Promise<void> {
    return ignoreMissing(unlink(this.pathOf(contentId)));
  }

  /** Makes removals durable. */
  async syncFoldersOf(contentIds: string[]): Promise<void> {
    const folders = new Set(contentIds.map((id) => join(this.pathOf(id), "..")));
    await Promise.all([...folders].map((folder) => ignoreMissing(this.#sync(folder))));
  }

  /** A name of its own, so that a reader finds the bytes later even when the object is deleted by then. */
  async pin(contentId: string): Promise<string> {
    const path = join(this.#own.path, `read-${this.#pins++}`);
    await link(this.pathOf(contentId), path);
    return path;
  }

  async #makeFolder(contentId: string): Promise<void> {
    const number = Number.parseInt(contentId.slice(28), 16);
    if (this.#folders.has(number)) return;
    const inner = join(this.pathOf(contentId), "..");
    const outer = join(inner, "..");
    // Both are synced even when they exist: another process may have made them a moment ago.
    await mkdir(inner, { recursive: true });
    await this.#sync(this.#data);
    await this.#sync(outer);
    this.#folders.add(number);
  }

  /** One fsync for all who came while the last one ran; whoever comes now needs one that starts later. */
  #sync(folder: string): Promise<void> {
    const current = this.#syncs.get(folder);
    if (current !== undefined) {
      current.next ??= current.running.catch(() => {}).then(() => this.#startSync(folder));
      return current.next;
    }
    return this.#startSync(folder);
  }

  #startSync(folder: string): Promise<void> {
    const running = syncFolder(folder);
    const entry = { running };
    this.#syncs.set(folder, entry);
    const done = (): void => {
      if (this.#syncs.get(folder) === entry && !("next" in entry)) this.#syncs.delete(folder);
    };
    running.then(done, done);
    return running;
  }

  /**
   * Settles what dead processes left: contents that the index does not keep are removed, and every temporary name. `settle` is called for each of
   * them first.
   */
  async recover(isKept: (contentId: string) => boolean, settle: () => Promise<void>): Promise<void> {
    for (const owner of await readdir(this.#tmp)) {
      const folder = join(this.#tmp, owner);
      if (await isOwned(folder)) continue;
      await settle();
      for (const name of await readdir(folder).catch(() => [])) {
        if (contentName.test(name) && !isKept(name)) {
          await ignoreMissing(unlink(this.pathOf(name)));
          await this.syncFoldersOf([name]);
        }
        // The socket goes last, with the folder.
        if (contentName.test(name) || name.startsWith("read-")) await ignoreMissing(unlink(join(folder, name)));
      }
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** Every file in place, folder by folder. `inFlight` files have a second name: they are being put or read. */
  async *all(): AsyncGenerator<{ contentId: string; inFlight: boolean; path: string }> {
    for (const outer of (await readdir(this.#data)).sort())
      for (const inner of (await readdir(join(this.#data, outer))).sort())
        for (const name of await readdir(join(this.#data, outer, inner))) {
          const path = join(this.#data, outer, inner, name);
          const found = await stat(path).catch(() => undefined);
          if (found !== undefined) yield { contentId: name, inFlight: found.nlink > 1, path };
        }
  }

  /** Readers that are still at it keep their names; the next open after this process removes them. */
  close(): Promise<void> {
    return this.#own.close();
  }
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
