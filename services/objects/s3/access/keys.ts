import { parseSource } from "../copySource.ts";
import { queryPairs, type S3Request } from "../request.ts";
import type { ConditionKeys } from "./conditions.ts";

/**
 * What policies may ask of a request: "AWS global condition context keys" (IAM User Guide) and "Condition keys for Amazon S3" (Service
 * Authorization Reference). Names are told apart without regard to case, keys of tags with it.
 */
export interface KeySources {
  request: S3Request;
  caller: {
    anonymous: boolean;
    accountId: string;
    userId: string;
    arns: readonly string[];
    /** How the signature came: "REST-HEADER", "REST-QUERY-STRING", "POST"; absent without one. */
    authType?: string;
    signatureVersion?: string;
    /** When it was signed, milliseconds since 1970. */
    signedAtMs?: number;
    session?: { startedAtMs: number };
  };
  bucket: { accountId: string; region: string };
  nowMs: number;
  /** Tags of the object that is there. */
  objectTags?: Record<string, string> | undefined;
  /** Tags that the request gives, where they are not in x-amz-tagging. */
  requestTags?: Record<string, string> | undefined;
  /** What a document says that S3 has as a key: object-lock-mode, -retain-until-date, -legal-hold. */
  requestLock?: Record<string, string> | undefined;
  /** Where the question is whether the caller might list there. */
  prefix?: string | undefined;
  /** Of the object that the action is about, where that is not the request's. */
  versionId?: string | undefined;
  /** The route's name, where the action is to put an object. */
  putBy?: string | undefined;
}

const one = (value: string | number | undefined): string[] | undefined => (value === undefined ? undefined : [String(value)]);

export function conditionKeys(sources: KeySources): ConditionKeys {
  const { request, caller, bucket, nowMs } = sources;
  const { headers, query } = request;
  let tags: Record<string, string> | undefined;
  const requestTags = (): Record<string, string> => {
    tags ??= sources.requestTags ?? tagsOfHeader(headers.get("x-amz-tagging"));
    return tags;
  };
  return (name) => {
    const slash = name.indexOf("/");
    const [base, rest] = slash < 0 ? [name.toLowerCase(), ""] : [name.slice(0, slash).toLowerCase(), name.slice(slash + 1)];
    switch (base) {
      case "aws:sourceip":
        return one(request.remoteAddress);
      case "aws:securetransport":
        return [String(request.secure ?? false)];
      case "aws:referer":
        return one(headers.get("referer"));
      case "aws:useragent":
        return one(headers.get("user-agent"));
      case "aws:currenttime":
        return [new Date(nowMs).toISOString()];
      case "aws:epochtime":
        return one(Math.floor(nowMs / 1000));
      case "aws:requestedregion":
        return [bucket.region];
      case "aws:resourceaccount":
      case "s3:resourceaccount":
        return [bucket.accountId];
      case "aws:principaltype":
        return [caller.anonymous ? "Anonymous" : caller.session ? "AssumedRole" : "User"];
      case "aws:principalarn":
        return caller.anonymous ? undefined : one(caller.arns[0]);
      case "aws:principalaccount":
        return caller.anonymous ? undefined : [caller.accountId];
      case "aws:userid":
        return caller.anonymous ? undefined : [caller.userId];
      case "aws:username":
        return caller.anonymous ? undefined : one(caller.userId.split(":")[0]);
      case "aws:principalisawsservice":
      case "aws:viaawsservice":
        return ["false"];
      case "aws:tokenissuetime":
        return caller.session && [new Date(caller.session.startedAtMs).toISOString()];
      case "s3:prefix":
        return one(sources.prefix ?? query.get("prefix"));
      case "s3:delimiter":
      case "s3:max-keys":
        return one(query.get(base.slice(3)));
      case "s3:versionid":
        return one(sources.versionId ?? query.get("versionId"));
      case "s3:authtype":
        return one(caller.authType);
      case "s3:signatureversion":
        return caller.authType === undefined ? undefined : [caller.signatureVersion ?? "AWS4-HMAC-SHA256"];
      case "s3:signatureage":
        return caller.signedAtMs === undefined ? undefined : one(Math.max(0, nowMs - caller.signedAtMs));
      case "s3:tlsversion":
        return one(request.tlsVersion);
      case "s3:existingobjecttag":
        return one(own(sources.objectTags, rest));
      case "s3:requestobjecttag":
        return one(own(requestTags(), rest));
      case "s3:requestobjecttagkeys":
        return Object.keys(requestTags());
      case "s3:locationconstraint":
        return [bucket.region];
      case "s3:object-lock-mode":
      case "s3:object-lock-retain-until-date":
      case "s3:object-lock-legal-hold":
        return one(own(sources.requestLock, base.slice(3)) ?? headers.get(`x-amz-${base.slice(3)}`));
      case "s3:object-lock-remaining-retention-days":
        return remainingDays(
          own(sources.requestLock, "object-lock-retain-until-date") ?? headers.get("x-amz-object-lock-retain-until-date"),
          nowMs,
        );
      case "s3:if-match":
      case "s3:if-none-match":
        return one(headers.get(base.slice(3)));
      case "s3:objectcreationoperation":
        return sources.putBy === undefined ? undefined : [String(creating.has(sources.putBy))];
      case "s3:x-amz-copy-source":
        return one(sourceOf(headers.get("x-amz-copy-source")));
    }
    return base.startsWith("s3:x-amz-") ? one(headers.get(base.slice(3))) : undefined;
  };
}

/** After these there is an object ("Enforce conditional writes", S3 User Guide); parts, and what is begun, are put as well. */
const creating: ReadonlySet<string> = new Set(["PutObject", "PostObject", "CopyObject", "CompleteMultipartUpload"]);

const own = (record: Record<string, string> | undefined, name: string): string | undefined =>
  record && Object.hasOwn(record, name) ? record[name] : undefined;

function tagsOfHeader(header: string | undefined): Record<string, string> {
  if (header === undefined) return {};
  try {
    return Object.fromEntries(queryPairs(header));
  } catch {
    // Whoever cannot write tags has none; the operation says what is wrong with them.
    return {};
  }
}

function remainingDays(until: string | undefined, nowMs: number): string[] | undefined {
  const untilMs = until === undefined ? Number.NaN : Date.parse(until);
  return Number.isNaN(untilMs) ? undefined : one(Math.ceil((untilMs - nowMs) / 86_400_000));
}

/** As policies write it: bucket/key, read as the copy itself reads it, or a denial could be passed by another spelling. */
function sourceOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  try {
    const { bucketName, key } = parseSource(header);
    return `${bucketName}/${key}`;
  } catch {
    // The operation says what is wrong with it.
    return header;
  }
}
