/**
 * The bytes of the registry: a file per content below `apps/registry/blobs/<algorithm>`, whoever has it, and a file per upload that is under way.
 * What a file's name says was hashed before it got that name.
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream, type ReadStream } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { dirname, join } from "node:path";
import { CloudError } from "../../../kernel/errors.ts";
import { algorithmOf, type DigestAlgorithm, digestAlgorithms, digestPattern, hexOf } from "./digests.ts";
import { explained } from "./errors.ts";

export interface Blobs {
  /** An upload begins; its file is there, and empty. It is hashed as it comes by `algorithm`, which its digest is most likely of. */
  begin(uploadId: string, algorithm: DigestAlgorithm): Promise<void>;
  /** What is there of an upload, in bytes; undefined when there is none. */
  size(uploadId: string): Promise<number | undefined>;
  /**
   * Adds the body of a request to an upload, at most `mostBytes`: the new size. Durable once it resolves. What had come stays when the connection
   * breaks off; of a body that is larger than allowed (`tooLarge`) nothing does.
   */
  append(
    uploadId: string,
    request: IncomingMessage,
    options: { mostBytes: number; tooLarge: () => Error; signal: AbortSignal },
  ): Promise<number>;
  /** Cuts an upload back. */
  truncate(uploadId: string, bytes: number): Promise<void>;
  /** Of all of an upload. */
  digest(uploadId: string, algorithm: DigestAlgorithm): Promise<string>;
  /** The upload's file gets the name of its content. Harmless to repeat. */
  place(uploadId: string, digest: string): Promise<void>;
  discard(uploadId: string): Promise<void>;
  /** `end` is the last byte that is read. */
  read(digest: string, range?: { start: number; end: number }): ReadStream;
  remove(digest: string): Promise<void>;
  /** All contents that were written before a time, in pieces. */
  older(than: Date): AsyncGenerator<string[]>;
  /** Uploads that nobody wrote to since a time. */
  oldUploads(than: Date): Promise<string[]>;
}

/** Whoever sends nothing for so long is gone. */
const idleMs = 5 * 60_000;
const mostHashes = 1000;

export function openBlobs(dataDirectory: string): Blobs {
  const root = join(dataDirectory, "apps", "registry");
  const contents = join(root, "blobs");
  const uploads = join(root, "uploads");
  const uploadFile = (id: string) => join(uploads, id);
  const contentFile = (digest: string) => {
    const hex = hexOf(digest);
    return join(contents, algorithmOf(digest), hex.slice(0, 2), hex);
  };
  /** What was hashed as it came. After a restart it is read again. */
  const hashes = new Map<string, Hashed>();

  return {
    async begin(uploadId, algorithm) {
      await mkdir(uploads, { recursive: true, mode: 0o700 });
      await (await open(uploadFile(uploadId), "wx", 0o600)).close();
      hashes.set(uploadId, { algorithm, hash: createHash(algorithm), bytes: 0 });
      // Those of uploads that were left alone go first.
      for (const oldest of hashes.keys()) if (hashes.size > mostHashes) hashes.delete(oldest);
    },

    size: async (uploadId) => (await stat(uploadFile(uploadId)).catch(absent))?.size,

    async append(uploadId, request, { mostBytes, tooLarge, signal }) {
      const handle = await open(uploadFile(uploadId), "r+");
      const idle = setTimeout(() => request.destroy(brokenOff()), idleMs);
      const stop = () => request.destroy(brokenOff());
      signal.addEventListener("abort", stop, { once: true });
      try {
        const before = (await handle.stat()).size;
        const known = hashes.get(uploadId);
        const state = known?.bytes === before ? known : undefined;
        // Only what is written counts: whoever breaks off in the middle of a piece has it read again.
        hashes.delete(uploadId);
        let at = before;
        // Whoever stops reading has something to answer: the connection stays open for that.
        for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
          idle.refresh();
          if (at + piece.length - before > mostBytes) {
            await handle.truncate(before);
            throw tooLarge();
          }
          await writeAll(handle, piece, at);
          state?.hash.update(piece);
          at += piece.length;
        }
        if (!request.complete) throw brokenOff();
        await handle.sync();
        if (state !== undefined) hashes.set(uploadId, { ...state, bytes: at });
        return at;
      } catch (error) {
        throw explained(error, root);
      } finally {
        clearTimeout(idle);
        signal.removeEventListener("abort", stop);
        await handle.close();
      }
    },

    async truncate(uploadId, bytes) {
      hashes.delete(uploadId);
      const handle = await open(uploadFile(uploadId), "r+");
      try {
        await handle.truncate(bytes);
      } finally {
        await handle.close();
      }
    },

    async digest(uploadId, algorithm) {
      const { size } = await stat(uploadFile(uploadId));
      const known = hashes.get(uploadId);
      const isKnown = known?.bytes === size && known.algorithm === algorithm;
      const hash = isKnown ? known.hash.copy() : createHash(algorithm);
      if (!isKnown) for await (const piece of createReadStream(uploadFile(uploadId))) hash.update(piece as Buffer);
      return `${algorithm}:${hash.digest("hex")}`;
    },

    async place(uploadId, digest) {
      const target = contentFile(digest);
      const isNew = (await mkdir(dirname(target), { recursive: true, mode: 0o700 })) !== undefined;
      try {
        await rename(uploadFile(uploadId), target);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw explained(error, root);
        await stat(target);
      }
      hashes.delete(uploadId);
      await syncFolder(dirname(target));
      if (isNew) for (const folder of [dirname(dirname(target)), contents, root, dirname(root)]) await syncFolder(folder);
    },

    async discard(uploadId) {
      hashes.delete(uploadId);
      await rm(uploadFile(uploadId), { force: true });
    },

    read: (digest, range) => createReadStream(contentFile(digest), range),
    remove: (digest) => rm(contentFile(digest), { force: true }),

    async *older(than) {
      for (const algorithm of Object.keys(digestAlgorithms))
        for (const folder of (await readdir(join(contents, algorithm)).catch(absent)) ?? []) {
          const found: string[] = [];
          for (const name of await readdir(join(contents, algorithm, folder))) {
            const digest = `${algorithm}:${name}`;
            if (!digestPattern.test(digest)) continue;
            const there = await stat(join(contents, algorithm, folder, name)).catch(absent);
            if (there && Math.max(there.mtimeMs, there.ctimeMs) < than.getTime()) found.push(digest);
          }
          if (found.length > 0) yield found;
        }
    },

    async oldUploads(than) {
      const found: string[] = [];
      for (const name of (await readdir(uploads).catch(absent)) ?? []) {
        const there = await stat(join(uploads, name)).catch(absent);
        if (there && there.mtimeMs < than.getTime()) found.push(name);
      }
      return found;
    },
  };
}

interface Hashed {
  algorithm: DigestAlgorithm;
  hash: Hash;
  bytes: number;
}

const brokenOff = () => new CloudError("cancelled", "The connection broke off before everything was sent.");

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
  return undefined;
}

async function writeAll(handle: FileHandle, piece: Buffer, position: number): Promise<void> {
  for (let done = 0; done < piece.length; )
    done += (await handle.write(piece, done, piece.length - done, position + done)).bytesWritten;
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
