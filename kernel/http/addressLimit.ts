import { isIPv6 } from "node:net";
import { CloudError } from "../errors.ts";

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
    this.#counts.set(networkOf(address), { count: 1, endsAtMs: Date.now() + windowMs });
  }

  take(address: string): void {
    this.check(address);
    this.count(address);
  }

  #current(address: string): { count: number; endsAtMs: number } | undefined {
    const entry = this.#counts.get(networkOf(address));
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

/** A subscriber of IPv6 has a /64 at least, all of it at will. */
function networkOf(address: string): string {
  if (!isIPv6(address) || address.startsWith("::ffff:")) return address;
  const [head = "", tail] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail ? tail.split(":") : [];
  const missing = tail === undefined ? 0 : 8 - left.length - right.length;
  return [...left, ...Array<string>(missing).fill("0"), ...right].slice(0, 4).join(":");
}
