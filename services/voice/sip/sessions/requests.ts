/** Requests of ours inside a dialog, with the answer to a challenge, and the ACK that a 2xx to INVITE needs. */
import type { Authenticator } from "../authenticator.ts";
import { type HeaderLine, requestText } from "../build.ts";
import type { Dialog } from "../dialog.ts";
import { phraseOf } from "../headers.ts";
import type { Host } from "../host.ts";
import type { ResponseMessage } from "../message.ts";
import type { Body } from "../ports.ts";
import { failureStatus, type Sending } from "../sender.ts";
import type { Flow } from "../transport/flow.ts";
import { newBranch } from "../via.ts";

export interface DialogResult {
  status: number;
  reason: string;
  response?: ResponseMessage;
  /** Of the request that was answered at last. */
  seq: number;
}

export interface DialogRequest {
  method: string;
  headers?: readonly HeaderLine[];
  body?: Body | undefined;
  contact?: boolean;
}

export const failed = (why: keyof typeof failureStatus, seq: number): DialogResult => {
  const status = failureStatus[why];
  return { status, reason: phraseOf(status), seq };
};

export class DialogRequests {
  readonly #host: Host;
  readonly #authenticator: Authenticator | undefined;

  #acknowledging: Promise<void> | undefined;

  constructor(host: Host, authenticator: Authenticator | undefined) {
    this.#host = host;
    this.#authenticator = authenticator;
  }

  /** Until the last answer. `again` is called for copies of a 2xx to INVITE; `started` has the way to cancel it. */
  send(
    dialog: Dialog,
    wanted: DialogRequest,
    listeners: { again?: () => void; started?: (sending: Sending) => void } = {},
  ): Promise<DialogResult> {
    return new Promise((resolve) => {
      const start = () => this.#attempt(dialog, wanted, listeners, new Set(), resolve);
      // A BYE must not overtake the ACK of what it ends.
      if (this.#acknowledging) void this.#acknowledging.then(start);
      else start();
    });
  }

  #attempt(
    dialog: Dialog,
    wanted: DialogRequest,
    listeners: { again?: () => void; started?: (sending: Sending) => void },
    answered: Set<string>,
    resolve: (result: DialogResult) => void,
  ): void {
    const request = dialog.request(wanted.method, {
      headers: [...(wanted.headers ?? []), ["User-Agent", this.#host.userAgent]],
      body: wanted.body,
      contact: wanted.contact === true,
    });
    request.headers.push(...this.credentials(wanted.method, request.uri));
    const seq = dialog.localSeq;
    let done = false;
    const sending = this.#host.sender.send(dialog.way, dialog.target, request, {
      final: (response) => {
        if (done) {
          listeners.again?.();
          return;
        }
        done = true;
        const asks = response.status === 401 || response.status === 407;
        if (asks && this.#authenticator?.learn(response, answered)) this.#attempt(dialog, wanted, listeners, answered, resolve);
        else resolve({ status: response.status, reason: response.reason, response, seq });
      },
      failed: (why) => resolve(failed(why, seq)),
    });
    listeners.started?.(sending);
  }

  credentials(method: string, uri: string): HeaderLine[] {
    return this.#authenticator?.headers(method, uri) ?? [];
  }

  /** RFC 3261 section 13.2.2.4. It has no answer, and is sent again whenever the 2xx comes again. */
  acknowledge(dialog: Dialog, seq: number, body: Body | undefined): Acknowledgement {
    const request = dialog.request("ACK", { seq, body });
    request.headers.push(...this.credentials("ACK", request.uri));
    const acknowledgement = new Acknowledgement();
    const sent = this.#host.sender.flowFor(dialog.way, dialog.target).then(
      (flow) => {
        if (flow)
          acknowledgement.send(flow, requestText(request, { transport: flow.transport, local: flow.local, branch: newBranch() }));
      },
      (error: unknown) => this.#host.error(error, "ACK"),
    );
    this.#acknowledging = sent.then(() => {
      this.#acknowledging = undefined;
    });
    return acknowledgement;
  }
}

export class Acknowledgement {
  #flow: Flow | undefined;
  #text: string | Buffer = "";

  send(flow: Flow, text: string | Buffer): void {
    this.#flow = flow;
    this.#text = text;
    flow.send(text);
  }

  again(): void {
    this.#flow?.send(this.#text);
  }
}
