import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { MediaError } from "../engine.ts";
import { type Bencoded, bdecode, bencode } from "./bencode.ts";

const againMs = 500;
const tries = 6;

/** rtpengine's ng protocol over UDP: a cookie, and a bencoded dictionary. A request that is sent again gets the same answer. */
export class NgClient {
  readonly #socket: Socket;
  readonly #host: string;
  readonly #port: number;
  /** Without an answer there comes none. */
  readonly #waiting = new Map<string, (answer: { [key: string]: Bencoded } | undefined) => void>();
  #isClosed = false;

  constructor(host: string, port: number) {
    this.#host = host;
    this.#port = port;
    this.#socket = createSocket(host.includes(":") ? "udp6" : "udp4");
    this.#socket.on("message", (bytes) => this.#answer(bytes));
    // A refused port: the request is late, which says it.
    this.#socket.on("error", () => {});
  }

  /** @throws MediaError unreachable; not_acceptable with rtpengine's own reason */
  async ask(command: string, parameters: { [key: string]: Bencoded } = {}): Promise<{ [key: string]: Bencoded }> {
    const cookie = randomBytes(9).toString("hex");
    const packet = `${cookie} ${bencode({ ...parameters, command })}`;
    const answer = await new Promise<{ [key: string]: Bencoded } | undefined>((resolve) => {
      let left = tries;
      const send = (): void => {
        if (left-- > 0 && !this.#isClosed) {
          this.#socket.send(packet, this.#port, this.#host, () => {});
          timer = setTimeout(send, againMs);
        } else finish(undefined);
      };
      const finish = (answer: { [key: string]: Bencoded } | undefined): void => {
        clearTimeout(timer);
        this.#waiting.delete(cookie);
        resolve(answer);
      };
      let timer: NodeJS.Timeout | undefined;
      this.#waiting.set(cookie, finish);
      send();
    });
    if (!answer)
      throw new MediaError(
        "unreachable",
        `rtpengine at ${this.#host}:${this.#port} does not answer: is it running, with listen-ng there?`,
      );
    if (answer.result === "error") throw new MediaError("not_acceptable", `rtpengine: ${String(answer["error-reason"])}`);
    return answer;
  }

  close(): void {
    this.#isClosed = true;
    for (const finish of [...this.#waiting.values()]) finish(undefined);
    this.#socket.close();
  }

  #answer(bytes: Buffer): void {
    const space = bytes.indexOf(" ");
    const waiting = this.#waiting.get(bytes.toString("latin1", 0, Math.max(0, space)));
    if (!waiting) return;
    try {
      waiting(bdecode(bytes.subarray(space + 1)) as { [key: string]: Bencoded });
    } catch {
      // A broken answer is none.
    }
  }
}
