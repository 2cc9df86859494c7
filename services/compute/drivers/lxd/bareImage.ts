import { createHash } from "node:crypto";
import { pipeline, type Readable, Transform } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";
import { CloudError } from "../../../../kernel/errors.ts";
import type { BareImage } from "../../driver.ts";
import { imageMetadata, templates } from "./imageTemplates.ts";
import type { ImageUpload } from "./imageUpload.ts";

const boundary = "khmara-5f1c2a8e9b7d4036";

/**
 * The content of a root disk as the engine takes it: an image of two parts (multipart/form-data, RFC 7578), the first being the
 * metadata and templates that were missing. https://documentation.ubuntu.com/lxd/en/latest/reference/image_format/
 */
export async function wrapBare(start: Buffer, content: Readable, bare: BareImage): Promise<ImageUpload> {
  const qcow2 = start.subarray(0, 4).toString("latin1") === "QFI\xfb";
  if ((bare.kind === "vm") !== qcow2)
    throw new CloudError(
      "invalid_argument",
      bare.kind === "vm"
        ? "This is no disk of a virtual machine in the format qcow2. Convert it with qemu-img convert -O qcow2."
        : "This is the disk of a virtual machine, not the tarball of a root file system.",
      { details: { reason: "not_an_image" } },
    );
  if (bare.kind === "container" && !isTarball(start))
    throw new CloudError("invalid_argument", "This is no tarball (tar, or tar compressed with gzip, xz, bzip2 or zstd).", {
      details: { reason: "not_an_image" },
    });
  const part = (field: string, file: string): string =>
    `Content-Disposition: form-data; name="${field}"; filename="${file}"\r\nContent-Type: application/octet-stream\r\n\r\n`;
  const metadata = await metadataTarball(bare);
  const hash = createHash("sha256").update(metadata).update(start);
  const root = bare.kind === "vm" ? part("rootfs.img", "rootfs.img") : part("rootfs", "rootfs.tar");
  const body = new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      hash.update(chunk);
      callback(null, chunk);
    },
    flush: (callback) => callback(null, Buffer.from(`\r\n--${boundary}--\r\n`)),
  });
  body.push(`--${boundary}\r\n${part("metadata", "metadata.tar")}`);
  body.push(metadata);
  body.push(`\r\n--${boundary}\r\n${root}`);
  body.push(start);
  if (content.readableEnded) body.end();
  else pipeline(content, body, () => {});
  return {
    body,
    headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
    fingerprint: () => hash.digest("hex"),
  };
}

/** By the first bytes: gzip, xz, bzip2, zstd, or `ustar` at its place in a tar header (POSIX.1-1988). */
function isTarball(start: Buffer): boolean {
  const magic = (hex: string): boolean => start.subarray(0, hex.length / 2).toString("hex") === hex;
  return (
    magic("1f8b") ||
    magic("fd377a585a00") ||
    magic("425a68") ||
    magic("28b52ffd") ||
    start.subarray(257, 262).toString() === "ustar"
  );
}

const engineArchitectures: Record<string, string> = { amd64: "x86_64", arm64: "aarch64", armhf: "armv7l", i386: "i686" };

const made = new Date(Date.UTC(2000, 0, 1));

async function metadataTarball({ architecture, description }: BareImage): Promise<Buffer> {
  const word = engineArchitectures[architecture] ?? architecture;
  const recipe = { id: "imported", title: description, distribution: "debian", release: "", minimumDiskBytes: 0 } as const;
  // The same bytes each time: an import that is repeated makes the same image.
  const metadata = JSON.parse(imageMetadata(recipe, word, made)) as { properties: Record<string, string> };
  metadata.properties = { architecture: word, description };
  const tarball = pack();
  tarball.entry({ name: "metadata.yaml", mtime: made }, JSON.stringify(metadata));
  for (const [name, text] of Object.entries(templates)) tarball.entry({ name: `templates/${name}`, mtime: made }, text);
  tarball.finalize();
  return await buffer(tarball);
}
