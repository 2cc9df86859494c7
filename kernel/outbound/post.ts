import { request as httpsRequest } from "node:https";
import { resolveAllowed } from "./addresses.ts";

// Not an import, which would load undici too (server/loaded.test.ts).
const { request: httpRequest } = process.getBuiltinModule("node:http");
const timeoutMs = 10_000;

/**
 * POSTs bytes once to an address that somebody outside has given, where that is no address of our own networks. Returns the status; the answer is not
 * read, redirects are not followed. @throws CloudError failed_precondition (a private address), and what the connection failed with
 */
export async function postOnce(post: {
  url: string;
  headers: Record<string, string | number>;
  body: Uint8Array;
  allowedNetworks: readonly string[];
  signal: AbortSignal;
}): Promise<number> {
  const url = new URL(post.url);
  const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), post.signal]);
  const target = await resolveAllowed(url, post.allowedNetworks);
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const request = (url.protocol === "https:" ? httpsRequest : httpRequest)(url, {
      method: "POST",
      signal,
      headers: post.headers,
      // A connection of its own to the very address that was checked.
      agent: false,
      lookup: (_host, options, answer) =>
        options.all
          ? answer(null, [target])
          : (answer as (error: null, address: string, family: number) => void)(null, target.address, target.family),
    });
    request.on("error", reject).on("response", (response) => {
      response.destroy();
      resolve(response.statusCode ?? 0);
    });
    request.end(post.body);
  });
}
