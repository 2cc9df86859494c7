import { invalidArgument, type S3Error } from "./errors.ts";
import { withoutOrigin } from "./request.ts";

/** "/bucket/key", "bucket/key" or "https://host/bucket/key", percent-encoded, with an optional "?versionId=". */
export function parseSource(header: string): { bucketName: string; key: string; versionId?: string } {
  const wrong = (): S3Error => invalidArgument("x-amz-copy-source", "x-amz-copy-source", "Invalid copy source object key");
  const source = withoutOrigin(header);
  const mark = source.lastIndexOf("?versionId=");
  // "+" is a space here, as in a query.
  const path = (mark < 0 ? source : source.slice(0, mark)).replace(/^\//, "").replaceAll("+", " ");
  let decoded: string;
  try {
    // Header bytes are Latin-1 characters here; keys that were not escaped are UTF-8.
    decoded = decodeURIComponent(/[\u0080-\u00ff]/.test(path) ? Buffer.from(path, "latin1").toString("utf8") : path);
  } catch {
    throw wrong();
  }
  // The slash between bucket and key may itself be escaped, and the leading one too.
  decoded = decoded.replace(/^\//, "");
  const slash = decoded.indexOf("/");
  if (slash < 1 || slash === decoded.length - 1) throw wrong();
  return {
    bucketName: decoded.slice(0, slash),
    key: decoded.slice(slash + 1),
    ...(mark < 0 ? {} : { versionId: source.slice(mark + "?versionId=".length) }),
  };
}
