import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { CloudError, notFound } from "../../../../kernel/errors.ts";
import { newId } from "../../../../kernel/ids.ts";
import type { BucketTotals, ChecksumAlgorithm, ObjectPart, ObjectStore, PutOptions, StoredObject, Upload } from "../../driver.ts";
import { checksumOf } from "../checksums.ts";
import { resolveRange } from "../conditions.ts";

interface Entry {
  object: StoredObject;
  data: Buffer;
}
interface Pending {
  upload: Upload;
  parts: Map<number, { part: ObjectPart; data: Buffer }>;
}

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
const digest = (algorithm: string, data: Buffer): string => createHash(algorithm).update(data).digest("hex");

/** A stand-in for tests of the door alone: whole objects in memory. */
export class MemoryStore implements ObjectStore {
  readonly buckets = new Map<string, Map<string, Entry>>();
  readonly uploads = new Map<string, Map<string, Pending>>();
  readonly metered: unknown[] = [];

  #bucket(id: string): Map<string, Entry> {
    const bucket = this.buckets.get(id) ?? new Map<string, Entry>();
    this.buckets.set(id, bucket);
    return bucket;
  }
  #pending(id: string): Map<string, Pending> {
    const uploads = this.uploads.get(id) ?? new Map<string, Pending>();
    this.uploads.set(id, uploads);
    return uploads;
  }
  #check(existing: Entry | undefined, options: { ifMatch?: string; ifNoneMatch?: string }): void {
    const { ifMatch, ifNoneMatch } = options;
    if (ifMatch !== undefined && !existing) throw notFound("object");
    if (ifMatch !== undefined && ifMatch !== "*" && existing!.object.etag !== ifMatch)
      throw new CloudError("precondition_failed", "no match");
    if (ifNoneMatch !== undefined && existing && (ifNoneMatch === "*" || existing.object.etag === ifNoneMatch))
      throw new CloudError("precondition_failed", "match");
  }
  async #read(body: AsyncIterable<Uint8Array>, options: PutOptions) {
    const pieces: Uint8Array[] = [];
    for await (const piece of body) pieces.push(Buffer.from(piece));
    const data = Buffer.concat(pieces);
    const bad = (reason: string) => new CloudError("invalid_argument", reason, { details: { reason } });
    if (options.sizeBytes !== undefined && options.sizeBytes !== data.length) throw bad("incomplete_body");
    if (options.sha256Hex !== undefined && options.sha256Hex !== digest("sha256", data)) throw bad("sha256_mismatch");
    const etag = digest("md5", data);
    if (options.md5 !== undefined && options.md5 !== etag) throw bad("bad_digest");
    const checksums: Partial<Record<ChecksumAlgorithm, string>> = {};
    if (options.checksum) {
      const value = checksumOf(options.checksum.algorithm, data);
      const expected = options.checksum.expected?.();
      if (expected !== undefined && expected !== value) throw bad("checksum_mismatch");
      checksums[options.checksum.algorithm] = value;
    }
    return { data, etag, checksums };
  }
  #store(bucketId: string, key: string, data: Buffer, fields: Partial<StoredObject> & { etag: string }): StoredObject {
    const object: StoredObject = {
      key,
      versionId: "null",
      sizeBytes: data.length,
      modifiedAtMs: Date.now(),
      headers: {},
      metadata: {},
      checksums: {},
      checksumType: "full_object",
      parts: [],
      ...fields,
    };
    this.#bucket(bucketId).set(key, { object, data });
    return object;
  }

  put: ObjectStore["put"] = async (bucketId, key, body, options = {}) => {
    const { data, etag, checksums } = await this.#read(body, options);
    this.#check(this.#bucket(bucketId).get(key), options);
    return this.#store(bucketId, key, data, {
      etag,
      checksums,
      headers: options.headers ?? {},
      metadata: options.metadata ?? {},
    });
  };
  head: ObjectStore["head"] = async (bucketId, key) => this.#bucket(bucketId).get(key)?.object;
  get: ObjectStore["get"] = async (bucketId, key, options = {}) => {
    const entry = this.#bucket(bucketId).get(key);
    if (!entry) throw notFound("object");
    let range: { from: number; to: number } | undefined = { from: 0, to: entry.data.length - 1 };
    if (options.range) range = resolveRange(options.range, entry.data.length);
    else if (options.partNumber !== undefined && !(options.partNumber === 1 && entry.object.parts.length === 0)) {
      let from = 0;
      range = undefined;
      for (const part of entry.object.parts) {
        if (part.number === options.partNumber) range = { from, to: from + part.sizeBytes - 1 };
        from += part.sizeBytes;
      }
    }
    if (!range) throw new CloudError("range_not_satisfiable", "outside");
    const data = entry.data.subarray(range.from, range.to + 1);
    return {
      object: entry.object,
      range: { ...range, sizeBytes: data.length },
      body: Readable.from([data], { objectMode: false }),
    };
  };
  delete: ObjectStore["delete"] = async (bucketId, key, options = {}) => {
    this.#check(this.#bucket(bucketId).get(key), options);
    return this.#bucket(bucketId).delete(key);
  };
  deleteMany: ObjectStore["deleteMany"] = async (bucketId, keys) =>
    new Set(keys.filter((key) => this.#bucket(bucketId).delete(key)));
  copy: ObjectStore["copy"] = async (source, target, options = {}) => {
    const entry = this.#bucket(source.bucketId).get(source.key);
    if (!entry) throw notFound("object");
    if (options.sourceIfMatch !== undefined && options.sourceIfMatch !== entry.object.etag)
      throw new CloudError("precondition_failed", "source");
    this.#check(this.#bucket(target.bucketId).get(target.key), options);
    return this.#store(target.bucketId, target.key, entry.data, {
      etag: digest("md5", entry.data),
      headers: options.headers ?? entry.object.headers,
      metadata: options.metadata ?? entry.object.metadata,
      checksums: options.checksum ? { [options.checksum]: checksumOf(options.checksum, entry.data) } : entry.object.checksums,
    });
  };
  list: ObjectStore["list"] = async (bucketId, options) => {
    const { prefix = "", delimiter, after, limit } = options;
    const objects: StoredObject[] = [];
    const commonPrefixes: string[] = [];
    let last: string | undefined;
    for (const key of [...this.#bucket(bucketId).keys()].sort(byBytes)) {
      if (!key.startsWith(prefix) || (after !== undefined && byBytes(key, after) <= 0)) continue;
      const at = delimiter ? key.indexOf(delimiter, prefix.length) : -1;
      const rolled = at < 0 ? undefined : key.slice(0, at + delimiter!.length);
      if (rolled !== undefined && rolled === commonPrefixes.at(-1)) {
        last = `${rolled}\u{10ffff}`;
        continue;
      }
      if (objects.length + commonPrefixes.length === limit) return { objects, commonPrefixes, next: last! };
      if (rolled !== undefined) commonPrefixes.push(rolled);
      else objects.push(this.#bucket(bucketId).get(key)!.object);
      last = rolled === undefined ? key : `${rolled}\u{10ffff}`;
    }
    return { objects, commonPrefixes };
  };
  uploadCreate: ObjectStore["uploadCreate"] = async (bucketId, key, options = {}) => {
    const { checksumAlgorithm, checksumType, headers = {}, metadata = {} } = options;
    const upload: Upload = {
      uploadId: newId("upload"),
      key,
      headers,
      metadata,
      startedAtMs: Date.now(),
      ...(checksumAlgorithm ? { checksumAlgorithm } : {}),
      ...(checksumType ? { checksumType } : {}),
    };
    this.#pending(bucketId).set(upload.uploadId, { upload, parts: new Map() });
    return upload;
  };
  #open(bucketId: string, uploadId: string): Pending {
    const pending = this.#pending(bucketId).get(uploadId);
    if (!pending) throw notFound("upload");
    return pending;
  }
  upload: ObjectStore["upload"] = async (bucketId, uploadId) => this.#open(bucketId, uploadId).upload;
  uploadList: ObjectStore["uploadList"] = async (bucketId, { prefix = "" }) => ({
    uploads: [...this.#pending(bucketId).values()].map(({ upload }) => upload).filter((upload) => upload.key.startsWith(prefix)),
    commonPrefixes: [],
  });
  partPut: ObjectStore["partPut"] = async (bucketId, uploadId, number, body, options = {}) => {
    const { data, etag, checksums } = await this.#read(body, options);
    const part: ObjectPart = { number, sizeBytes: data.length, etag, checksums, modifiedAtMs: Date.now() };
    this.#open(bucketId, uploadId).parts.set(number, { part, data });
    return part;
  };
  partList: ObjectStore["partList"] = async (bucketId, uploadId, { after = 0, limit }) => {
    const all = [...this.#open(bucketId, uploadId).parts.values()]
      .map(({ part }) => part)
      .filter((part) => part.number > after)
      .sort((a, b) => a.number - b.number);
    const parts = all.slice(0, limit);
    return all.length > limit ? { parts, next: parts.at(-1)!.number } : { parts };
  };
  uploadComplete: ObjectStore["uploadComplete"] = async (bucketId, uploadId, parts, options = {}) => {
    const pending = this.#open(bucketId, uploadId);
    const failed = (reason: string) => new CloudError("failed_precondition", reason, { details: { reason } });
    const chosen = parts.map(({ number, etag }, index) => {
      const found = pending.parts.get(number);
      if (!found || (etag !== undefined && etag !== found.part.etag)) throw failed("invalid_part");
      if (index < parts.length - 1 && found.part.sizeBytes < 5 * 1024 ** 2) throw failed("part_too_small");
      return found;
    });
    this.#check(this.#bucket(bucketId).get(pending.upload.key), options);
    this.#pending(bucketId).delete(uploadId);
    const data = Buffer.concat(chosen.map((part) => part.data));
    const etag = `${digest("md5", Buffer.concat(chosen.map(({ part }) => Buffer.from(part.etag, "hex"))))}-${chosen.length}`;
    const { key, headers, metadata } = pending.upload;
    return this.#store(bucketId, key, data, { etag, headers, metadata, parts: chosen.map(({ part }) => part) });
  };
  uploadAbort: ObjectStore["uploadAbort"] = async (bucketId, uploadId) => {
    this.#open(bucketId, uploadId);
    this.#pending(bucketId).delete(uploadId);
  };
  totals: ObjectStore["totals"] = async (): Promise<BucketTotals> => ({ objects: 0, sizeBytes: 0, uploadBytes: 0 });
  bucketDrop: ObjectStore["bucketDrop"] = async (bucketId) => {
    if (this.#bucket(bucketId).size > 0)
      throw new CloudError("failed_precondition", "not empty", { details: { reason: "bucket_not_empty" } });
  };
  meter: ObjectStore["meter"] = (_bucketId, meter) => void this.metered.push(meter);
  facts: ObjectStore["facts"] = async () => [];
  factsAcknowledge: ObjectStore["factsAcknowledge"] = async () => {};
  scrub: ObjectStore["scrub"] = async () => ({ objects: 0, sizeBytes: 0, orphanFilesRemoved: 0, damaged: [] });
  close: ObjectStore["close"] = async () => {};
}
