import type { IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { resolveAllowed } from "./addresses.ts";

// Not an import, which would load undici too (server/loaded.test.ts).
const { request: httpRequest } = process.getBuiltinModule("node:http");

interface Post {
  url: string;
  headers: Record<string, string | number>;
  body: string | Uint8Array;
  allowedNetworks: readonly string[];
  signal: AbortSignal;
}

/** Longer than this nobody waits for an answer from outside. */
export const postTimeoutMs = 10_000;

/**
 * POSTs once to an address that somebody outside has given, where that is no address of our own networks. The answer is to be read or destroyed;
 * redirects are not followed, as they may lead to where we would not go. @throws CloudError failed_precondition (a private address), the reason of
 * the signal, and what the connection failed with
 */
export async function post({ url: given, headers, body, allowedNetworks, signal }: Post): Promise<IncomingMessage> {
  const url = new URL(given);
  const target = await Promise.race([resolveAllowed(url, allowedNetworks), rejectAt(signal)]);
  return new Promise((resolve, reject) => {
    const request = (url.protocol === "https:" ? httpsRequest : httpRequest)(url, {
      method: "POST",
      signal,
      headers,
      // A connection of its own to the very address that was checked.
      agent: false,
      lookup: (_host, options, answer) =>
        options.all
          ? answer(null, [target])
          : (answer as (error: null, address: string, family: number) => void)(null, target.address, target.family),
    });
    request.on("response", resolve).on("error", reject);
    request.end(body);
  });
}

/** The same, of which the status alone is of interest. */
export async function postOnce({ signal, ...rest }: Post): Promise<number> {
  const response = await post({ ...rest, signal: AbortSignal.any([AbortSignal.timeout(postTimeoutMs), signal]) });
  response.destroy();
  return response.statusCode ?? 0;
}

const rejectAt = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
