import { type LookupOneOptions, lookup } from "node:dns";
import { isIP } from "node:net";

/**
 * For sockets of UDP that send to addresses nearly always: node:dgram asks for the address of every datagram's target, and for one that is an address already
 * node:dns answers a turn of the event loop later. With this, "listening" comes while `bind` runs: wait for it before. A socket of IPv6 sends to IPv4 too, where
 * it listens on "::" (RFC 4291 section 2.5.5.2).
 */
export function datagramLookup(
  host: string,
  /** The family alone, as node:dgram asks. */
  options: LookupOneOptions | number,
  answer: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  const family = isIP(host);
  if (family === 0) lookup(host, typeof options === "number" ? { family: options } : options, answer);
  else if (family === 4 && options === 6) answer(null, `::ffff:${host}`, 6);
  else answer(null, host, family);
}
