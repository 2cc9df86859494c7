import { CloudError, notFound } from "../../../../kernel/errors.ts";
import type { Id } from "../../../../kernel/ids.ts";
import type { ChecksumAlgorithm, CompletePart, Meter, ObjectStore, Preconditions, Upload } from "../../driver.ts";
import { book } from "./accounts.ts";
import { type Checksums, checksumTypeFor, multipartChecksum, multipartEtag } from "./checksums.ts";
import { createList, release } from "./contents.ts";
import type { ReadView, Transaction } from "./database.ts";
import { describeEncryption } from "./encryption.ts";
import {
  afterPrefix,
  bucketKey,
  escapeZeros,
  partKey,
  partNumberOf,
  unescapeZeros,
  uploadKey,
  uploadOrderKey,
  uploadTrailerBytes,
} from "./keys.ts";
import { walk } from "./listing.ts";
import { checkPreconditions, createReceived, newMarks, objectAt, recordAt, writeObject } from "./objects.ts";
import type { Received } from "./receive.ts";
import { decode, encode, type ObjectRecord, type PartRecord, storedPart, type UploadRecord } from "./records.ts";

/** S3: parts are numbered from 1 to 10,000, and all but the last have at least 5 MiB. */
const lastPartNumber = 10_000;
const smallestPartBytes = 5 * 1024 * 1024;
const nothing = Buffer.alloc(0);

export function uploadAt(index: Pick<Transaction, "get">, bucketId: Id<"bucket">, uploadId: Id<"upload">): UploadRecord {
  const stored = index.get("uploads", uploadKey(bucketId, uploadId));
  if (stored === undefined) throw notFound("upload");
  return decode<UploadRecord>(stored);
}

/** The checksum that its object will have; of an upload that is completed or unknown, none. */
export function summedWith(
  index: Pick<Transaction, "get">,
  bucketId: Id<"bucket">,
  uploadId: Id<"upload">,
): ChecksumAlgorithm | undefined {
  const stored = index.get("uploads", uploadKey(bucketId, uploadId));
  return stored && decode<UploadRecord>(stored).checksumAlgorithm;
}

export const storedUpload = (uploadId: Id<"upload">, { encryption, ...record }: UploadRecord): Upload => ({
  uploadId,
  ...record,
  ...describeEncryption(encryption),
});

export function createUpload(
  transaction: Transaction,
  bucketId: Id<"bucket">,
  uploadId: Id<"upload">,
  record: UploadRecord,
  meter: Meter | undefined,
): Upload {
  const orderKey = uploadOrderKey(bucketId, record.key, uploadId);
  const { checksumAlgorithm } = record;
  const dated: UploadRecord = {
    ...record,
    ...(checksumAlgorithm && { checksumType: checksumTypeFor(checksumAlgorithm, record.checksumType) }),
    startedAtMs: transaction.nowMs,
  };
  transaction.put("uploads", uploadKey(bucketId, uploadId), encode(dated));
  transaction.put("uploadOrder", orderKey, nothing);
  if (meter !== undefined) book(transaction, bucketId, { meter });
  return storedUpload(uploadId, dated);
}

export function checkPartNumber(number: number): void {
  if (!Number.isInteger(number) || number < 1 || number > lastPartNumber)
    throw new CloudError("invalid_argument", `Parts are numbered from 1 to ${lastPartNumber}.`, {
      details: { reason: "part_number" },
    });
}

export function writePart(
  transaction: Transaction,
  bucketId: Id<"bucket">,
  uploadId: Id<"upload">,
  number: number,
  received: Received & { etag: string },
  meter: Meter | undefined,
): PartRecord {
  const { checksumAlgorithm } = uploadAt(transaction, bucketId, uploadId);
  const key = partKey(bucketId, uploadId, number);
  const stored = transaction.get("parts", key);
  const previous = stored && decode<PartRecord>(stored);
  const { sums, sizeBytes, contentId } = received;
  const part: PartRecord = {
    number,
    sizeBytes,
    etag: received.etag,
    // What the whole is summed from; others were for the journey.
    checksums: checksumAlgorithm === undefined ? sums.checksums : only(sums.checksums, checksumAlgorithm),
    modifiedAtMs: transaction.nowMs,
    content: contentId,
    inline: received.kind === "inline",
    crc32: sums.crc32,
  };
  createReceived(transaction, received);
  if (previous !== undefined) release(transaction, previous.content);
  transaction.put("parts", key, encode(part));
  book(transaction, bucketId, { uploadBytes: sizeBytes - (previous?.sizeBytes ?? 0), meter });
  return part;
}

