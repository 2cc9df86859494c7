import { createHash } from "node:crypto";
import { networkInterfaces } from "node:os";
import { CloudError } from "../../../../kernel/errors.ts";
import {
  contains,
  formatIpv4,
  formatNetwork,
  type Ipv4Network,
  overlaps,
  parseIpv4,
  parseNetwork,
} from "../../../../kernel/ipv4.ts";

/**
 * Between the host and its routers: addresses of the shared space for carriers (RFC 6598), which nobody's own network has. The host
 * is the first address on all of its ends; each router has two: one for what is forwarded to it and what leaves it, one that only the
 * control plane connects to.
 */
export interface Transit {
  host: string;
  address: string;
  control: string;
}

const space = parseNetwork("100.64.0.0/10") as Ipv4Network;
const blockPrefix = 18;
/** The last block is left to pools of addresses. */
const blocks = 2 ** (blockPrefix - space.prefix) - 1;

export class TransitRange {
  readonly network: Ipv4Network;
  constructor(cidr: string) {
    const network = parseNetwork(cidr);
    if (!network || network.prefix > 28)
      throw new CloudError(
        "invalid_argument",
        `${cidr} is no range for the routers' transit: give one of at least 16 addresses.`,
      );
    this.network = network;
  }

  get cidr(): string {
    return formatNetwork(this.network);
  }
  get host(): string {
    return formatIpv4(this.network.first + 1);
  }
  get capacity(): number {
    return Math.floor((this.network.last - this.network.first - 2) / 2);
  }
  /** Of a router by its number, from zero. */
  at(index: number): Transit {
    const first = this.network.first + 2 + index * 2;
    return { host: this.host, address: formatIpv4(first), control: formatIpv4(first + 1) };
  }
}

/** A part of the space that depends on the cloud's id, and that no other interface of this host has addresses in. */
export function defaultTransit(cloudId: string, ours: (name: string) => boolean): string {
  const start = createHash("sha256").update(cloudId).digest().readUInt32BE() % blocks;
  const taken = Object.entries(networkInterfaces())
    .filter(([name]) => !ours(name))
    .flatMap(([, addresses]) => addresses ?? [])
    .flatMap(({ family, address }) => (family === "IPv4" ? [parseIpv4(address) as number] : []));
  const size = 2 ** (32 - blockPrefix);
  for (let step = 0; step < blocks; step++) {
    const first = space.first + ((start + step) % blocks) * size;
    const block = { first, last: first + size - 1, prefix: blockPrefix };
    if (!taken.some((address) => overlaps(block, { first: address, last: address }))) return formatNetwork(block);
  }
  return formatNetwork({ first: space.first, last: space.first + size - 1, prefix: blockPrefix });
}

/** What networks of people may not have: our own way to the world. */
export const reservedRanges = (transit: TransitRange): { cidr: string; reason: string }[] => [
  ...(contains(space, transit.network) ? [] : [{ cidr: transit.cidr, reason: "is the way between the host and the routers" }]),
  { cidr: formatNetwork(space), reason: "is the way between the host and the routers" },
  { cidr: "127.0.0.0/8", reason: "is every machine's own" },
  { cidr: "169.254.0.0/16", reason: "is for addresses without a network (RFC 3927)" },
  { cidr: "224.0.0.0/3", reason: "is for multicast and experiments" },
  { cidr: "0.0.0.0/8", reason: "means this network itself" },
];
