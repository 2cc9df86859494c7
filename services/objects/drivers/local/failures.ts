import { CloudError } from "../../../../kernel/errors.ts";

/** MDB_MAP_FULL of lmdb.h. */
const mapFull = -30792;

/** No space, no quota, no room in the index: all are storage_full; the rest stays what it is. */
export function asCloudError(error: unknown): unknown {
  if (error instanceof CloudError) return error;
  const { code, message } = error as { code?: unknown; message?: string };
  const full =
    code === "ENOSPC" ||
    code === "EDQUOT" ||
    code === mapFull ||
    code === 28 ||
    code === 122 ||
    /MDB_MAP_FULL|No space left|quota exceeded/i.test(message ?? "");
  return full ? storageFull(error) : error;
}

export const storageFull = (cause?: unknown): CloudError =>
  new CloudError("storage_full", "The storage is full. Delete something or add a disk.", { cause });

export const isMissing = (error: unknown): boolean => (error as { code?: unknown }).code === "ENOENT";

/** For removals that may have been done already, by this process before it died or by another one. */
export async function ignoreMissing(promise: Promise<unknown>): Promise<void> {
  try {
    await promise;
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