const only = (checksums: Checksums, algorithm: ChecksumAlgorithm): Checksums => ({ [algorithm]: checksums[algorithm] });

function partRange(bucketId: Id<"bucket">, uploadId: Id<"upload">, from: number): [Buffer, Buffer] {
  return [partKey(bucketId, uploadId, from), afterPrefix(Buffer.concat([uploadKey(bucketId, uploadId), Buffer.alloc(1)]))];
}

export function listParts(
  index: ReadView,
  bucketId: Id<"bucket">,
  uploadId: Id<"upload">,
  { after = 0, limit }: { after?: number; limit: number },
): Awaited<ReturnType<ObjectStore["partList"]>> {
  uploadAt(index, bucketId, uploadId);
  if (after >= lastPartNumber) return { parts: [] };
  const found = index.range("parts", ...partRange(bucketId, uploadId, after + 1), limit + 1);
  const parts = found.slice(0, limit).map(({ value }) => storedPart(decode<PartRecord>(value)));
  return { parts, ...(found.length > limit && { next: parts.at(-1)!.number }) };
}

/** Takes the upload and its parts out of the index, without their contents; returns the parts. */
function takeUpload(transaction: Transaction, bucketId: Id<"bucket">, uploadId: Id<"upload">, key: string): PartRecord[] {
  const parts = transaction.range("parts", ...partRange(bucketId, uploadId, 0));
  for (const part of parts) transaction.remove("parts", part.key);
  transaction.remove("uploads", uploadKey(bucketId, uploadId));
  transaction.remove("uploadOrder", uploadOrderKey(bucketId, key, uploadId));
  return parts.map(({ value }) => decode<PartRecord>(value));
}

const bytesOf = (parts: PartRecord[]): number => parts.reduce((sum, part) => sum + part.sizeBytes, 0);

export function abortUpload(
  transaction: Transaction,
  bucketId: Id<"bucket">,
  uploadId: Id<"upload">,
  meter: Meter | undefined,
): void {
  const { key } = uploadAt(transaction, bucketId, uploadId);
  const parts = takeUpload(transaction, bucketId, uploadId, key);
  for (const part of parts) release(transaction, part.content);
  book(transaction, bucketId, { uploadBytes: -bytesOf(parts), meter });
}

const refused = (reason: string, message: string, details: Record<string, unknown> = {}): CloudError =>
  new CloudError("failed_precondition", message, { details: { reason, ...details } });

/** The parts that the client names, in its order, each as it was put; everything S3 refuses is refused. */
function chosenParts(stored: Map<number, PartRecord>, asked: CompletePart[]): PartRecord[] {
  if (asked.length === 0) throw refused("invalid_part", "An upload is completed with at least one part.");
  const chosen = asked.map(({ number, etag, checksums }, index) => {
    if (index > 0 && number <= asked[index - 1]!.number)
      throw refused("invalid_part_order", "Parts are named in the order of their numbers.", { partNumber: number });
    const part = stored.get(number);
    const matches =
      part !== undefined &&
      (etag === undefined || etag === part.etag) &&
      Object.entries(checksums ?? {}).every(([name, sum]) => part.checksums[name as keyof typeof part.checksums] === sum);
    if (!matches) throw refused("invalid_part", `Part ${number} was not uploaded like this.`, { partNumber: number, etag });
    return part;
  });
  for (const part of chosen.slice(0, -1))
    if (part.sizeBytes < smallestPartBytes)
      throw refused("part_too_small", `Part ${part.number} is smaller than ${smallestPartBytes} bytes and not the last one.`, {
        partNumber: part.number,
        etag: part.etag,
        sizeBytes: part.sizeBytes,
        leastBytes: smallestPartBytes,
      });
  return chosen;
}

export interface CompleteOptions extends Preconditions {
  sizeBytes?: number;
  checksums?: CompletePart["checksums"];
  meter?: Meter;
}

