import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { Xxhash } from "../../../kernel/xxhash.ts";
import {
  type ChecksumAlgorithm,
  type ChecksumType,
  checksumAlgorithms,
  type PutOptions,
  type StoredObject,
  type Upload,
} from "../driver.ts";
import { S3Error } from "./errors.ts";
import type { S3Request } from "./request.ts";
import { element } from "./xml.ts";

/** Bytes of each checksum, to refuse values that cannot be one ("Checking object integrity", S3 User Guide). */
const checksumBytes: Record<ChecksumAlgorithm, number> = {
  crc32: 4,
  crc32c: 4,
  crc64nvme: 8,
  md5: 16,
  sha1: 20,
  sha256: 32,
  sha512: 64,
  xxhash64: 8,
  xxhash3: 8,
  xxhash128: 16,
};

/** As in x-amz-checksum-algorithm and in the names of XML elements. */
export const algorithmName = (algorithm: ChecksumAlgorithm): string => algorithm.toUpperCase();

export const checksumTypeName = (type: ChecksumType): string => type.toUpperCase();

/** The value of x-amz-checksum-algorithm. */
export function parseAlgorithm(value: string): ChecksumAlgorithm {
  const found = checksumAlgorithms.find((algorithm) => algorithmName(algorithm) === value.toUpperCase());
  if (!found)
    throw new S3Error(
      "InvalidRequest",
      `Checksum algorithm provided is unsupported. Please try again with any of the valid types: [${checksumAlgorithms.map(algorithmName).join(", ")}]`,
    );
  return found;
}

export interface RequestedChecksum {
  algorithm: ChecksumAlgorithm;
  /** Base64; undefined while it is still to come in the trailer. */
  expected: () => string | undefined;
}

/** What is kept where a client neither sends nor asks for a checksum: "Checking object integrity", S3 User Guide. */
export const implied = { algorithm: "crc64nvme" } as const;

/** What an upload was begun with; of the implied checksum only its object tells. */
export const askedFor = ({
  checksumAlgorithm,
  checksumType,
  checksumImplied,
}: Pick<Upload, "checksumAlgorithm" | "checksumType" | "checksumImplied">): Pick<Upload, "checksumAlgorithm" | "checksumType"> =>
  checksumImplied ? {} : { ...(checksumAlgorithm && { checksumAlgorithm }), ...(checksumType && { checksumType }) };

const algorithmIn = (header: string): ChecksumAlgorithm | undefined =>
  checksumAlgorithms.find((algorithm) => header === `x-amz-checksum-${algorithm}`);

const notSettings = (name: string): boolean => !/^x-amz-checksum-(mode|type|algorithm)$/.test(name);

/** For the answer to who sent it. */
export function sentChecksum({ algorithm, expected }: NonNullable<PutOptions["checksum"]>): StoredObject["checksums"] {
  const value = expected?.();
  return value === undefined ? {} : { [algorithm]: value };
}

