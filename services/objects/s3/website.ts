/**
 * A bucket's website, for whoever comes (S3 User Guide, "Hosting a static website"): what everybody may read, by the bucket's policy or lists. The gateway says whose it is in a header; who sets it on a
 * request of their own sees what is public anyway.
 */
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { WebsiteConfiguration, WebsiteRule } from "../websites/contract.ts";
import { anonymousCaller } from "./access/identity.ts";
import type { S3Backend, S3Bucket } from "./backend.ts";
import { toS3Error } from "./errors.ts";
import type { S3Context, S3Response } from "./operation.ts";
import { GetObject } from "./operations/GetObject.ts";
import { HeadObject } from "./operations/HeadObject.ts";
import { parseRequest, type S3Request } from "./request.ts";

/** The bucket's name. */
export const websiteHeader = "x-khmara-website";

/** The whole path is a key: as if the bucket were in the host's name. */
export function websiteRequest({ method, rawHeaders, socket, url }: IncomingMessage, bucketName: string): S3Request {
  const path = url?.startsWith("/") ? url : "/";
  const parsed = parseRequest({ method, rawHeaders, socket, url: `/site${path}` }, []);
  return { ...parsed, bucketName, rawPath: parsed.rawPath.slice("/site".length) };
}

/** `parsed`: of websiteRequest. */
export async function answerWebsite(parsed: S3Request, backend: S3Backend): Promise<S3Response> {
  const name = parsed.bucketName;
  const site = await backend.site(name);
  if (site === undefined) return page(404, "There is no such site");
  const { bucket, configuration } = site;
  if (parsed.method !== "GET" && parsed.method !== "HEAD")
    return page(405, "This site is only for reading", { Allow: "GET, HEAD" });
  const scheme = parsed.headers.get("x-forwarded-proto") === "https" ? "https" : "http";
  const { redirectAllTo } = configuration;
  if (redirectAllTo !== undefined)
    return redirect(301, `${redirectAllTo.protocol ?? scheme}://${redirectAllTo.host}${encodedKey(parsed.key)}`);
  const before = redirectionOf(configuration.rules, parsed, scheme, undefined);
  if (before !== undefined) return before;
  const key = parsed.key === "" || parsed.key.endsWith("/") ? `${parsed.key}${configuration.indexDocument}` : parsed.key;
  const found = await get(key);
  // Where lists say who reads what, nobody reads what is not there: it may be a folder.
  const isThere = found !== undefined && (found.status !== 403 || (await backend.store.head(bucket.bucketId, key)) !== undefined);
  if (isThere) return found;
  // A folder's page has a slash at its end, so that what is named beside it is found.
  if (key === parsed.key && (await backend.store.head(bucket.bucketId, `${key}/${configuration.indexDocument}`)) !== undefined)
    return redirect(302, `${encodedKey(key)}/`);
  return found ?? redirectionOf(configuration.rules, parsed, scheme, 404) ?? missing(configuration);

  async function get(wanted: string, plain = false): Promise<S3Response | undefined> {
    try {
      const { method } = parsed;
      const answer = await (method === "HEAD" ? HeadObject : GetObject)(contextOf(parsed, wanted, bucket, backend, plain));
      const elsewhere = answer.headers?.["x-amz-website-redirect-location"];
      if (elsewhere === undefined) return answer;
      if (answer.body instanceof Readable) answer.body.destroy();
      return redirect(301, String(elsewhere));
    } catch (error) {
      const refused = toS3Error(error);
      if (
        refused.code === "NoSuchKey" ||
        refused.code === "KeyTooLongError" ||
        (refused.status === 404 && parsed.method === "HEAD")
      )
        return undefined;
      if (refused.status >= 500) throw error;
      return page(refused.status, refused.message);
    }
  }

  async function missing({ errorDocument }: WebsiteConfiguration): Promise<S3Response> {
    const document = errorDocument === undefined ? undefined : await get(errorDocument, true);
    if (document === undefined) return page(404, "There is nothing here");
    // Its object may lead elsewhere instead.
    return document.headers?.["Location"] === undefined ? { ...document, status: 404 } : document;
  }
}

/** Only what is about caches and ranges: a stranger asks for nothing else. `plain`: of a page that is shown in place of another. */
function contextOf(request: S3Request, key: string, bucket: S3Bucket, backend: S3Backend, plain: boolean): S3Context {
  const names = plain ? [] : ["range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"];
  const headers = new Map([...request.headers].filter(([name]) => names.includes(name)));
  return {
    request: { ...request, bucketName: bucket.name, key, rawQuery: "", query: new Map(), headers },
    body: undefined as never,
    caller: anonymousCaller,
    // A site opens nothing by itself: it is decided as at the S3 door.
    backend: { ...backend, bucketByName: async () => bucket },
    region: bucket.region,
    operation: "GetObject",
    nowMs: Date.now(),
    door: undefined as never,
    notes: {},
  };
}

function redirectionOf(
  rules: readonly WebsiteRule[] | undefined,
  { key, host }: S3Request,
  scheme: string,
  status: number | undefined,
): S3Response | undefined {
  const rule = rules?.find(
    ({ condition }) =>
      condition?.httpErrorCode === status && (condition?.keyPrefix === undefined || key.startsWith(condition.keyPrefix)),
  );
  if (rule === undefined) return undefined;
  const { protocol = scheme, host: other = host, replaceKey, replaceKeyPrefix, code = 301 } = rule.redirect;
  const rest = key.slice(rule.condition?.keyPrefix?.length ?? 0);
  const to = replaceKey ?? (replaceKeyPrefix === undefined ? key : `${replaceKeyPrefix}${rest}`);
  return redirect(code, `${protocol}://${other}${encodedKey(to)}`);
}

/** Never another host: a key that begins with a slash would. */
const encodedKey = (key: string): string => `/${key.replace(/^\/+/, "").split("/").map(encodeURIComponent).join("/")}`;

const redirect = (status: number, location: string): S3Response => ({
  status,
  headers: { Location: location, "Content-Length": 0 },
});

function page(status: number, text: string, headers: Record<string, string> = {}): S3Response {
  const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return {
    status,
    headers: { "Content-Type": "text/html; charset=utf-8", ...headers },
    body: `<!doctype html>\n<html lang="en">\n<title>${status} ${escaped}</title>\n<h1>${status} ${escaped}</h1>\n</html>\n`,
  };
}
