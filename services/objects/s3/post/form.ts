import { once } from "node:events";
import type { Readable } from "node:stream";
import { Busboy, type BusboyInstance } from "@fastify/busboy";
import { type RequestBody, receive } from "../body.ts";
import { S3Error } from "../errors.ts";

/** A browser's form up to its file ("POST Object", S3 API Reference); what follows the file does not count. */
export interface Form {
  /** By lower-case name, the first of a name counts. */
  fields: Map<string, string>;
  file: Readable;
  fileName: string | undefined;
  fileType: string;
  /** Reads no more. The file, if it was not read to its end, fails. */
  stop(): void;
}

/** Bytes of all fields before the file (POST Object: "the form data and boundaries, excluding the file, cannot exceed 20 KB"). */
const mostFieldBytes = 20 * 1024;

export async function readForm(body: RequestBody, contentType: string): Promise<Form> {
  let parser: BusboyInstance;
  try {
    parser = new Busboy({
      headers: { "content-type": contentType },
      isPartAFile: (name) => name?.toLowerCase() === "file",
      limits: {
        fieldSize: mostFieldBytes + 1,
        fieldNameSize: 1024,
        fields: 1000,
        files: 1,
        parts: 1001,
        headerPairs: 100,
        headerSize: 8192,
      },
    });
  } catch (error) {
    throw new S3Error("MalformedPOSTRequest", undefined, { cause: error });
  }
  const fields = new Map<string, string>();
  const stopped = new AbortController();
  let bytes = 0;
  let opened: Readable | undefined;
  const found = new Promise<Omit<Form, "fields" | "stop">>((resolve, reject) => {
    parser.on("field", (name, value) => {
      bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
      if (bytes > mostFieldBytes) reject(new S3Error("MaxPostPreDataLengthExceeded"));
      else if (!fields.has(name.toLowerCase())) fields.set(name.toLowerCase(), value);
    });
    parser.on("file", (_name, file, fileName, _encoding, fileType) => {
      opened = file;
      // One that nobody reads any more, because the form was refused, ends with an error too.
      file.on("error", () => {});
      resolve({ file, fileName, fileType });
    });
    parser.on("error", (error) => reject(new S3Error("MalformedPOSTRequest", undefined, { cause: error })));
    parser.on("finish", () => reject(new S3Error("IncorrectNumberOfFilesInPostRequest")));
    pump(body, parser, stopped.signal).catch((error: unknown) => {
      reject(error);
      opened?.destroy(error as Error);
    });
  });
  try {
    return { fields, ...(await found), stop: () => stopped.abort() };
  } catch (error) {
    stopped.abort();
    throw error;
  }
}

async function pump(body: RequestBody, parser: BusboyInstance, signal: AbortSignal): Promise<void> {
  for await (const piece of receive(body)) {
    if (signal.aborted) return;
    if (!parser.write(piece)) await once(parser, "drain", { signal });
  }
  parser.end();
}
