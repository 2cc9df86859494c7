import { createHash } from "node:crypto";
import type { LookupFunction } from "node:net";
import { Readable } from "node:stream";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { CloudError } from "../../../kernel/errors.ts";
import { checkUrl, resolveHost } from "../../../kernel/outbound/addresses.ts";
import { reasonOf } from "../../../kernel/outbound/webhook.ts";
import { partBytes } from "./partBytes.ts";

const { Agent: HttpAgent } = process.getBuiltinModule("node:http");
const { Agent: HttpsAgent } = process.getBuiltinModule("node:https");

export interface RemoteOptions {
  endpoint: string;
  region: string;
  bucket: string;
  /** Empty, or with its slash: before all names. */
  prefix: string;
  accessKeyId: string;
  secretAccessKey: string;
  pathStyle: boolean;
  allowedNetworks: readonly string[];
  signal?: AbortSignal;
}

export interface RemoteObject {
  name: string;
  sizeBytes: number;
}

const connectMs = 10_000;
/** Without a byte from there. */
const silentMs = 60_000;
/** Of each call, with growing pauses. */
const attempts = 5;
/** S3 takes 10,000 parts; one that is larger than 80 GB gets larger ones. */
const mostParts = 9_900;

type Failure = Error & { name: string; code?: string; $metadata?: { httpStatusCode?: number } };

/**
 * A folder in a bucket of another S3, for backups. Its host is called only where that is no address of our own networks. All calls throw
 * CloudErrors: not_found (no such object), failed_precondition with the reason `backup_target` (it refuses, and says why), unavailable.
 */
export class RemoteBucket {
  readonly #client: S3Client;
  readonly #options: RemoteOptions;

  /** @throws CloudError failed_precondition (a private address) */
  constructor(options: RemoteOptions) {
    this.#options = options;
    const { endpoint, region, accessKeyId, secretAccessKey, pathStyle, allowedNetworks } = options;
    checkUrl(endpoint, allowedNetworks, "body.targetEndpoint");
    const agent = { keepAlive: true, maxSockets: 16, lookup: lookupAllowed(allowedNetworks) };
    this.#client = new S3Client({
      endpoint,
      region,
      credentials: { accessKeyId, secretAccessKey },
      forcePathStyle: pathStyle,
      // Not all know the checksums of 2024: each body has its MD5, and the names of contents are their SHA-256.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      maxAttempts: attempts,
      requestHandler: {
        connectionTimeout: connectMs,
        socketTimeout: silentMs,
        httpAgent: new HttpAgent(agent),
        httpsAgent: new HttpsAgent(agent),
      },
    });
  }

  async head(name: string): Promise<RemoteObject | undefined> {
    try {
      const { ContentLength = 0 } = await this.#call((place, options) =>
        this.#client.send(new HeadObjectCommand(place(name)), options),
      );
      return { name, sizeBytes: ContentLength };
    } catch (error) {
      if (CloudError.is(error, "not_found")) return undefined;
      throw error;
    }
  }

  async put(name: string, bytes: Buffer): Promise<void> {
    await this.#call((place, options) =>
      this.#client.send(new PutObjectCommand({ ...place(name), Body: bytes, ContentMD5: md5(bytes) }), options),
    );
  }

  /**
   * Any number of bytes, in parts; nobody sees it before it is whole. `sizeBytes`: about how many come, for the size of the parts.
   * `check` is called before it is completed, and throws when it shall not be.
   */
  async upload(name: string, body: AsyncIterable<Uint8Array>, options: { sizeBytes: number; check?: () => void }): Promise<void> {
    const parts: { PartNumber: number; ETag: string | undefined }[] = [];
    const size = Math.max(partBytes, Math.ceil(options.sizeBytes / mostParts));
    let uploadId: string | undefined;
    try {
      for await (const { bytes, isLast } of inParts(body, size)) {
        if (isLast) options.check?.();
        if (isLast && parts.length === 0) return await this.put(name, bytes);
        uploadId ??= await this.#begin(name);
        parts.push(await this.#part(name, uploadId, parts.length + 1, bytes));
      }
      await this.#call((place, rest) =>
        this.#client.send(
          new CompleteMultipartUploadCommand({ ...place(name), UploadId: uploadId, MultipartUpload: { Parts: parts } }),
          rest,
        ),
      );
    } catch (error) {
      if (uploadId !== undefined) await this.#abort(this.#options.prefix + name, uploadId).catch(() => {});
      throw error;
    }
  }

  async #begin(name: string): Promise<string> {
    const { UploadId } = await this.#call((place, options) =>
      this.#client.send(new CreateMultipartUploadCommand(place(name)), options),
    );
    if (UploadId === undefined) throw refused("it gave no id for an upload in parts");
    return UploadId;
  }

  async #part(name: string, uploadId: string, number: number, bytes: Buffer) {
    const { ETag } = await this.#call((place, options) =>
      this.#client.send(
        new UploadPartCommand({
          ...place(name),
          UploadId: uploadId,
          PartNumber: number,
          Body: bytes,
          ContentMD5: md5(bytes),
        }),
        options,
      ),
    );
    return { PartNumber: number, ETag };
  }

  async #abort(key: string, uploadId: string): Promise<void> {
    const { bucket } = this.#options;
    await this.#client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId }));
  }

  /** Bytes [from, to], both inclusive; all of it when they are not given. Failures of the stream are CloudErrors too. */
  async read(name: string, range?: { from: number; to: number }): Promise<Readable> {
    const { Body } = await this.#call((place, options) =>
      this.#client.send(
        new GetObjectCommand({ ...place(name), ...(range && { Range: `bytes=${range.from}-${range.to}` }) }),
        options,
      ),
    );
    return Readable.from(told(Body as Readable), { objectMode: false });
  }

  /** What is not there is no error. */
  async remove(name: string): Promise<void> {
    await this.#call((place, options) => this.#client.send(new DeleteObjectCommand(place(name)), options)).catch((error) => {
      if (!CloudError.is(error, "not_found")) throw error;
    });
  }

  /** Pages of what lies below a folder, by name. */
  async *list(folder: string): AsyncGenerator<RemoteObject[]> {
    const { bucket, prefix } = this.#options;
    for (let after: string | undefined; ; ) {
      const page = await this.#call((_, options) =>
        this.#client.send(
          new ListObjectsV2Command({
            Bucket: bucket,
            Prefix: prefix + folder,
            ...(after !== undefined && { ContinuationToken: after }),
          }),
          options,
        ),
      );
      yield (page.Contents ?? []).map(({ Key = "", Size = 0 }) => ({ name: Key.slice(prefix.length), sizeBytes: Size }));
      after = page.IsTruncated ? page.NextContinuationToken : undefined;
      if (after === undefined) return;
    }
  }

  /** Gives up what a process left that died while it sent; where uploads cannot be listed, the bucket's own rules do it. */
  async abortUploads(): Promise<void> {
    const { bucket, prefix } = this.#options;
    try {
      const page = await this.#call((_, options) =>
        this.#client.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix }), options),
      );
      for (const { Key = "", UploadId = "" } of page.Uploads ?? []) if (Key.startsWith(prefix)) await this.#abort(Key, UploadId);
    } catch (error) {
      if (!CloudError.is(error, "failed_precondition") && !CloudError.is(error, "not_found")) throw error;
    }
  }

  close(): void {
    this.#client.destroy();
  }

  async #call<T>(
    send: (place: (name: string) => { Bucket: string; Key: string }, options: { abortSignal?: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    const { bucket, prefix, signal } = this.#options;
    try {
      return await send((name) => ({ Bucket: bucket, Key: prefix + name }), signal ? { abortSignal: signal } : {});
    } catch (error) {
      signal?.throwIfAborted();
      throw asRemoteFailure(error, bucket);
    }
  }
}

