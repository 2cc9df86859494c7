/** A request outside of any dialog, as its handler sees it. */
import { accept, allow, supported } from "./capabilities.ts";
import { answer, type Host } from "./host.ts";
import type { RequestMessage } from "./message.ts";
import type { IncomingRequest, RespondOptions } from "./ports.ts";
import type { ServerTransaction } from "./transactions/server.ts";

const received = new WeakMap<object, ReceivedRequest>();

export class ReceivedRequest {
  /** The message itself, with the means to answer it. */
  readonly view: IncomingRequest;
  readonly transaction: ServerTransaction;

  constructor(request: RequestMessage, transaction: ServerTransaction, host: Host) {
    this.transaction = transaction;
    this.view = Object.defineProperties(request as RequestMessage & IncomingRequest, {
      respond: {
        value: (status: number, options: RespondOptions = {}) => {
          if (transaction.answered) return;
          const isOptions = request.method === "OPTIONS" && status >= 200 && status < 300;
          const more = isOptions ? { Allow: allow, Supported: `${supported}, outbound, path`, Accept: accept } : {};
          answer(host, transaction, status, { ...options, headers: { ...more, ...options.headers } });
        },
      },
      ignore: { value: () => transaction.terminate() },
      answered: { get: () => transaction.answered },
    });
    received.set(this.view, this);
  }

  static of(request: IncomingRequest): ReceivedRequest {
    const found = received.get(request);
    if (!found) throw new TypeError("Only a request that this stack has received can be subscribed with.");
    return found;
  }
}
