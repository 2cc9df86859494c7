import { openBucket, type S3Operation, xmlHeaders } from "../operation.ts";
import { s3Namespace } from "../xml.ts";

/** us-east-1 is said by saying nothing (GetBucketLocation, "Response Elements"). */
export const GetBucketLocation: S3Operation = async (context) => {
  const { region } = await openBucket(context);
  const open = `<?xml version="1.0" encoding="UTF-8"?>\n<LocationConstraint xmlns="${s3Namespace}"`;
  return {
    status: 200,
    headers: xmlHeaders,
    body: region === "us-east-1" ? `${open}/>` : `${open}>${region}</LocationConstraint>`,
  };
};
