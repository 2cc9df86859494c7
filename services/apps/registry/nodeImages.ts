/**
 * Images of the engine as a registry serves them, for the nodes of the cloud: each layer a file by its digest, below `apps/registry/nodes`, once for
 * all images that have it. The engine gives an image only as a whole, so what is here is a copy that is made when a node first needs one. It may go
 * at any time, and is made anew then.
 */
import { createHash, randomUUID } from "node:crypto";
import { createReadStream, type ReadStream } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Entry, extract } from "tar-stream";
import { CloudError } from "../../../kernel/errors.ts";
import type { CallOptions } from "../driver.ts";
import { explained } from "./errors.ts";
import { type Descriptor, maximumManifestBytes, parseManifest } from "./manifest.ts";

export interface NodeImage {
  /** What `docker pull` asks for first. */
  digest: string;
  /** All that it has, by digest: its manifests, its configuration and its layers. */
  contents: ReadonlyMap<string, NodeContent>;
}

interface NodeContent {
  sizeBytes: number;
  /** Of manifests. */
  mediaType?: string;
  /** Of a manifest that is no file, as the engine keeps none. */
  text?: Buffer;
}

export interface NodeImages {
  /**
   * An image by its id, from what `docker save` writes; at once when it is here. unavailable `node_image` when the archive is not whole,
   * storage_full.
   */
  keep(id: string, save: () => Promise<Readable>, options?: CallOptions): Promise<NodeImage>;
  find(id: string): Promise<NodeImage | undefined>;
  /** `end` is the last byte that is read. */
  read(digest: string, range?: { start: number; end: number }): ReadStream;
  /** What no image has that `isThere`, or that nobody asked for since `before`. The latest hour stays: somebody may be writing it. */
  sweep(before: Date, isThere: (id: string) => Promise<boolean>): Promise<void>;
}

const hourMs = 3600_000;
const imageType = "application/vnd.oci.image.manifest.v1+json";
const configType = "application/vnd.oci.image.config.v1+json";
const layerType = "application/vnd.oci.image.layer.v1.tar";

/** The engine's configuration of an image (OCI image-spec, config.md): its id is its digest, and it names what its layers unpack to. */
interface Config {
  rootfs?: { diff_ids?: string[] };
}

