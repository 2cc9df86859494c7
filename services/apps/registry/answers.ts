/** How the registry answers, whatever was asked (OCI Distribution Specification). */
import type { IncomingMessage, ServerResponse } from "node:http";
import { RegistryError } from "./errors.ts";

/** Of every answer. */
export const headersOf = () => ({ "docker-distribution-api-version": "registry/2.0", "x-content-type-options": "nosniff" });

export function answerJson(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    ...headersOf(),
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

export function refuse(request: IncomingMessage, response: ServerResponse, error: RegistryError): void {
  const { status, code, message, detail, headers } = error;
  // What is not read of a body would be taken for the next request.
  const close = request.complete || hasNoBody(request) ? {} : { connection: "close" };
  answerJson(
    response,
    status,
    { errors: [{ code, message, ...(detail === undefined ? {} : { detail }) }] },
    { ...headers, ...close },
  );
}

const hasNoBody = ({ headers }: IncomingMessage): boolean =>
  headers["transfer-encoding"] === undefined && Number(headers["content-length"] ?? 0) === 0;

export const unsupported = (method: string | undefined): RegistryError =>
  new RegistryError(405, "UNSUPPORTED", `${method} is not understood here.`);

export const unknownBlob = (digest: string): RegistryError =>
  new RegistryError(404, "BLOB_UNKNOWN", "The repository has no such blob.", { detail: { digest } });

/** `n` of lists; what there is more of comes with the next one. */
export function limitOf(url: URL, most: number): number {
  const n = url.searchParams.get("n");
  if (n === null) return most;
  if (!/^\d{1,9}$/.test(n)) throw new RegistryError(400, "UNSUPPORTED", "n is a number.");
  return Math.min(Number(n), most);
}

/** RFC 5988. */
export const nextLink = (
  path: string,
  limit: number,
  page: readonly string[],
  hasMore: boolean,
  more: Record<string, string> = {},
): Record<string, string> =>
  hasMore && page.length > 0
    ? { link: `<${path}?${new URLSearchParams({ ...more, n: String(limit), last: page.at(-1) as string })}>; rel="next"` }
    : {};
