import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join, sep } from "node:path";
import { Readable } from "node:stream";
import { CloudError } from "../kernel/errors.ts";
import { contentTypeOf } from "./content-types.ts";
import { parallel, retried } from "./parallel.ts";
import { TransferProgress } from "./progress.ts";
import { forgetUpload, rememberUpload, unfinishedUpload } from "./resume.ts";
import type { Run } from "./run.ts";
import { formatSize } from "./units.ts";
import { UsageError } from "./usage-error.ts";

/** Above this a file goes in parts: a broken connection then costs one part and not the whole. */
const partsFromBytes = 64 * 2 ** 20;
/** What is read from a pipe is held in memory until its part has arrived. */
const pipePartBytes = 64 * 2 ** 20;
const atOnce = 4;
const namesShown = 20;

interface LocalFile {
  path: string;
  key: string;
  sizeBytes: number;
  modifiedMs: number;
}

type StoredObject = Awaited<ReturnType<Run["cloud"]["client"]["objectUpload"]>>;

export async function runUpload(run: Run): Promise<number> {
  const { values, rest, extra, options, terminal } = run;
  if (rest.length === 0) throw new UsageError("Which files?", "Usage: khmara object upload BUCKET FILE...");
  const bucket = String(values["bucket"]);
  const key = values["key"] as string | undefined;
  if (rest.includes("-")) {
    if (rest.length > 1) throw new UsageError("The standard input (-) is sent alone.");
    if (key === undefined) throw new UsageError("The standard input has no name.", "Give --key NAME.");
    const stored = await uploadPipe(run, bucket, key);
    report(run, bucket, [stored]);
    return 0;
  }
  const files = await localFiles(rest, String(extra["prefix"] ?? ""), extra["recursive"] !== undefined);
  if (key !== undefined) {
    const [only] = files;
    if (files.length !== 1 || !only)
      throw new UsageError("--key names one object, and these are several files.", "Use --prefix.");
    only.key = key;
  }
  const progress = new TransferProgress(
    terminal,
    files.reduce((sum, one) => sum + one.sizeBytes, 0),
  );
  if (options.quiet) progress.draw = () => {};
  const stored: StoredObject[] = [];
  const failures: { file: LocalFile; error: unknown }[] = [];
  let kept = 0;
  let done = 0;
  try {
    await parallel(files, atOnce, async (file) => {
      progress.label = files.length === 1 ? basename(file.path) : `${done + 1} of ${files.length}`;
      try {
        const one = await uploadFile(run, bucket, file, progress);
        if (one) stored.push(one);
        else kept++;
      } catch (error) {
        // One file that cannot be sent does not keep the others back; being signed out does.
        if (files.length === 1 || CloudError.is(error, "unauthenticated")) throw error;
        failures.push({ file, error });
      }
      done++;
    });
  } finally {
    progress.end();
  }
  report(run, bucket, stored, files.length > 1);
  if (kept > 0 && !options.quiet) terminal.note(`${kept} ${kept === 1 ? "was" : "were"} there already and kept.\n`);
  for (const { file, error } of failures) terminal.note(`${file.path}: ${(error as Error).message}\n`);
  return failures.length > 0 ? 1 : 0;
}

function report({ options, terminal }: Run, bucket: string, stored: StoredObject[], many = false): void {
  const answer = many ? { items: stored } : stored[0];
  if (options.json) {
    if (answer) terminal.out(`${JSON.stringify(answer, null, 2)}\n`);
    return;
  }
  if (options.quiet) {
    terminal.out(stored.map((one) => `${one.key}\n`).join(""));
    return;
  }
  if (stored.length <= namesShown) {
    for (const one of stored) terminal.out(`${bucket}/${one.key}  ${formatSize(one.sizeBytes)}\n`);
  }
  const bytes = stored.reduce((sum, one) => sum + one.sizeBytes, 0);
  if (stored.length > 1) terminal.note(`${stored.length} objects, ${formatSize(bytes)}.\n`);
}

