import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { CloudError } from "../../../../kernel/errors.ts";
import { type Id, newId } from "../../../../kernel/ids.ts";
import type { Secrets } from "../../../../kernel/secrets.ts";
import { loadXxhash } from "../../../../kernel/xxhash.ts";
import { type BucketSettings, type Encryption, type Engine, type ObjectStore, standardEncryption } from "../../driver.ts";
import type { ClusterContents } from "../cluster/contents.ts";
import { IndexCopy } from "../cluster/indexCopy.ts";
import {
  book,
  bookRequests,
  closeAccount,
  closeAllRunning,
  countRequest,
  factsOf,
  forgetFacts,
  newCounts,
  type RequestCounts,
  totalsOf,
} from "./accounts.ts";
import { blockSumsIn } from "./blockSums.ts";
import { blocks } from "./blocks.ts";
import { contentIn, isKept, partsIn } from "./contents.ts";
import { copyObject } from "./copying.ts";
import { Database, type Transaction } from "./database.ts";
import { checkCustomerKey, DataKeys, encryptionOf, etagFor, type NewKey, newEncryptionRecord } from "./encryption.ts";
import { isMissing } from "./failures.ts";
import { Files, syncFolder } from "./files.ts";
import { GarbageCollector } from "./garbage.ts";
import { Journal } from "./journal.ts";
import { afterPrefix, bucketKey, objectKey } from "./keys.ts";
import { listObjects } from "./listing.ts";
import {
  abortUpload,
  checkPartNumber,
  completeUpload,
  createUpload,
  listParts,
  listUploads,
  openUploads,
  storedUpload,
  summedWith,
  uploadAt,
  writePart,
} from "./multipart.ts";
import {
  checkDeletable,
  checkPreconditions,
  createReceived,
  deleteObject,
  markObject,
  newMarks,
  noObject,
  objectAt,
  recordAt,
  refusal,
  writeObject,
} from "./objects.ts";
import type { Placing } from "./placing.ts";
import { bytesAtHand, cut, damaged, noCluster, openSegments, type Piece, partRange, resolveRange, streamOf } from "./reading.ts";
import { type Received, receive } from "./receive.ts";
import { type Content, marksOf, type ObjectRecord, storedObject, storedPart } from "./records.ts";
import { relocate } from "./relocate.ts";
import { scrub } from "./scrub.ts";
import { listVersions } from "./versionListing.ts";
import { changeSettings, findMarker, findVersion, isVersioned, settingsIn } from "./versions.ts";

export interface LocalStoreOptions {
  /** Made when it does not exist; several processes may open the same one. */
  directory: string;
  /** Milliseconds since 1970; for tests. */
  now?: () => number;
  /** With them it can keep bytes encrypted. */
  secrets?: Secrets | undefined;
  /** Where the bytes of buckets with the engine `cluster` lie. Closed with the store. */
  cluster?: ClusterContents | undefined;
  /** The engine of buckets that were given none. */
  engine?: Engine;
  /** How long the cluster keeps what was deleted, for those who are reading it. */
  clusterGraceMs?: number;
}

/** How long requests that changed nothing are counted in memory. */
const meterDelayMs = 500;

const defaultGraceMs = 3_600_000;

/** The object store: an LMDB index with the small objects, and files for the rest, or a cluster for all bytes. */
export async function openLocalStore(options: LocalStoreOptions): Promise<ObjectStore> {
  const { directory, now = Date.now, cluster, engine = "local", clusterGraceMs = defaultGraceMs } = options;
  await mkdir(directory, { recursive: true });
  const files = await Files.open(directory);
  const database = new Database(join(directory, "index"), now, await Journal.open(directory, files.ownFolder));
  // A file is found again after a power loss only when its folder is on disk as well.
  for (const folder of ["index", "journal", ".", ".."]) await syncFolder(join(directory, folder));
  await files.recover(
    (contentId) => database.read((index) => isKept(index, contentId)),
    () => database.disown(),
  );
  const garbage = new GarbageCollector(database, { files, cluster }, { now, graceMs: clusterGraceMs });
  await garbage.collect();
  database.onGarbage = () => garbage.soon();
  const copy = cluster && new IndexCopy(cluster, directory);
  return new LocalStore(database, { files, cluster }, engine, garbage, new DataKeys(options.secrets), copy);
}

