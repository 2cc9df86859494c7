import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, rename, rmdir, stat } from "node:fs/promises";
import { createConnection, createServer, type Server } from "node:net";
import { join } from "node:path";

/**
 * A folder that belongs to a living process. Inside listens a Unix socket for as long as the process lives: whoever cannot
 * connect knows that the owner is gone, also from another container, where process ids say nothing, and after a process id
 * was given out again.
 */
const socketName = "alive";
/** A folder gets its socket under another name first; one left like that by a process that died is old. */
const unfinishedSuffix = ".new";
const unfinishedForMs = 60_000;

/** The path by way of the open folder: that of a socket is limited to 107 bytes (unix(7)). */
const socketIn = (folder: FileHandle): string => `/proc/self/fd/${folder.fd}/${socketName}`;

export class OwnFolder {
  readonly path: string;
  readonly #folder: FileHandle;
  readonly #server: Server;

  private constructor(path: string, folder: FileHandle, server: Server) {
    this.path = path;
    this.#folder = folder;
    this.#server = server;
  }

  static async create(parent: string): Promise<OwnFolder> {
    const path = join(parent, `${process.pid}-${randomBytes(8).toString("hex")}`);
    await mkdir(path + unfinishedSuffix, { recursive: true });
    const folder = await open(path + unfinishedSuffix, "r");
    const server = createServer((connection) => connection.destroy()).unref();
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen(socketIn(folder), resolve);
    });
    await rename(path + unfinishedSuffix, path);
    return new OwnFolder(path, folder, server);
  }

  /** What is still in it goes at the next open. */
  async close(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
    await this.#folder.close();
    await rmdir(this.path).catch(() => {});
  }
}

/** False only when it is certain. */
export async function isOwned(path: string): Promise<boolean> {
  const folder = await open(path, "r").catch(() => undefined);
  // Another process was here first.
  if (folder === undefined) return true;
  try {
    if (path.endsWith(unfinishedSuffix) && Date.now() - (await stat(path)).mtimeMs < unfinishedForMs) return true;
    return await new Promise<boolean>((resolve) => {
      const connection = createConnection(socketIn(folder));
      connection.once("connect", () => {
        connection.destroy();
        resolve(true);
      });
      connection.once("error", ({ code }: NodeJS.ErrnoException) => resolve(code !== "ECONNREFUSED" && code !== "ENOENT"));
    });
  } catch {
    return true;
  } finally {
    await folder.close();
  }
}