/** `folder` is sent under its name, `folder/` sends what is in it, as rsync has it. */
async function localFiles(paths: string[], prefix: string, recursive: boolean): Promise<LocalFile[]> {
  const files: LocalFile[] = [];
  const add = async (path: string, key: string): Promise<void> => {
    const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
      throw new UsageError(error.code === "ENOENT" ? `There is no file ${path}.` : `${path} cannot be read: ${error.message}`);
    });
    if (found.isFile()) files.push({ path, key, sizeBytes: found.size, modifiedMs: found.mtimeMs });
    else if (found.isDirectory()) {
      if (!recursive) throw new UsageError(`${path} is a folder.`, "Add --recursive to send everything in it.");
      const entries = await readdir(path, { withFileTypes: true });
      for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
        // A link to a folder could lead back here and never end.
        const inner = join(path, entry.name);
        if (
          entry.isSymbolicLink() &&
          !(await stat(inner).then(
            (one) => one.isFile(),
            () => false,
          ))
        )
          continue;
        if (entry.isFile() || entry.isDirectory() || entry.isSymbolicLink())
          await add(inner, key === "" ? entry.name : `${key.replace(/\/$/, "")}/${entry.name}`);
      }
    }
  };
  const folder = prefix === "" || prefix.endsWith("/") ? prefix : `${prefix}/`;
  for (const path of paths) {
    const inside = path.endsWith(sep) || path === "." || path.endsWith("/.") || path === "..";
    await add(path, inside ? folder : `${folder}${basename(path)}`);
  }
  if (files.length === 0) throw new UsageError("There is nothing to send: the folder has no files.");
  return files;
}

function headersFor({ extra }: Run, key: string): Record<string, string> {
  const given = extra["content-type"];
  return {
    "content-type": typeof given === "string" ? given : contentTypeOf(key),
    ...(extra["keep"] !== undefined && { "if-none-match": "*" }),
  };
}

/** Undefined where the object is there already and is to be kept. */
async function uploadFile(
  run: Run,
  bucket: string,
  file: LocalFile,
  progress: TransferProgress,
): Promise<StoredObject | undefined> {
  if (file.sizeBytes > partsFromBytes) return uploadInParts(run, bucket, file, progress);
  try {
    return await retried(async () => {
      let sent = 0;
      try {
        return await run.cloud.client.objectUpload(
          { bucket, key: file.key },
          {
            headers: headersFor(run, file.key),
            rawBody: file.sizeBytes === 0 ? new Uint8Array() : bytesOf(file.path, 0, file.sizeBytes),
            rawBodyBytes: file.sizeBytes,
            onProgress: (bytes) => {
              progress.add(bytes - sent);
              sent = bytes;
            },
          },
        );
      } catch (error) {
        progress.add(-sent);
        throw error;
      }
    });
  } catch (error) {
    if (run.extra["keep"] !== undefined && CloudError.is(error, "precondition_failed")) return undefined;
    throw error;
  }
}

const bytesOf = (path: string, start: number, end: number): ReadableStream =>
  Readable.toWeb(createReadStream(path, { start, end: end - 1, highWaterMark: 256 * 1024 })) as ReadableStream;

