import { Readable, Transform } from "node:stream";
import { CloudError, notFound } from "../../kernel/errors.ts";
import type { Id } from "../../kernel/ids.ts";
import type { BytesResponse, StreamContext } from "../../kernel/service.ts";
import type { ByteRange, ObjectRead, ObjectStore, StoredObject } from "./driver.ts";
import { nameOf } from "./entries.ts";
import { presentation } from "./presentation.ts";
import { evaluate, ifRangeHolds, parseRange } from "./s3/conditions.ts";

export interface DownloadRequest {
  bucketId: Id<"bucket">;
  key: string;
  /** Absent: the current one. */
  versionId?: string | undefined;
  disposition: "attachment" | "inline";
  /** Called when the bytes begin to flow from the first one on: not for later ranges, conditions or HEAD. */
  onBegin?: () => Promise<void>;
}

/** One object as an answer of HTTP: conditions (RFC 9110, 13), ranges (14), and headers under which no browser runs it. */
export async function download(
  store: ObjectStore,
  { request, setHeader }: Pick<StreamContext<undefined>, "request" | "setHeader">,
  { bucketId, key, versionId, disposition, onBegin }: DownloadRequest,
): Promise<BytesResponse> {
  const { headers } = request;
  const version = versionId === undefined ? {} : { versionId };
  const object = await store.head(bucketId, key, version);
  if (!object) throw notFound("object");

  const outcome = evaluate(
    {
      ifMatch: headers["if-match"],
      ifNoneMatch: headers["if-none-match"],
      ifModifiedSince: headers["if-modified-since"],
      ifUnmodifiedSince: headers["if-unmodified-since"],
    },
    object,
  );
  if (outcome === "not_modified") {
    store.meter(bucketId, { requestClass: "read" });
    return { status: 304, headers: validators(object) };
  }
  if (outcome !== "pass") {
    throw new CloudError("precondition_failed", `The object is another than ${outcome.failed} asks for.`);
  }
  if (request.method === "HEAD") {
    store.meter(bucketId, { requestClass: "read" });
    // A stream, as Fastify would take the length of anything else for the length of the answer.
    return {
      status: 200,
      headers: { ...describe(object, disposition), "content-length": String(object.sizeBytes) },
      body: Readable.from([]),
    };
  }

  const ifRange = headers["if-range"] as string | undefined;
  let range = parseRange(headers.range);
  if (range && ifRange !== undefined && !ifRangeHolds(ifRange, object)) range = undefined;
  const read = await open(store, bucketId, object, { ...version, ...(range && { range }) }, setHeader);
  const { from, to } = read.range;
  const partial = range !== undefined && read.object.sizeBytes > 0;
  const length = read.object.sizeBytes === 0 ? 0 : to - from + 1;
  if (from === 0) await onBegin?.();
  return {
    status: partial ? 206 : 200,
    headers: {
      ...describe(read.object, disposition),
      "content-length": String(length),
      ...(partial ? { "content-range": `bytes ${from}-${to}/${read.object.sizeBytes}` } : {}),
    },
    body: metered(read.body, (sentBytes) => store.meter(bucketId, { requestClass: "read", sentBytes })),
  };
}

/** Opens what was looked at; when it was replaced in between, a piece of the new one would not fit what the client has. */
async function open(
  store: ObjectStore,
  bucketId: Id<"bucket">,
  object: StoredObject,
  asked: { versionId?: string; range?: ByteRange },
  setHeader: StreamContext["setHeader"],
): Promise<ObjectRead> {
  try {
    const read = await store.get(bucketId, object.key, asked);
    if (!asked.range || read.object.etag === object.etag) return read;
    read.body.destroy();
    throw new CloudError("conflict", "The object was replaced at this moment. Ask again.", { details: { retryAfterSeconds: 1 } });
  } catch (error) {
    if (CloudError.is(error, "range_not_satisfiable")) setHeader("content-range", `bytes */${object.sizeBytes}`);
    throw error;
  }
}

const validators = (object: StoredObject): Record<string, string> => ({
  etag: `"${object.etag}"`,
  "last-modified": new Date(object.modifiedAtMs).toUTCString(),
  // Kept by the browser, but asked about each time: access may have been taken away.
  "cache-control": "private, no-cache",
});

const describe = (object: StoredObject, disposition: DownloadRequest["disposition"]): Record<string, string> => ({
  ...validators(object),
  ...presentation(nameOf(object.key), object.headers.contentType, disposition),
  ...(object.headers.contentEncoding ? { "content-encoding": object.headers.contentEncoding } : {}),
  ...(object.headers.contentLanguage ? { "content-language": object.headers.contentLanguage } : {}),
  "accept-ranges": "bytes",
});

/** Counts what really flowed, also when the client goes in the middle. */
export function metered(body: Readable, count: (sentBytes: number) => void): Readable {
  let sentBytes = 0;
  const counter = new Transform({
    transform(piece: Buffer, _encoding, done) {
      sentBytes += piece.length;
      done(null, piece);
    },
  });
  counter.once("close", () => {
    body.destroy();
    count(sentBytes);
  });
  body.once("error", (error) => counter.destroy(error));
  return body.pipe(counter);
}