/** The object that the upload became, now or when it was completed before. */
export function completeUpload(
  transaction: Transaction,
  bucketId: Id<"bucket">,
  uploadId: Id<"upload">,
  asked: CompletePart[],
  contentId: string,
  options: CompleteOptions,
): { key: string; record: ObjectRecord } {
  const completed = transaction.get("completions", uploadKey(bucketId, uploadId));
  if (completed !== undefined) {
    const { key, versionId } = decode<{ key: string; versionId: string }>(completed);
    const record = objectAt(transaction, bucketId, key, versionId);
    if (record?.uploadId === uploadId) return { key, record };
  }
  const upload = uploadAt(transaction, bucketId, uploadId);
  const { key, checksumAlgorithm, checksumType } = upload;
  const previous = recordAt(transaction, bucketId, key);
  checkPreconditions(previous, options);
  const stored = new Map<number, PartRecord>();
  for (const { key: at, value } of transaction.range("parts", ...partRange(bucketId, uploadId, 0)))
    stored.set(partNumberOf(at), decode<PartRecord>(value));
  const parts = chosenParts(stored, asked);
  const sizeBytes = bytesOf(parts);
  const checksum = checksumAlgorithm && checksumType && multipartChecksum(parts, checksumAlgorithm, checksumType);
  verifyWhole(sizeBytes, checksumAlgorithm && checksum ? { [checksumAlgorithm]: checksum } : {}, options);

  const record: ObjectRecord = {
    content: contentId,
    sizeBytes,
    etag: multipartEtag(parts.map((part) => part.etag)),
    modifiedAtMs: transaction.nowMs,
    headers: upload.headers,
    metadata: upload.metadata,
    ...(upload.encryption && { encryption: upload.encryption }),
    checksums: checksumAlgorithm && checksum ? { [checksumAlgorithm]: checksum } : {},
    checksumType: checksumType ?? "full_object",
    uploadId,
    ...newMarks(transaction, bucketId, upload),
  };
  takeUpload(transaction, bucketId, uploadId, key);
  createList(transaction, contentId, parts, sizeBytes);
  const used = new Set(parts);
  for (const part of stored.values()) if (!used.has(part)) release(transaction, part.content);
  const written = writeObject(transaction, bucketId, key, record, {
    previous,
    uploadBytes: -bytesOf([...stored.values()]),
    meter: options.meter,
  });
  const { versionId = "null" } = written;
  transaction.put("completions", uploadKey(bucketId, uploadId), encode({ key, versionId }));
  return { key, record: written };
}

function verifyWhole(sizeBytes: number, checksums: NonNullable<CompletePart["checksums"]>, options: CompleteOptions): void {
  if (options.sizeBytes !== undefined && options.sizeBytes !== sizeBytes)
    throw new CloudError("invalid_argument", `The parts have ${sizeBytes} bytes, not ${options.sizeBytes}.`, {
      details: { reason: "incomplete_body", sizeBytes },
    });
  for (const [name, sum] of Object.entries(options.checksums ?? {}))
    if (checksums[name as keyof typeof checksums] !== sum)
      throw new CloudError("invalid_argument", `The object does not have the ${name} checksum that came with it.`, {
        details: { reason: "checksum_mismatch", algorithm: name },
      });
}

export function listUploads(
  index: ReadView,
  bucketId: Id<"bucket">,
  options: Parameters<ObjectStore["uploadList"]>[1],
): Awaited<ReturnType<ObjectStore["uploadList"]>> {
  const { prefix = "", delimiter = "", after, afterUploadId, limit } = options;
  const escaped = after === undefined ? undefined : escapeZeros(after);
  const { entries, more } = walk(index, {
    table: "uploadOrder",
    bucketId,
    prefix: escapeZeros(prefix),
    delimiter: escapeZeros(delimiter),
    limit,
    trailerBytes: uploadTrailerBytes,
    ...(escaped !== undefined && {
      after: escaped,
      // Behind all uploads of this key, or behind one of them.
      start: Buffer.concat([escaped, Buffer.from(afterUploadId === undefined ? "\0\x01" : `\0\0${afterUploadId}\0`)]),
    }),
  });
  const uploads: Upload[] = [];
  const commonPrefixes: string[] = [];
  let last: { after: string; afterUploadId?: string } | undefined;
  for (const entry of entries) {
    if ("commonPrefix" in entry) {
      commonPrefixes.push(unescapeZeros(entry.commonPrefix));
      last = { after: commonPrefixes.at(-1)! };
      continue;
    }
    const split = entry.name.length - uploadTrailerBytes;
    const uploadId = entry.name.subarray(split + 2).toString() as Id<"upload">;
    uploads.push(storedUpload(uploadId, uploadAt(index, bucketId, uploadId)));
    last = { after: unescapeZeros(entry.name.subarray(0, split)), afterUploadId: uploadId };
  }
  return { uploads, commonPrefixes, ...(more && last && { next: last }) };
}

/** Ids of the uploads of a bucket that are open. */
export function openUploads(transaction: Transaction, bucketId: Id<"bucket">): Id<"upload">[] {
  const start = bucketKey(bucketId);
  return transaction
    .range("uploads", start, afterPrefix(start))
    .map(({ key }) => key.subarray(start.length).toString() as Id<"upload">);
}