async function uploadInParts(
  run: Run,
  bucket: string,
  file: LocalFile,
  progress: TransferProgress,
): Promise<StoredObject | undefined> {
  const { client, settings } = run.cloud;
  const { key, sizeBytes } = file;
  if (run.extra["keep"] !== undefined && (await exists(run, bucket, key))) return undefined;
  // The same file for the same place, unchanged: what was sent of it before an interruption need not be sent again.
  const fingerprint = [settings.endpoint, bucket, key, file.path, sizeBytes, file.modifiedMs].join("\n");
  const before = unfinishedUpload(run.terminal.env, fingerprint);
  const arrived = new Map<number, { number: number; etag: string; sizeBytes: number }>();
  let upload = before;
  if (before) {
    try {
      for await (const part of client.all("uploadPartList", { bucket, upload: before.id as never, limit: 1000 }))
        arrived.set(part.number, part);
    } catch (error) {
      if (!CloudError.is(error, "not_found")) throw error;
      upload = undefined;
    }
  }
  if (!upload) {
    const made = await client.uploadCreate({
      bucket,
      key,
      sizeBytes,
      contentType: headersFor(run, key)["content-type"] as string,
    });
    upload = { id: made.id, partSizeBytes: made.partSizeBytes };
    rememberUpload(run.terminal.env, fingerprint, upload);
  }
  const { id, partSizeBytes } = upload;
  const numbers = Array.from({ length: Math.ceil(sizeBytes / partSizeBytes) }, (_, index) => index + 1);
  await parallel(numbers, atOnce, async (part) => {
    const start = (part - 1) * partSizeBytes;
    const end = Math.min(sizeBytes, start + partSizeBytes);
    if (arrived.get(part)?.sizeBytes === end - start) return progress.skip(end - start);
    const stored = await retried(async () => {
      let sent = 0;
      try {
        return await client.uploadPartPut(
          { bucket, upload: id as never, part },
          {
            rawBody: bytesOf(file.path, start, end),
            rawBodyBytes: end - start,
            onProgress: (bytes) => {
              progress.add(bytes - sent);
              sent = bytes;
            },
          },
        );
      } catch (error) {
        progress.add(-sent);
        throw error;
      }
    });
    arrived.set(part, stored);
  });
  const parts = numbers.map((number) => ({ number, etag: arrived.get(number)?.etag as string }));
  const stored = await client.uploadComplete({ bucket, upload: id as never, parts });
  forgetUpload(run.terminal.env, fingerprint);
  return stored;
}

async function exists(run: Run, bucket: string, key: string): Promise<boolean> {
  try {
    await run.cloud.client.objectGet({ bucket, key });
    return true;
  } catch (error) {
    if (CloudError.is(error, "not_found")) return false;
    throw error;
  }
}

/** Blocks of equal size out of a stream whose end nobody knows yet. */
async function* blocks(stream: AsyncIterable<Buffer>, blockBytes: number): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  for await (const chunk of stream) {
    held.push(chunk);
    heldBytes += chunk.length;
    while (heldBytes >= blockBytes) {
      const all = Buffer.concat(held);
      yield all.subarray(0, blockBytes);
      held = [all.subarray(blockBytes)];
      heldBytes = all.length - blockBytes;
    }
  }
  if (heldBytes > 0) yield Buffer.concat(held);
}

async function uploadPipe(run: Run, bucket: string, key: string): Promise<StoredObject> {
  const { client } = run.cloud;
  const headers = headersFor(run, key);
  const progress = new TransferProgress(run.terminal);
  progress.label = key;
  if (run.options.quiet) progress.draw = () => {};
  let upload: string | undefined;
  const parts: { number: number; etag: string }[] = [];
  try {
    let first: Buffer | undefined;
    for await (const block of blocks(run.terminal.stdin as AsyncIterable<Buffer>, pipePartBytes)) {
      // One block may be all there is: that is a plain object. Only a second one shows that there is more.
      if (first === undefined && parts.length === 0) {
        first = block;
        continue;
      }
      if (upload === undefined) {
        if (run.extra["keep"] !== undefined && (await exists(run, bucket, key)))
          throw new CloudError("precondition_failed", `${key} is there already.`);
        upload = (await client.uploadCreate({ bucket, key, sizeBytes: 0, contentType: headers["content-type"] as string })).id;
      }
      for (const bytes of first === undefined ? [block] : [first, block]) {
        const number = parts.length + 1;
        const stored = await retried(() =>
          client.uploadPartPut(
            { bucket, upload: upload as never, part: number },
            { rawBody: new Uint8Array(bytes), rawBodyBytes: bytes.length },
          ),
        );
        parts.push({ number, etag: stored.etag });
        progress.add(bytes.length);
      }
      first = undefined;
    }
    if (upload !== undefined) return await client.uploadComplete({ bucket, upload: upload as never, parts });
    const bytes = new Uint8Array(first ?? Buffer.alloc(0));
    return await retried(() => client.objectUpload({ bucket, key }, { headers, rawBody: bytes, rawBodyBytes: bytes.length }));
  } catch (error) {
    // What came through a pipe cannot be read again: its parts are of no use to anybody.
    if (upload !== undefined) await client.uploadDelete({ bucket, upload: upload as never }).catch(() => {});
    throw error;
  } finally {
    progress.end();
  }
}
