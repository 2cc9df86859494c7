import { createWriteStream } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { finished } from "node:stream/promises";
import { CloudError } from "../kernel/errors.ts";
import { parallel } from "./parallel.ts";
import { TransferProgress } from "./progress.ts";
import type { Run } from "./run.ts";
import { formatSize } from "./units.ts";
import { UsageError } from "./usage-error.ts";

const atOnce = 4;
const attempts = 5;
const namesShown = 20;

interface Wanted {
  key: string;
  path: string;
  sizeBytes: number | undefined;
}

export async function runDownload(run: Run): Promise<number> {
  const { values, extra, options, terminal } = run;
  const bucket = String(values["bucket"]);
  const key = String(values["key"]);
  const output = extra["output"] === undefined ? undefined : String(extra["output"]);
  if (extra["recursive"] !== undefined) return downloadFolder(run, bucket, key === "/" ? "" : key, output ?? ".");
  if (key.endsWith("/")) throw new UsageError(`${key} is a folder.`, "Add --recursive to download everything below it.");
  const progress = new TransferProgress(terminal);
  progress.label = basename(key);
  if (options.quiet) progress.draw = () => {};
  try {
    if (output === "-") {
      await transfer(run, bucket, key, progress, terminal.stdout);
      return 0;
    }
    const intoFolder = output !== undefined && (output.endsWith(sep) || (await isFolder(output)));
    const path = intoFolder ? join(output, basename(key)) : (output ?? basename(key));
    const bytes = await downloadFile(run, bucket, { key, path, sizeBytes: undefined }, progress);
    progress.end();
    if (options.json) terminal.out(`${JSON.stringify({ key, path, sizeBytes: bytes }, null, 2)}\n`);
    else terminal.out(options.quiet ? `${path}\n` : `${path}  ${formatSize(bytes)}\n`);
    return 0;
  } finally {
    progress.end();
  }
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (one) => one.isDirectory(),
    () => false,
  );

async function downloadFolder(run: Run, bucket: string, given: string, into: string): Promise<number> {
  const { cloud, options, terminal } = run;
  const prefix = given === "" || given.endsWith("/") ? given : `${given}/`;
  const root = resolve(into);
  const wanted: Wanted[] = [];
  const failures: string[] = [];
  for await (const entry of cloud.client.all("objectList", { bucket, prefix, recursive: true, limit: 1000 })) {
    // Keys that end in a slash stand for folders that other clients made.
    if (entry.kind !== "object" || entry.key.endsWith("/")) continue;
    const path = resolve(root, entry.key.slice(prefix.length));
    // A key is only a text: `../../.ssh/authorized_keys` must not be written where it points.
    if (!path.startsWith(root.endsWith(sep) ? root : root + sep))
      failures.push(`${entry.key}: this key would lead out of ${into}.`);
    else wanted.push({ key: entry.key, path, sizeBytes: entry.sizeBytes });
  }
  if (wanted.length === 0 && failures.length === 0)
    throw new CloudError("not_found", `There is nothing below ${prefix || "the top of the bucket"}.`);
  const progress = new TransferProgress(
    terminal,
    wanted.reduce((sum, one) => sum + (one.sizeBytes ?? 0), 0),
  );
  if (options.quiet) progress.draw = () => {};
  const done: { key: string; path: string; sizeBytes: number }[] = [];
  try {
    await parallel(wanted, atOnce, async (one) => {
      progress.label = `${done.length + 1} of ${wanted.length}`;
      try {
        await mkdir(dirname(one.path), { recursive: true });
        done.push({ key: one.key, path: one.path, sizeBytes: await downloadFile(run, bucket, one, progress) });
      } catch (error) {
        if (CloudError.is(error, "unauthenticated")) throw error;
        failures.push(`${one.key}: ${(error as Error).message}`);
      }
    });
  } finally {
    progress.end();
  }
  if (options.json) terminal.out(`${JSON.stringify({ items: done }, null, 2)}\n`);
  else if (options.quiet || done.length <= namesShown) for (const one of done) terminal.out(`${one.path}\n`);
  if (!options.quiet) terminal.note(`${done.length} files, ${formatSize(done.reduce((sum, one) => sum + one.sizeBytes, 0))}.\n`);
  for (const failure of failures) terminal.note(`${failure}\n`);
  return failures.length > 0 ? 1 : 0;
}

const downloadFile = (run: Run, bucket: string, { key, path }: Wanted, progress: TransferProgress): Promise<number> =>
  writeWhole(run, path, (sink) => transfer(run, bucket, key, progress, sink));

/** Written aside and renamed: what has the name is whole. `write` ends the stream, and answers how many bytes came. */
export async function writeWhole(
  run: Run,
  path: string,
  write: (sink: NodeJS.WritableStream) => Promise<number>,
): Promise<number> {
  if (
    run.extra["force"] === undefined &&
    (await stat(path).then(
      () => true,
      () => false,
    ))
  ) {
    throw new UsageError(`${path} exists already.`, "Add --force to overwrite it, or give --output.");
  }
  const aside = join(dirname(path), `.${basename(path)}.${process.pid}.khmara`);
  try {
    const bytes = await write(createWriteStream(aside));
    const file = await open(aside, "r");
    await file.sync().finally(() => file.close());
    await rename(aside, path);
    return bytes;
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
}

/** Sends an object into a stream; when the connection breaks it goes on where it was, as long as the object is still the same. */
async function transfer(
  run: Run,
  bucket: string,
  key: string,
  progress: TransferProgress,
  sink: NodeJS.WritableStream,
): Promise<number> {
  let received = 0;
  let total: number | undefined;
  let etag: string | undefined;
  const failed = new Promise<never>((_, reject) => sink.once("error", reject));
  failed.catch(() => {});
  const write = (chunk: Uint8Array): Promise<unknown> | undefined =>
    sink.write(chunk) ? undefined : Promise.race([failed, new Promise((resolve) => sink.once("drain", resolve))]);
  for (let attempt = 1; ; attempt++) {
    const headers: Record<string, string> =
      received === 0 ? {} : { range: `bytes=${received}-`, ...(etag && { "if-match": etag }) };
    try {
      const response = await run.cloud.client.objectDownload({ bucket, key, disposition: "attachment" }, { headers });
      if (received > 0 && response.status !== 206)
        throw new CloudError("internal", "The download broke, and the cloud could not go on where it was.");
      etag ??= response.headers.get("etag") ?? undefined;
      if (total === undefined) {
        const length = response.headers.get("content-length");
        total = length === null ? undefined : Number(length);
        if (run.extra["recursive"] === undefined) progress.totalBytes = total;
      }
      for await (const chunk of response.body ?? []) {
        await write(chunk);
        received += chunk.byteLength;
        progress.add(chunk.byteLength);
      }
      if (total === undefined || received >= total) break;
    } catch (error) {
      const broken = !(error instanceof CloudError) || error.code === "unavailable";
      const local = (error as NodeJS.ErrnoException).syscall === "write" || (error as NodeJS.ErrnoException).syscall === "open";
      if (!broken || local || attempt === attempts) throw error;
    }
    if (attempt === attempts)
      throw new CloudError("unavailable", "The connection broke again and again before the end of the object.");
    await new Promise((next) => setTimeout(next, 250 * 2 ** attempt));
  }
  if (sink !== run.terminal.stdout) {
    sink.end();
    await Promise.race([failed, finished(sink)]);
  }
  return received;
}