const md5 = (bytes: Uint8Array): string => createHash("md5").update(bytes).digest("base64");

/** Pieces of exactly this size, but for the last one, which may be empty. */
async function* inParts(body: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<{ bytes: Buffer; isLast: boolean }> {
  let pieces: Uint8Array[] = [];
  let held = 0;
  for await (let piece of body) {
    while (held + piece.length > size) {
      yield { bytes: Buffer.concat([...pieces, piece.subarray(0, size - held)]), isLast: false };
      piece = piece.subarray(size - held);
      pieces = [];
      held = 0;
    }
    pieces.push(piece);
    held += piece.length;
  }
  yield { bytes: Buffer.concat(pieces), isLast: true };
}

async function* told(body: Readable): AsyncGenerator<Uint8Array> {
  try {
    yield* body as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw asRemoteFailure(error, "");
  }
}

/** Each new connection goes to an address that was looked at. */
const lookupAllowed =
  (allowedNetworks: readonly string[]): LookupFunction =>
  (host, options, answer) => {
    resolveHost(host, allowedNetworks).then(
      (found) => (options.all ? answer(null, [found]) : answer(null, found.address, found.family)),
      (error) => answer(error, "", 0),
    );
  };

/** `details.said` is what the other S3 says itself: clients put it into the words of their language. */
const refused = (
  message: string,
  cause?: unknown,
  details: { reason?: string; said?: string; bucket?: string } = {},
): CloudError =>
  new CloudError("failed_precondition", `The other S3 refuses: ${message.replace(/\.$/, "")}.`, {
    cause,
    details: { resource: "backupTarget", reason: "backup_target", ...details },
  });

function asRemoteFailure(error: unknown, bucket: string): CloudError {
  if (CloudError.is(error)) return error;
  const { name, message, code, $metadata } = error as Failure;
  const status = $metadata?.httpStatusCode;
  if (name === "NoSuchBucket")
    return refused(`it has no bucket ${bucket}. Make it there first`, error, { reason: "backup_target_bucket", bucket });
  if (name === "NoSuchKey" || name === "NotFound" || name === "NoSuchUpload")
    return new CloudError("not_found", "The other S3 has no such object.", { cause: error });
  const said = wordsOf(name, message);
  if (status === 403)
    return refused(`${said}. Check the access key, and what it may do there`, error, { reason: "backup_target_key", said });
  if (status === 301 || status === 307 || name === "AuthorizationHeaderMalformed")
    return refused(`${said}. Check the region and the endpoint`, error, { reason: "backup_target_region", said });
  if (status !== undefined && status >= 300 && status < 500 && status !== 408 && status !== 429)
    return refused(said, error, { said });
  // What looked up the name has its own words.
  if (CloudError.is((error as { cause?: unknown }).cause)) return (error as { cause: CloudError }).cause;
  const why = code !== undefined ? reasonOf(error) : `It answered: ${said}.`;
  return new CloudError("unavailable", `The other S3 cannot be reached. ${why}`, {
    cause: error,
    details: { reason: "backup_target_unreachable", retryAfterSeconds: 30 },
  });
}

/** One line for people; what stands there was written by somebody else. */
const wordsOf = (name: string, message: string): string =>
  (/^Unknown/.test(name) ? "it gave no reason" : `${name}: ${message}`)
    .replace(/[\p{Cc}\s]+/gu, " ")
    .trim()
    .replace(/\.$/, "")
    .slice(0, 200);