/** The checksum that came in a header or was announced for the trailer; at most one. */
export function requestedChecksum(request: S3Request, trailers: Map<string, string>): RequestedChecksum | undefined {
  const { headers } = request;
  const names = [...headers.keys()].filter((name) => name.startsWith("x-amz-checksum-") && notSettings(name));
  const announced = (headers.get("x-amz-trailer") ?? "")
    .toLowerCase()
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  if (announced.some((name) => algorithmIn(name) === undefined))
    throw new S3Error("InvalidRequest", "The value specified in the x-amz-trailer header is not supported");
  if (names.length + announced.length > 1)
    throw new S3Error("InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
  const sdk = headers.get("x-amz-sdk-checksum-algorithm");
  const name = names[0] ?? announced[0];
  if (name === undefined) {
    const md5 = headers.get("content-md5");
    // AWS's SDKs for the algorithm MD5.
    if (sdk?.toUpperCase() === "MD5" && md5 !== undefined) return { algorithm: "md5", expected: () => md5 };
    if (sdk) {
      throw new S3Error(
        "InvalidRequest",
        "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.",
      );
    }
    return undefined;
  }
  const algorithm = algorithmIn(name);
  if (algorithm === undefined)
    throw new S3Error("InvalidRequest", "The algorithm type you specified in x-amz-checksum- header is invalid.");
  if (sdk && sdk.toLowerCase() !== algorithm)
    throw new S3Error("InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.");
  if (names[0] === undefined) {
    return {
      algorithm,
      expected: () => {
        const value = trailers.get(name);
        if (value === undefined) throw new S3Error("MalformedTrailerError");
        if (!isChecksum(algorithm, value)) throw new S3Error("InvalidRequest", `Value for ${name} trailing header is invalid.`);
        return value;
      },
    };
  }
  const value = headers.get(name)!;
  if (!isChecksum(algorithm, value)) throw invalidChecksum(name);
  return { algorithm, expected: () => value };
}

/** Whether the bytes come with anything that they are checked by. AWS wants MD5 or a checksum; a signature of the bytes says as much, and older clients have no more. */
export const bringsDigest = (request: S3Request): boolean =>
  request.headers.has("content-md5") ||
  requestedChecksum(request, new Map()) !== undefined ||
  !(request.headers.get("x-amz-content-sha256") ?? "UNSIGNED").includes("UNSIGNED");

/** A header whose value can be no checksum, whatever the body is. */
export const invalidChecksum = (header: string): S3Error =>
  new S3Error("InvalidRequest", `Value for ${header} header is invalid.`);

export const isChecksum = (algorithm: ChecksumAlgorithm, value: string): boolean => {
  const bytes = Buffer.from(value, "base64");
  return bytes.length === checksumBytes[algorithm] && bytes.toString("base64") === value;
};

/** Content-MD5 (RFC 1864) in hex. */
export function contentMd5(request: S3Request): string | undefined {
  const value = request.headers.get("content-md5");
  if (value === undefined) return undefined;
  const bytes = Buffer.from(value, "base64");
  if (bytes.length !== 16 || bytes.toString("base64") !== value.trim())
    throw new S3Error("InvalidDigest", undefined, { fields: { "Content-MD5": value } });
  return bytes.toString("hex");
}

type Checksums = StoredObject["checksums"];

export function checksumHeaders(checksums: Checksums, type?: ChecksumType): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const algorithm of checksumAlgorithms) {
    const value = checksums[algorithm];
    if (value !== undefined) headers[`x-amz-checksum-${algorithm}`] = value;
  }
  if (type && Object.keys(headers).length > 0) headers["x-amz-checksum-type"] = checksumTypeName(type);
  return headers;
}

export function checksumElements(checksums: Checksums, type?: ChecksumType): string {
  let text = "";
  for (const algorithm of checksumAlgorithms) text += element(`Checksum${algorithmName(algorithm)}`, checksums[algorithm]);
  return text !== "" && type ? text + element("ChecksumType", checksumTypeName(type)) : text;
}

/** Base64, of a document that is in memory anyway; the store computes those of objects. `loadXxhash` comes before. */
export function checksumOf(algorithm: ChecksumAlgorithm, data: Uint8Array): string {
  switch (algorithm) {
    case "md5":
    case "sha1":
    case "sha256":
    case "sha512":
      return createHash(algorithm).update(data).digest("base64");
    case "crc32":
      return bigEndian(BigInt(crc32(data)), 4);
    case "crc32c":
      return bigEndian(reflectedCrc(data, 0x82f63b78n, 32n), 4);
    case "crc64nvme":
      return bigEndian(reflectedCrc(data, 0x9a6c9329ac4bc9b5n, 64n), 8);
    case "xxhash64":
    case "xxhash3":
    case "xxhash128":
      return new Xxhash(algorithm).update(data).digest().toString("base64");
  }
}

const bigEndian = (value: bigint, bytes: number): string =>
  Buffer.from(value.toString(16).padStart(bytes * 2, "0"), "hex").toString("base64");

/** A reflected CRC with all ones in and out, byte by byte: fast enough for the megabytes that a document may have. */
function reflectedCrc(data: Uint8Array, polynomial: bigint, width: bigint): bigint {
  const table = Array.from({ length: 256 }, (_, byte) => {
    let value = BigInt(byte);
    for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ polynomial : value >> 1n;
    return value;
  });
  const ones = (1n << width) - 1n;
  let crc = ones;
  for (const byte of data) crc = table[Number(crc & 0xffn) ^ byte]! ^ (crc >> 8n);
  return crc ^ ones;
}
