import type { Readable } from "node:stream";
import { CloudError } from "../../kernel/errors.ts";
import type { Id } from "../../kernel/ids.ts";

/**
 * The port of the object store: bytes and their index, nothing of tenancy, policy or HTTP. Every engine passes the
 * conformance suite in drivers/conformance.ts. Errors are CloudErrors with these codes: not_found (object, upload),
 * failed_precondition with details.reason (`invalid_part`, `invalid_part_order`, `part_too_small`, `bucket_not_empty`),
 * precondition_failed (ifMatch / ifNoneMatch), range_not_satisfiable, storage_full,
 * invalid_argument with details.reason (`bad_digest` with details.algorithm md5 or sha256, `checksum_mismatch`,
 * `checksum_type`, `incomplete_body`, `key_too_long`, `key_invalid`, `part_number`, `customer_key_missing`,
 * `customer_key_unexpected`), permission_denied with details.reason `object_locked` or `customer_key_wrong`, internal with
 * `damaged`, unavailable.
 */

export const checksumAlgorithms = [
  "crc32",
  "crc32c",
  "crc64nvme",
  "md5",
  "sha1",
  "sha256",
  "sha512",
  "xxhash64",
  "xxhash3",
  "xxhash128",
] as const;
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
  /** A label (S3's storage classes): all bytes lie alike. Absent: STANDARD. */
  storageClass?: string;
  /** Where a website sends who asks for the object. */
  websiteRedirectLocation?: string;
}

/**
 * How bytes lie on the disk: as they came; encrypted with keys that the store keeps sealed by the cloud's master key; or with a key (32
 * bytes, for AES-256) that the customer gives with every request and that is kept nowhere. `managed`: asked for under the name of the key that
 * the cloud manages for the bucket's project; it lies as all do that the cloud has the keys of.
 */
export type Encryption = { kind: "none" } | { kind: "server"; managed?: boolean } | { kind: "customer"; key: Uint8Array };

export interface ObjectPart {
  number: number;
  sizeBytes: number;
  /** MD5 in hex. */
  etag: string;
  /** Base64, by algorithm. */
  checksums: Partial<Record<ChecksumAlgorithm, string>>;
  modifiedAtMs: number;
}

/**
 * Whether writes keep what was there. `never`: they replace it. `enabled`: each makes a version with an id of its own.
 * `suspended`: each makes or replaces the version "null", and the others stay.
 */
export type Versioning = "never" | "enabled" | "suspended";

/** Until when a version may not be deleted: by nobody (compliance), or by nobody but who may bypass it (governance). */
export interface Retention {
  mode: "governance" | "compliance";
  untilMs: number;
}

/** Where the bytes of a bucket lie: on this machine, or in the storage cluster. */
export type Engine = "local" | "cluster";

/** What applies to every write into a bucket; read in the transaction of the write, so that there is no old state. */
export interface BucketSettings {
  versioning: Versioning;
  /** Of what is written from now on; `relocate` moves the rest. Absent: as the store was opened. */
  engine?: Engine;
  /** Versions of this bucket can be locked; with `retention`, new ones are, for so long. Not taken back once it is there. */
  lock?: {
    retention?: { mode: Retention["mode"]; days?: number | undefined; years?: number | undefined } | undefined;
  };
  /** What is written from now on is encrypted, unless the write says how. */
  encryption?: "server" | "none";
  /** Of `server`: under the name of the managed key, and how that was said. */
  managedKey?: { keyId?: string; bucketKey: boolean };
  /** Whether writes may come with a customer's key, as it was said; the door holds to it. Absent: nothing was said, and they may. */
  customerKeys?: "allowed" | "blocked";
  /** Only as it was said: there is none to enable. */
  mfaDelete?: "disabled";
}

/** null: nothing is said any more. */
export type SettingsChange = {
  [K in keyof BucketSettings]?: BucketSettings[K] | undefined | (K extends "customerKeys" ? null : never);
};

