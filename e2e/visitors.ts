import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

export interface Visit {
  status: number;
  text: string;
}

export interface VisitOptions {
  path?: string;
  method?: string;
  body?: string;
  agent?: Agent;
  /** Of the gateway; absent: this machine's own. */
  address?: string | undefined;
}

/** One request through a gateway on this machine, as a browser would send it for this name. */
export function visit(
  port: number,
  host: string,
  { path = "/", method = "GET", body, agent, address = "127.0.0.1" }: VisitOptions = {},
): Promise<Visit> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: address, port, path, method, headers: { host: `${host}:${port}` }, ...(agent ? { agent } : {}) },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (piece) => (text += piece));
        response.once("end", () => resolve({ status: response.statusCode ?? 0, text }));
        response.once("error", reject);
      },
    );
    sent.setTimeout(60_000, () => sent.destroy(new Error("There was no answer for a minute.")));
    sent.once("error", (error: NodeJS.ErrnoException) => {
      // A kept connection may be closed just as it is used again: every browser then takes a new one (RFC 9110, 9.2.2).
      if (error.code === "ECONNRESET" && sent.reusedSocket && method === "GET")
        visit(port, host, { path, address }).then(resolve, reject);
      else reject(error);
    });
    sent.end(body);
  });
}

/** People who never stop asking for the same page; every answer is counted, and each that is not 200 is kept. */
export class Visitors {
  answers = 0;
  readonly failures: string[] = [];
  /** How often each text came. */
  readonly texts = new Map<string, number>();
  readonly #agent: Agent;
  readonly #visiting: Promise<void>[];
  #stopped = false;

  constructor(
    port: number,
    host: string,
    { people = 4, path = "/", address }: { people?: number; path?: string; address?: string | undefined } = {},
  ) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: people });
    this.#visiting = Array.from({ length: people }, async () => {
      while (!this.#stopped) {
        try {
          const { status, text } = await visit(port, host, { path, agent: this.#agent, address });
          if (status === 200) this.texts.set(text, (this.texts.get(text) ?? 0) + 1);
          else this.failures.push(`${new Date().toISOString()} ${status} ${text.slice(0, 200)}`);
        } catch (error) {
          this.failures.push(`${new Date().toISOString()} ${error}`);
        }
        this.answers++;
        // The machine is there for others too.
        await sleep(20);
      }
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#visiting);
    this.#agent.destroy();
  }
}
