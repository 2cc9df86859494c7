/** Browsers' questions and answers to them (S3 API Reference, OPTIONS object; Fetch Standard, 3.2). */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type CorsQuestion, type CorsRule, corsHeaders, corsRuleFor } from "../cors.ts";
import type { S3Backend } from "./backend.ts";
import { isHeaderName } from "./corsDocument.ts";
import { S3Error } from "./errors.ts";
import type { S3Response } from "./operation.ts";
import { parseRequest, type S3Request } from "./request.ts";
import { isBucket, websiteHeader } from "./website.ts";

/** An answer depends on these, whether it allows anything or not: caches must not mix them. */
const vary = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";

interface Door {
  backend: S3Backend;
  hosts: string[];
}

/** A website's host name is no address of a bucket. */
async function rulesFor({ headers, bucketName }: S3Request, backend: S3Backend): Promise<CorsRule[] | undefined> {
  const name = headers.get(websiteHeader) ?? bucketName;
  return name === "" ? undefined : backend.corsRules(name);
}

/** What a browser asks before it sends a request that a form could not have sent. Of whoever asks, nothing is asked. */
export async function answerPreflight(message: IncomingMessage, { backend, hosts }: Door): Promise<S3Response> {
  const request = parseRequest(message, hosts);
  const { headers } = request;
  const [origin, method] = [headers.get("origin"), headers.get("access-control-request-method")];
  if (origin === undefined) throw new S3Error("BadRequest", "Insufficient information. Origin request header needed.");
  const rules = await rulesFor(request, backend);
  if (rules === undefined) throw await notEnabled(request, method, backend);
  if (method === undefined || !/^[A-Z]+$/.test(method))
    throw new S3Error("BadRequest", `Invalid Access-Control-Request-Method: ${method ?? "null"}`);
  const names = namesOf(headers.get("access-control-request-headers"));
  const noName = names.find((name) => !isHeaderName(name));
  if (noName !== undefined)
    throw new S3Error("BadRequest", `Access-Control-Request-Headers "${noName}" contains invalid character.`);
  const question = { origin, method, headers: names };
  const rule = corsRuleFor(rules, question);
  if (rule === undefined)
    throw refused(
      request,
      method,
      "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
    );
  return { status: 200, headers: { ...corsHeaders(rule, question, { preflight: true }), Vary: vary } };
}

/** The bucket is what does not allow it, whatever was asked for. */
async function notEnabled({ bucketName }: S3Request, method = "OPTIONS", backend: S3Backend): Promise<S3Error> {
  const isThere = await isBucket(bucketName, backend);
  return new S3Error(
    "AccessForbidden",
    `CORSResponse: ${isThere ? "CORS is not enabled for this bucket." : "Bucket not found"}`,
    {
      fields: { Method: isThere ? method : "OPTIONS", ResourceType: "BUCKET" },
    },
  );
}

const refused = (request: S3Request, method: string, message: string): S3Error =>
  new S3Error("AccessForbidden", message, {
    fields: { Method: method, ResourceType: request.key === "" ? "BUCKET" : "OBJECT" },
  });

/** Whatever the answer to a browser will be, its script may read it where the bucket says so. Never fails: then the script reads nothing. */
export async function allowOrigin(message: IncomingMessage, response: ServerResponse, { backend, hosts }: Door): Promise<void> {
  const { origin } = message.headers;
  if (origin === undefined || message.method === "OPTIONS") return;
  try {
    const request = parseRequest(message, hosts);
    const rules = await rulesFor(request, backend);
    if (rules === undefined) return;
    response.setHeader("Vary", vary);
    const question: CorsQuestion = {
      origin,
      // Who asks with the request itself what would be allowed is told that.
      method: request.headers.get("access-control-request-method") ?? request.method,
      headers: namesOf(request.headers.get("access-control-request-headers")),
    };
    const rule = corsRuleFor(rules, question);
    if (rule === undefined) return;
    for (const [name, value] of Object.entries(corsHeaders(rule, question, { preflight: false })))
      response.setHeader(name, value);
  } catch {
    // What is wrong with the request is said by its answer.
  }
}

const namesOf = (list: string | undefined): string[] =>
  (list ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