/** failed_precondition where the two do not go together. */
export function withChange(settings: BucketSettings, change: SettingsChange): BucketSettings {
  const { versioning = settings.versioning, engine = settings.engine, lock = settings.lock } = change;
  const { encryption = settings.encryption, customerKeys = settings.customerKeys, mfaDelete = settings.mfaDelete } = change;
  const managedKey = change.encryption === undefined ? settings.managedKey : change.managedKey;
  if (lock !== undefined && versioning !== "enabled")
    throw new CloudError("failed_precondition", "A bucket whose objects can be locked keeps its versions: enable them first.", {
      details: { resource: "bucket", reason: "versioning_locked" },
    });
  return {
    versioning,
    ...(engine !== undefined && { engine }),
    ...(lock !== undefined && { lock }),
    ...(encryption !== undefined && { encryption }),
    ...(encryption === "server" && managedKey !== undefined && { managedKey }),
    ...(customerKeys != null && { customerKeys }),
    ...(mfaDelete !== undefined && { mfaDelete }),
  };
}

/** How a bucket encrypts what says nothing. */
export const standardEncryption = ({ encryption = "none", managedKey }: BucketSettings): Encryption =>
  encryption === "server" && managedKey !== undefined ? { kind: "server", managed: true } : { kind: encryption };

/** Who owns an object and whom that one lets at it, where that is not just the bucket's owner. The store keeps it and never looks into it. */
export interface ObjectAccess {
  owner: { canonicalId: string; displayName: string };
  grants: (({ canonicalId: string; displayName: string } | { group: "everyone" | "authenticated" | "logDelivery" }) & {
    permission: "FULL_CONTROL" | "READ" | "WRITE" | "READ_ACP" | "WRITE_ACP";
  })[];
}

/** What can be changed of a version without making a new one. */
export interface ObjectMarks {
  tags?: Record<string, string>;
  retention?: Retention;
  legalHold?: boolean;
  access?: ObjectAccess;
}

