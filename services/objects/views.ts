import { isoTime } from "../../kernel/clock.ts";
import type { ObjectMarks, StoredObject } from "./driver.ts";

export const viewObject = (object: StoredObject) => ({
  key: object.key,
  sizeBytes: object.sizeBytes,
  contentType: object.headers.contentType,
  etag: object.etag,
  modifiedAt: isoTime(object.modifiedAtMs),
});

/** What versions and locks say of an object. */
export const viewMarks = ({ versionId, retention, legalHold }: Pick<StoredObject, "versionId"> & ObjectMarks) => ({
  ...(versionId !== undefined && { versionId }),
  ...(retention && { retention: { mode: retention.mode, until: isoTime(retention.untilMs) } }),
  legalHold: legalHold ?? false,
});
