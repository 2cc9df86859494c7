import { readDocument } from "../body.ts";
import { S3Error } from "../errors.ts";
import { openBucket, type S3Operation } from "../operation.ts";
import { parseXml, textOf } from "../xml.ts";

/** Whoever comes from another account must then say that they would pay. Usage is counted for the bucket's project all the same. */
export const PutBucketRequestPayment: S3Operation = async (context) => {
  const { request, backend, caller } = context;
  const bucket = await openBucket(context);
  const node = parseXml(await readDocument(request, context.body, { maxBytes: 64 * 1024 }), "RequestPaymentConfiguration");
  const payer = textOf(node, "Payer")?.trim();
  if (payer !== "Requester" && payer !== "BucketOwner") throw new S3Error("MalformedXML");
  await backend.configurationUpdate(caller, bucket, { requestPayer: payer === "Requester" ? payer : null });
  return { status: 200 };
};
