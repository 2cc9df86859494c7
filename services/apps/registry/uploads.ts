/** Blobs on their way in: `/v2/<name>/blobs/uploads/`. Where an upload has got to is told by its file, whatever happened in between. */
import { randomUUID } from "node:crypto";
import { CloudError } from "../../../kernel/errors.ts";
import { headersOf, unsupported } from "./answers.ts";
import { algorithmOf, checkedDigest, type DigestAlgorithm, digestPattern, isDigestAlgorithm } from "./digests.ts";
import type { RegistryCall, RegistryParts } from "./door.ts";
import { RegistryError } from "./errors.ts";
import { registryStore } from "./store.ts";

/** Of one layer. */
const maximumBlobBytes = 10 * 1024 ** 3;
/** A client has five under way; those that were broken off go after a day. */
const mostUploads = 200;

export function createUploads(parts: RegistryParts): (call: RegistryCall, uploadId: string) => Promise<void> {
  const { blobs } = parts;
  /** A request at a time writes to an upload. */
  const busy = new Set<string>();

  const locationOf = (call: RegistryCall, id: string) => `${call.path}/blobs/uploads/${id}`;

  function accepted(call: RegistryCall, status: 202 | 204, id: string, size: number): void {
    call.response.writeHead(status, {
      ...headersOf(),
      location: locationOf(call, id),
      // Of an empty one the specification knows no better word.
      range: `0-${Math.max(0, size - 1)}`,
      "docker-upload-uuid": id,
      ...(status === 202 ? { "content-length": 0 } : {}),
    });
    call.response.end();
  }

  function created(call: RegistryCall, digest: string): void {
    call.response.writeHead(201, {
      ...headersOf(),
      location: `${call.path}/blobs/${digest}`,
      "docker-content-digest": digest,
      "content-length": 0,
    });
    call.response.end();
  }

  async function begin(call: RegistryCall, algorithm: DigestAlgorithm): Promise<string> {
    const id = randomUUID();
    await blobs.begin(id, algorithm);
    try {
      await call.transaction(async (tx) => {
        if ((await registryStore.countUploads(tx, call.app.id)) >= mostUploads)
          throw new RegistryError(429, "TOOMANYREQUESTS", `${mostUploads} uploads are under way. Those left alone for a day go.`);
        await registryStore.insertUpload(tx, call.app, id, new Date());
      });
    } catch (error) {
      await blobs.discard(id);
      throw error;
    }
    return id;
  }

  /** The body of a request is added; answers the size of all that there is then. */
  async function append(call: RegistryCall, id: string, size: number): Promise<number> {
    const { request } = call;
    const length = request.headers["content-length"] === undefined ? undefined : Number(request.headers["content-length"]);
    const range = request.headers["content-range"];
    const outOfOrder = () =>
      new RegistryError(416, "BLOB_UPLOAD_INVALID", `The next byte is ${size}.`, {
        headers: { location: locationOf(call, id), range: `0-${Math.max(0, size - 1)}` },
      });
    let expected = length;
    if (range !== undefined) {
      const [, first, last] = /^(?:bytes[= ])?(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/.exec(range) ?? [];
      if (first === undefined || Number(first) !== size || Number(last) < Number(first)) throw outOfOrder();
      expected = Number(last) - Number(first) + 1;
      if (length !== undefined && length !== expected)
        throw new RegistryError(400, "SIZE_INVALID", `Content-Range says ${expected} bytes, Content-Length ${length}.`);
    }
    if (length === 0) return size;
    const room = await call.transaction((tx) => registryStore.room(tx, call.app));
    const mostBytes = Math.min(room.bytes, maximumBlobBytes - size);
    const tooLarge = () =>
      room.bytes < maximumBlobBytes - size
        ? new CloudError(
            "quota_exceeded",
            `The ${room.scope} may have ${Math.floor(room.limit / 1024 ** 2)} MiB of images of apps, and this does not fit any more. Delete what is not needed, or ask an administrator for a higher quota.`,
          )
        : new RegistryError(413, "SIZE_INVALID", `A blob has at most ${maximumBlobBytes / 1024 ** 3} GiB here.`);
    if ((expected ?? 0) > mostBytes) throw tooLarge();
    let after: number;
    try {
      after = await blobs.append(id, request, { mostBytes, tooLarge, signal: call.signal });
    } catch (error) {
      // What had come is counted: nobody fills the disk with what breaks off.
      const left = (await blobs.size(id)) ?? 0;
      await call.transaction((tx) => registryStore.setUpload(tx, id, left, new Date()));
      throw error;
    }
    if (expected !== undefined && after - size !== expected) {
      await blobs.truncate(id, size);
      throw new RegistryError(400, "SIZE_INVALID", `${after - size} bytes came instead of ${expected}.`);
    }
    await call.transaction((tx) => registryStore.setUpload(tx, id, after, new Date()));
    return after;
  }

  /** The upload becomes a blob of the repository. */
  async function finish(call: RegistryCall, id: string, digest: string, size: number): Promise<void> {
    const actual = await blobs.digest(id, algorithmOf(digest));
    if (actual !== digest) {
      await cancel(call, id);
      throw new RegistryError(400, "DIGEST_INVALID", "What was sent has another digest.", { detail: { digest: actual } });
    }
    await call.transaction(async (tx) => {
      await registryStore.lockContent(tx, digest);
      await registryStore.deleteUpload(tx, id);
      await registryStore.addBlob(tx, call.app, digest, size, new Date());
      // Last: whoever has no room for it keeps nothing.
      await blobs.place(id, digest);
    });
    created(call, digest);
  }

  async function cancel(call: RegistryCall, id: string): Promise<void> {
    await call.transaction((tx) => registryStore.deleteUpload(tx, id));
    await blobs.discard(id);
  }

  /** Whether the caller got a blob of another repository that they may read. */
  async function mounted(call: RegistryCall, digest: string, from: string): Promise<boolean> {
    const source = await parts.repository(call.principal, from, "pull").catch(() => undefined);
    if (source === undefined) return false;
    return call.transaction(async (tx) => {
      await registryStore.lockContent(tx, digest);
      const row = await registryStore.blob(tx, source.id, digest);
      if (row) await registryStore.addBlob(tx, call.app, digest, row.sizeBytes, new Date());
      return row !== undefined;
    });
  }

  async function alone<T>(id: string, work: () => Promise<T>): Promise<T> {
    if (busy.has(id)) throw new RegistryError(409, "BLOB_UPLOAD_INVALID", "Another request writes to this upload.");
    busy.add(id);
    try {
      return await work();
    } finally {
      busy.delete(id);
    }
  }

  return async (call, uploadId) => {
    const { request, url } = call;
    const { method } = request;
    if (uploadId === "") {
      if (method !== "POST") throw unsupported(method);
      const { searchParams } = url;
      const mount = searchParams.get("mount");
      const from = searchParams.get("from");
      if (mount !== null && from !== null && digestPattern.test(mount) && (await mounted(call, mount, from)))
        return created(call, mount);
      const named = searchParams.get("digest-algorithm") ?? "sha256";
      if (!isDigestAlgorithm(named))
        throw new RegistryError(400, "DIGEST_INVALID", `Digests are sha256 or sha512 here; ${named.slice(0, 20)} is not taken.`);
      const digest = searchParams.get("digest");
      const id = await begin(call, digest === null ? named : algorithmOf(checkedDigest(digest)));
      if (digest === null) return accepted(call, 202, id, 0);
      return alone(id, async () => {
        try {
          await finish(call, id, digest, await append(call, id, 0));
        } catch (error) {
          // Nobody knows its name.
          await cancel(call, id);
          throw error;
        }
      });
    }
    const isKnown =
      /^[0-9a-f-]{36}$/.test(uploadId) && (await call.transaction((tx) => registryStore.hasUpload(tx, call.app.id, uploadId)));
    const size = isKnown ? await blobs.size(uploadId) : undefined;
    if (size === undefined)
      throw new RegistryError(404, "BLOB_UPLOAD_UNKNOWN", "There is no such upload (any more). Begin a new one.");
    if (method === "GET") return accepted(call, 204, uploadId, size);
    if (method !== "PATCH" && method !== "PUT" && method !== "DELETE") throw unsupported(method);
    await alone(uploadId, async () => {
      const now = (await blobs.size(uploadId)) ?? 0;
      if (method === "DELETE") {
        await cancel(call, uploadId);
        call.response.writeHead(204, headersOf()).end();
      } else if (method === "PATCH") {
        accepted(call, 202, uploadId, await append(call, uploadId, now));
      } else {
        const digest = checkedDigest(url.searchParams.get("digest") ?? "");
        await finish(call, uploadId, digest, await append(call, uploadId, now));
      }
    });
  };
}
