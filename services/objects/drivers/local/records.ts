import type { ChecksumAlgorithm, ChecksumType, ObjectHeaders, ObjectMarks, ObjectPart, StoredObject } from "../../driver.ts";
import type { Checksums } from "./checksums.ts";
import { describeEncryption, type EncryptionRecord } from "./encryption.ts";

/** What the index keeps, as JSON but for contents. Sizes in bytes, times in milliseconds since 1970. */
export interface ObjectRecord extends ObjectMarks {
  content: string;
  sizeBytes: number;
  etag: string;
  modifiedAtMs: number;
  headers: ObjectHeaders;
  metadata: Record<string, string>;
  checksums: Checksums;
  checksumType: ChecksumType;
  encryption?: EncryptionRecord;
  /** The upload that it was completed from: completing that one again answers this object. */
  uploadId?: string;
  /** Absent in the version "null". */
  versionId?: string;
  /** Among the versions of the key the greater is the newer. Absent in what was written before the bucket had versions. */
  order?: number;
}

/** A version that says that there is no object. */
export interface MarkerRecord {
  marker: true;
  modifiedAtMs: number;
  versionId?: string;
  order: number;
}
export type VersionRecord = ObjectRecord | MarkerRecord;
export const isMarker = (record: VersionRecord): record is MarkerRecord => "marker" in record;

export interface UploadRecord extends ObjectMarks {
  key: string;
  headers: ObjectHeaders;
  metadata: Record<string, string>;
  checksumAlgorithm?: ChecksumAlgorithm;
  checksumType?: ChecksumType;
  checksumImplied?: boolean;
  encryption?: EncryptionRecord;
  startedAtMs: number;
}

export interface PartRecord extends ObjectPart {
  content: string;
  /** Bytes in the index when it was put; where they are now, the content says. */
  inline: boolean;
  crc32: number;
}

export const encode = (record: unknown): Buffer => Buffer.from(JSON.stringify(record));
export const decode = <T>(bytes: Uint8Array): T => JSON.parse(asBuffer(bytes).toString()) as T;
/** What LMDB hands out is one mostly. */
const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

/**
 * A content is an immutable run of bytes with an id of its own: inline in the index, in a file, in a cluster, or a list of other
 * contents (a multipart object). Objects and parts refer to contents; copies share them, hence the count.
 */
export const contentKinds = ["inline", "file", "list", "cluster"] as const;
export type ContentKind = (typeof contentKinds)[number];

export interface Content {
  kind: ContentKind;
  references: number;
  sizeBytes: number;
  crc32: number;
  /** Of the bytes as they came; zeros where these are encrypted, as it would tell of them. */
  md5: Buffer;
  /** Inline: the bytes. List: PartRecord[] as JSON. Else the sums of its blocks (blockSums.ts), or nothing. */
  payload: Buffer;
  /** The bytes are encrypted, with this key. */
  sealedKey?: Buffer | undefined;
}

// kind 1, references 4, size 8, CRC-32 4, MD5 16; with the flag the sealed key behind its length; then the payload.
const headerBytes = 33;
const encryptedFlag = 0x80;

export function encodeContent({ kind, references, sizeBytes, crc32, md5, payload, sealedKey }: Content): Buffer {
  const keyBytes = sealedKey === undefined ? 0 : 1 + sealedKey.length;
  const out = Buffer.allocUnsafe(headerBytes + keyBytes + payload.length);
  out[0] = contentKinds.indexOf(kind) | (sealedKey === undefined ? 0 : encryptedFlag);
  if (sealedKey !== undefined) {
    out[headerBytes] = sealedKey.length;
    sealedKey.copy(out, headerBytes + 1);
  }
  out.writeUInt32LE(references, 1);
  out.writeDoubleLE(sizeBytes, 5);
  out.writeUInt32LE(crc32, 13);
  md5.copy(out, 17, 0, 16);
  payload.copy(out, headerBytes + keyBytes);
  return out;
}

export function decodeContent(value: Uint8Array): Content {
  const bytes = asBuffer(value);
  const first = bytes[0] as number;
  const start = first & encryptedFlag ? headerBytes + 1 + (bytes[headerBytes] as number) : headerBytes;
  return {
    kind: contentKinds[first & ~encryptedFlag] as ContentKind,
    references: bytes.readUInt32LE(1),
    sizeBytes: bytes.readDoubleLE(5),
    crc32: bytes.readUInt32LE(13),
    md5: bytes.subarray(17, headerBytes),
    payload: bytes.subarray(start),
    ...(start > headerBytes && { sealedKey: bytes.subarray(headerBytes + 1, start) }),
  };
}

export const storedPart = ({ number, sizeBytes, etag, checksums, modifiedAtMs }: PartRecord): ObjectPart => ({
  number,
  sizeBytes,
  etag,
  checksums,
  modifiedAtMs,
});

export const marksOf = ({ tags, retention, legalHold, access }: ObjectMarks): ObjectMarks => ({
  ...(tags !== undefined && Object.keys(tags).length > 0 && { tags }),
  ...(retention !== undefined && { retention }),
  ...(legalHold !== undefined && { legalHold }),
  ...(access !== undefined && { access }),
});

/** `versioned`: the bucket has versions, or had. */
export function storedObject(key: string, record: ObjectRecord, parts: PartRecord[], versioned: boolean): StoredObject {
  const { sizeBytes, etag, modifiedAtMs, headers, metadata, checksums, checksumType, encryption } = record;
  return {
    key,
    ...(versioned && { versionId: record.versionId ?? "null" }),
    sizeBytes,
    etag,
    ...describeEncryption(encryption),
    modifiedAtMs,
    headers,
    metadata,
    checksums,
    checksumType,
    parts: parts.length === 0 ? [] : parts.map(storedPart),
    ...marksOf(record),
  };
}
