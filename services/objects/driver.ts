import type { Readable } from "node:stream";
import type { Id } from "../../kernel/ids.ts";

/**
 * The port of the object store: bytes and their index, nothing of tenancy, policy or HTTP. Every engine passes the
 * conformance suite in drivers/conformance.ts. Errors are CloudErrors with these codes: not_found (object, upload),
 * failed_precondition with details.reason (`invalid_part`, `invalid_part_order`, `part_too_small`, `bucket_not_empty`),
 * precondition_failed (ifMatch / ifNoneMatch), range_not_satisfiable, storage_full,
 * invalid_argument with details.reason (`bad_digest` with details.algorithm md5 or sha256, `checksum_mismatch`,
 * `checksum_type`, `incomplete_body`, `key_too_long`, `key_invalid`, `part_number`), internal with `damaged`, unavailable.
 */

export const checksumAlgorithms = ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"] as const;
export type ChecksumAlgorithm = (typeof checksumAlgorithms)[number];
/** How a multipart object's checksum was made: over the whole object, or over its parts' checksums. */
export type ChecksumType = "full_object" | "composite";

/** What a client gave with the object and gets back with it; header names of RFC 9110. */
export interface ObjectHeaders {
  contentType?: string;
  cacheControl?: string;
  contentDisposition?: string;
  contentEncoding?: string;
  contentLanguage?: string;
  expires?: string;
}

export interface ObjectPart {
  number: number;
  sizeBytes: number;
  /** MD5 in hex. */
  etag: string;
  /** Base64, by algorithm. */
  checksums: Partial<Record<ChecksumAlgorithm, string>>;
  modifiedAtMs: number;
}

export interface StoredObject {
  key: string;
  /** "null" until the bucket is versioned. */
  versionId: string;
  sizeBytes: number;
  /** Hex, without quotes: MD5, or MD5 of the parts' MD5s followed by "-" and their number. */
  etag: string;
  modifiedAtMs: number;
  headers: ObjectHeaders;
  /** x-amz-meta-*, names in lower case. */
  metadata: Record<string, string>;
  checksums: Partial<Record<ChecksumAlgorithm, string>>;
  checksumType: ChecksumType;
  /** The parts of a multipart object, in order; empty otherwise, and in lists, where thousands of objects may have thousands. */
  parts: ObjectPart[];
}

/** Preconditions on what is there now (RFC 9110, 13.1): an ETag without quotes, or "*". */
export interface Preconditions {
  ifMatch?: string;
  ifNoneMatch?: string;
}

export interface PutOptions extends Preconditions {
  headers?: ObjectHeaders;
  metadata?: Record<string, string>;
  /** The number of bytes announced; a body that differs is `incomplete_body`. */
  sizeBytes?: number;
  /** MD5 in hex that the body must have (Content-MD5). */
  md5?: string;
  /** SHA-256 in hex that the body must have (x-amz-content-sha256). */
  sha256Hex?: string;
  /** Checksum to compute and keep; with `expected` (base64, may come late from a trailer) also to verify. */
  checksum?: { algorithm: ChecksumAlgorithm; expected?: () => string | undefined };
  /** Who pays: carried into the usage facts. */
  meter?: Meter;
}

/** Which request class a call counts as: "write" (put, copy, post, list) or "read" (get, head), as S3 bills them. */
export interface Meter {
  requestClass: "write" | "read" | "delete";
  receivedBytes?: number;
  sentBytes?: number;
}

/** Inclusive byte positions; `suffix` is the last n bytes (RFC 9110, 14.1.2). */
export type ByteRange = { from: number; to?: number } | { suffix: number };

export interface ObjectRead {
  object: StoredObject;
  /** The bytes that `body` delivers: the whole object when no range was asked (of an empty one: from 0 to -1). */
  range: { from: number; to: number; sizeBytes: number };
  body: Readable;
}

export interface ListOptions {
  prefix?: string;
  delimiter?: string;
  /** Keys strictly greater (in UTF-8 byte order) than this one. */
  after?: string;
  /** 1 to 1000. Common prefixes count too. */
  limit: number;
}

export interface ObjectList {
  objects: StoredObject[];
  commonPrefixes: string[];
  /** Give as `after` to go on; undefined at the end. */
  next?: string;
}

export interface Upload {
  uploadId: Id<"upload">;
  key: string;
  headers: ObjectHeaders;
  metadata: Record<string, string>;
  checksumAlgorithm?: ChecksumAlgorithm;
  checksumType?: ChecksumType;
  startedAtMs: number;
}

export interface CompletePart {
  number: number;
  etag?: string;
  checksums?: Partial<Record<ChecksumAlgorithm, string>>;
}

export interface BucketTotals {
  objects: number;
  /** Bytes of the objects. */
  sizeBytes: number;
  /** Bytes of the parts of uploads that were not completed. */
  uploadBytes: number;
}

