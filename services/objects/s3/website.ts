/**
 * A bucket's website, for whoever comes (S3 User Guide, "Hosting a static website"): what everybody may read, by the bucket's policy or lists. The gateway says whose it is in a header; who sets it on a
 * request of their own sees what is public anyway.
 */
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { CloudError } from "../../../kernel/errors.ts";
import type { WebsiteConfiguration, WebsiteRule } from "../websites/contract.ts";
import { anonymousCaller } from "./access/identity.ts";
import type { S3Backend, S3Bucket } from "./backend.ts";
import { S3Error, toS3Error } from "./errors.ts";
import type { S3Context, S3Response } from "./operation.ts";
import { GetObject } from "./operations/GetObject.ts";
import { HeadObject } from "./operations/HeadObject.ts";
import { parseRequest, type S3Request } from "./request.ts";
import { hostId } from "./respond.ts";

// Not an import: see server.ts.
const { STATUS_CODES } = process.getBuiltinModule("node:http");

/** The bucket's name. */
export const websiteHeader = "x-khmara-website";

/** The whole path is a key: as if the bucket were in the host's name. */
export function websiteRequest({ method, rawHeaders, socket, url }: IncomingMessage, bucketName: string): S3Request {
  const path = url?.startsWith("/") ? url : "/";
  const parsed = parseRequest({ method, rawHeaders, socket, url: `/site${path}` }, []);
  return { ...parsed, bucketName, rawPath: parsed.rawPath.slice("/site".length) };
}

/** `parsed`: of websiteRequest. */
export async function answerWebsite(parsed: S3Request, backend: S3Backend, requestId: string): Promise<S3Response> {
  const name = parsed.bucketName;
  const site = await backend.site(name);
  if (site === undefined) {
    const code = (await isBucket(name, backend)) ? "NoSuchWebsiteConfiguration" : "NoSuchBucket";
    return page(new S3Error(code, undefined, { fields: { BucketName: name } }), requestId);
  }
  const { bucket, configuration } = site;
  if (parsed.method !== "GET" && parsed.method !== "HEAD")
    return page(
      new S3Error("MethodNotAllowed", undefined, {
        fields: { Method: parsed.method, ResourceType: "OBJECT" },
        headers: { Allow: "GET, HEAD" },
      }),
      requestId,
    );
  const scheme = parsed.headers.get("x-forwarded-proto") === "https" ? "https" : "http";
  const { redirectAllTo } = configuration;
  if (redirectAllTo !== undefined)
    return redirect(301, `${redirectAllTo.protocol ?? scheme}://${redirectAllTo.host}${encodedKey(parsed.key)}`);
  const before = redirectionOf(configuration.rules, parsed, scheme, undefined);
  if (before !== undefined) return before;
  const key = parsed.key === "" || parsed.key.endsWith("/") ? `${parsed.key}${configuration.indexDocument}` : parsed.key;
  const found = await get(key);
  if (!(found instanceof S3Error)) return found;
  // A folder's page has a slash at its end, so that what is named beside it is found.
  // Where lists say who reads what, nobody reads what is not there: it may be a folder.
  const isMissing = found.code === "NoSuchKey" || (await backend.store.head(bucket.bucketId, key)) === undefined;
  if (
    isMissing &&
    key === parsed.key &&
    (await backend.store.head(bucket.bucketId, `${key}/${configuration.indexDocument}`)) !== undefined
  ) {
    const folder = await get(`${key}/${configuration.indexDocument}`, true, HeadObject);
    return folder instanceof S3Error ? failed(folder) : page(ofFolder(`${encodedKey(key)}/`), requestId);
  }
  return failed(found);

  async function failed(refused: S3Error): Promise<S3Response> {
    return redirectionOf(configuration.rules, parsed, scheme, refused.status) ?? instead(refused, configuration);
  }

  /** The page, or why it is not to be had; what is our own fault is thrown. */
  async function get(
    wanted: string,
    plain = false,
    operation = parsed.method === "HEAD" ? HeadObject : GetObject,
  ): Promise<S3Response | S3Error> {
    try {
      const answer = await operation(contextOf(parsed, wanted, bucket, backend, plain));
      const elsewhere = answer.headers?.["x-amz-website-redirect-location"];
      if (elsewhere === undefined) return { ...answer, headers: shownTo(answer.headers) };
      if (answer.body instanceof Readable) answer.body.destroy();
      return redirect(301, String(elsewhere));
    } catch (error) {
      const refused = toS3Error(error);
      if (refused.status >= 500) throw error;
      const isNone = refused.status === 404 || refused.code === "KeyTooLongError";
      return isNone ? new S3Error("NoSuchKey", undefined, { fields: { Key: wanted } }) : refused;
    }
  }

  /** The site's own page for what fails ("Configuring a custom error document": of the class 4XX), or ours. */
  async function instead(refused: S3Error, { errorDocument }: WebsiteConfiguration): Promise<S3Response> {
    const document = errorDocument === undefined ? undefined : await get(errorDocument, true);
    if (document === undefined || document instanceof S3Error) return page(refused, requestId, document);
    // Its object may lead elsewhere instead.
    const status = document.headers?.["Location"] === undefined ? refused.status : document.status;
    return { ...document, status, headers: { ...document.headers, ...errorHeaders(refused) } };
  }
}

export const isBucket = (name: string, backend: S3Backend): Promise<boolean> =>
  backend.bucketByName(name).then(
    () => true,
    (error: unknown) => !CloudError.is(error, "not_found"),
  );

/** Marks are not for strangers, though the site's pages are (objectHeaders.ts). */
function shownTo(headers: S3Response["headers"] = {}): NonNullable<S3Response["headers"]> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => name !== "x-amz-tagging-count" && !name.startsWith("x-amz-object-lock-")),
  );
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

/** What a page tells. */
interface Told extends Pick<S3Error, "status" | "message" | "headers" | "fields"> {
  code: string;
}

/** S3 tells of a folder as of an error. */
const ofFolder = (location: string): Told => ({
  status: 302,
  code: "Found",
  message: "Resource Found",
  headers: { Location: location },
  fields: {},
});

const errorHeaders = ({ code, message }: Told): Record<string, string> => ({
  "x-amz-error-code": code,
  "x-amz-error-message": message,
});

/** As S3 writes it, which programs read as much as people do. `nested`: why the site's own page for errors is not shown. */
function page(error: Told, requestId: string, nested?: S3Error): S3Response {
  const title = `${error.status} ${STATUS_CODES[error.status] ?? ""}`;
  const lines = (said: [string, string][]) => said.map(([name, text]) => `<li>${name}: ${escaped(text)}</li>\n`).join("");
  const told = ({ code, message, fields }: Told): [string, string][] => [
    ["Code", code],
    ["Message", message],
    ...Object.entries(fields),
  ];
  const why = nested
    ? `<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n<ul>\n${lines(told(nested))}</ul>\n`
    : "";
  const ids: [string, string][] = [
    ["RequestId", requestId],
    ["HostId", hostId],
  ];
  return {
    status: error.status,
    headers: { "Content-Type": "text/html; charset=utf-8", ...error.headers, ...errorHeaders(error) },
    body: `<html>\n<head><title>${title}</title></head>\n<body>\n<h1>${title}</h1>\n<ul>\n${lines([...told(error), ...ids])}</ul>\n${why}<hr/>\n</body>\n</html>\n`,
  };
}

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
