/** Arithmetic of IPv4 addresses and ranges (RFC 4632), as unsigned numbers. */

export interface Ipv4Range {
  first: number;
  /** Inclusive. */
  last: number;
}

export interface Ipv4Network extends Ipv4Range {
  prefix: number;
}

export function parseIpv4(text: string): number | undefined {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  return parts?.every((part) => part < 256) ? parts.reduce((sum, part) => sum * 256 + part, 0) : undefined;
}

export const formatIpv4 = (address: number): string => [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");

/** The range that a network in CIDR notation is; undefined when it is none, or has bits of a host set. */
export function parseNetwork(text: string): Ipv4Network | undefined {
  const [, address, bits] = /^([\d.]+)\/(\d{1,2})$/.exec(text) ?? [];
  const first = parseIpv4(address ?? "");
  const prefix = Number(bits);
  if (first === undefined || prefix > 32) return undefined;
  const size = 2 ** (32 - prefix);
  return first % size === 0 ? { first, last: first + size - 1, prefix } : undefined;
}

/** Like it, whatever the bits of the host are. */
export function networkOf(text: string): Ipv4Network | undefined {
  const [, address, bits] = /^([\d.]+)\/(\d{1,2})$/.exec(text) ?? [];
  const inside = parseIpv4(address ?? "");
  const prefix = Number(bits);
  if (inside === undefined || prefix > 32) return undefined;
  const size = 2 ** (32 - prefix);
  const first = inside - (inside % size);
  return { first, last: first + size - 1, prefix };
}

export const formatNetwork = ({ first, prefix }: Ipv4Network): string => `${formatIpv4(first)}/${prefix}`;

/** `10.0.0.0/24`, `10.0.0.5-10.0.0.9` or one address. */
export function parseRange(text: string): Ipv4Range | undefined {
  if (text.includes("/")) return parseNetwork(text);
  const [from, to = from, ...rest] = text.split("-");
  const first = parseIpv4(from ?? "");
  const last = parseIpv4(to ?? "");
  return first !== undefined && last !== undefined && first <= last && rest.length === 0 ? { first, last } : undefined;
}

export const overlaps = (one: Ipv4Range, other: Ipv4Range): boolean => one.first <= other.last && other.first <= one.last;
export const contains = (outer: Ipv4Range, inner: Ipv4Range): boolean => outer.first <= inner.first && inner.last <= outer.last;

/** The fewest networks that a range is made of. */
export function networksOf(range: Ipv4Range): Ipv4Network[] {
  const networks: Ipv4Network[] = [];
  for (let first = range.first; first <= range.last; ) {
    let prefix = 32;
    while (prefix > 0) {
      const size = 2 ** (33 - prefix);
      if (first % size !== 0 || first + size - 1 > range.last) break;
      prefix--;
    }
    const last = first + 2 ** (32 - prefix) - 1;
    networks.push({ first, last, prefix });
    first = last + 1;
  }
  return networks;
}
