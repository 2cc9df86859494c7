/**
 * The build context that an engine is given (Docker Engine API, "Build an image": a tar stream). The same tree gives the same bytes, so that
 * the engine's cache of layers holds.
 */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { type Headers, pack } from "tar-stream";
import { CloudError } from "../../../kernel/errors.ts";
import type { SourceEntry, SourceTree } from "./tree.ts";

export interface ContextPart {
  /** Where in the context: "" or a folder. */
  at: string;
  /** Which entries of the tree; absent: all. */
  only?: (entry: SourceEntry) => boolean;
}

export interface ContextOptions {
  /** The folder that the tree was read from. */
  folder: string;
  tree: SourceTree;
  /** The tree may be in it more than once, in part. */
  parts: readonly ContextPart[];
  /** Files that are not in the tree: path and text. */
  files: Readonly<Record<string, string>>;
  signal?: AbortSignal;
}

// Dates are left out of the cache by the engine, and of our bytes too.
const written = new Date(0);

/** Ends with an error (conflict) when a file changed its size while it was read. */
export function packContext({ folder, tree, parts, files, signal }: ContextOptions): Readable {
  const archive = pack();
  const entry = (header: Headers, content?: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const done = (error?: Error | null) => (error ? reject(error) : resolve());
      if (content === undefined) archive.entry({ mtime: written, uid: 0, gid: 0, ...header }, done);
      else archive.entry({ mtime: written, uid: 0, gid: 0, ...header }, content, done);
    });
  const write = async (): Promise<void> => {
    for (const [name, text] of Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)))
      await entry({ name, type: "file", mode: 0o644 }, text);
    for (const { at, only } of parts)
      for (const each of tree.entries) {
        signal?.throwIfAborted();
        if (only && !only(each)) continue;
        const name = at === "" ? each.path : `${at}/${each.path}`;
        if (each.kind === "directory") await entry({ name, type: "directory", mode: 0o755 });
        else if (each.kind === "link") await entry({ name, type: "symlink", linkname: each.target ?? "", mode: 0o777 });
        else await copy(join(folder, each.path), name, each);
      }
    archive.finalize();
  };
  const copy = async (file: string, name: string, each: SourceEntry): Promise<void> => {
    const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const { size } = await handle.stat();
      await new Promise<void>((resolve, reject) => {
        const into = archive.entry(
          { name, type: "file", size, mode: each.executable ? 0o755 : 0o644, mtime: written, uid: 0, gid: 0 },
          (error) => (error ? reject(changed(each.path, error)) : resolve()),
        );
        const from = handle.createReadStream({ autoClose: false, ...(size > 0 ? { end: size - 1 } : {}) });
        from.on("error", reject);
        into.on("error", reject);
        // Closed before its end by whoever reads the context.
        into.on("close", () => from.destroy());
        if (size === 0) into.end();
        else from.pipe(into);
      });
    } finally {
      await handle.close();
    }
  };
  write().catch((error: Error) => archive.destroy(error));
  return Readable.from(archive as AsyncIterable<Buffer>, { objectMode: false });
}

const changed = (path: string, cause: Error) =>
  new CloudError("conflict", `${path} changed while it was read. Deploy once more.`, { cause });
