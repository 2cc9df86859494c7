import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, join, sep } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { CloudError } from "../kernel/errors.ts";
import { writeWhole } from "./download.ts";
import { TransferProgress } from "./progress.ts";
import type { Run } from "./run.ts";
import { formatSize } from "./units.ts";
import { UsageError } from "./usage-error.ts";

type Image = Awaited<ReturnType<Run["cloud"]["client"]["imageUpload"]>>;

const usageLine = "Usage: khmara image upload FILE [--name NAME]";

/** The name of a file as the name of an image: `Debian 12.tar.gz` becomes `debian-12`. */
export const imageNameOf = (path: string): string =>
  basename(path)
    .toLowerCase()
    .replace(/(\.(tar|tgz|gz|xz|zst|bz2|qcow2|img|image|squashfs))+$/, "")
    .replace(/[^a-z0-9.]+/g, "-")
    .replace(/^[-.]+|[-.]+$/g, "")
    .slice(0, 63);

export async function runImageUpload(run: Run): Promise<number> {
  const { rest, values, options, terminal, cloud } = run;
  const [path, ...others] = rest;
  if (path === undefined || others.length > 0)
    throw new UsageError(path === undefined ? "Which file?" : "One file at a time.", usageLine);
  const isPipe = path === "-";
  const name = (values["name"] as string | undefined) ?? (isPipe ? "" : imageNameOf(path));
  if (name === "") throw new UsageError("What is it to be called?", "Give --name NAME.");
  const sizeBytes = isPipe ? undefined : await sizeOf(path);
  const progress = new TransferProgress(terminal, sizeBytes);
  progress.label = isPipe ? name : basename(path);
  if (options.quiet) progress.draw = () => {};
  let sent = 0;
  const source = isPipe ? terminal.stdin : createReadStream(path);
  let image: Image;
  try {
    image = await cloud.client.imageUpload({ ...values, name } as never, {
      rawBody: Readable.toWeb(source) as ReadableStream<Uint8Array>,
      ...(sizeBytes === undefined ? {} : { rawBodyBytes: sizeBytes }),
      onProgress: (bytes) => {
        progress.add(bytes - sent);
        sent = bytes;
      },
    });
  } finally {
    progress.end();
    source.destroy();
  }
  if (options.json) terminal.out(`${JSON.stringify(image, null, 2)}\n`);
  else terminal.out(options.quiet ? `${image.id}\n` : `${image.name} is ready (${image.id}, ${formatSize(image.sizeBytes)}).\n`);
  return 0;
}

async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new UsageError(`There is no file ${path}.`, usageLine);
  if (!found.isFile()) throw new UsageError(`${path} is not a file.`, usageLine);
  return found.size;
}

export async function runImageDownload(run: Run): Promise<number> {
  const { values, extra, options, terminal, cloud } = run;
  const image = String(values["image"]);
  const output = extra["output"] === undefined ? undefined : String(extra["output"]);
  const response = await cloud.client.imageDownload({ image } as never);
  const length = response.headers.get("content-length");
  const progress = new TransferProgress(terminal, length === null ? undefined : Number(length));
  if (options.quiet) progress.draw = () => {};
  const given = /filename="([^"/]+)"/.exec(response.headers.get("content-disposition") ?? "")?.[1] ?? `${image}.image`;
  progress.label = given;
  const receive = async (sink: NodeJS.WritableStream): Promise<number> => {
    let received = 0;
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const piece of response.body ?? []) {
        received += piece.byteLength;
        progress.add(piece.byteLength);
        yield piece;
      }
      if (length !== null && received !== Number(length))
        throw new CloudError("unavailable", "The connection broke before the end of the image. Try again.");
    }
    await pipeline(counted, sink, { end: sink !== terminal.stdout });
    return received;
  };
  try {
    if (output === "-") {
      await receive(terminal.stdout);
      return 0;
    }
    const isFolder = output !== undefined && (output.endsWith(sep) || (await stat(output).catch(() => undefined))?.isDirectory());
    const path = isFolder ? join(output, given) : (output ?? given);
    const bytes = await writeWhole(run, path, receive);
    progress.end();
    if (options.json) terminal.out(`${JSON.stringify({ image, path, sizeBytes: bytes }, null, 2)}\n`);
    else terminal.out(options.quiet ? `${path}\n` : `${path}  ${formatSize(bytes)}\n`);
    return 0;
  } finally {
    await response.body?.cancel().catch(() => {});
    progress.end();
  }
}
