/** Digest as a server: RFC 7616, RFC 8760. Nonces carry their own proof, so that any process with the key knows them. */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { digestHash, parseDigest } from "./authenticator.ts";
import type { DigestAlgorithm, DigestServer, DigestVerdict, SipRequest } from "./ports.ts";
import { quote } from "./uri.ts";

export interface DigestOptions {
  /** At least 32 bytes. The same one after a restart keeps what phones have been asked valid. */
  key: Buffer;
  /** Default five minutes. After it the answer is "stale", and phones answer anew without asking anyone. */
  nonceLifetimeMs?: number;
  nowMs?: () => number;
}

const bothAlgorithms: DigestAlgorithm[] = ["MD5", "SHA-256"];
/** Nonces whose counts are kept, to know an answer that is sent again by someone else. */
const maximumCounted = 100_000;

export function openDigestServer(options: DigestOptions): DigestServer {
  const nonces = new Nonces(options);
  return {
    challenges: (realm, { stale = false, algorithms = bothAlgorithms } = {}) =>
      algorithms.map(
        (algorithm) =>
          `Digest realm=${quote(realm)}, nonce="${nonces.make(realm)}", algorithm=${algorithm}, qop="auth"${stale ? ", stale=true" : ""}`,
      ),
    verify: (request, { realm, header = "Authorization", lookup }) => verify(nonces, request, realm, header, lookup),
  };
}

type Lookup = Parameters<DigestServer["verify"]>[1]["lookup"];

async function verify(
  nonces: Nonces,
  request: SipRequest,
  realm: string,
  header: string,
  lookup: Lookup,
): Promise<DigestVerdict> {
  const given = request.headers(header);
  if (given.length === 0) return { result: "missing" };
  const words = given.map((value) => parseDigest(value)).find((one) => one?.["realm"] === realm);
  // One of another realm was for another server on the way.
  if (!words) return given.some((value) => parseDigest(value)) ? { result: "missing" } : { result: "malformed" };
  const { username, nonce, uri, response } = words;
  const algorithm = bothAlgorithms.find((known) => known === (words["algorithm"] ?? "MD5").toUpperCase());
  if (!username || !nonce || !uri || !response || !algorithm) return { result: "malformed", ...(username && { username }) };
  const age = nonces.judge(nonce, realm);
  if (age === "foreign") return { result: "stale", username };
  const ha1 = await lookup(username, algorithm);
  if (ha1 === undefined) return { result: "unknown_user", username };
  const expected = expectedResponse(words, algorithm, ha1.toLowerCase(), request.method);
  if (expected === undefined) return { result: "malformed", username };
  if (!sameText(expected, response.toLowerCase())) return { result: "wrong", username };
  if (age === "old") return { result: "stale", username };
  if (!nonces.count(nonce, words["nc"])) return { result: "replayed", username };
  return { result: "ok", username, algorithm };
}

function expectedResponse(
  words: Record<string, string>,
  algorithm: DigestAlgorithm,
  ha1: string,
  method: string,
): string | undefined {
  const { nonce, uri, qop, nc, cnonce } = words;
  const ha2 = digestHash(algorithm, `${method}:${uri}`);
  // Of RFC 2069: phones that know no qop.
  if (qop === undefined) return digestHash(algorithm, `${ha1}:${nonce}:${ha2}`);
  if (qop !== "auth" || cnonce === undefined || !/^[0-9a-fA-F]{1,8}$/.test(nc ?? "")) return undefined;
  return digestHash(algorithm, `${ha1}:${nonce}:${nc}:${cnonce}:${qop}:${ha2}`);
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** time.random.proof */
class Nonces {
  readonly #key: Buffer;
  readonly #lifetimeMs: number;
  readonly #nowMs: () => number;
  readonly #counts = new Map<string, number>();

  constructor({ key, nonceLifetimeMs = 300_000, nowMs = Date.now }: DigestOptions) {
    this.#key = key;
    this.#lifetimeMs = nonceLifetimeMs;
    this.#nowMs = nowMs;
  }

  make(realm: string): string {
    const body = `${this.#nowMs().toString(36)}.${randomBytes(6).toString("hex")}`;
    return `${body}.${this.#proof(body, realm)}`;
  }

  #proof(body: string, realm: string): string {
    return createHmac("sha256", this.#key).update(`${body}|${realm}`).digest("base64url").slice(0, 22);
  }

  judge(nonce: string, realm: string): "good" | "old" | "foreign" {
    const [time = "", random = "", proof = ""] = nonce.split(".");
    if (!sameText(this.#proof(`${time}.${random}`, realm), proof)) return "foreign";
    const age = this.#nowMs() - Number.parseInt(time, 36);
    return age >= 0 && age <= this.#lifetimeMs ? "good" : "old";
  }

  /**
   * False: this count was used before. A request that is sent again or comes by two ways is the transactions' matter, and never asked for its password
   * anew: what comes here twice was copied, even word for word.
   */
  count(nonce: string, nc: string | undefined): boolean {
    const highest = this.#counts.get(nonce);
    const number = nc === undefined ? 1 : Number.parseInt(nc, 16);
    // Without a count an answer is good for one request; of one method and URI at most anyway.
    if (highest !== undefined && number <= highest) return false;
    if (highest === undefined && this.#counts.size >= maximumCounted) this.#counts.delete(this.#counts.keys().next().value!);
    this.#counts.set(nonce, number);
    return true;
  }
}
