/**
 * Uploads in parts that outlive the page. A browser cannot keep the file itself across a reload, so what is remembered
 * is which upload of the server belongs to which file; dropping the same file at the same place goes on from there.
 */
export interface RememberedUpload {
  bucket: string;
  key: string;
  fileName: string;
  sizeBytes: number;
  modifiedMs: number;
  uploadId: string;
  partSizeBytes: number;
  startedAt: string;
}

const storageKey = "khmara.uploads";
/** As long as the server keeps an unfinished upload. */
const keptMs = 7 * 24 * 3600 * 1000;

type Storage = Pick<globalThis.Storage, "getItem" | "setItem">;

export class RememberedUploads {
  readonly #storage: Storage | undefined;
  constructor(storage: Storage | undefined) {
    this.#storage = storage;
  }

  list(): RememberedUpload[] {
    try {
      const list = JSON.parse(this.#storage?.getItem(storageKey) ?? "[]") as RememberedUpload[];
      return list.filter((entry) => Date.now() - Date.parse(entry.startedAt) < keptMs);
    } catch {
      return [];
    }
  }

  find(wanted: Omit<RememberedUpload, "uploadId" | "partSizeBytes" | "startedAt">): RememberedUpload | undefined {
    return this.list().find(
      (entry) =>
        entry.bucket === wanted.bucket &&
        entry.key === wanted.key &&
        entry.fileName === wanted.fileName &&
        entry.sizeBytes === wanted.sizeBytes &&
        entry.modifiedMs === wanted.modifiedMs,
    );
  }

  add(entry: RememberedUpload): void {
    this.#write([...this.list().filter((other) => other.uploadId !== entry.uploadId), entry]);
  }

  forget(uploadId: string): void {
    this.#write(this.list().filter((entry) => entry.uploadId !== uploadId));
  }

  #write(list: RememberedUpload[]): void {
    try {
      this.#storage?.setItem(storageKey, JSON.stringify(list));
    } catch {
      // A full or forbidden storage costs only the resume after a reload.
    }
  }
}
