import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { CloudError } from "../errors.ts";

/**
 * Where calls to the outside that people ask for (webhooks, mail servers) may not go: whoever may name an address would otherwise reach through
 * the cloud what is open only to it, such as its database, the engine's API or a neighbour's router (server-side request forgery).
 */

/** IANA's special-purpose registries (RFC 6890 and what was added since), and what is no single host. */
const special: readonly [string, number][] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
  ["::", 128],
  ["::1", 128],
  // IPv4 in IPv6, in all its forms: it would lead to any of the above.
  ["::ffff:0:0", 96],
  ["::", 96],
  ["64:ff9b::", 96],
  ["64:ff9b:1::", 48],
  ["2002::", 16],
  ["2001::", 32],
  ["100::", 64],
  ["2001:db8::", 32],
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
];
const familyOf = (address: string): "ipv4" | "ipv6" => (isIP(address) === 6 ? "ipv6" : "ipv4");

function listOf(networks: Iterable<readonly [string, number]>): BlockList {
  const list = new BlockList();
  for (const [address, prefix] of networks) list.addSubnet(address, prefix, familyOf(address));
  return list;
}
// A list for each family: Node's would take every IPv4 address for one in ::ffff:0:0/96.
const refused = {
  ipv4: listOf(special.filter(([address]) => isIP(address) === 4)),
  ipv6: listOf(special.filter(([address]) => isIP(address) === 6)),
};

/** Addresses of this host: services that listen on all of them rely on its firewall, which does not see calls from inside. */
function isOurOwn(address: string): boolean {
  return Object.values(networkInterfaces()).some((cards) => cards?.some((card) => card.address.split("%")[0] === address));
}

export function isAllowed(address: string, allowedNetworks: readonly string[]): boolean {
  const allowed = listOf(
    allowedNetworks.map((network) => {
      const [base = "", prefix = ""] = network.split("/");
      return [base, Number(prefix)] as const;
    }),
  );
  const family = familyOf(address);
  if (allowed.check(address, family)) return true;
  return !refused[family].check(address, family) && !isOurOwn(address);
}

const bare = (host: string): string => host.replace(/^\[|\]$/g, "");

/** What is plain from the address itself, before anything is asked of DNS; failed_precondition, at `field`, when it may not be. */
export const checkUrl = (url: string, allowedNetworks: readonly string[], field: string): void =>
  checkHost(new URL(url).hostname, allowedNetworks, field);

/** The same for a host name or address alone. */
export function checkHost(name: string, allowedNetworks: readonly string[], field: string): void {
  const host = bare(name);
  const isLocal = host === "localhost" || host.endsWith(".localhost");
  if (isIP(host) ? isAllowed(host, allowedNetworks) : !isLocal || isAllowed("127.0.0.1", allowedNetworks)) return;
  throw privateAddress(host, field);
}

export const privateAddress = (host: string, field?: string): CloudError =>
  new CloudError(
    "failed_precondition",
    `${host} is not called from here: it is an address inside of the cloud's own network. Use a public one, or ask an administrator to allow this network.`,
    {
      details: {
        reason: "private_address",
        ...(field === undefined ? {} : { fields: [{ path: field, message: "An address inside of the cloud's own network." }] }),
      },
    },
  );

/**
 * The address to connect to: of all that the name has, each must be allowed. It is used as it is, so that a name that means something
 * else a moment later (DNS rebinding) changes nothing.
 */
export async function resolveAllowed(
  url: URL,
  allowedNetworks: readonly string[],
  resolve?: (host: string) => Promise<{ address: string; family: number }[]>,
): Promise<{ address: string; family: number }> {
  const host = bare(url.hostname);
  return resolveHost(host, allowedNetworks, resolve);
}

/** The same for a host name or address alone. */
export async function resolveHost(
  host: string,
  allowedNetworks: readonly string[],
  resolve: (host: string) => Promise<{ address: string; family: number }[]> = (name) => lookup(name, { all: true }),
): Promise<{ address: string; family: number }> {
  const found = isIP(host) ? [{ address: host, family: isIP(host) }] : await resolve(host);
  const [first] = found;
  if (!first) throw new CloudError("unavailable", `The name ${host} has no address.`);
  if (!found.every(({ address }) => isAllowed(address, allowedNetworks))) throw privateAddress(host);
  return first;
}
