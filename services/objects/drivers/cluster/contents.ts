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

const prefix = "contents/";
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
    await this.#tried(() => this.#client.send(new ListObjectsV2Command({ Bucket: this.#bucket, Prefix: prefix, MaxKeys: 1 })));
  }

  /** Acknowledged: the cluster has it. `source` is a file, or the bytes. */
  async put(contentId: string, source: { path: string; sizeBytes: number } | Buffer): Promise<void> {
    await this.#tried(() =>
      this.#client.send(
        new PutObjectCommand({
          Bucket: this.#bucket,
          Key: prefix + contentId,
          Body: Buffer.isBuffer(source) ? source : createReadStream(source.path),
          ContentLength: Buffer.isBuffer(source) ? source.length : source.sizeBytes,
        }),
      ),
    );
  }

  /** [from, from + sizeBytes) of it. */
  async read(contentId: string, from: number, sizeBytes: number): Promise<Readable> {
    const { Body } = await this.#tried(() =>
      this.#client.send(
        new GetObjectCommand({ Bucket: this.#bucket, Key: prefix + contentId, Range: `bytes=${from}-${from + sizeBytes - 1}` }),
      ),
    );
    return Body as Readable;
  }

  /** Those that are not there are no error. */
  async remove(contentIds: readonly string[]): Promise<void> {
    for (let at = 0; at < contentIds.length; at += removalsAtOnce)
      await Promise.all(
        contentIds
          .slice(at, at + removalsAtOnce)
          .map((id) => this.#tried(() => this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: prefix + id })))),
      );
  }

  /** Every content that it has, by id. */
  async *all(): AsyncGenerator<ClusterContent> {
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
      for (const { Key = "", Size = 0, LastModified } of page.Contents ?? []) {
        const contentId = Key.slice(prefix.length);
        if (contentName.test(contentId)) yield { contentId, sizeBytes: Size, modifiedAtMs: LastModified?.getTime() ?? 0 };
      }
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