export interface StoredObject extends ObjectMarks {
  key: string;
  /** Absent while the bucket never had versions; "null" for what was written while it had none, or had them suspended. */
  versionId?: string;
  sizeBytes: number;
  /** Hex, without quotes: MD5, or MD5 of the parts' ETags followed by "-" and their number. With a customer's key it is no MD5. */
  etag: string;
  /** Absent: not encrypted. */
  encryption?: Exclude<Encryption["kind"], "none">;
  /** Encryption `server` under the name of the managed key. */
  managedKey?: boolean;
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

export interface PutOptions extends Preconditions, ObjectMarks {
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
  /** Absent: as the bucket's settings want it. */
  encryption?: Encryption;
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
  /** All bytes of `body`, where they were at hand: who takes these leaves `body` alone. */
  bytes?: Buffer;
  /** May be told which pieces of `body` nobody looks at any more: their memory takes the next ones. */
  recycle?: (piece: Uint8Array) => void;
}

export interface ListOptions {
  prefix?: string;
  delimiter?: string;
  /** Keys strictly greater (in UTF-8 byte order) than this one. */
  after?: string;
  /** 1 to 1000. Common prefixes count too. */
  limit: number;
}

/** One version, or a delete marker: the version that says that there is no object. */
export type VersionEntry = { isLatest: boolean } & (
  | { object: StoredObject; marker?: never }
  | { marker: DeleteMarker; object?: never }
);

export interface DeleteMarker {
  key: string;
  versionId: string;
  modifiedAtMs: number;
}

/** Where a list of versions goes on: behind this version, or behind all versions of the key. */
export interface VersionPosition {
  key: string;
  versionId?: string;
}

export interface VersionList {
  /** By key, the newest first. */
  versions: VersionEntry[];
  commonPrefixes: string[];
  next?: VersionPosition;
}

/** What a deletion did: made a delete marker, or took away a version (that may have been a marker). */
export interface Deletion {
  key: string;
  /** Absent while the bucket never had versions. */
  versionId?: string;
  /** A marker was made, or the version that went was one. */
  marker: boolean;
}

export interface DeleteOptions extends Preconditions {
  /** This version goes for good; without it the current one goes, or in a bucket with versions gets a delete marker before it. */
  versionId?: string;
  /** Governance retention does not hold it back. */
  bypassGovernance?: boolean;
  /** precondition_failed for what was written later. */
  notAfterMs?: number;
  meter?: Meter;
}

export interface ObjectList {
  objects: StoredObject[];
  commonPrefixes: string[];
  /** Give as `after` to go on; undefined at the end. */
  next?: string;
}

export interface Upload extends ObjectMarks {
  uploadId: Id<"upload">;
  key: string;
  headers: ObjectHeaders;
  metadata: Record<string, string>;
  checksumAlgorithm?: ChecksumAlgorithm;
  checksumType?: ChecksumType;
  /** Whoever began it asked for no checksum: this one is kept all the same, and parts may come with others. */
  checksumImplied?: boolean;
  encryption?: Exclude<Encryption["kind"], "none">;
  managedKey?: boolean;
  startedAtMs: number;
}

export interface CompletePart {
  number: number;
  etag?: string;
  checksums?: Partial<Record<ChecksumAlgorithm, string>>;
}

export interface BucketTotals {
  /** Current ones. */
  objects: number;
  /** Bytes of the current objects. */
  sizeBytes: number;
  /** Versions that are not an object of the listing: noncurrent ones, and all delete markers. */
  versions: number;
  /** Bytes of these. */
  versionBytes: number;
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
  /** Those that this cloud has, and the one of buckets that were given none. */
  readonly engines: { available: Engine[]; standard: Engine };
  put(bucketId: Id<"bucket">, key: string, body: AsyncIterable<Uint8Array>, options?: PutOptions): Promise<StoredObject>;
  /** The current object, or this version of it; a delete marker is none. A `customerKey` that is given must be the object's. */
  head(
    bucketId: Id<"bucket">,
    key: string,
    options?: { versionId?: string; customerKey?: Uint8Array },
  ): Promise<StoredObject | undefined>;
  /** not_found when there is none; the body streams and is never held whole. `partNumber`: counted from 1 whatever the parts' own numbers are. */
  get(
    bucketId: Id<"bucket">,
    key: string,
    options?: { versionId?: string; range?: ByteRange; partNumber?: number; customerKey?: Uint8Array },
  ): Promise<ObjectRead>;
  /** The delete marker that hides the key, or the one of this version; for who found no object. */
  marker(bucketId: Id<"bucket">, key: string, options?: { versionId?: string }): Promise<DeleteMarker | undefined>;
  /** Undefined when there was nothing to do: what is not there is no error. permission_denied for a locked version. */
  delete(bucketId: Id<"bucket">, key: string, options?: DeleteOptions): Promise<Deletion | undefined>;
  /** In one transaction; for each what was done, or why not. */
  deleteMany(
    bucketId: Id<"bucket">,
    names: VersionPosition[],
    options?: Pick<DeleteOptions, "bypassGovernance" | "meter">,
  ): Promise<{ deletion?: Deletion; refused?: CloudError }[]>;
  /**
   * Atomic; shares or copies the bytes as the engine likes. Keeps headers, metadata, tags and encryption unless they are given,
   * and never a lock. A customer's key is needed only to encrypt otherwise.
   */
  copy(
    source: { bucketId: Id<"bucket">; key: string; versionId?: string; customerKey?: Uint8Array },
    target: { bucketId: Id<"bucket">; key: string },
    options?: Preconditions &
      ObjectMarks & {
        sourceIfMatch?: string;
        headers?: ObjectHeaders;
        metadata?: Record<string, string>;
        checksum?: ChecksumAlgorithm;
        encryption?: Encryption;
        meter?: Meter;
      },
  ): Promise<StoredObject>;
  list(bucketId: Id<"bucket">, options: ListOptions): Promise<ObjectList>;
  versionList(bucketId: Id<"bucket">, options: Omit<ListOptions, "after"> & { after?: VersionPosition }): Promise<VersionList>;
  /**
   * Replaces the marks that are given; null ends a retention or an access. `notAfterMs`: precondition_failed when it was written later. not_found when there is no such object;
   * permission_denied when a lock would become shorter that must not.
   */
  mark(
    bucketId: Id<"bucket">,
    key: string,
    marks: Omit<ObjectMarks, "retention" | "access"> & {
      retention?: Retention | null;
      access?: ObjectAccess | null;
      storageClass?: string;
    },
    options?: { versionId?: string; bypassGovernance?: boolean; notAfterMs?: number; meter?: Meter },
  ): Promise<StoredObject>;
  settings(bucketId: Id<"bucket">): Promise<BucketSettings>;
  /** Once this has resolved, every write keeps to it. failed_precondition `versioning_locked`: a bucket with locks keeps its versions. */
  settingsUpdate(bucketId: Id<"bucket">, change: Parameters<typeof withChange>[1]): Promise<BucketSettings>;

