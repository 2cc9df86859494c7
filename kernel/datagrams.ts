import { type LookupOneOptions, lookup } from "node:dns";
import { isIP } from "node:net";

/**
 * For sockets of UDP that send to addresses nearly always: node:dgram asks for the address of every datagram's target, and for one that is an address already
 * node:dns answers a turn of the event loop later. With this, "listening" comes while `bind` runs: wait for it before.
 */
export function datagramLookup(
  host: string,
  options: LookupOneOptions,
  answer: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void {
  const family = isIP(host);
  if (family === 0) lookup(host, options, answer);
  else answer(null, host, family);
}
