import { CloudError } from "../../../kernel/errors.ts";
import { maximumSourceEntries } from "../../../kernel/sourceFolder.ts";

/** What a source tree may be. Counted while it is unpacked: what an archive says of itself is not believed. */
export interface SourceLimits {
  /** Bytes of the archive as it arrives. */
  archiveBytes: number;
  /** Bytes of all files together. */
  unpackedBytes: number;
  /** Bytes of one file. */
  fileBytes: number;
  /** Files, folders and links together. */
  entries: number;
  /** Folders in folders. */
  depth: number;
}

export const sourceLimits: SourceLimits = {
  archiveBytes: 512 * 1024 ** 2,
  unpackedBytes: 2 * 1024 ** 3,
  fileBytes: 512 * 1024 ** 2,
  entries: maximumSourceEntries,
  depth: 64,
};

export const megabytes = (bytes: number): string => `${Math.max(1, Math.floor(bytes / 1024 ** 2))} MB`;

/** A refusal because of what is in the archive. `reason` is stable, for programs. */
export const refused = (reason: string, message: string, cause?: unknown): CloudError =>
  new CloudError("invalid_argument", message, { details: { reason }, ...(cause === undefined ? {} : { cause }) });

export const tooLarge = (reason: string, message: string): CloudError =>
  new CloudError("payload_too_large", message, { details: { reason } });

/** A name as it is shown to people: bounded, with nothing in it that a terminal would obey. */
export const shown = (name: string): string => {
  const visible = [...name].map((letter) => (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(letter) ? "�" : letter));
  return visible.length > 120 ? `${visible.slice(0, 117).join("")}…` : visible.join("");
};
