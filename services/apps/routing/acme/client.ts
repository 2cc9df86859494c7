/** A client of ACME (RFC 8555), for challenges over HTTP (section 8.3): what a gateway needs of it, and no more. */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { request as httpsRequest } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";

export interface AcmeOptions {
  /** https. */
  directory: string;
  /** P-256. */
  accountKey: KeyObject;
  /** Known from an earlier time. */
  accountUrl?: string | undefined;
  /** PEM: an authority that the server's own certificate may be of, besides the public ones. */
  trust?: string | undefined;
}

/** What a server says is wrong (RFC 7807, with the types of RFC 8555, section 6.7), or that it could not be asked. */
export class AcmeError extends Error {
  /** The last part of `urn:ietf:params:acme:error:…`; `unreachable` and `protocol` are our own. */
  readonly type: string;
  readonly retryAfterSeconds: number | undefined;

  constructor(type: string, message: string, options: { retryAfterSeconds?: number | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "AcmeError";
    this.type = type;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

export interface Challenge {
  /** The last part of the path. */
  token: string;
  /** What is answered there. */
  keyAuthorization: string;
}

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

interface Directory {
  newNonce: string;
  newAccount: string;
  newOrder: string;
}

interface Problem {
  type?: string;
  detail?: string;
  subproblems?: Problem[];
}

interface Order {
  status: string;
  authorizations: string[];
  finalize: string;
  certificate?: string;
  error?: Problem;
}

interface Authorization {
  status: string;
  identifier: { value: string };
  challenges: { type: string; url: string; token: string; status: string; error?: Problem }[];
}

const requestMs = 30_000;
const longestAnswer = 1024 * 1024;
/** For a challenge to be looked at, and for a certificate to be made. */
const patienceMs = 180_000;
const nonceTries = 10;

export const newAccountKey = (): KeyObject => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;

export class AcmeClient {
  readonly #options: AcmeOptions;
  readonly #jwk: { crv: string; kty: string; x: string; y: string };
  #account: string | undefined;
  #directory: Directory | undefined;
  readonly #nonces: string[] = [];

  constructor(options: AcmeOptions) {
    this.#options = options;
    this.#account = options.accountUrl;
    const {
      crv = "",
      kty = "",
      x = "",
      y = "",
    } = createPublicKey(options.accountKey).export({ format: "jwk" }) as Record<string, string>;
    this.#jwk = { crv, kty, x, y };
  }

  /** Makes the account, or finds the one of this key; its URL. */
  async register(email: string, signal: AbortSignal): Promise<string> {
    const { newAccount } = await this.#begin(signal);
    this.#account = undefined;
    const answer = await this.#post(newAccount, { termsOfServiceAgreed: true, contact: [`mailto:${email}`] }, signal);
    this.#account = text(answer.headers["location"]);
    return this.#account;
  }

  async setContact(email: string, signal: AbortSignal): Promise<void> {
    await this.#begin(signal);
    await this.#post(this.#accountUrl(), { contact: [`mailto:${email}`] }, signal);
  }

  /**
   * The certificate of these names with its chain (PEM). `show` makes a challenge be answered before it resolves. `request` is what is
   * signed, as DER, made when all names are proven.
   */
  async certificate(
    names: readonly string[],
    {
      show,
      request,
      signal,
    }: { show: (challenge: Challenge) => Promise<void>; request: () => Promise<Buffer>; signal: AbortSignal },
  ): Promise<string> {
    const { newOrder } = await this.#begin(signal);
    const made = await this.#post(newOrder, { identifiers: names.map((value) => ({ type: "dns", value })) }, signal);
    const url = text(made.headers["location"]);
    let order = document<Order>(made);
    for (const each of order.authorizations) await this.#prove(each, show, signal);
    order = await this.#until<Order>(url, ({ status }) => status !== "pending", signal);
    if (order.status === "ready") {
      const csr = (await request()).toString("base64url");
      await this.#post(order.finalize, { csr }, signal);
    }
    order = await this.#until<Order>(url, ({ status }) => !["pending", "ready", "processing"].includes(status), signal);
    if (order.status !== "valid" || order.certificate === undefined) throw problemOf(order.error, `the order is ${order.status}`);
    return (await this.#post(order.certificate, undefined, signal)).text;
  }

  async #prove(url: string, show: (challenge: Challenge) => Promise<void>, signal: AbortSignal): Promise<void> {
    const authorization = document<Authorization>(await this.#post(url, undefined, signal));
    if (authorization.status === "valid") return;
    const challenge = authorization.challenges.find(({ type }) => type === "http-01");
    if (challenge === undefined)
      throw new AcmeError(
        "protocol",
        `The server wants ${authorization.identifier.value} to be proven otherwise than over HTTP.`,
      );
    // RFC 8555, section 8.1, and RFC 7638: members in the order of the alphabet, without white space.
    const thumbprint = createHash("sha256").update(JSON.stringify(this.#jwk)).digest("base64url");
    await show({ token: challenge.token, keyAuthorization: `${challenge.token}.${thumbprint}` });
    if (challenge.status === "pending") await this.#post(challenge.url, {}, signal);
    const end = await this.#until<Authorization>(url, ({ status }) => status !== "pending", signal);
    if (end.status === "valid") return;
    throw problemOf(end.challenges.find(({ error }) => error !== undefined)?.error, `the proof is ${end.status}`);
  }

  async #until<T>(url: string, done: (value: T) => boolean, signal: AbortSignal): Promise<T> {
    const deadline = Date.now() + patienceMs;
    for (let pauseMs = 250; ; pauseMs = Math.min(pauseMs * 2, 5_000)) {
      const answer = await this.#post(url, undefined, signal);
      const value = document<T>(answer);
      if (done(value)) return value;
      if (Date.now() > deadline) throw new AcmeError("unreachable", "The server did not come to an end in time.");
      const asked = retryAfter(answer);
      await sleep(Math.min(asked === undefined ? pauseMs : asked * 1000, 10_000), undefined, { signal });
    }
  }

  async #begin(signal: AbortSignal): Promise<Directory> {
    this.#directory ??= document<Directory>(await this.#send("GET", this.#options.directory, undefined, signal));
    return this.#directory;
  }

  #accountUrl(): string {
    if (this.#account === undefined) throw new AcmeError("protocol", "There is no account yet.");
    return this.#account;
  }

  /** Signed (RFC 8555, section 6.2). Without a payload it is a POST-as-GET. */
  async #post(url: string, payload: object | undefined, signal: AbortSignal): Promise<Answer> {
    const { newNonce, newAccount } = await this.#begin(signal);
    for (let round = 1; ; round++) {
      let nonce = this.#nonces.pop();
      if (nonce === undefined) {
        await this.#send("HEAD", newNonce, undefined, signal);
        nonce = this.#nonces.pop();
        if (nonce === undefined) throw new AcmeError("protocol", "The server gives no nonce.");
      }
      const head = { alg: "ES256", nonce, url, ...(url === newAccount ? { jwk: this.#jwk } : { kid: this.#accountUrl() }) };
      const encode = (value: string) => Buffer.from(value).toString("base64url");
      const signed = `${encode(JSON.stringify(head))}.${payload === undefined ? "" : encode(JSON.stringify(payload))}`;
      const signature = sign("sha256", Buffer.from(signed), { key: this.#options.accountKey, dsaEncoding: "ieee-p1363" });
      const [head64, payload64] = signed.split(".");
      const body = JSON.stringify({ protected: head64, payload: payload64, signature: signature.toString("base64url") });
      try {
        return await this.#send("POST", url, body, signal);
      } catch (error) {
        // Section 6.5: a nonce may be refused at any time, and the answer has another one.
        if (!(error instanceof AcmeError && error.type === "badNonce") || round === nonceTries) throw error;
      }
    }
  }

  async #send(method: "GET" | "HEAD" | "POST", url: string, body: string | undefined, signal: AbortSignal): Promise<Answer> {
    const answer = await this.#exchange(method, url, body, signal);
    const nonce = answer.headers["replay-nonce"];
    if (typeof nonce === "string" && this.#nonces.length < 20) this.#nonces.push(nonce);
    if (answer.status < 300) return answer;
    let problem: Problem | undefined;
    try {
      problem = JSON.parse(answer.text) as Problem;
    } catch {
      // No problem document: the status is all that is known.
    }
    throw problemOf(problem, `it answered ${answer.status}`, retryAfter(answer));
  }

  #exchange(method: string, url: string, body: string | undefined, signal: AbortSignal): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const fail = (cause: unknown) =>
        reject(new AcmeError("unreachable", `${new URL(url).host} cannot be reached (${wordsOf(cause)}).`, { cause }));
      const sent = httpsRequest(
        url,
        {
          method,
          signal: AbortSignal.any([signal, AbortSignal.timeout(requestMs)]),
          headers: { "user-agent": "Khmara", ...(body === undefined ? {} : { "content-type": "application/jose+json" }) },
          ...(this.#options.trust === undefined ? {} : { ca: this.#options.trust }),
        },
        (response) => {
          const chunks: Buffer[] = [];
          let bytes = 0;
          response.on("data", (chunk: Buffer) => {
            bytes += chunk.length;
            if (bytes > longestAnswer) sent.destroy(new Error("its answer is too long"));
            else chunks.push(chunk);
          });
          response.on("error", fail);
          response.on("end", () =>
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(chunks).toString() }),
          );
        },
      );
      sent.on("error", fail);
      sent.end(body);
    });
  }
}

const wordsOf = (error: unknown): string =>
  error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error);

const text = (header: string | string[] | undefined): string => {
  if (typeof header === "string") return header;
  throw new AcmeError("protocol", "The server does not say where it put what it made.");
};

function document<T>(answer: Answer): T {
  try {
    return JSON.parse(answer.text) as T;
  } catch (cause) {
    throw new AcmeError("protocol", "What answers there is no ACME server.", { cause });
  }
}

/** Seconds, or a date (RFC 9110, section 10.2.3). */
function retryAfter({ headers }: Answer): number | undefined {
  const value = headers["retry-after"];
  if (typeof value !== "string") return undefined;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(seconds, 0) : undefined;
}

function problemOf(problem: Problem | undefined, otherwise: string, retryAfterSeconds?: number): AcmeError {
  const type = problem?.type?.split(":").at(-1) ?? "protocol";
  const details = [problem, ...(problem?.subproblems ?? [])].flatMap((each) => each?.detail ?? []);
  const message = details.length === 0 ? `The server refuses: ${otherwise}.` : details.join(" ").slice(0, 1000);
  return new AcmeError(type, message, { retryAfterSeconds });
}
