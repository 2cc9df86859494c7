import { CloudError, invalid } from "../../../kernel/errors.ts";
import {
  contains,
  formatNetwork,
  type Ipv4Network,
  type Ipv4Range,
  networkOf,
  overlaps,
  parseIpv4,
  parseNetwork,
  parseRange,
} from "../../../kernel/ipv4.ts";
import type { HostNetworkInfo } from "../driver.ts";

/** Where ranges are picked from when none is asked for. */
const picked = parseNetwork("10.64.0.0/10") as Ipv4Network;
const sizes = { smallest: 29, largest: 16 };

interface Neighbours {
  networks: readonly { name: string; cidr: string }[];
  pools: readonly { name: string; range: string }[];
  reserved: HostNetworkInfo["reserved"];
}

/** The range of a new network, or what is wrong with it. */
export function checkCidr(cidr: string, { networks, pools, reserved }: Neighbours): Ipv4Network {
  const range = parseNetwork(cidr);
  if (!range) {
    const meant = networkOf(cidr);
    throw invalid(
      "body.cidr",
      meant
        ? `${cidr} is an address inside a range: write ${formatNetwork(meant)}.`
        : `${cidr} is no range such as 10.10.0.0/24.`,
    );
  }
  if (range.prefix > sizes.smallest || range.prefix < sizes.largest)
    throw invalid(
      "body.cidr",
      `A network has a range from /${sizes.largest} (65,533 instances) to /${sizes.smallest} (5 instances).`,
    );
  const same = networks.find((other) => overlaps(parseNetwork(other.cidr) as Ipv4Range, range));
  if (same)
    throw overlap(
      `${cidr} overlaps ${same.cidr} of the network ${same.name}. Choose a range that no network of the project has.`,
    );
  const pool = pools.find((other) => overlaps(parseRange(other.range) as Ipv4Range, range));
  if (pool) throw overlap(`${cidr} overlaps ${pool.range}, where this cloud has floating addresses. Choose another range.`);
  const taken = reserved.find((other) => overlaps(parseNetwork(other.cidr) as Ipv4Range, range));
  if (taken) throw overlap(`${cidr} cannot be a network's: ${taken.cidr} ${taken.reason}. Choose another range.`);
  return range;
}

const overlap = (message: string): CloudError =>
  new CloudError("failed_precondition", message, {
    details: { resource: "network", reason: "range_overlaps", fields: [{ path: "body.cidr", message }] },
  });

/** The first /24 that nothing overlaps. */
export function pickCidr({ networks, pools, reserved }: Neighbours): string {
  const taken = [
    ...networks.map(({ cidr }) => parseNetwork(cidr)),
    ...pools.map(({ range }) => parseRange(range)),
    ...reserved.map(({ cidr }) => parseNetwork(cidr)),
  ].filter((range) => range !== undefined);
  for (let first = picked.first; first <= picked.last; first += 256) {
    const range = { first, last: first + 255, prefix: 24 };
    if (!taken.some((other) => overlaps(other, range))) return formatNetwork(range);
  }
  throw overlap(`No /24 of ${formatNetwork(picked)} is free in this project. Give a range.`);
}

/** Whether an instance may have this address: inside, and neither the network's own, nor the gateway's, nor the broadcast address. */
export function checkInside(cidr: string, ipv4: string): void {
  const range = parseNetwork(cidr) as Ipv4Network;
  const address = parseIpv4(ipv4) ?? -1;
  if (address < range.first + 2 || address > range.last - 1)
    throw invalid("body.ipv4", `${ipv4} is no address for an instance in ${cidr}.`);
}

const mostAddresses = 65_536;
const outOfPlace = [
  { range: parseNetwork("0.0.0.0/8") as Ipv4Range, why: "means this network itself" },
  { range: parseNetwork("127.0.0.0/8") as Ipv4Range, why: "is every machine's own" },
  { range: parseNetwork("169.254.0.0/16") as Ipv4Range, why: "is for addresses without a network" },
  { range: parseNetwork("224.0.0.0/3") as Ipv4Range, why: "is for multicast and experiments" },
];

/** The addresses that a pool hands out: of a range in CIDR notation not the first and the last one, which may not be a machine's. */
export function checkPoolRange(text: string, others: readonly { name: string; range: string }[]): Ipv4Range {
  const range = parseRange(text);
  if (!range) {
    const meant = networkOf(text);
    throw invalid(
      "body.range",
      meant ? `${text} is an address inside a range: write ${formatNetwork(meant)}.` : `${text} is no range of IPv4 addresses.`,
    );
  }
  if (range.last - range.first + 1 > mostAddresses) throw invalid("body.range", "A pool has at most 65,536 addresses (/16).");
  const wrong = outOfPlace.find((place) => overlaps(place.range, range));
  if (wrong) throw invalid("body.range", `${text} cannot be a pool: that range ${wrong.why}.`);
  const other = others.find((each) => overlaps(parseRange(each.range) as Ipv4Range, range));
  if (other)
    throw new CloudError("failed_precondition", `${text} overlaps ${other.range} of the pool ${other.name}.`, {
      details: { resource: "addressPool", reason: "range_overlaps" },
    });
  return handedOut(text, range);
}

function handedOut(text: string, range: Ipv4Range): Ipv4Range {
  const network = text.includes("/") ? parseNetwork(text) : undefined;
  return network && network.prefix < 31 ? { first: range.first + 1, last: range.last - 1 } : range;
}

/** A rule's other side is a range; one with bits of a host set is refused, naming what was meant. */
export function checkRemote(cidr: string, path: string): void {
  if (parseNetwork(cidr)) return;
  const meant = networkOf(cidr);
  throw invalid(
    path,
    meant ? `${cidr} is an address inside a range: write ${formatNetwork(meant)}.` : `${cidr} is no range such as 10.10.0.0/24.`,
  );
}

export const inRange = (cidr: string, address: string): boolean => {
  const [range, value] = [parseNetwork(cidr), parseIpv4(address)];
  return range !== undefined && value !== undefined && contains(range, { first: value, last: value });
};
