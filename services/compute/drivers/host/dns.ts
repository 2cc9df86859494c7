import { readFileSync } from "node:fs";
import { join } from "node:path";
import { formatIpv4, parseIpv4 } from "../../../../kernel/ipv4.ts";
import type { Log } from "../../../../kernel/log.ts";
import { type DaemonMark, daemonUser } from "./daemons.ts";
import { up } from "./names.ts";
import type { RouterPlan } from "./plan.ts";

/** DHCP and DNS of a router: dnsmasq in its namespace. Each instance gets the one address that its card has, and no other. */
export const dnsMark = (directory: string): DaemonMark => ({
  pidFile: join(directory, "dnsmasq.pid"),
  word: `--conf-file=${join(directory, "dnsmasq.conf")}`,
});

/** Its files by name. `dnsmasq.conf` is read when it starts; the others again at SIGHUP. */
export function dnsFiles(plan: RouterPlan, directory: string, resolvers: readonly string[]): Record<string, string> {
  const { user, group } = daemonUser("dnsmasq");
  const file = (name: string) => join(directory, name);
  const lines = [
    `user=${user}`,
    `group=${group}`,
    `pid-file=${file("dnsmasq.pid")}`,
    "bind-interfaces",
    "except-interface=lo",
    "no-resolv",
    "no-hosts",
    `servers-file=${file("resolvers")}`,
    `addn-hosts=${file("names")}`,
    `dhcp-hostsfile=${file("cards")}`,
    "dhcp-authoritative",
    "dhcp-ignore-names",
    "dhcp-lease-max=100000",
    `dhcp-leasefile=${file("leases")}`,
    "no-ping",
    // Of an instance in several networks the address in the asker's own one comes first.
    "localise-queries",
    "quiet-dhcp",
    "domain-needed",
    "bogus-priv",
    "cache-size=1000",
  ];
  for (const network of plan.networks) {
    const tag = network.inner;
    const netmask = formatIpv4((2 ** 32 - 2 ** (32 - network.range.prefix)) >>> 0);
    lines.push(
      `interface=${network.inner}`,
      `dhcp-range=set:${tag},${formatIpv4(network.range.first)},static,${netmask},24h`,
      `dhcp-option=tag:${tag},option:router,${network.gateway}`,
      `dhcp-option=tag:${tag},option:dns-server,${network.dnsServers.length > 0 ? network.dnsServers.join(",") : network.gateway}`,
      `dhcp-option=tag:${tag},option:domain-search,${network.dnsDomain}`,
      ...(network.overlay ? [`dhcp-option=tag:${tag},option:mtu,${network.overlay.mtu}`] : []),
      `domain=${network.dnsDomain},${network.cidr}`,
      `local=/${network.dnsDomain}/`,
    );
  }
  return {
    "dnsmasq.conf": `${lines.join("\n")}\n`,
    // Whatever the networks' own ranges are: the way to a resolver of the host is the way out.
    resolvers: resolvers.map((address) => `server=${address}@${up}\n`).join(""),
    names: plan.ports.map(({ ipv4, hostName, network }) => `${ipv4} ${hostName}.${network.dnsDomain} ${hostName}\n`).join(""),
    // Without `set:`, which the range has said already: read again, it ends dnsmasq 2.90 with a segmentation fault.
    cards: plan.ports.map(({ macAddress, ipv4, hostName }) => `${macAddress},${ipv4},${hostName},24h\n`).join(""),
  };
}

/**
 * Whether a card has gone, or has another address: dnsmasq would not give the address to anybody else for as long as it was promised to
 * that card. It forgets promises when it starts anew; all cards that are left get theirs again, always the same.
 */
export function losesCards(before: string, after: string): boolean {
  const pairs = (text: string) => text.split("\n").flatMap((line) => (line === "" ? [] : line.split(",").slice(0, 2).join(",")));
  const left = new Set(pairs(after));
  return pairs(before).some((pair) => !left.has(pair));
}

/** Nobody's resolvers are better than the host's; these two only answer where it has none that its routers can reach. */
const publicResolvers = ["9.9.9.9", "149.112.112.112"];

/**
 * Where the host itself asks. A resolver of its own that listens on loopback (systemd-resolved, a local dnsmasq) is not within reach of a
 * router: then the ones that it forwards to.
 */
export function hostResolvers(log: Log): string[] {
  for (const file of ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf"]) {
    const found = readResolvers(file);
    if (found.length > 0) return found;
  }
  log.warn({ resolvers: publicResolvers }, "no resolver of this host can be reached from networks; public ones are used");
  return publicResolvers;
}

function readResolvers(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return [];
  }
  return text.split("\n").flatMap((line) => {
    const address = /^nameserver\s+(\S+)/.exec(line.trim())?.[1] ?? "";
    return parseIpv4(address) !== undefined && !address.startsWith("127.") ? [address] : [];
  });
}
