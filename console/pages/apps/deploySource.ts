import type { Operation } from "../../../services/operations/contract.ts";
import { client } from "../../api/api.ts";
import { errorText } from "../../api/errors.ts";
import { translate } from "../../i18n/i18n.ts";
import {
  droppedFolder,
  type FoundFolder,
  folderOfFiles,
  mostFiles,
  type SourceFolder,
  sourceFolder,
  TooManyFiles,
} from "./folder.ts";
import { FileChanged, packTarGz } from "./tar.ts";

export type ChosenSource = { kind: "folder"; folder: SourceFolder } | { kind: "archive"; file: File };

export type DeployProgress =
  | { phase: "packing"; done: number; total: number }
  | { phase: "sending"; sentBytes: number; totalBytes: number }
  | { phase: "waiting" };

/** As services/apps/source takes it. */
export const largestArchiveBytes = 512 * 1024 ** 2;
export const archivePattern = /\.(zip|tar|tgz|tar\.gz|tar\.zst|tzst)$/i;

export const sourceName = (source: ChosenSource): string =>
  source.kind === "archive" ? source.file.name : source.folder.name || translate("deploy.files");

/** Must be called within the drop event: the items are gone after the first await. Nothing when it was no file. */
export function takeDrop(transfer: DataTransfer): Promise<ChosenSource> | undefined {
  const files = [...transfer.files];
  const entries = [...transfer.items].flatMap((item) => (item.kind === "file" ? (item.webkitGetAsEntry?.() ?? []) : []));
  if (files.length === 0 && entries.length === 0) return undefined;
  const [entry] = entries;
  if (entries.length === 0 || entries.every(({ isFile }) => isFile)) return takeFiles(files);
  if (entries.length === 1 && entry) return read(droppedFolder(entry as FileSystemDirectoryEntry));
  // Several things at once are what is in the folder.
  const together = { createReader: () => once(entries), name: "" } as unknown as FileSystemDirectoryEntry;
  return read(droppedFolder(together));
}

/** A reader of what is there already. */
function once(entries: FileSystemEntry[]): Pick<FileSystemDirectoryReader, "readEntries"> {
  let given = false;
  return {
    readEntries: (take) => {
      take(given ? [] : entries);
      given = true;
    },
  };
}

/** Of an `<input type=file>`, with or without `webkitdirectory`: one archive, or files that belong together. */
export async function takeFiles(files: readonly File[]): Promise<ChosenSource> {
  const [only] = files;
  if (files.length === 1 && only && !only.webkitRelativePath && archivePattern.test(only.name))
    return { kind: "archive", file: only };
  const found = files.map((file) => ({ path: file.webkitRelativePath || file.name, file }));
  return read(
    only?.webkitRelativePath ? folderOfFiles(found) : folderOfFiles(found, files.length === 1 ? (only?.name ?? "") : ""),
  );
}

async function read(folder: FoundFolder): Promise<ChosenSource> {
  const source = await sourceFolder(folder);
  if (source.files.length === 0) throw new NothingToDeploy();
  return { kind: "folder", folder: source };
}

class NothingToDeploy extends Error {
  override name = "NothingToDeploy";
}
class TooLarge extends Error {
  override name = "TooLarge";
}

/** Packs what has to be packed, sends it, and says how far that is. */
export async function sendSource(
  app: string,
  source: ChosenSource,
  onProgress: (progress: DeployProgress) => void,
  signal: AbortSignal,
): Promise<Operation> {
  let bytes: Blob;
  if (source.kind === "archive") bytes = source.file;
  else {
    const { files } = source.folder;
    onProgress({ phase: "packing", done: 0, total: files.length });
    const tell = (done: number) => {
      if (done % 50 === 0 || done === files.length) onProgress({ phase: "packing", done, total: files.length });
    };
    bytes = await packTarGz(files, tell, signal);
  }
  if (bytes.size > largestArchiveBytes) throw new TooLarge();
  return client.appDeploy(
    { app: app as never, description: sourceName(source).slice(0, 200) },
    sending(bytes, onProgress, signal),
  );
}

/** An image as `docker save` writes it. */
export const sendImage = (
  app: string,
  file: File,
  given: { port?: number; healthPath?: string },
  onProgress: (progress: DeployProgress) => void,
  signal: AbortSignal,
): Promise<Operation> =>
  client.appUploadImage({ app: app as never, description: file.name.slice(0, 200), ...given }, sending(file, onProgress, signal));

const sending = (bytes: Blob, onProgress: (progress: DeployProgress) => void, signal: AbortSignal) => ({
  rawBody: bytes,
  signal,
  onProgress: (sentBytes: number) =>
    onProgress(sentBytes < bytes.size ? { phase: "sending", sentBytes, totalBytes: bytes.size } : { phase: "waiting" }),
});

/** What the browser and the packing can run into, in words; everything else as everywhere. */
export function deployProblem(error: unknown): string {
  if (error instanceof TooManyFiles) return translate("deploy.problem.tooMany", { count: mostFiles });
  if (error instanceof TooLarge) return translate("deploy.problem.tooLarge");
  if (error instanceof NothingToDeploy) return translate("deploy.problem.nothing");
  if (error instanceof FileChanged) return translate("deploy.problem.changed", { path: error.path });
  if (error instanceof DOMException && (error.name === "NotReadableError" || error.name === "NotFoundError"))
    return translate("deploy.problem.unreadable");
  return errorText(error);
}
