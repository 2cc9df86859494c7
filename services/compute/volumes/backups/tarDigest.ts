import { createHash } from "node:crypto";
import { PassThrough, pipeline, type Readable, type Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { extract, type Headers } from "tar-stream";

/** What is in an export of the engine, whatever order it has its files in: equal for equal content. */
export interface TarDigest {
  files: number;
  /** Bytes of the files. */
  sizeBytes: number;
  /** In hex; over type, name, owner, rights, size and bytes of each entry. */
  digest: string;
}

/** The engine's own description of what it exported: names and dates that differ from one export to the next. */
const isDescription = (name: string): boolean => /^(\.\/)?backup\/index\.yaml$/.test(name);
const modulus = 1n << 256n;

/** Reads a tar, plain or compressed by gzip or zstd, to its end. Fails when it is none. */
export async function digestTar(content: Readable): Promise<TarDigest> {
  const reader = extract();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const plain = await decompressed(content);
  pipeline(plain, reader, (error) => error && failed.reject(error));
  const read = async (): Promise<TarDigest> => {
    let sum = 0n;
    let files = 0;
    let sizeBytes = 0;
    for await (const entry of reader) {
      const hash = createHash("sha256").update(wordsOf(entry.header));
      let bytes = 0;
      for await (const piece of entry as AsyncIterable<Buffer>) {
        hash.update(piece);
        bytes += piece.length;
      }
      if (isDescription(entry.header.name)) continue;
      sizeBytes += bytes;
      sum = (sum + BigInt(`0x${hash.digest("hex")}`)) % modulus;
      files++;
    }
    return { files, sizeBytes, digest: sum.toString(16).padStart(64, "0") };
  };
  try {
    return await Promise.race([read(), failed.promise]);
  } finally {
    content.destroy();
    reader.destroy();
  }
}

/** The folder that a volume is: the engines set its rights themselves whenever they unpack or mount one. */
const isRoot = (name: string): boolean => /^(\.\/)?backup\/volume$/.test(name);

function wordsOf({ type, name, mode, uid, gid, size, linkname }: Headers): string {
  const path = name.replace(/\/$/, "");
  return JSON.stringify([type, path, isRoot(path) ? 0 : mode, uid, gid, type === "file" ? size : 0, linkname ?? ""]);
}

const magic: [prefix: number[], decompress: () => Transform][] = [
  [[0x1f, 0x8b], createGunzip],
  [[0x28, 0xb5, 0x2f, 0xfd], createZstdDecompress],
];

/** Looks at the first bytes. */
async function decompressed(content: Readable): Promise<Readable> {
  const head = await firstBytes(content, 4);
  const known = magic.find(([prefix]) => prefix.every((byte, index) => head[index] === byte));
  const decompress = known ? known[1]() : new PassThrough();
  pipeline(content, decompress, () => {});
  return decompress;
}

function firstBytes(content: Readable, count: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    const take = () => {
      for (let piece = content.read() as Buffer | null; piece !== null; piece = content.read() as Buffer | null) {
        pieces.push(piece);
        if (Buffer.concat(pieces).length >= count) break;
      }
      if (Buffer.concat(pieces).length < count) return;
      end();
      const head = Buffer.concat(pieces);
      content.unshift(head);
      resolve(head);
    };
    const end = () => {
      content.off("readable", take);
      content.off("end", short);
      content.off("error", fail);
    };
    const short = () => {
      end();
      resolve(Buffer.concat(pieces));
    };
    const fail = (error: Error) => {
      end();
      reject(error);
    };
    content.on("readable", take).once("end", short).once("error", fail);
  });
}

/** The same bytes twice: as fast as the slower of the two readers, and failing in both. */
export function twice(content: Readable): [Readable, Readable] {
  const copies: [PassThrough, PassThrough] = [new PassThrough(), new PassThrough()];
  content.once("error", (error) => {
    for (const copy of copies) copy.destroy(error);
  });
  for (const copy of copies) {
    // One that wants no more does not hold the other up.
    copy.once("close", () => content.unpipe(copy));
    content.pipe(copy);
  }
  return copies;
}
