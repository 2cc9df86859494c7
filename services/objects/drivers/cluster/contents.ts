import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { CloudError } from "../../../../kernel/errors.ts";

/** A bucket of an S3-compatible cluster (Ceph's RGW, Garage, MinIO, SeaweedFS, AWS) in which contents lie, one object each. */
export interface ClusterOptions {
  /** `https://host:port`; its certificate must be trusted by Node (NODE_EXTRA_CA_CERTS). */
  endpoint: string;
  region: string;
  /** It exists, and is nobody else's. */
  bucket: string;
  accessKeyId: string;
  secretAccessKey: string;
}

const contents = "contents/";
const indexFiles = "index/";
const contentName = /^[0-9a-f]{32}$/;
const connectMs = 5_000;
/** Without a byte from the cluster. */
const silentMs = 60_000;
const attempts = 4;
const firstPauseMs = 200;
const removalsAtOnce = 16;

export interface ClusterContent {
  contentId: string;
  sizeBytes: number;
  modifiedAtMs: number;
}

type Source = { path: string; sizeBytes: number } | Buffer;

/**
 * Contents in a cluster. All calls throw CloudErrors: unavailable (it does not answer, or refuses the key), storage_full,
 * not_found (no such content). What it has acknowledged is as durable as the cluster makes it.
 */
export class ClusterContents {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor({ endpoint, region, bucket, accessKeyId, secretAccessKey }: ClusterOptions) {
    this.#bucket = bucket;
    this.#client = new S3Client({
      endpoint,
      region,
      credentials: { accessKeyId, secretAccessKey },
      forcePathStyle: true,
      // Checksums of 2024's S3 are not known to all clusters; ours are in the index, and each read is compared with them.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      // Tried again here, as a stream can be read once only.
      maxAttempts: 1,
      requestHandler: {
        connectionTimeout: connectMs,
        socketTimeout: silentMs,
        httpsAgent: { maxSockets: 128 },
        httpAgent: { maxSockets: 128 },
      },
    });
  }

  /** unavailable, and why: with the words of the cluster. */
  async check(): Promise<void> {
    await this.#tried(() => this.#client.send(new ListObjectsV2Command({ Bucket: this.#bucket, Prefix: contents, MaxKeys: 1 })));
  }

  /** Acknowledged: the cluster has it. `source` is a file, or the bytes. */
  put(contentId: string, source: Source): Promise<void> {
    return this.#put(contents + contentId, source);
  }

  /** [from, from + sizeBytes) of it. */
  read(contentId: string, from: number, sizeBytes: number): Promise<Readable> {
    return this.#read(contents + contentId, from, sizeBytes);
  }

  /** Those that are not there are no error. */
  async remove(contentIds: readonly string[]): Promise<void> {
    for (let at = 0; at < contentIds.length; at += removalsAtOnce)
      await Promise.all(contentIds.slice(at, at + removalsAtOnce).map((id) => this.#remove(contents + id)));
  }

  /** Every content that it has, by id. */
  async *all(): AsyncGenerator<ClusterContent> {
    for await (const { name, ...rest } of this.#list(contents)) if (contentName.test(name)) yield { contentId: name, ...rest };
  }

  /** Files of the copy of the index (indexCopy.ts). */
  indexFiles(): AsyncGenerator<{ name: string; sizeBytes: number }> {
    return this.#list(indexFiles);
  }
  indexPut(name: string, source: Source): Promise<void> {
    return this.#put(indexFiles + name, source);
  }
  indexRead(name: string, sizeBytes: number): Promise<Readable> {
    return this.#read(indexFiles + name, 0, sizeBytes);
  }
  indexRemove(name: string): Promise<void> {
    return this.#remove(indexFiles + name);
  }

  async #put(key: string, source: Source): Promise<void> {
    const [sizeBytes, open] = Buffer.isBuffer(source)
      ? [source.length, () => source]
      : // A file may grow meanwhile: no more than it was told to have.
        [
          source.sizeBytes,
          () => (source.sizeBytes === 0 ? Buffer.alloc(0) : createReadStream(source.path, { end: source.sizeBytes - 1 })),
        ];
    await this.#tried(() =>
      this.#client.send(new PutObjectCommand({ Bucket: this.#bucket, Key: key, Body: open(), ContentLength: sizeBytes })),
    );
  }

  async #read(key: string, from: number, sizeBytes: number): Promise<Readable> {
    const { Body } = await this.#tried(() =>
      this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key: key, Range: `bytes=${from}-${from + sizeBytes - 1}` })),
    );
    return Body as Readable;
  }

  async #remove(key: string): Promise<void> {
    await this.#tried(() => this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: key })));
  }

  async *#list(prefix: string): AsyncGenerator<{ name: string; sizeBytes: number; modifiedAtMs: number }> {
    for (let after: string | undefined; ; ) {
      const page = await this.#tried(() =>
        this.#client.send(
          new ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix: prefix,
            ...(after !== undefined && { ContinuationToken: after }),
          }),
        ),
      );
      for (const { Key = "", Size = 0, LastModified } of page.Contents ?? [])
        yield { name: Key.slice(prefix.length), sizeBytes: Size, modifiedAtMs: LastModified?.getTime() ?? 0 };
      after = page.NextContinuationToken;
      if (after === undefined) return;
    }
  }

  close(): void {
    this.#client.destroy();
  }

  /** Once more after a failure that may pass, with growing pauses. */
  async #tried<T>(call: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await call();
      } catch (error) {
        const failure = asClusterFailure(error);
        if (failure.code !== "unavailable" || isRefusal(error) || attempt === attempts) throw failure;
        await new Promise((resolve) => setTimeout(resolve, firstPauseMs * 2 ** (attempt - 1) * (0.5 + Math.random())));
      }
    }
  }
}

type Failure = Error & { name: string; $metadata?: { httpStatusCode?: number } };

const isRefusal = (error: unknown): boolean => {
  const status = (error as Failure).$metadata?.httpStatusCode ?? 500;
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
};

function asClusterFailure(error: unknown): CloudError {
  const { name, message, $metadata } = error as Failure;
  const cause = { cause: error };
  if (name === "NoSuchKey" || name === "NotFound") return new CloudError("not_found", "The cluster has no such content.", cause);
  if (name === "QuotaExceeded" || $metadata?.httpStatusCode === 507)
    return new CloudError("storage_full", "The storage cluster is full. Delete something or add a disk there.", cause);
  const told = isRefusal(error) ? `refuses (${name})` : "does not answer";
  return new CloudError(
    "unavailable",
    `The storage cluster ${told}: ${message}. Try again; if it stays so, tell who runs this cloud.`,
    {
      ...cause,
      details: { reason: "storage_cluster", retryAfterSeconds: 5 },
    },
  );
}