  uploadCreate(
    bucketId: Id<"bucket">,
    key: string,
    options?: Pick<Upload, "checksumAlgorithm" | "checksumType" | "checksumImplied" | keyof ObjectMarks> & {
      headers?: ObjectHeaders;
      metadata?: Record<string, string>;
      encryption?: Encryption;
      meter?: Meter;
    },
  ): Promise<Upload>;
  /** A `customerKey` that is given must be the upload's. */
  upload(bucketId: Id<"bucket">, uploadId: Id<"upload">, options?: { customerKey?: Uint8Array }): Promise<Upload>;
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
    options?: Pick<PutOptions, "sizeBytes" | "md5" | "sha256Hex" | "checksum" | "meter"> & { customerKey?: Uint8Array },
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
  /** bucket_not_empty when it holds an object or a version; uploads that were not completed and the settings go with it. */
  bucketDrop(bucketId: Id<"bucket">): Promise<void>;
  /** Counts a request or traffic that changed nothing (get, head, list); durable within a second. */
  meter(bucketId: Id<"bucket">, meter: Meter): void;
  /** Closes the running spans and returns facts not yet acknowledged, oldest first. */
  facts(limit: number): Promise<StorageFact[]>;
  factsAcknowledge(ids: string[]): Promise<void>;
  /** Removes files that no record names and reports records whose bytes are missing or damaged. */
  scrub(options?: ScrubOptions): Promise<ScrubReport>;
  /**
   * Moves the bytes of all objects, versions and parts of a bucket to where its engine wants them, content by content, while it is used. Bytes that
   * copies share move for all of them. May be called again after it was cut off. unavailable: the cluster does not answer.
   */
  relocate(
    bucketId: Id<"bucket">,
    options?: { signal?: AbortSignal; onProgress?: (doneBytes: number, totalBytes: number) => void },
  ): Promise<{ contents: number; sizeBytes: number }>;
  /** Brings the second copy of the index, in the cluster, up to date; does nothing where there is no cluster. */
  copyIndex(): Promise<void>;
  close(): Promise<void>;
}

export interface ScrubOptions {
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
  /** Where the last one stopped, its `next`. */
  from?: string;
  /** It stops after so long, between two objects. */
  forMs?: number;
  /** Reads no more than this in a second, so that clients have the disk. */
  bytesPerSecond?: number;
  /** Damaged files are put aside: who asks for them gets an error at once, and nobody the damaged bytes. */
  quarantine?: boolean;
}

export interface ScrubReport {
  /** Looked at this time. */
  objects: number;
  sizeBytes: number;
  /** Of the whole store. */
  totalObjects: number;
  orphanFilesRemoved: number;
  damaged: { bucketId: Id<"bucket">; key: string; versionId?: string; problem: string }[];
  /** Give as `from` to go on; absent at the end. */
  next?: string;
}
