/** Digest, as a server: RFC 7616, RFC 8760. */
import type { SipRequest } from "./ports.ts";

export type DigestAlgorithm = "MD5" | "SHA-256";

export interface DigestServer {
  /** Values of WWW-Authenticate or Proxy-Authenticate: MD5 before SHA-256, since old phones take the first. */
  challenges(realm: string, options?: { stale?: boolean; algorithms?: DigestAlgorithm[] }): string[];
  verify(
    request: SipRequest,
    options: {
      realm: string;
      /** Which header is looked at. Default "Authorization"; the other one is that of 407. */
      header?: "Authorization" | "Proxy-Authorization";
      /** H(user:realm:password) as lower case hex, by the algorithm; undefined if there is no such user. */
      lookup: (username: string, algorithm: DigestAlgorithm) => Promise<string | undefined> | string | undefined;
    },
  ): Promise<DigestVerdict>;
}

/** missing: challenge. stale: challenge with stale=true. wrong: count it against the source. replayed: someone sent an old answer again. */
export type DigestVerdict =
  | { result: "ok"; username: string; algorithm: DigestAlgorithm }
  | { result: "missing" }
  | { result: "stale" | "wrong" | "unknown_user" | "replayed" | "malformed"; username?: string };
