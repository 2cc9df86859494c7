/** Digest as a client: RFC 7616, RFC 8760, RFC 3261 section 22. Kept for a whole session: what came first need not be asked again. */
import { createHash, randomBytes } from "node:crypto";
import type { HeaderLine } from "./build.ts";
import { splitList } from "./headers.ts";
import type { ResponseMessage } from "./message.ts";
import type { Credentials } from "./ports.ts";
import { quote, unquote } from "./uri.ts";

interface Challenge {
  header: "Authorization" | "Proxy-Authorization";
  realm: string;
  nonce: string;
  opaque: string | undefined;
  algorithm: string;
  qop: boolean;
  count: number;
}

/** Best first. The session variants are not offered by anyone we know, and left alone. */
const algorithms: Record<string, string> = { "SHA-256": "sha256", MD5: "md5" };

export const digestHash = (algorithm: string, text: string): string =>
  createHash(algorithms[algorithm] ?? "md5")
    .update(text)
    .digest("hex");

export class Authenticator {
  readonly #credentials: Credentials;
  readonly #challenges = new Map<string, Challenge>();

  constructor(credentials: Credentials) {
    this.#credentials = credentials;
  }

  /**
   * Takes what a 401 or 407 asks. False: it asks what we cannot do, or for what it has been given: `answered` has the realms that this request
   * has answered, and is added to.
   */
  learn(response: ResponseMessage, answered: Set<string>): boolean {
    const isProxy = response.status === 407;
    let learnt = false;
    const seen = new Set<string>();
    for (const { realm, nonce, stale, ...words } of offers(response, isProxy)) {
      const key = `${response.status}|${realm}`;
      // Several of one realm are alternatives.
      if (realm === undefined || nonce === undefined || seen.has(key)) continue;
      seen.add(key);
      if (answered.has(key) && stale?.toLowerCase() !== "true") continue;
      answered.add(key);
      this.#challenges.set(key, {
        header: isProxy ? "Proxy-Authorization" : "Authorization",
        realm,
        nonce,
        opaque: words["opaque"],
        algorithm: (words["algorithm"] ?? "MD5").toUpperCase(),
        qop: splitList(words["qop"] ?? "").includes("auth"),
        count: 0,
      });
      learnt = true;
    }
    return learnt;
  }

  headers(method: string, uri: string): HeaderLine[] {
    return [...this.#challenges.values()].map((challenge) => [challenge.header, this.#answer(challenge, method, uri)] as const);
  }

  #answer(challenge: Challenge, method: string, uri: string): string {
    const { realm, nonce, opaque, algorithm } = challenge;
    const { username, password } = this.#credentials;
    const count = (++challenge.count).toString(16).padStart(8, "0");
    const ha1 = digestHash(algorithm, `${username}:${realm}:${password}`);
    const ha2 = digestHash(algorithm, `${method}:${uri}`);
    let text = `Digest username=${quote(username)}, realm=${quote(realm)}, nonce=${quote(nonce)}, uri=${quote(uri)}, algorithm=${algorithm}`;
    if (challenge.qop) {
      const cnonce = randomBytes(8).toString("hex");
      const response = digestHash(algorithm, `${ha1}:${nonce}:${count}:${cnonce}:auth:${ha2}`);
      text += `, response="${response}", qop=auth, cnonce="${cnonce}", nc=${count}`;
    } else text += `, response="${digestHash(algorithm, `${ha1}:${nonce}:${ha2}`)}"`;
    return opaque === undefined ? text : `${text}, opaque=${quote(opaque)}`;
  }
}

/** Those that we can answer, the best algorithm first. */
function offers(response: ResponseMessage, isProxy: boolean): Record<string, string>[] {
  const values = response.headers(isProxy ? "proxy-authenticate" : "www-authenticate");
  const known = Object.keys(algorithms);
  const rank = (words: Record<string, string>) => known.indexOf((words["algorithm"] ?? "MD5").toUpperCase());
  return values
    .map((value) => parseDigest(value) ?? { algorithm: "none" })
    .filter((words) => rank(words) >= 0)
    .sort((a, b) => rank(a) - rank(b));
}

/** The words of a challenge or an answer, names in lower case. Undefined when it is not Digest or not well-formed. */
export function parseDigest(value: string): Record<string, string> | undefined {
  const scheme = /^digest\s+/i.exec(value);
  if (!scheme) return undefined;
  const words: Record<string, string> = Object.create(null);
  for (const part of splitList(value.slice(scheme[0].length))) {
    const equals = part.indexOf("=");
    if (equals <= 0) return undefined;
    words[part.slice(0, equals).trim().toLowerCase()] = unquote(part.slice(equals + 1).trim());
  }
  return words;
}
