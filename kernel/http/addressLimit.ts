import { CloudError } from "../errors.ts";
import { subscriberOf } from "../peerAddress.ts";

const windowMs = 60_000;
const maxAddresses = 50_000;

/** So many times a minute for each address, counted in the memory of this process. */
export class AddressLimit {
  readonly #perMinute: number;
  readonly #counts = new Map<string, { count: number; endsAtMs: number }>();

  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /** rate_limited when it was too often already. */
  check(address: string): void {
    const entry = this.#current(address);
    if (!entry || entry.count < this.#perMinute) return;
    throw new CloudError("rate_limited", "Too many requests from your address. Wait a minute.", {
      details: { retryAfterSeconds: Math.max(1, Math.ceil((entry.endsAtMs - Date.now()) / 1000)) },
    });
  }

  count(address: string): void {
    const entry = this.#current(address);
    if (entry) {
      entry.count++;
      return;
    }
    if (this.#counts.size >= maxAddresses) this.#forget();
    this.#counts.set(subscriberOf(address), { count: 1, endsAtMs: Date.now() + windowMs });
  }

  take(address: string): void {
    this.check(address);
    this.count(address);
  }

  #current(address: string): { count: number; endsAtMs: number } | undefined {
    const entry = this.#counts.get(subscriberOf(address));
    return entry && entry.endsAtMs > Date.now() ? entry : undefined;
  }

  /** What is over; when all are current, the oldest half. */
  #forget(): void {
    const now = Date.now();
    for (const [network, { endsAtMs }] of this.#counts) if (endsAtMs <= now) this.#counts.delete(network);
    if (this.#counts.size < maxAddresses) return;
    for (const network of [...this.#counts.keys()].slice(0, maxAddresses / 2)) this.#counts.delete(network);
  }
}