class LocalStore implements ObjectStore {
  readonly #database: Database;
  readonly #files: Files;
  readonly #cluster: ClusterContents | undefined;
  readonly #indexCopy: IndexCopy | undefined;
  readonly #engine: Engine;
  readonly engines: ObjectStore["engines"];
  readonly #garbage: GarbageCollector;
  readonly #keys: DataKeys;
  readonly #running = new Set<Promise<unknown>>();
  #metered = new Map<Id<"bucket">, RequestCounts>();
  #meterTimer: NodeJS.Timeout | undefined;
  #closed: Promise<void> | undefined;

  constructor(
    database: Database,
    { files, cluster }: Placing,
    engine: Engine,
    garbage: GarbageCollector,
    keys: DataKeys,
    indexCopy: IndexCopy | undefined,
  ) {
    this.#indexCopy = indexCopy;
    this.#database = database;
    this.#files = files;
    this.#cluster = cluster;
    this.#engine = engine;
    this.engines = { available: cluster === undefined ? ["local"] : ["local", "cluster"], standard: engine };
    this.#garbage = garbage;
    this.#keys = keys;
  }

  put: ObjectStore["put"] = (bucketId, key, body, options = {}) =>
    this.#tracked(async () => {
      // Refused before the body is taken in where that is clear already; what counts is the check in the transaction.
      const settings = this.#database.read((index) => {
        checkPreconditions(recordAt(index, bucketId, key), options);
        return settingsIn(index, bucketId);
      });
      const encryption = options.encryption ?? standardEncryption(settings);
      const received = await receive(
        this.#placingOf(settings),
        body,
        options,
        options.checksum ? [options.checksum.algorithm] : [],
        this.#newKey(encryption),
      );
      const encrypted = newEncryptionRecord(encryption);
      const etag = etagFor(encryption, received.sums.md5);
      return this.#commitReceived(received, (transaction) => {
        const previous = recordAt(transaction, bucketId, key);
        checkPreconditions(previous, options);
        const record: ObjectRecord = {
          content: received.contentId,
          sizeBytes: received.sizeBytes,
          etag,
          ...(encrypted && { encryption: encrypted }),
          modifiedAtMs: transaction.nowMs,
          headers: options.headers ?? {},
          metadata: options.metadata ?? {},
          checksums: received.sums.checksums,
          checksumType: "full_object",
          ...newMarks(transaction, bucketId, options),
        };
        createReceived(transaction, received);
        const written = writeObject(transaction, bucketId, key, record, { previous, meter: options.meter });
        return storedObject(key, written, [], isVersioned(transaction, bucketId));
      });
    });

  /** A file whose record was refused goes again; one whose commit failed only if the index really lacks it. */
  async #commitReceived<T>(received: Received, work: (transaction: Transaction) => T): Promise<T> {
    const { contentId, kind } = received;
    try {
      const result = await this.#database.write(work);
      // Not waited for: the object is durable, and a name left behind is settled at the next open.
      if (kind !== "inline") void this.#tracked(() => this.#files.settle(contentId)).catch(() => {});
      return result;
    } catch (error) {
      if (kind !== "inline" && !this.#database.read((index) => isKept(index, contentId))) {
        await this.#files.discard(contentId);
        // What stays behind there is found by the scrub.
        if (kind === "cluster") await this.#cluster?.remove([contentId]).catch(() => {});
      }
      throw error;
    }
  }

  #placingOf({ engine = this.#engine }: BucketSettings): Placing {
    if (engine === "cluster" && this.#cluster === undefined) throw noCluster();
    return { files: this.#files, cluster: engine === "cluster" ? this.#cluster : undefined };
  }

  #newKey(encryption: Encryption): NewKey | undefined {
    return encryption.kind === "none" ? undefined : (contentId) => this.#keys.create(contentId, encryption);
  }

  head: ObjectStore["head"] = (bucketId, key, { versionId, customerKey } = {}) =>
    this.#tracked(async () =>
      this.#database.read((index) => {
        const record = objectAt(index, bucketId, key, versionId);
        if (record === undefined) return undefined;
        if (customerKey !== undefined) checkCustomerKey(record.encryption, customerKey);
        // Only completed uploads have parts; the others are spared the look.
        const parts = record.etag.includes("-") ? partsIn(contentIn(index, record.content)) : [];
        return storedObject(key, record, parts, isVersioned(index, bucketId));
      }),
    );

  marker: ObjectStore["marker"] = (bucketId, key, { versionId } = {}) =>
    this.#tracked(async () => this.#database.read((index) => findMarker(index, bucketId, key, versionId)));

  get: ObjectStore["get"] = (bucketId, key, options = {}) =>
    this.#tracked(async () => {
      for (let lost: string | undefined; ; ) {
        const { record, object, pieces } = this.#database.read((index) => {
          const record = objectAt(index, bucketId, key, options.versionId);
          if (record === undefined) throw noObject();
          checkCustomerKey(record.encryption, options.customerKey);
          const content = contentIn(index, record.content);
          if (content === undefined) throw damaged("missing from the index");
          const parts = partsIn(content);
          const pieceOf = (
            contentId: string,
            crc32: number,
            contentBytes: number,
            { kind, payload, sealedKey }: Pick<Content, "kind" | "payload" | "sealedKey">,
          ): Piece => ({
            contentId,
            crc32,
            contentBytes,
            ...(kind === "inline" && { inline: payload }),
            ...(kind === "cluster" && { remote: true }),
            ...(kind === "file" && { blockSums: blockSumsIn(payload, contentBytes) }),
            ...(sealedKey && { openKey: () => this.#keys.open(contentId, sealedKey, options.customerKey) }),
          });
          const pieces =
            content.kind === "list"
              ? parts.map((part) => pieceOf(part.content, part.crc32, part.sizeBytes, contentIn(index, part.content) ?? lostPart))
              : [pieceOf(record.content, content.crc32, content.sizeBytes, content)];
          return { record, object: storedObject(key, record, parts, isVersioned(index, bucketId)), pieces };
        });
        const range =
          options.partNumber === undefined
            ? resolveRange(record.sizeBytes, options.range)
            : partRange(object, options.partNumber);
        const segments = cut(pieces, range.from, range.sizeBytes);
        const bytes = bytesAtHand(segments);
        if (bytes !== undefined) {
          return {
            object,
            range,
            bytes,
            get body() {
              return streamOf(bytes);
            },
          };
        }
        try {
          const body = await openSegments({ files: this.#files, cluster: this.#cluster }, segments);
          return { object, range, body, recycle: (piece) => blocks.give(piece) };
        } catch (error) {
          // Replaced, moved or deleted between the look into the index and the opening: look again.
          if (!isMissing(error) && !CloudError.is(error, "not_found")) throw error;
          const places = pieces.map(({ contentId, remote }) => `${contentId} ${remote}`).join();
          if (lost === places) throw damaged("missing");
          lost = places;
        }
      }
    });

  delete: ObjectStore["delete"] = (bucketId, key, options = {}) =>
    this.#free((transaction) => {
      const { versionId, meter } = options;
      objectKey(bucketId, key);
      checkDeletable(findVersion(transaction, bucketId, key, versionId)?.record, options);
      const refused = refusal(transaction, bucketId, key, options);
      if (refused !== undefined) throw refused;
      const deletion = deleteObject(transaction, bucketId, key, versionId);
      if (meter !== undefined) book(transaction, bucketId, { meter });
      return deletion;
    });

  deleteMany: ObjectStore["deleteMany"] = (bucketId, names, options = {}) =>
    this.#free((transaction) => {
      for (const { key } of names) objectKey(bucketId, key);
      const results = names.map(({ key, versionId }) => {
        const refused = refusal(transaction, bucketId, key, { ...options, ...(versionId !== undefined && { versionId }) });
        if (refused !== undefined) return { refused };
        const deletion = deleteObject(transaction, bucketId, key, versionId);
        return deletion === undefined ? {} : { deletion };
      });
      if (options.meter !== undefined) book(transaction, bucketId, { meter: options.meter });
      return results;
    });

  copy: ObjectStore["copy"] = (source, target, options = {}) =>
    this.#tracked(() => copyObject({ database: this.#database, get: this.get, put: this.put }, source, target, options));

  list: ObjectStore["list"] = (bucketId, options) =>
    this.#tracked(async () => this.#database.read((index) => listObjects(index, bucketId, options)));

  versionList: ObjectStore["versionList"] = (bucketId, options) =>
    this.#tracked(async () => this.#database.read((index) => listVersions(index, bucketId, options)));

  mark: ObjectStore["mark"] = (bucketId, key, marks, options = {}) =>
    this.#write((transaction) => markObject(transaction, bucketId, key, marks, options));

  settings: ObjectStore["settings"] = (bucketId) =>
    this.#tracked(async () => this.#database.read((index) => settingsIn(index, bucketId)));

  settingsUpdate: ObjectStore["settingsUpdate"] = (bucketId, change) =>
    this.#write((transaction) => changeSettings(transaction, bucketId, change));

  uploadCreate: ObjectStore["uploadCreate"] = (bucketId, key, options = {}) => {
    const { headers = {}, metadata = {}, checksumAlgorithm, checksumType, checksumImplied, meter } = options;
    return this.#write((transaction) => {
      const encryption = newEncryptionRecord(options.encryption ?? standardEncryption(settingsIn(transaction, bucketId)));
      objectKey(bucketId, key);
      const record = {
        key,
        headers,
        metadata,
        startedAtMs: 0,
        ...(checksumAlgorithm && { checksumAlgorithm }),
        ...(checksumType && { checksumType }),
        ...(checksumImplied && { checksumImplied }),
        ...(encryption && { encryption }),
        ...marksOf(options),
      };
      return createUpload(transaction, bucketId, newId("upload", transaction.nowMs), record, meter);
    });
  };

  upload: ObjectStore["upload"] = (bucketId, uploadId, { customerKey } = {}) =>
    this.#tracked(async () => {
      const record = this.#database.read((index) => uploadAt(index, bucketId, uploadId));
      if (customerKey !== undefined) checkCustomerKey(record.encryption, customerKey);
      return storedUpload(uploadId, record);
    });

  uploadList: ObjectStore["uploadList"] = (bucketId, options) =>
    this.#tracked(async () => this.#database.read((index) => listUploads(index, bucketId, options)));

  partPut: ObjectStore["partPut"] = (bucketId, uploadId, number, body, options = {}) =>
    this.#tracked(async () => {
      checkPartNumber(number);
      const { upload, settings } = this.#database.read((index) => ({
        upload: uploadAt(index, bucketId, uploadId),
        settings: settingsIn(index, bucketId),
      }));
      const encryption = encryptionOf(upload.encryption, options.customerKey);
      const algorithms = [options.checksum?.algorithm, upload.checksumAlgorithm].filter((algorithm) => algorithm !== undefined);
      const received = await receive(this.#placingOf(settings), body, options, algorithms, this.#newKey(encryption));
      const etag = etagFor(encryption, received.sums.md5);
      return this.#commitReceived(received, (transaction) =>
        storedPart(writePart(transaction, bucketId, uploadId, number, { ...received, etag }, options.meter)),
      );
    });

  partList: ObjectStore["partList"] = (bucketId, uploadId, options) =>
    this.#tracked(async () => this.#database.read((index) => listParts(index, bucketId, uploadId, options)));

  uploadComplete: ObjectStore["uploadComplete"] = (bucketId, uploadId, parts, options = {}) =>
    this.#tracked(async () => {
      await loadXxhash([this.#database.read((index) => summedWith(index, bucketId, uploadId))]);
      const contentId = this.#files.nextId();
      const { key, record } = await this.#database.write((transaction) =>
        completeUpload(transaction, bucketId, uploadId, parts, contentId, options),
      );
      return this.#database.read((index) =>
        storedObject(key, record, partsIn(contentIn(index, record.content)), isVersioned(index, bucketId)),
      );
    });

  uploadAbort: ObjectStore["uploadAbort"] = (bucketId, uploadId, { meter } = {}) =>
    this.#free((transaction) => abortUpload(transaction, bucketId, uploadId, meter));

  totals: ObjectStore["totals"] = (bucketId) =>
    this.#tracked(async () => totalsOf(this.#database.read((index) => index.get("accounts", Buffer.from(bucketId)))));

  bucketDrop: ObjectStore["bucketDrop"] = (bucketId) =>
    this.#free((transaction) => {
      const start = bucketKey(bucketId);
      for (const table of ["objects", "versions"] as const)
        if (transaction.range(table, start, afterPrefix(start), 1).length > 0)
          throw new CloudError("failed_precondition", `The bucket still has ${table}. Delete them first.`, {
            details: { reason: "bucket_not_empty" },
          });
      for (const uploadId of openUploads(transaction, bucketId)) abortUpload(transaction, bucketId, uploadId, undefined);
      closeAccount(transaction, bucketId);
      transaction.remove("settings", Buffer.from(bucketId));
    });

  meter: ObjectStore["meter"] = (bucketId, meter) => {
    const counts = this.#metered.get(bucketId) ?? newCounts();
    this.#metered.set(bucketId, counts);
    countRequest(counts, meter);
    this.#meterTimer ??= setTimeout(() => {
      this.#meterTimer = undefined;
      this.#tracked(() => this.#foldMetered()).catch(() => {});
    }, meterDelayMs);
  };

  async #foldMetered(): Promise<void> {
    const metered = this.#metered;
    if (metered.size === 0) return;
    this.#metered = new Map();
    try {
      await this.#database.write((transaction) => {
        for (const [bucketId, counts] of metered) bookRequests(transaction, bucketId, counts);
      });
    } catch (error) {
      // Not lost: they go into the next fold.
      for (const [bucketId, counts] of metered) {
        const later = this.#metered.get(bucketId) ?? newCounts();
        for (const name of Object.keys(counts) as (keyof RequestCounts)[]) later[name] += counts[name];
        this.#metered.set(bucketId, later);
      }
      throw error;
    }
  }

  facts: ObjectStore["facts"] = (limit) =>
    this.#tracked(async () => {
      await this.#foldMetered();
      const waiting = factsOf(this.#database, limit);
      // Closed only when all older facts fit: whoever reads page after page comes to an end.
      if (waiting.length >= limit) return waiting;
      await closeAllRunning(this.#database);
      return factsOf(this.#database, limit);
    });

  factsAcknowledge: ObjectStore["factsAcknowledge"] = (ids) => this.#free((transaction) => forgetFacts(transaction, ids));

  scrub: ObjectStore["scrub"] = (options = {}) =>
    this.#tracked(() => scrub(this.#database, { files: this.#files, cluster: this.#cluster }, options));

  relocate: ObjectStore["relocate"] = (bucketId, options = {}) =>
    this.#tracked(async () => {
      const settings = this.#database.read((index) => settingsIn(index, bucketId));
      const toCluster = this.#placingOf(settings).cluster !== undefined;
      const stores = { database: this.#database, files: this.#files, cluster: this.#cluster };
      return relocate(stores, bucketId, toCluster, options);
    });

  copyIndex: ObjectStore["copyIndex"] = () => this.#tracked(async () => this.#indexCopy?.run());

  close: ObjectStore["close"] = () => {
    this.#closed ??= this.#close();
    return this.#closed;
  };

  async #close(): Promise<void> {
    clearTimeout(this.#meterTimer);
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
    await this.#foldMetered().catch(() => {});
    await this.#garbage.close().catch(() => {});
    await this.#database.close();
    await this.#files.close();
    this.#cluster?.close();
  }

  /** For what makes room: it is done on a full disk too. */
  #free<T>(work: (transaction: Transaction) => T): Promise<T> {
    return this.#tracked(() => this.#database.write(work, { frees: true }));
  }

  #write<T>(work: (transaction: Transaction) => T): Promise<T> {
    return this.#tracked(() => this.#database.write(work));
  }

  /** close() waits for what has begun and refuses what comes later. */
  #tracked<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed !== undefined) return Promise.reject(new CloudError("unavailable", "The object store is closed."));
    const promise = work();
    this.#running.add(promise);
    const done = (): void => {
      this.#running.delete(promise);
    };
    promise.then(done, done);
    return promise;
  }
}

/** Not in the index any more: opening its file tells the rest. */
const lostPart = { kind: "file", payload: Buffer.alloc(0) } as const;
