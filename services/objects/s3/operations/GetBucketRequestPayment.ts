import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";
import { element, xmlDocument } from "../xml.ts";

export const GetBucketRequestPayment: S3Operation = async (context) => {
  const bucket = await openBucket(context);
  const { requestPayer = "BucketOwner" } = await context.backend.configuration(bucket);
  return { status: 200, headers: xmlHeaders, body: xmlDocument("RequestPaymentConfiguration", element("Payer", requestPayer)) };
};
