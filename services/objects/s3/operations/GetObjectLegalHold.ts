import { S3Error } from "../errors.ts";
import { requireLock } from "../locking.ts";
import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";
import { openObject } from "../versions.ts";
import { element, xmlDocument } from "../xml.ts";

export const GetObjectLegalHold: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  await requireLock(context, bucket);
  const { legalHold } = await openObject(context, bucket);
  // One that was taken away is OFF; where there never was one, S3 says that nothing is locked.
  if (legalHold === undefined) throw new S3Error("NoSuchObjectLockConfiguration");
  return { status: 200, headers: xmlHeaders, body: xmlDocument("LegalHold", element("Status", legalHold ? "ON" : "OFF")) };
};
