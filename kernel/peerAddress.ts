import { isIPv6 } from "node:net";

/** IPv4 as it is, also when it came in IPv6 clothes (RFC 4291, 2.5.5.2). */
export const plainAddress = (address: string): string =>
  address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;

/** Who is counted as one: an IPv4 address, or the /64 of which an IPv6 subscriber has every address (RFC 6177). */
export function subscriberOf(address: string): string {
  const plain = plainAddress(address);
  if (!isIPv6(plain)) return plain;
  const [head = "", tail] = plain.toLowerCase().split("::");
  const groups = (text = ""): string[] => text.split(":").filter(Boolean);
  const missing = tail === undefined ? 0 : 8 - groups(head).length - groups(tail).length;
  return [...groups(head), ...Array<string>(Math.max(0, missing)).fill("0"), ...groups(tail)].slice(0, 4).join(":");
}
