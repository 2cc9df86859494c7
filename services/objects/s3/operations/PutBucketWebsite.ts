import { websiteConfiguration } from "../../websites/contract.ts";
import { readDocument } from "../body.ts";
import { S3Error } from "../errors.ts";
import { openBucket, type S3Operation } from "../operation.ts";
import { readWebsite } from "../websiteDocument.ts";
import { parseXml } from "../xml.ts";

export const PutBucketWebsite: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  const document = await readDocument(context.request, context.body, { maxBytes: 128 * 1024 });
  const parsed = websiteConfiguration.safeParse(readWebsite(parseXml(document, "WebsiteConfiguration")));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const redirects = issue?.path[0] === "rules" || issue?.path[0] === "redirectAllTo";
    throw new S3Error(redirects ? "InvalidRequest" : "InvalidArgument", issue?.message);
  }
  await context.backend.websiteUpdate(context.caller, bucket, parsed.data);
  return { status: 200 };
};
