import { createHmac } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { anonymousCaller } from "../access/identity.ts";
import { checkScope, parseCredential, timeOf } from "../authenticate.ts";
import type { S3Caller } from "../backend.ts";
import { invalidArgument, S3Error } from "../errors.ts";
import type { S3Context, S3Operation, S3Response } from "../operation.ts";
import { type Form, readForm } from "../post/form.ts";
import { checkForm, parsePostPolicy } from "../post/policy.ts";
import { type S3Request, schemeOf } from "../request.ts";
import { algorithm, hexBytes, sameSignature, uriEncode } from "../signature.ts";
import { readTagging } from "../tagging.ts";
import { element, group } from "../xml.ts";
import { PutObject } from "./PutObject.ts";

/** An upload by a browser's form, whose signature is over a policy that says what may be in it ("POST Object", S3 API Reference). */
export const PostObject: S3Operation = async (context) => {
  const { request, body, nowMs } = context;
  const contentType = request.headers.get("content-type") ?? "";
  if (!/^multipart\/form-data\b/i.test(contentType))
    throw new S3Error("PreconditionFailed", undefined, {
      fields: { Condition: "Bucket POST must be of the enclosure-type multipart/form-data" },
    });
  const form = await readForm(body, contentType);
  try {
    const { fields } = form;
    const caller = await signerOf(context, fields);
    context.notes.caller = caller;
    // A file that was typed into a field has no name. A function, for a name may hold what means something in a replacement.
    // biome-ignore lint/suspicious/noTemplateCurlyInString: this is how forms say it
    const key = fields.get("key")?.replaceAll("${filename}", (text) => form.fileName ?? text);
    if (!key)
      throw invalidArgument(
        "key",
        "",
        "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.",
      );
    fields.set("bucket", request.bucketName);
    fields.set("key", key);
    const policy = fields.get("policy");
    const limits = policy === undefined ? undefined : checkForm(parsePostPolicy(policy), fields, nowMs);
    const put: S3Context = { ...context, caller, request: putRequest(request, form, key) };
    put.body = { ...body, begin: () => {}, message: limited(form.file, limits) as IncomingMessage };
    const { headers = {} } = await PutObject(put);
    return answered(put.request, fields, headers);
  } finally {
    form.stop();
  }
};

/** Who signed the policy; without one it is anybody. */
async function signerOf(context: S3Context, fields: Map<string, string>): Promise<S3Caller> {
  const policy = fields.get("policy");
  const isV4 = fields.has("x-amz-signature") || fields.has("x-amz-algorithm") || fields.has("x-amz-credential");
  const isV2 = fields.has("signature") || fields.has("awsaccesskeyid");
  if (policy === undefined) {
    if (isV4 || isV2) throw missingField("policy");
    return anonymousCaller;
  }
  const names = isV4 ? ["x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"] : ["awsaccesskeyid", "signature"];
  for (const name of names) if (!fields.get(name)) throw missingField(name);
  return isV4 ? signerV4(context, fields, policy) : signerV2(context, fields, policy);
}

const missingField = (name: string): S3Error =>
  invalidArgument(
    name,
    "",
    `Bucket POST must contain a field named '${name}'.  If it is specified, please check the order of the fields.`,
  );

const field = (fields: Map<string, string>, name: string): string => fields.get(name) as string;

/** "Authenticating requests in browser-based uploads using POST (AWS Signature Version 4)". */
async function signerV4({ door, region }: S3Context, fields: Map<string, string>, policy: string): Promise<S3Caller> {
  const given = field(fields, "x-amz-algorithm");
  if (given !== algorithm) throw invalidArgument("x-amz-algorithm", given, `X-Amz-Algorithm only supports "${algorithm}"`);
  const malformed = (message: string): S3Error => invalidArgument("x-amz-credential", field(fields, "x-amz-credential"), message);
  const { accessKeyId, scope } = parseCredential(field(fields, "x-amz-credential"), malformed);
  checkScope(scope, { region, anyRegion: false }, malformed);
  const signedAtMs = timeOf(fields.get("x-amz-date"));
  if (signedAtMs === undefined || !field(fields, "x-amz-date").startsWith(scope.date))
    throw invalidArgument("x-amz-date", field(fields, "x-amz-date"), "X-Amz-Date must be a time of the day in the credential.");
  const known = await signer(door, accessKeyId, fields);
  const key = door.signingKeys.derive(accessKeyId, known.secretAccessKey, scope);
  verify(createHmac("sha256", key).update(policy).digest("hex"), field(fields, "x-amz-signature"), accessKeyId, policy);
  return { ...known.caller, authType: "POST", signedAtMs };
}

/**
 * Libraries and suites still make forms in the older way, which signs the policy with HMAC-SHA1 (RFC 2104): that is unbroken, and S3 takes it.
 */
