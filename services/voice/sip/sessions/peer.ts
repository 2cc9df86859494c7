import type { Message } from "../message.ts";

/** What the other one has said of itself. */
export class Peer {
  #allowed: Set<string> | undefined;
  #supported: Set<string> = new Set();
  userAgent: string | undefined;

  heard(message: Message): void {
    const allowed = message.headers("allow");
    if (allowed.length > 0) this.#allowed = new Set(allowed.map((method) => method.toUpperCase()));
    const extensions = message.headers("supported");
    if (extensions.length > 0) this.#supported = new Set(extensions.map((extension) => extension.toLowerCase()));
    this.userAgent = message.header("user-agent") ?? message.header("server") ?? this.userAgent;
  }

  /** One that says nothing is of the RFC's first days. */
  allows(method: string): boolean {
    return this.#allowed?.has(method) ?? ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS"].includes(method);
  }

  supports(extension: string): boolean {
    return this.#supported.has(extension);
  }
}
