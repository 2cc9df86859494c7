import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { CloudError } from "../../../kernel/errors.ts";
import type { ObjectPart, StoredObject } from "../driver.ts";
import type { RemoteBucket } from "./remote.ts";

/**
 * How backups lie in the other S3, below the prefix of the bucket:
 *
 *     khmara-backup.json        whose backups these are
 *     contents/<sha256>         the bytes of objects, each once
 *     backups/<name>.jsonl.gz   the list of a backup: what it holds
 *     backups/<name>.settings.json   how the bucket was set
 *     backups/<name>.json       how much that is; written last: without it there is no such backup
 *
 * A list has a line for each object, by key: the SHA-256 of its bytes ("-" where none lie there), a tab, and JSON. The first line
 * and the last one are about the whole, so that half a list is known for what it is.
 */

export const contentsFolder = "contents/";
export const backupsFolder = "backups/";
export const contentOf = (sha256: string): string => contentsFolder + sha256;
export const manifestOf = (name: string): string => `${backupsFolder}${name}.jsonl.gz`;
export const settingsOf = (name: string): string => `${backupsFolder}${name}.settings.json`;
export const summaryOf = (name: string): string => `${backupsFolder}${name}.json`;
const namesIn =
  (pattern: RegExp) =>
  (objects: readonly { name: string }[]): string[] =>
    objects.flatMap(({ name }) => pattern.exec(name)?.[1] ?? []);
/** The names of backups whose lists are among these objects. */
export const manifestNames = namesIn(/^backups\/([A-Za-z0-9_]{1,64})\.jsonl\.gz$/);
export const summaryNames = namesIn(/^backups\/([A-Za-z0-9_]{1,64})\.json$/);

/** No bytes lie there: it is empty, or was left out. */
export const noContent = "-";

type PartLine = Pick<ObjectPart, "sizeBytes" | "etag" | "checksums">;

/** An object as it was: all that is needed to write it again. */
export interface Entry
  extends Pick<
    StoredObject,
    "key" | "sizeBytes" | "etag" | "modifiedAtMs" | "headers" | "metadata" | "checksums" | "checksumType"
  > {
  versionId?: string | undefined;
  encryption?: StoredObject["encryption"];
  managedKey?: StoredObject["managedKey"];
  tags?: StoredObject["tags"];
  retention?: StoredObject["retention"];
  legalHold?: StoredObject["legalHold"];
  access?: StoredObject["access"];
  parts: PartLine[];
  /** Why its bytes are not there. */
  leftOut?: "customer_key" | "damaged";
}

export interface Line {
  content: string;
  entry: Entry;
}

export interface ManifestHead {
  format: 1;
  bucketId: string;
  bucketName: string;
  projectId: string;
  madeAt: string;
}

/** What a backup says of itself without its list being read. */
export interface Summary extends ManifestHead, Totals {
  automatic: boolean;
}

export interface Totals {
  objects: number;
  sizeBytes: number;
  leftOut: number;
}

export const entryOf = ({ parts, ...object }: StoredObject, leftOut?: Entry["leftOut"]): Entry => ({
  ...object,
  parts: parts.map(({ sizeBytes, etag, checksums }) => ({ sizeBytes, etag, checksums })),
  ...(leftOut && { leftOut }),
});

const lineOf = (content: string, document: object): string => `${content}\t${JSON.stringify(document)}\n`;

/** The bytes of a list, as the objects come; `totals` is right once they have ended. */
export function writeManifest(head: ManifestHead, lines: AsyncIterable<Line>): { bytes: Readable; totals: Totals } {
  const totals: Totals = { objects: 0, sizeBytes: 0, leftOut: 0 };
  async function* text(): AsyncGenerator<string> {
    yield lineOf("begin", head);
    for await (const { content, entry } of lines) {
      if (entry.leftOut) totals.leftOut++;
      else {
        totals.objects++;
        totals.sizeBytes += entry.sizeBytes;
      }
      yield lineOf(content, entry);
    }
    yield lineOf("end", totals);
  }
  const bytes = createGzip();
  pipeline(Readable.from(text()), bytes).catch((error) => bytes.destroy(error));
  return { bytes, totals };
}

const damaged = (name: string, cause?: unknown): CloudError =>
  new CloudError("failed_precondition", `The list of this backup (${manifestOf(name)}) is damaged. Use another backup.`, {
    cause,
    details: { resource: "bucketBackup", reason: "manifest_damaged" },
  });

/** A copy of a list on this machine: what is done with it may take longer than a connection lasts. */
export class LocalManifest {
  readonly #folder: string;
  readonly #name: string;

  private constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
  }

  /** @throws CloudError not_found, unavailable */
  static async fetch(remote: RemoteBucket, name: string): Promise<LocalManifest> {
    const manifest = new LocalManifest(await mkdtemp(join(tmpdir(), "khmara-backup-")), name);
    try {
      await pipeline(await remote.read(manifestOf(name)), createWriteStream(manifest.#file, { mode: 0o600 }));
      return manifest;
    } catch (error) {
      await manifest.close();
      throw error;
    }
  }

  get #file(): string {
    return join(this.#folder, "list.gz");
  }

  /** @throws CloudError failed_precondition (it is damaged) */
  async head(): Promise<ManifestHead> {
    for await (const { content, text } of this.#lines()) if (content === "begin") return JSON.parse(text) as ManifestHead;
    throw damaged(this.#name);
  }

  /** @throws CloudError failed_precondition (it is damaged, perhaps only at its end) */
  async *entries(): AsyncGenerator<Line> {
    for await (const { content, text } of this.#lines())
      if (content !== "begin" && content !== "end") yield { content, entry: JSON.parse(text) as Entry };
  }

  /** The names of contents alone, which costs far less. */
  async *contents(): AsyncGenerator<string> {
    for await (const { content } of this.#lines()) if (/^[0-9a-f]{64}$/.test(content)) yield content;
  }

  async *#lines(): AsyncGenerator<{ content: string; text: string }> {
    let ended = false;
    const unzipped = createGunzip();
    const bytes = createReadStream(this.#file).on("error", (error) => unzipped.destroy(error));
    try {
      for await (const line of linesOf(bytes.pipe(unzipped))) {
        const tab = line.indexOf("\t");
        const content = line.slice(0, tab);
        if (ended || tab < 0) throw damaged(this.#name);
        ended = content === "end";
        yield { content, text: line.slice(tab + 1) };
      }
    } catch (error) {
      if (CloudError.is(error)) throw error;
      throw damaged(this.#name, error);
    } finally {
      bytes.destroy();
      unzipped.destroy();
    }
    if (!ended) throw damaged(this.#name);
  }

  async close(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Split at line feeds alone: keys may hold other separators of Unicode, which JSON leaves as they are. */
async function* linesOf(bytes: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer[] = [];
  for await (const chunk of bytes) {
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      yield Buffer.concat([...rest, chunk.subarray(from, at)]).toString();
      rest = [];
      from = at + 1;
    }
    if (from < chunk.length) rest.push(chunk.subarray(from));
  }
  if (rest.length > 0) yield Buffer.concat(rest).toString();
}
