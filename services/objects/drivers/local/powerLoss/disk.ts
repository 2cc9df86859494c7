import { linkSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** One thing that a process did, as record.c has written it down. */
export interface Deed {
  operation: (typeof operations)[number];
  synchronous: boolean;
  inode: bigint;
  /** Or the number of a sync. */
  offset: number;
  path: string;
  data: Buffer;
}

const operations = [
  "",
  "create",
  "write",
  "truncate",
  "syncBegin",
  "syncEnd",
  "name",
  "unname",
  "folder",
  "folderSyncBegin",
  "folderSyncEnd",
  "said",
] as const;
const headBytes = 30;

export function* deedsIn(log: Buffer): Generator<Deed> {
  for (let at = 0; at + headBytes <= log.length; ) {
    const total = log.readUInt32LE(at);
    if (at + total > log.length) return;
    const pathEnd = at + headBytes + log.readUInt32LE(at + 22);
    yield {
      operation: operations[log[at + 4] as number] as Deed["operation"],
      synchronous: log[at + 5] === 1,
      inode: log.readBigUInt64LE(at + 6),
      offset: Number(log.readBigUInt64LE(at + 14)),
      path: log.toString("utf8", at + headBytes, pathEnd),
      data: log.subarray(pathEnd, at + total),
    };
    at += total;
  }
}

type Change = { offset: number; data: Buffer } | { length: number };
type Entry = { inode: bigint } | "folder" | undefined;

/** What is on the disk, and what only the page cache has. */
class Cached<T> {
  durable: T[] = [];
  pending: T[] = [];
  readonly #syncs = new Map<number, number>();
  #synced = 0;

  begin(number: number): void {
    this.#syncs.set(number, this.#synced + this.pending.length);
  }
  end(number: number): void {
    const upTo = (this.#syncs.get(number) ?? 0) - this.#synced;
    if (upTo <= 0) return;
    this.durable.push(...this.pending.splice(0, upTo));
    this.#synced += upTo;
  }
}

/** A disk that loses its power: of what was not synced anything may be there, also in part and in another order. */
export class Disk {
  readonly #files = new Map<bigint, Cached<Change>>();
  readonly #folders = new Map<string, Cached<{ name: string; entry: Entry }>>();

  do({ operation, synchronous, inode, offset, path, data }: Deed): void {
    const folder = () => this.#folderAt(dirname(path)).pending;
    switch (operation) {
      case "create":
        this.#files.set(inode, new Cached());
        folder().push({ name: basename(path), entry: { inode } });
        return;
      case "write": {
        const file = this.#fileAt(inode);
        (synchronous ? file.durable : file.pending).push({ offset, data });
        return;
      }
      case "truncate":
        this.#fileAt(inode).pending.push({ length: offset });
        return;
      case "syncBegin":
        this.#fileAt(inode).begin(offset);
        return;
      case "syncEnd":
        this.#fileAt(inode).end(offset);
        return;
      case "folderSyncBegin":
        this.#folderAt(path).begin(offset);
        return;
      case "folderSyncEnd":
        this.#folderAt(path).end(offset);
        return;
      case "name":
        folder().push({ name: basename(path), entry: { inode } });
        return;
      case "unname":
        folder().push({ name: basename(path), entry: undefined });
        return;
      case "folder":
        folder().push({ name: basename(path), entry: "folder" });
    }
  }

  #fileAt(inode: bigint): Cached<Change> {
    const file = this.#files.get(inode) ?? new Cached();
    this.#files.set(inode, file);
    return file;
  }

  #folderAt(path: string): Cached<{ name: string; entry: Entry }> {
    const folder = this.#folders.get(path) ?? new Cached();
    this.#folders.set(path, folder);
    return folder;
  }

  /** Writes what is left to `to`, as it was below `from`. */
  loseInto(from: string, to: string, random: () => number): void {
    const written = new Map<bigint, string>();
    const restore = (path: string, target: string): void => {
      mkdirSync(target);
      const { durable, pending } = this.#folders.get(path) ?? new Cached();
      const entries = new Map<string, Entry>();
      // The journal of a file system keeps the order of what happens in a folder.
      const luck = pending.slice(0, Math.floor(random() * (pending.length + 1)));
      for (const { name, entry } of [...durable, ...luck]) entries.set(name, entry);
      for (const [name, entry] of entries) {
        if (entry === undefined) continue;
        if (entry === "folder") {
          restore(join(path, name), join(target, name));
          continue;
        }
        const before = written.get(entry.inode);
        if (before !== undefined) linkSync(before, join(target, name));
        else writeFileSync(join(target, name), this.#contentOf(entry.inode, random));
        written.set(entry.inode, before ?? join(target, name));
      }
    };
    restore(from, to);
  }

  #contentOf(inode: bigint, random: () => number): Buffer {
    const { durable, pending } = this.#fileAt(inode);
    const luck = pending.filter(() => random() < 0.5).map((change) => torn(change, random));
    const changes = [...durable, ...luck];
    let size = 0;
    for (const change of changes) size = "length" in change ? change.length : Math.max(size, change.offset + change.data.length);
    const content = Buffer.alloc(Math.max(size, ...changes.map((each) => ("data" in each ? each.offset + each.data.length : 0))));
    for (const change of changes) {
      if ("data" in change) change.data.copy(content, change.offset);
      else content.fill(0, change.length);
    }
    return content.subarray(0, size);
  }
}

const sectorBytes = 512;

/** A disk writes whole sectors, but not more than that for certain. */
function torn(change: Change, random: () => number): Change {
  if ("length" in change || change.data.length <= sectorBytes || random() < 0.7) return change;
  const sectors = Math.floor((random() * change.data.length) / sectorBytes);
  return { offset: change.offset, data: change.data.subarray(0, sectors * sectorBytes) };
}
