/**
 * An image's tarball names what the image is to be called, and the engine takes those names away from whoever has them: from bases, from
 * other tenants, from other clouds. So they are taken out on the way.
 */
import { PassThrough, type Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { extract, type Headers, pack } from "tar-stream";
import { CloudError } from "../../../../kernel/errors.ts";

const longestManifest = 1024 * 1024;

const broken = (why: string): CloudError =>
  new CloudError("invalid_argument", `This is no image: ${why}. Make it with docker save, of one image.`, {
    details: { reason: "image_invalid" },
  });

/** The same tarball without names. Its error is that of the source, or invalid_argument of what is no image, or several. */
export function withoutNames(content: Readable): Readable {
  const output = new PassThrough();
  const reader = extract();
  const writer = pack();
  const named = new Set<string>();
  const work = (async () => {
    for await (const entry of reader) {
      const { header } = entry;
      const path = header.name.replace(/^(\.\/)+/, "");
      const rewrite = rewriters[path];
      if (rewrite !== undefined) {
        if (named.has(path)) throw broken(`${path} is there twice`);
        named.add(path);
        if ((header.size ?? 0) > longestManifest || header.type !== "file") throw broken(`${path} is too large`);
        const chunks: Buffer[] = [];
        for await (const chunk of entry as AsyncIterable<Buffer>) chunks.push(chunk);
        const text = rewrite(Buffer.concat(chunks).toString());
        if (text !== undefined) await added(writer, { name: path, type: "file" }, Buffer.from(text));
        else entry.resume();
        continue;
      }
      const { name, type, size, linkname, mode } = header;
      const copy = writer.entry({ name, type, size, linkname, mode } as Headers);
      await pipeline(entry, copy);
    }
    if (!named.has("manifest.json")) throw broken("it has no manifest.json");
    writer.finalize();
  })();
  const end = (error: unknown) => {
    const reason = error as Error;
    content.destroy();
    reader.destroy();
    writer.destroy();
    output.destroy(CloudError.is(reason) ? reason : (content.errored ?? broken("its tarball is damaged")));
  };
  work.catch(end);
  pipeline(content, reader).catch(end);
  pipeline(writer, output).catch(() => {});
  return output;
}

/** Of the image itself and of OCI's layout (image-spec, image-layout.md), by their names in the tarball. */
const rewriters: Record<string, (text: string) => string | undefined> = {
  "manifest.json": (text) => {
    const images = parse<{ RepoTags?: string[] | null }[]>(text, "manifest.json");
    if (!Array.isArray(images) || images.length !== 1) throw broken("it holds several images, or none");
    return JSON.stringify(images.map((image) => ({ ...image, RepoTags: null })));
  },
  "index.json": (text) => {
    const index = parse<{ manifests?: { annotations?: object }[] }>(text, "index.json");
    if (!Array.isArray(index.manifests) || index.manifests.length !== 1) throw broken("it holds several images, or none");
    return JSON.stringify({ ...index, manifests: index.manifests.map(({ annotations: _, ...manifest }) => manifest) });
  },
  repositories: () => undefined,
};

function parse<T>(text: string, name: string): T {
  try {
    return JSON.parse(text) as T;
  } catch {
    throw broken(`${name} is not JSON`);
  }
}

const added = (writer: ReturnType<typeof pack>, headers: Headers, content: Buffer): Promise<void> =>
  new Promise((resolve, reject) => {
    writer.entry(headers, content, (error) => (error ? reject(error) : resolve()));
  });
