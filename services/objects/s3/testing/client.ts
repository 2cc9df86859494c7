import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { parseRequest } from "../request.ts";
import { acceptableSignatures, algorithm, SigningKeys, scopeText } from "../signature.ts";

export interface Answer {
  status: number;
  headers: IncomingMessage["headers"];
  body: Buffer;
  text: string;
}

export interface Call {
  port: number;
  method?: string;
  path: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  /** `none`: nobody signs. */
  key?: "main" | "other" | "third" | "viewer" | "none" | { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
  host?: string;
  payloadHash?: string;
  /** What the signature is for; S3 unless said otherwise. */
  service?: string;
  region?: string;
}

/** The headers of a signed request to a door of testing/door.ts, for now. */
export function signedHeaders(call: Call): Record<string, string> {
  const { key = "main" } = call;
  if (key === "none") return { Host: call.host ?? `127.0.0.1:${call.port}`, ...call.headers };
  const given = typeof key === "string" ? { accessKeyId: `AK${key.toUpperCase()}`, secretAccessKey: `${key}-secret` } : key;
  const timestamp = `${new Date().toISOString().replace(/[-:]/g, "").slice(0, 15)}Z`;
  const payloadHash = call.payloadHash ?? "UNSIGNED-PAYLOAD";
  const headers: Record<string, string> = {
    Host: call.host ?? `127.0.0.1:${call.port}`,
    ...call.headers,
    "x-amz-date": timestamp,
    "x-amz-content-sha256": payloadHash,
    ...("sessionToken" in given && { "x-amz-security-token": given.sessionToken }),
  };
  const parsed = parseRequest({ method: call.method ?? "GET", url: call.path, rawHeaders: Object.entries(headers).flat() }, []);
  const scope = { date: timestamp.slice(0, 8), region: call.region ?? "us-east-1", service: call.service ?? "s3" };
  const names = [...parsed.headers.keys()].filter((name) => name === "host" || name.startsWith("x-amz-")).sort();
  const signingKey = new SigningKeys().derive("", given.secretAccessKey, scope);
  const signed = { headers: names, payloadHash, presigned: false, timestamp, scope };
  const [signature] = acceptableSignatures(parsed, signed, signingKey);
  const credential = `${given.accessKeyId}/${scopeText(scope)}`;
  return {
    ...headers,
    Authorization: `${algorithm} Credential=${credential},SignedHeaders=${names.join(";")},Signature=${signature}`,
  };
}

/** The request with its head written, for tests that write the body at their own pace. */
export const open = (call: Call): ClientRequest =>
  request({
    host: "127.0.0.1",
    port: call.port,
    method: call.method ?? "GET",
    path: call.path,
    headers: signedHeaders(call),
    agent: false,
  });

export function send(call: Call): Promise<Answer> {
  const headers =
    call.body === undefined ? call.headers : { "Content-Length": String(Buffer.byteLength(call.body)), ...call.headers };
  const outgoing = open({ ...call, ...(headers === undefined ? {} : { headers }) });
  outgoing.end(call.body);
  return answerOf(outgoing);
}

export function answerOf(outgoing: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    outgoing.on("error", reject);
    outgoing.on("response", (incoming) => {
      const pieces: Buffer[] = [];
      incoming.on("error", reject);
      incoming.on("data", (piece: Buffer) => pieces.push(piece));
      incoming.on("end", () => {
        const body = Buffer.concat(pieces);
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body, text: body.toString() });
      });
    });
  });
}