async function signerV2({ door }: S3Context, fields: Map<string, string>, policy: string): Promise<S3Caller> {
  const accessKeyId = field(fields, "awsaccesskeyid");
  const known = await signer(door, accessKeyId, fields);
  verify(
    createHmac("sha1", known.secretAccessKey).update(policy).digest("base64"),
    field(fields, "signature"),
    accessKeyId,
    policy,
  );
  return { ...known.caller, authType: "POST", signatureVersion: "AWS" };
}

async function signer({ credentials }: S3Context["door"], accessKeyId: string, fields: Map<string, string>) {
  const known = await credentials.resolve(accessKeyId, fields.get("x-amz-security-token"));
  if (!known) throw new S3Error("InvalidAccessKeyId", undefined, { fields: { AWSAccessKeyId: accessKeyId } });
  return known;
}

function verify(expected: string, given: string, accessKeyId: string, policy: string): void {
  if (!sameSignature(expected, given))
    throw new S3Error("SignatureDoesNotMatch", undefined, {
      fields: {
        AWSAccessKeyId: accessKeyId,
        StringToSign: policy,
        SignatureProvided: given,
        StringToSignBytes: hexBytes(Buffer.from(policy)),
      },
    });
}

const kept = new Set([
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-type",
  "expires",
  "content-md5",
]);
const signing = /^x-amz-(algorithm|credential|date|signature|security-token)$/;
const ofConnection = ["host", "referer", "user-agent", "origin", "x-amz-expected-bucket-owner"];

/** The form as the PUT that it stands for: its fields are the headers. */
function putRequest(request: S3Request, { fields }: Form, key: string): S3Request {
  // Of unknown length, for the form tells its own alone.
  const headers = new Map([["transfer-encoding", "chunked"]]);
  for (const name of ofConnection) {
    const value = request.headers.get(name);
    if (value !== undefined) headers.set(name, value);
  }
  for (const [name, value] of fields) {
    // Headers are bytes here (Latin-1 text), fields were decoded from UTF-8.
    if (kept.has(name) || (name.startsWith("x-amz-") && !signing.test(name)))
      headers.set(name, Buffer.from(value).toString("latin1"));
  }
  const acl = fields.get("acl");
  if (acl !== undefined) headers.set("x-amz-acl", acl);
  const tagging = fields.get("tagging");
  if (tagging !== undefined) {
    const tags = Object.entries(readTagging(tagging, "object"));
    headers.set("x-amz-tagging", tags.map(([name, value]) => `${uriEncode(name)}=${uriEncode(value)}`).join("&"));
  }
  return { ...request, key, query: new Map(), rawQuery: "", headers };
}

function limited(file: Readable, limits: { minBytes: number; maxBytes: number } | undefined): Readable {
  if (limits === undefined) return file;
  return Readable.from(measured(file, limits), { objectMode: false });
}

async function* measured(
  file: Readable,
  { minBytes, maxBytes }: { minBytes: number; maxBytes: number },
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of file as AsyncIterable<Uint8Array>) {
    bytes += piece.length;
    if (bytes > maxBytes)
      throw new S3Error("EntityTooLarge", undefined, {
        fields: { ProposedSize: String(bytes), MaxSizeAllowed: String(maxBytes) },
      });
    yield piece;
  }
  if (bytes < minBytes)
    throw new S3Error("EntityTooSmall", undefined, { fields: { ProposedSize: String(bytes), MinSizeAllowed: String(minBytes) } });
}

/** success_action_redirect first, then success_action_status ("POST Object", form fields). */
function answered(request: S3Request, fields: Map<string, string>, put: NonNullable<S3Response["headers"]>): S3Response {
  const { bucketName, key } = request;
  const etag = String(put["ETag"]);
  const path = request.rawPath.endsWith("/") ? request.rawPath : `${request.rawPath}/`;
  const location = `${schemeOf(request)}://${request.host}${path}${key.split("/").map(uriEncode).join("/")}`;
  const headers = { ...put, Location: location };
  const target = fields.get("success_action_redirect") ?? fields.get("redirect");
  const redirect = target !== undefined && /^https?:\/\//i.test(target) && URL.canParse(target) ? target : undefined;
  if (redirect !== undefined) {
    const query = `bucket=${uriEncode(bucketName)}&key=${uriEncode(key)}&etag=${uriEncode(etag)}`;
    const to = `${redirect}${redirect.includes("?") ? "&" : "?"}${query}`;
    return { status: 303, headers: { ...put, Location: to.replace(/[\r\n]/g, "") } };
  }
  const status = fields.get("success_action_status");
  if (status === "200") return { status: 200, headers };
  if (status !== "201") return { status: 204, headers };
  const parts = [element("Location", location), element("Bucket", bucketName), element("Key", key), element("ETag", etag)];
  return {
    status: 201,
    headers: { ...headers, "Content-Type": "application/xml" },
    body: `<?xml version="1.0" encoding="UTF-8"?>\n${group("PostResponse", ...parts)}`,
  };
}