/**
 * One fact for the usage journal, written in the transaction of the put or delete itself. `id` is derived from the fact,
 * so that handing it over twice counts once. Spans of stored bytes are cut at every change: bytes × seconds, exact.
 */
export interface StorageFact {
  id: string;
  bucketId: Id<"bucket">;
  fromMs: number;
  toMs: number;
  /** Integral of stored bytes over [fromMs, toMs): byte-milliseconds, as a decimal string (it outgrows 2^53). */
  byteMilliseconds: string;
  writeRequests: number;
  readRequests: number;
  deleteRequests: number;
  receivedBytes: number;
  sentBytes: number;
}

export interface ObjectStore {
  put(bucketId: Id<"bucket">, key: string, body: AsyncIterable<Uint8Array>, options?: PutOptions): Promise<StoredObject>;
  head(bucketId: Id<"bucket">, key: string): Promise<StoredObject | undefined>;
  /** not_found when there is none; the body streams and is never held whole. */
  get(bucketId: Id<"bucket">, key: string, options?: { range?: ByteRange; partNumber?: number }): Promise<ObjectRead>;
  /** True when there was one. Deleting what is not there is no error. */
  delete(bucketId: Id<"bucket">, key: string, options?: Preconditions & { meter?: Meter }): Promise<boolean>;
  /** In one transaction; the keys that existed. */
  deleteMany(bucketId: Id<"bucket">, keys: string[], options?: { meter?: Meter }): Promise<Set<string>>;
  /** Atomic; shares or copies the bytes as the engine likes. Keeps headers and metadata unless they are given. */
  copy(
    source: { bucketId: Id<"bucket">; key: string },
    target: { bucketId: Id<"bucket">; key: string },
    options?: Preconditions & {
      sourceIfMatch?: string;
      headers?: ObjectHeaders;
      metadata?: Record<string, string>;
      checksum?: ChecksumAlgorithm;
      meter?: Meter;
    },
  ): Promise<StoredObject>;
  list(bucketId: Id<"bucket">, options: ListOptions): Promise<ObjectList>;

  uploadCreate(
    bucketId: Id<"bucket">,
    key: string,
    options?: Pick<Upload, "checksumAlgorithm" | "checksumType"> & {
      headers?: ObjectHeaders;
      metadata?: Record<string, string>;
      meter?: Meter;
    },
  ): Promise<Upload>;
  upload(bucketId: Id<"bucket">, uploadId: Id<"upload">): Promise<Upload>;
  uploadList(
    bucketId: Id<"bucket">,
    options: ListOptions & { afterUploadId?: string },
  ): Promise<{ uploads: Upload[]; commonPrefixes: string[]; next?: { after: string; afterUploadId?: string } }>;
  /** A part of the same number replaces the earlier one. */
  partPut(
    bucketId: Id<"bucket">,
    uploadId: Id<"upload">,
    number: number,
    body: AsyncIterable<Uint8Array>,
    options?: Pick<PutOptions, "sizeBytes" | "md5" | "sha256Hex" | "checksum" | "meter">,
  ): Promise<ObjectPart>;
  partList(
    bucketId: Id<"bucket">,
    uploadId: Id<"upload">,
    options: { after?: number; limit: number },
  ): Promise<{ parts: ObjectPart[]; next?: number }>;
  /** Parts smaller than 5 MiB are refused, but for the last one. Bytes are not copied again. Completing twice answers the same object. */
  uploadComplete(
    bucketId: Id<"bucket">,
    uploadId: Id<"upload">,
    parts: CompletePart[],
    /** `sizeBytes` and `checksums` are those that the whole object must have: `incomplete_body`, `checksum_mismatch`. */
    options?: Preconditions & { sizeBytes?: number; checksums?: CompletePart["checksums"]; meter?: Meter },
  ): Promise<StoredObject>;
  uploadAbort(bucketId: Id<"bucket">, uploadId: Id<"upload">, options?: { meter?: Meter }): Promise<void>;

  totals(bucketId: Id<"bucket">): Promise<BucketTotals>;
  /** bucket_not_empty when it holds an object; uploads that were not completed go with it. */
  bucketDrop(bucketId: Id<"bucket">): Promise<void>;
  /** Counts a request or traffic that changed nothing (get, head, list); durable within a second. */
  meter(bucketId: Id<"bucket">, meter: Meter): void;
  /** Closes the running spans and returns facts not yet acknowledged, oldest first. */
  facts(limit: number): Promise<StorageFact[]>;
  factsAcknowledge(ids: string[]): Promise<void>;
  /** Removes files that no record names and reports records whose bytes are missing or damaged. */
  scrub(options?: { signal?: AbortSignal; onProgress?: (done: number, total: number) => void }): Promise<ScrubReport>;
  close(): Promise<void>;
}

export interface ScrubReport {
  objects: number;
  sizeBytes: number;
  orphanFilesRemoved: number;
  damaged: { bucketId: Id<"bucket">; key: string; problem: string }[];
}
