import { createHmac, randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { CloudError } from "../errors.ts";
import { post, postTimeoutMs as timeoutMs } from "./post.ts";

export interface WebhookResult {
  delivered: boolean;
  status?: number | undefined;
  message: string;
  durationMs: number;
  /** Trying again would not help. */
  final: boolean;
}

const answerBytes = 2048;

export const newWebhookSecret = (): string => `whsec_${randomBytes(24).toString("base64url")}`;

/** `t=<seconds>,v1=<hex>`: HMAC-SHA-256 over `<seconds>.<body>`. The time is in it, so that an old call cannot be sent again later. */
export function signatureOf(secret: string, body: string, atMs: number): string {
  const seconds = Math.floor(atMs / 1000);
  return `t=${seconds},v1=${createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex")}`;
}

/** POSTs a body once. Any 2xx is a success; redirects are not followed, as they may lead to where we would not go. */
export async function callWebhook(call: {
  id: string;
  url: string;
  secret: string;
  body: string;
  allowedNetworks: readonly string[];
  signal?: AbortSignal;
}): Promise<WebhookResult> {
  const began = Date.now();
  const result = (rest: Omit<WebhookResult, "durationMs">): WebhookResult => ({ ...rest, durationMs: Date.now() - began });
  const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(call.signal ? [call.signal] : [])]);
  try {
    const response = await send(call, signal);
    const status = response.statusCode ?? 0;
    const text = await beginningOf(response);
    if (status >= 200 && status < 300)
      return result({ delivered: true, status, message: `It answered ${status}.`, final: false });
    if (status >= 300 && status < 400)
      return result({
        delivered: false,
        status,
        message: `It answered ${status}: redirects are not followed. Use the address it leads to.`,
        final: true,
      });
    return result({
      delivered: false,
      status,
      message: `It answered ${status}${text ? `: ${text}` : ""}.`,
      final: status === 410,
    });
  } catch (error) {
    if (CloudError.is(error))
      return result({ delivered: false, message: error.message, final: error.code === "failed_precondition" });
    if (signal.aborted)
      return result({ delivered: false, message: `It did not answer within ${timeoutMs / 1000} seconds.`, final: false });
    return result({ delivered: false, message: reasonOf(error), final: false });
  }
}

/**
 * POSTs a body once, signed as webhooks are, and reads the answer, which may have so many bytes at the most.
 * @throws CloudError failed_precondition (a private address), unavailable (it does not answer, or not with 2xx, or with too much): the message says what it was.
 */
export async function postSigned(
  call: { id: string; url: string; secret: string; body: string; allowedNetworks: readonly string[]; signal?: AbortSignal },
  maximumBytes: number,
): Promise<string> {
  const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(call.signal ? [call.signal] : [])]);
  const failed = (message: string) => new CloudError("unavailable", message);
  try {
    const response = await send(call, signal);
    const status = response.statusCode ?? 0;
    if (status < 200 || status >= 300) {
      response.destroy();
      throw failed(`It answered ${status}.`);
    }
    const pieces: Buffer[] = [];
    let bytes = 0;
    for await (const piece of response as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > maximumBytes) {
        response.destroy();
        throw failed(`Its answer has more than ${maximumBytes} bytes.`);
      }
      pieces.push(piece);
    }
    return Buffer.concat(pieces).toString();
  } catch (error) {
    if (CloudError.is(error)) throw error;
    throw failed(signal.aborted ? `It did not answer within ${timeoutMs / 1000} seconds.` : reasonOf(error));
  }
}

const send = (
  { id, url, secret, body, allowedNetworks }: Omit<Parameters<typeof callWebhook>[0], "signal">,
  signal: AbortSignal,
): Promise<IncomingMessage> =>
  post({
    url,
    headers: {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      "user-agent": "Khmara-Webhook/1",
      "khmara-delivery": id,
      "khmara-signature": signatureOf(secret, body, Date.now()),
    },
    body,
    allowedNetworks,
    signal,
  });

/** One printable line for people; the rest is not read. */
async function beginningOf(response: IncomingMessage): Promise<string> {
  let text = "";
  response.setEncoding("utf8");
  try {
    for await (const piece of response) {
      text += piece;
      if (text.length >= answerBytes) break;
    }
  } catch {
    // The status has been read; the body is only for people.
  }
  response.destroy();
  return text
    .replace(/[\p{Cc}\s]+/gu, " ")
    .trim()
    .slice(0, 200);
}

/** Why a connection failed, for people: of an error of Node. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  switch (code) {
    case "ECONNREFUSED":
      return "Nobody listens there: the connection was refused.";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "Its name could not be resolved.";
    case "ECONNRESET":
      return "It closed the connection without an answer.";
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return "It cannot be reached from here.";
    case "CERT_HAS_EXPIRED":
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return `Its certificate is not valid: ${message}`;
    default:
      return `It could not be called: ${message ?? code ?? "unknown error"}`;
  }
}
