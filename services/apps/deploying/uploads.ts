/** What a deployment is made of, until it is built: files and folders named after it, in a folder of ours. */

import { cp, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { removeLeftOvers } from "../../../kernel/distribution/namespaces.ts";
import { CloudError } from "../../../kernel/errors.ts";

export interface Uploads {
  /** `docker save` and archives: the body, as it was sent. */
  file(deploymentId: string): string;
  /** Source code, unpacked. */
  folder(deploymentId: string): string;
  /** Durable once it resolves. payload_too_large, storage_full, cancelled; nothing is left then. */
  receive(deploymentId: string, request: IncomingMessage, mostBytes: number): Promise<number>;
  /** A folder becomes the source of a deployment. */
  take(deploymentId: string, folder: string): Promise<void>;
  /** The same with a copy of it. */
  copy(deploymentId: string, folder: string): Promise<void>;
  remove(deploymentId: string): Promise<void>;
  /** Takes away what belongs to no deployment: `isNeeded` is asked for ids. */
  sweep(isNeeded: (ids: string[]) => Promise<Set<string>>): Promise<void>;
}

const partial = ".part-";
/** A file is put into place before its record is written. */
const youngMs = 10 * 60_000;

export function openUploads(dataDirectory: string): Uploads {
  const root = join(dataDirectory, "apps", "uploads");
  const file = (id: string) => join(root, `${id}.upload`);
  const folder = (id: string) => join(root, `${id}.source`);
  const prepare = () => mkdir(root, { recursive: true, mode: 0o700 });

  return {
    file,
    folder,

    async receive(id, request, mostBytes) {
      const tooLarge = () =>
        new CloudError("payload_too_large", `At most ${Math.floor(mostBytes / 1024 ** 2)} MB may be sent here.`, {
          details: { maxBytes: mostBytes },
        });
      if (Number(request.headers["content-length"] ?? 0) > mostBytes) throw tooLarge();
      await prepare();
      const part = join(root, `${partial}${process.pid}-${id}`);
      const handle = await open(part, "wx", 0o600);
      let bytes = 0;
      try {
        // Whoever stops reading has something to answer: the connection stays open for that.
        for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
          bytes += piece.length;
          if (bytes > mostBytes) throw tooLarge();
          await handle.writeFile(piece);
        }
        if (bytes === 0) throw new CloudError("invalid_argument", "Nothing was sent. Send an archive as the body.");
        await handle.sync();
        await handle.close();
        await rename(part, file(id));
        await syncFolder(root);
        return bytes;
      } catch (error) {
        await handle.close().catch(() => {});
        await rm(part, { force: true });
        throw explained(error, root);
      }
    },

    async take(id, from) {
      await prepare();
      try {
        await rename(from, folder(id));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
        const part = join(root, `${partial}${process.pid}-${id}`);
        await cp(from, part, { recursive: true, verbatimSymlinks: true });
        await rename(part, folder(id));
        await rm(from, { recursive: true, force: true, maxRetries: 5 });
      }
      await syncFolder(root);
    },

    async copy(id, from) {
      await prepare();
      const part = join(root, `${partial}${process.pid}-${id}`);
      for (const each of [part, folder(id)]) await rm(each, { recursive: true, force: true, maxRetries: 5 });
      await cp(from, part, { recursive: true, verbatimSymlinks: true });
      await rename(part, folder(id));
      await syncFolder(root);
    },

    async remove(id) {
      await rm(file(id), { force: true });
      await rm(folder(id), { recursive: true, force: true, maxRetries: 5 });
    },

    async sweep(isNeeded) {
      await prepare();
      for (const prefix of [partial, ".khmara-unpack-"]) await removeLeftOvers(root, prefix);
      const named = new Map<string, string>();
      for (const name of await readdir(root)) {
        const id = /^(dpl_[0-9a-f]{32})\.(upload|source)$/.exec(name)?.[1];
        const there = id === undefined ? undefined : await stat(join(root, name)).catch(() => undefined);
        // A folder that was moved here has an older date of content than of its move.
        if (id !== undefined && there && Date.now() - Math.max(there.mtimeMs, there.ctimeMs) > youngMs) named.set(name, id);
      }
      const needed = await isNeeded([...new Set(named.values())]);
      for (const [name, id] of named)
        if (!needed.has(id)) await rm(join(root, name), { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, "r");
  await handle.sync();
  await handle.close();
}

function explained(error: unknown, folder: string): unknown {
  if (CloudError.is(error)) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT")
    return new CloudError("storage_full", `The disk that holds ${folder} is full. Free some space, then try again.`, {
      cause: error,
    });
  if (code === "ECONNRESET" || code === "ERR_STREAM_PREMATURE_CLOSE" || (error as Error).name === "AbortError")
    return new CloudError("cancelled", "The connection broke off before everything was sent.", { cause: error });
  return error;
}
