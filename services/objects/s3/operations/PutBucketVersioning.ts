import { readDocument } from "../body.ts";
import { S3Error } from "../errors.ts";
import { openBucket, type S3Operation } from "../operation.ts";
import { parseXml, textOf } from "../xml.ts";

const states = new Map([
  ["Enabled", "enabled"],
  ["Suspended", "suspended"],
] as const);

export const PutBucketVersioning: S3Operation = async (context) => {
  const { request, backend, caller } = context;
  const bucket = await openBucket(context);
  const node = parseXml(await readDocument(request, context.body, { maxBytes: 64 * 1024 }), "VersioningConfiguration");
  const status = textOf(node, "Status");
  if (status === undefined) throw new S3Error("IllegalVersioningConfigurationException");
  const versioning = states.get(status as "Enabled");
  if (versioning === undefined) throw new S3Error("MalformedXML");
  const mfaDelete = textOf(node, "MfaDelete");
  if (mfaDelete === "Enabled") throw new S3Error("NotImplemented", "MFA delete is not implemented.");
  await backend.settingsUpdate(caller, bucket, { versioning, ...(mfaDelete === "Disabled" && { mfaDelete: "disabled" }) });
  return { status: 200 };
};
