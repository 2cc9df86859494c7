import { Readable } from "node:stream";
import type { CallOptions, ComputeDriver, ImageReport } from "../driver.ts";
import type { ImageFileFormat } from "./fileFormat.ts";
import { labelsOf } from "./records.ts";
import type { ImageRow } from "./store.ts";

/** A file that somebody gave, into the engine. */
export async function importFile(
  engine: ComputeDriver,
  row: Pick<ImageRow, "id" | "name" | "engineName" | "projectId" | "organisationId">,
  format: ImageFileFormat,
  content: Readable,
  options: CallOptions,
): Promise<ImageReport> {
  const labels = labelsOf(row);
  if (format.kind === "image") return engine.imageImport(row.engineName, content, { ...options, labels });
  const { architecture } = await engine.info(options);
  const bare = { kind: format.of, architecture, description: row.name };
  return engine.imageImport(row.engineName, content, { ...options, labels, bare });
}

/** The same bytes; `onBytes` hears how many have gone by. */
export function counting(content: Readable, onBytes: (bytes: number) => void): Readable {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    let bytes = 0;
    for await (const piece of content as AsyncIterable<Uint8Array>) {
      bytes += piece.length;
      onBytes(bytes);
      yield piece;
    }
  }
  return Readable.from(pieces(), { objectMode: false });
}
