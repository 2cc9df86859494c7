import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { extract } from "tar-stream";
import { CloudError } from "../../../kernel/errors.ts";
import type { ObjectsService } from "../../objects/contract.ts";

/**
 * Files between a bucket and a guest, as a tar stream through the engine: never held whole, neither here nor there. It is written
 * in GNU's format, whose long names BusyBox reads too; what the guest sends is read in any format, and trusted in nothing.
 */

export interface Transferred {
  objects: number;
  bytes: number;
  /** Names that cannot be files there or objects here; the first few. */
  skipped: string[];
  skippedCount: number;
}

/** So many files one task may leave behind. */
export const maximumOutputFiles = 100_000;
const listedAtOnce = 1000;
const shownSkipped = 5;
const maximumKeyBytes = 1024;
const block = 512;

const begin = (): Transferred => ({ objects: 0, bytes: 0, skipped: [], skippedCount: 0 });
function skip(done: Transferred, name: string): void {
  done.skippedCount++;
  if (done.skipped.length < shownSkipped) done.skipped.push(name.slice(0, 200));
}

/** A relative path that stays where it is unpacked. */
export const isSafePath = (path: string): boolean =>
  path !== "" &&
  !path.includes("\0") &&
  path.split("/").every((part) => part !== "" && part !== "." && part !== ".." && Buffer.byteLength(part) <= 255);

/** Everything below a prefix, into the standard input of a tar that unpacks it. Resolves when all is sent. */
export async function sendInput(
  objects: ObjectsService,
  from: { bucketId: string; prefix: string },
  into: Writable,
  signal: AbortSignal,
): Promise<Transferred> {
  const done = begin();
  await pipeline(Readable.from(archive(objects, from, done, signal), { objectMode: false }), into, { signal });
  return done;
}

async function* archive(
  objects: ObjectsService,
  { bucketId, prefix }: { bucketId: string; prefix: string },
  done: Transferred,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (let after: string | undefined; ; ) {
    const list = await objects.list({ bucketId, prefix, limit: listedAtOnce, ...(after === undefined ? {} : { after }) });
    for (const { key } of list) {
      after = key;
      const name = key.slice(prefix.length);
      // The mark of an empty folder.
      if (name === "" || name.endsWith("/")) continue;
      if (!isSafePath(name)) {
        skip(done, key);
        continue;
      }
      const object = await objects.read({ bucketId, key, signal }).catch((error) => {
        // Deleted since it was listed.
        if ((error as { code?: string }).code === "not_found") return undefined;
        throw error;
      });
      if (!object) continue;
      yield header(name, object.sizeBytes);
      let sent = 0;
      for await (const piece of object.content as AsyncIterable<Uint8Array>) {
        sent += piece.length;
        yield piece;
      }
      if (sent !== object.sizeBytes) throw new Error(`The object ${key} has ${sent} bytes instead of ${object.sizeBytes}.`);
      yield padding(sent);
      done.objects++;
      done.bytes += sent;
    }
    if (list.length < listedAtOnce) break;
  }
  yield Buffer.alloc(2 * block);
}

const padding = (sizeBytes: number): Buffer => Buffer.alloc((block - (sizeBytes % block)) % block);

/** The header of a file (GNU tar manual, "Basic Tar Format" and its extensions). */
function header(name: string, sizeBytes: number): Buffer {
  const bytes = Buffer.from(name);
  if (bytes.length <= 100) return headerBlock(bytes, sizeBytes, "0");
  const long = Buffer.concat([bytes, Buffer.alloc(1)]);
  return Buffer.concat([
    headerBlock(Buffer.from("././@LongLink"), long.length, "L"),
    long,
    padding(long.length),
    headerBlock(bytes.subarray(0, 100), sizeBytes, "0"),
  ]);
}

function headerBlock(name: Uint8Array, sizeBytes: number, type: "0" | "L"): Buffer {
  const buffer = Buffer.alloc(block);
  const octal = (value: number, offset: number, length: number) =>
    buffer.write(`${value.toString(8).padStart(length - 1, "0")}\0`, offset, "ascii");
  buffer.set(name, 0);
  octal(0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  if (sizeBytes < 8 ** 11) octal(sizeBytes, 124, 12);
  else {
    buffer[124] = 0x80;
    buffer.writeBigUInt64BE(BigInt(sizeBytes), 128);
  }
  octal(Math.floor(Date.now() / 1000), 136, 12);
  buffer.write("        ", 148, "ascii");
  buffer.write(type, 156, "ascii");
  buffer.write("ustar  \0", 257, "ascii");
  let sum = 0;
  for (const byte of buffer) sum += byte;
  buffer.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "ascii");
  return buffer;
}

/** The regular files of a tar stream, each into an object below the prefix. Links, devices and the like are left out. */
export async function receiveOutput(
  objects: ObjectsService,
  from: Readable,
  to: { bucketId: string; prefix: string },
  signal: AbortSignal,
): Promise<Transferred> {
  const done = begin();
  const entries = extract();
  const unpacking = (async () => {
    for await (const entry of entries) {
      const { type, name } = entry.header;
      const path = name.replace(/^(\.\/)+/, "");
      const key = to.prefix + path;
      if (type === "directory") entry.resume();
      else if (type !== "file" || !isSafePath(path) || Buffer.byteLength(key) > maximumKeyBytes) {
        skip(done, path);
        entry.resume();
      } else {
        if (done.objects >= maximumOutputFiles)
          throw new CloudError(
            "failed_precondition",
            `There are more than ${maximumOutputFiles} files below /output. Pack them into an archive there.`,
            { details: { reason: "too_many_files" } },
          );
        const { sizeBytes } = await objects.write({ bucketId: to.bucketId, key, content: Readable.from(entry), signal });
        done.objects++;
        done.bytes += sizeBytes;
      }
    }
  })();
  // What fails on one side ends the other.
  unpacking.catch((error) => from.destroy(error as Error));
  await Promise.all([pipeline(from, entries as unknown as Writable, { signal }), unpacking]).catch(async (error) => {
    await unpacking;
    throw error;
  });
  return done;
}
