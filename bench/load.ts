/**
 * The load generator, a process of its own: reads one job from its standard input, and writes what it measured to its standard output.
 * It speaks HTTP/1.1 over plain sockets, one request at a time on each: node:http's client costs more than the servers that are measured.
 */
import { createHash, createHmac, randomBytes, randomUUID } from "node:crypto";
import { connect, type Socket } from "node:net";

export interface Job {
  port: number;
  method: "GET" | "PUT" | "POST" | "DELETE";
  /** `{n}` stands for the number of the request, which counts from `first` to below `count` and begins again. */
  path: string;
  first?: number;
  count?: number;
  connections: number;
  /** How long requests are started. */
  seconds: number;
  /** At least, and never more than, so many requests, whatever the time. */
  requests?: number;
  status: number;
  headers?: Record<string, string>;
  /** A body of so many random bytes, the same for all. */
  bodyBytes?: number;
  /** A body as text, with `{n}`. */
  body?: string;
  /** Each POST has a key of its own, or all of them the same. */
  idempotencyKey?: "new" | "same";
  /** Signs with Signature Version 4, body included, as clients do over HTTP. */
  sign?: { accessKeyId: string; secretAccessKey: string; region: string };
}

export interface Measured {
  requests: number;
  seconds: number;
  bytes: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
}

async function measure(job: Job): Promise<Measured> {
  const host = `127.0.0.1:${job.port}`;
  const fixedBody = job.bodyBytes === undefined ? undefined : randomBytes(job.bodyBytes);
  const fixedHash = createHash("sha256")
    .update(fixedBody ?? "")
    .digest("hex");
  const sameKey = randomUUID();
  const sign = job.sign === undefined ? undefined : signer(job.sign, host);
  const latencies: number[] = [];
  let bytes = 0;
  let next = 0;

  const request = (): { head: string; body: Uint8Array | undefined } => {
    const n = (job.first ?? 0) + (next++ % (job.count ?? Number.MAX_SAFE_INTEGER));
    const path = job.path.replace("{n}", String(n));
    const body = fixedBody ?? (job.body === undefined ? undefined : Buffer.from(job.body.replace("{n}", String(n))));
    let head = `${job.method} ${path} HTTP/1.1\r\nhost: ${host}\r\n`;
    for (const [name, value] of Object.entries(job.headers ?? {})) head += `${name}: ${value}\r\n`;
    if (job.idempotencyKey !== undefined)
      head += `idempotency-key: ${job.idempotencyKey === "same" ? sameKey : randomUUID()}\r\n`;
    if (sign !== undefined) head += sign(job.method, path, fixedHash);
    if (body !== undefined) head += `content-length: ${body.length}\r\n`;
    return { head: `${head}\r\n`, body };
  };

  const began = performance.now();
  const deadline = began + job.seconds * 1000;
  const limit = job.requests ?? Number.POSITIVE_INFINITY;
  const over = (): boolean => next >= limit || (job.requests === undefined && performance.now() >= deadline);
  const workers = Array.from({ length: job.connections }, async () => {
    let connection = await Connection.open(job.port);
    while (!over()) {
      const { head, body } = request();
      const sent = performance.now();
      const answer = await connection.send(head, body);
      latencies.push(performance.now() - sent);
      if (answer.status !== job.status) throw new Error(`${job.method} ${job.path} answered ${answer.status}: ${answer.text}`);
      bytes += answer.length + (body?.length ?? 0);
      if (answer.closes) {
        connection.close();
        connection = await Connection.open(job.port);
      }
    }
    connection.close();
  });
  await Promise.all(workers);
  const seconds = (performance.now() - began) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.min(Math.floor(latencies.length * share), latencies.length - 1)] ?? 0;
  return { requests: latencies.length, seconds, bytes, p50: at(0.5), p99: at(0.99) };
}

interface Answer {
  status: number;
  length: number;
  /** The beginning of the body, for an error. */
  text: string;
  /** The server takes no more requests on this connection. */
  closes: boolean;
}

/** One connection; answers must tell their Content-Length. */
class Connection {
  readonly #socket: Socket;
  #answered: (answer: Answer) => void = () => {};
  #failed: (error: Error) => void = () => {};
  #head: Buffer = Buffer.alloc(0);
  #answer: Answer | undefined;
  #left = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      try {
        this.#take(chunk);
      } catch (error) {
        this.#failed(error as Error);
      }
    });
    socket.on("error", (error) => this.#failed(error));
    socket.on("close", () => this.#failed(new Error("The server has closed the connection.")));
  }

  static open(port: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1" }, () => resolve(new Connection(socket)));
      socket.once("error", reject);
    });
  }

  send(head: string, body: Uint8Array | undefined): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#answered = resolve;
      this.#failed = reject;
      this.#socket.cork();
      this.#socket.write(head, "latin1");
      if (body !== undefined) this.#socket.write(body);
      this.#socket.uncork();
    });
  }

  #take(chunk: Buffer): void {
    let rest = chunk;
    if (this.#answer === undefined) {
      this.#head = this.#head.length === 0 ? chunk : Buffer.concat([this.#head, chunk]);
      const end = this.#head.indexOf("\r\n\r\n");
      if (end === -1) return;
      const head = this.#head.toString("latin1", 0, end);
      rest = this.#head.subarray(end + 4);
      this.#head = Buffer.alloc(0);
      const status = Number(head.slice(9, 12));
      const length = status === 204 || status === 304 ? "0" : /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
      if (length === undefined) throw new Error(`An answer without Content-Length: ${head}`);
      const closes = /\r\nconnection: *close/i.test(head);
      this.#answer = { status, length: Number(length), text: "", closes };
      this.#left = Number(length);
    }
    const answer = this.#answer;
    if (answer.text.length < 500 && answer.status >= 400) answer.text += rest.toString("utf8", 0, 500);
    this.#left -= rest.length;
    if (this.#left > 0) return;
    this.#answer = undefined;
    this.#answered(answer);
  }

  close(): void {
    this.#failed = () => {};
    this.#socket.destroy();
  }
}

/** "Authenticating Requests (AWS Signature Version 4)": for paths without special characters; a query stands in its order already. */
function signer(credentials: NonNullable<Job["sign"]>, host: string) {
  const hmac = (key: string | Buffer, data: string): Buffer => createHmac("sha256", key).update(data).digest();
  const keys = new Map<string, Buffer>();
  const keyOf = (date: string): Buffer => {
    const key =
      keys.get(date) ??
      hmac(hmac(hmac(hmac(`AWS4${credentials.secretAccessKey}`, date), credentials.region), "s3"), "aws4_request");
    keys.set(date, key);
    return key;
  };
  return (method: string, path: string, hash: string): string => {
    const timestamp = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
    const date = timestamp.slice(0, 8);
    const scope = `${date}/${credentials.region}/s3/aws4_request`;
    const [address, query = ""] = path.split("?");
    const canonical = `${method}\n${address}\n${query}\nhost:${host}\nx-amz-content-sha256:${hash}\nx-amz-date:${timestamp}\n\nhost;x-amz-content-sha256;x-amz-date\n${hash}`;
    const digest = createHash("sha256").update(canonical).digest("hex");
    const signature = createHmac("sha256", keyOf(date))
      .update(`AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${digest}`)
      .digest("hex");
    return (
      `x-amz-content-sha256: ${hash}\r\nx-amz-date: ${timestamp}\r\n` +
      `authorization: AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=${signature}\r\n`
    );
  };
}

let text = "";
for await (const chunk of process.stdin) text += chunk;
process.stdout.write(JSON.stringify(await measure(JSON.parse(text) as Job)));
