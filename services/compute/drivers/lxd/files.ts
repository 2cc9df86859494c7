import { posix } from "node:path";
import { text } from "node:stream/consumers";
import { CloudError, invalid } from "../../../../kernel/errors.ts";
import type { CallOptions, ComputeDriver } from "../../driver.ts";
import { at } from "./client.ts";
import { deadlines, type Engine, getInstance, isAbsent, settings, wordsOf } from "./engine.ts";
import { withRoom } from "./room.ts";

export type Files = Pick<ComputeDriver, "fileRead" | "fileWrite">;

/** A chain of links that is longer is a circle (as Linux has it, path_resolution(7)). */
const mostLinks = 40;

interface Attributes {
  type: string;
  mode?: number | undefined;
  uid?: number | undefined;
  gid?: number | undefined;
}

/** LXD and Incus look for their own name only. */
function headersFor({ type, mode, uid, gid }: Attributes): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const engine of ["lxd", "incus"]) {
    headers[`x-${engine}-type`] = type;
    if (type === "file") headers[`x-${engine}-write`] = "overwrite";
    if (mode !== undefined) headers[`x-${engine}-mode`] = `0${mode.toString(8)}`;
    if (uid !== undefined) headers[`x-${engine}-uid`] = String(uid);
    if (gid !== undefined) headers[`x-${engine}-gid`] = String(gid);
  }
  return headers;
}

export function createFiles(engine: Engine): Files {
  const { client } = engine;
  const address = (name: string): string => at`/1.0/instances/${name}/files`;

  async function download(name: string, path: string, options?: CallOptions) {
    const { headers, content, sizeBytes } = await client.download(address(name), { query: { path }, signal: options?.signal });
    const header = (word: string): string => String(headers[`x-lxd-${word}`] ?? headers[`x-incus-${word}`] ?? "");
    return {
      type: header("type"),
      mode: Number.parseInt(header("mode"), 8) || 0,
      uid: Number(header("uid")),
      gid: Number(header("gid")),
      content,
      sizeBytes,
    };
  }

  async function makeFolders(
    name: string,
    path: string,
    owner: { uid?: number | undefined; gid?: number | undefined },
    options?: CallOptions,
  ) {
    const folder = posix.dirname(path);
    if (folder === "/") return;
    await makeFolders(name, folder, owner, options);
    const headers = headersFor({ type: "directory", mode: 0o755, ...owner });
    // One that is there stays as it is.
    await client.upload("POST", address(name), Buffer.alloc(0), {
      ...settings(options, deadlines.change),
      query: { path: folder },
      headers,
    });
  }

  return {
    async fileRead(name, path, options) {
      let at = absolute(path);
      for (let links = 0; links <= mostLinks; links++) {
        const found = await download(name, at, options).catch(async (error) => {
          throw await fileFailure(engine, name, path, error);
        });
        if (found.type === "symlink") {
          // Where it leads is asked of the guest again, whose root it cannot leave.
          at = posix.resolve(posix.dirname(at), await text(found.content));
        } else if (found.type === "directory") {
          const { metadata } = JSON.parse(await text(found.content)) as { metadata: string[] | null };
          return { kind: "directory", entries: (metadata ?? []).sort() };
        } else {
          const { mode, uid, gid, content, sizeBytes } = found;
          return { kind: "file", mode, uid, gid, content, ...(sizeBytes === undefined ? {} : { sizeBytes }) };
        }
      }
      throw new CloudError("failed_precondition", `${path} is a link that leads in a circle.`, {
        details: { reason: "link_circle" },
      });
    },

    async fileWrite(name, path, content, options = {}) {
      const { mode, uid, gid, makeParents } = options;
      const target = absolute(path);
      const failure = async (error: unknown) => {
        throw await fileFailure(engine, name, path, error);
      };
      if (makeParents) await makeFolders(name, target, { uid, gid }, options).catch(failure);
      const headers = headersFor({ type: "file", mode: mode ?? 0o644, uid: uid ?? 0, gid: gid ?? 0 });
      const write = () =>
        client.upload<unknown>("POST", address(name), content, {
          ...settings(options, deadlines.copy),
          query: { path: target },
          headers,
        });
      // A stream can be sent once only.
      await (content instanceof Uint8Array ? withRoom(engine, "instance", name, write, options) : write()).catch(failure);
    },
  };
}

function absolute(path: string): string {
  if (!path.startsWith("/") || path.includes("\0")) throw invalid("path", "Give an absolute path, such as /root/file.");
  return posix.normalize(path);
}

async function fileFailure(engine: Engine, name: string, path: string, error: unknown): Promise<unknown> {
  const words = wordsOf(error);
  if (/quota exceeded|no space left/i.test(words))
    return new CloudError(
      "storage_full",
      "The disk of the instance is full. Delete files in it, or resize it to a larger disk.",
      {
        cause: error,
        details: { reason: "disk_full" },
      },
    );
  if (/is a directory/i.test(words))
    return new CloudError("failed_precondition", `${path} is a folder.`, { cause: error, details: { reason: "is_a_folder" } });
  if (/not a directory/i.test(words))
    return new CloudError("failed_precondition", `A part of ${path} is a file, not a folder.`, {
      cause: error,
      details: { reason: "not_a_folder" },
    });
  if (/permission denied|read-only file system/i.test(words))
    return new CloudError("failed_precondition", `${path} cannot be written.`, {
      cause: error,
      details: { reason: "not_writable" },
    });
  if (/bad file type/i.test(words))
    return new CloudError("failed_precondition", `${path} is neither a file nor a folder.`, {
      cause: error,
      details: { reason: "not_a_file" },
    });
  if (!isAbsent(error) && !CloudError.is(error, "not_found")) return error;
  await getInstance(engine, name);
  return new CloudError("not_found", `There is no ${path} in the instance.`, { cause: error, details: { resource: "file" } });
}