export function openNodeImages(dataDirectory: string): NodeImages {
  const folder = join(dataDirectory, "apps", "registry", "nodes");
  const fileOf = (digest: string) => join(folder, digest.slice("sha256:".length));
  const keeping = new Map<string, Promise<NodeImage>>();

  const sizeOf = async (digest: string) => (await stat(fileOf(digest)).catch(absent))?.size;

  async function documentOf(digest: string): Promise<Buffer | undefined> {
    const size = await sizeOf(digest);
    return size === undefined || size > maximumManifestBytes ? undefined : readFile(fileOf(digest)).catch(absent);
  }

  /** Undefined when something of it is missing. */
  async function find(id: string): Promise<NodeImage | undefined> {
    const text = await documentOf(id);
    if (text === undefined) return undefined;
    const layers = (jsonOf(text) as Config | undefined)?.rootfs?.diff_ids;
    if (layers === undefined) return manifestImage(id, text);
    const contents = new Map<string, NodeContent>([[id, { sizeBytes: text.length }]]);
    for (const layer of new Set(layers)) {
      const sizeBytes = await sizeOf(layer);
      if (sizeBytes === undefined) return undefined;
      contents.set(layer, { sizeBytes });
    }
    const described = (mediaType: string, digest: string) => ({ mediaType, digest, size: contents.get(digest)?.sizeBytes ?? 0 });
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: imageType,
        config: described(configType, id),
        layers: layers.map((layer) => described(layerType, layer)),
      }),
    );
    const digest = `sha256:${createHash("sha256").update(manifest).digest("hex")}`;
    contents.set(digest, { sizeBytes: manifest.length, mediaType: imageType, text: manifest });
    return { digest, contents };
  }

  /** Where the engine keeps manifests (containerd's image store), an image's id is the digest of one. */
  async function manifestImage(id: string, text: Buffer): Promise<NodeImage | undefined> {
    const contents = new Map<string, NodeContent>();
    const add = async (digest: string, content: Buffer): Promise<boolean> => {
      const { mediaType, blobs, manifests } = parseManifest(content, undefined);
      contents.set(digest, { sizeBytes: content.length, mediaType });
      for (const { digest: blob } of blobs) {
        const sizeBytes = await sizeOf(blob);
        if (sizeBytes === undefined) return false;
        contents.set(blob, { sizeBytes });
      }
      const found = await Promise.all(manifests.map((each: Descriptor) => documentOf(each.digest)));
      // Of an index only what this kind of machine runs is here.
      const there = manifests.flatMap(({ digest: each }, i) => (found[i] === undefined ? [] : [{ each, content: found[i] }]));
      for (const { each, content: inner } of there) if (!contents.has(each) && !(await add(each, inner))) return false;
      return manifests.length === 0 || there.length > 0;
    };
    return (await add(id, text)) ? { digest: id, contents } : undefined;
  }

  async function touch({ contents }: NodeImage): Promise<void> {
    const now = new Date();
    for (const [digest, { text }] of contents) if (text === undefined) await utimes(fileOf(digest), now, now);
  }

  async function keep(id: string, save: () => Promise<Readable>, options?: CallOptions): Promise<NodeImage> {
    const there = await find(id);
    if (there !== undefined && (await touch(there).then(() => true, absent))) return there;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const content = await save();
    const archive = extract();
    const reading = (async () => {
      for await (const entry of archive) {
        if (entry.header.type === "file") await write(entry);
        else entry.resume();
      }
    })();
    try {
      await Promise.all([pipeline(content, archive, { signal: options?.signal }), reading]);
    } catch (error) {
      throw explained(error, folder);
    }
    const made = await find(id);
    if (made !== undefined) return made;
    throw new CloudError("unavailable", "The engine gave an image that is not whole. Try again.", {
      details: { reason: "node_image" },
    });
  }

  /** Under the digest of what it is. */
  async function write(content: Entry): Promise<void> {
    const place = join(folder, `${randomUUID()}.part`);
    const handle = await open(place, "wx", 0o600);
    try {
      const hash = createHash("sha256");
      for await (const piece of content as AsyncIterable<Buffer>) {
        hash.update(piece);
        await handle.appendFile(piece);
      }
      const digest = `sha256:${hash.digest("hex")}`;
      const now = new Date();
      if (await utimes(fileOf(digest), now, now).then(() => true, absent)) return;
      // What is named is whole, whatever happens to this machine.
      await handle.sync();
      await rename(place, fileOf(digest));
    } finally {
      await handle.close();
      await rm(place, { force: true });
    }
  }

  return {
    find,
    read: (digest, range) => createReadStream(fileOf(digest), range),

    async keep(id, save, options) {
      // Those who need the same at once wait for one copy.
      const work = keeping.get(id) ?? keep(id, save, options).finally(() => keeping.delete(id));
      keeping.set(id, work);
      return work;
    },

    async sweep(before, isThere) {
      const named = new Set<string>();
      const old: string[] = [];
      const recent = Date.now() - hourMs;
      for (const name of (await readdir(folder).catch(absent)) ?? []) {
        const file = join(folder, name);
        const there = await stat(file).catch(absent);
        if (there === undefined) continue;
        if (there.mtimeMs < recent) old.push(name);
        if (there.mtimeMs < before.getTime() || there.size > maximumManifestBytes) continue;
        const digest = `sha256:${name}`;
        const image = name.endsWith(".part") ? undefined : await find(digest).catch(() => undefined);
        if (image !== undefined && (await isThere(digest))) for (const each of image.contents.keys()) named.add(each);
      }
      for (const name of old) if (!named.has(`sha256:${name}`)) await rm(join(folder, name), { force: true });
    },
  };
}

function jsonOf(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString());
  } catch {
    return undefined;
  }
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
  return undefined;
}
