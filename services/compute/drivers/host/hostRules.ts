import type { Names } from "./names.ts";
import type { RouterPlan } from "./plan.ts";
import type { TransitRange } from "./transit.ts";

/** Elements of the host's sets that belong to one router, by set. */
export type HostElements = Record<string, string[]>;

/** The sets whose elements come and go with routers; the first word is the family of their table. */
const hostSets: Record<string, string> = {
  "ip bridges": "set bridges { type ifname; }",
  "ip tcp_any": "map tcp_any { type inet_service : ipv4_addr . inet_service; }",
  "ip udp_any": "map udp_any { type inet_service : ipv4_addr . inet_service; }",
  "ip tcp_at": "map tcp_at { type ipv4_addr . inet_service : ipv4_addr . inet_service; }",
  "ip udp_at": "map udp_at { type ipv4_addr . inet_service : ipv4_addr . inet_service; }",
  "bridge cards": "set cards { type ifname; }",
  "bridge card_macs": "set card_macs { type ifname . ether_addr; }",
  "bridge card_addresses": "set card_addresses { type ifname . ipv4_addr; }",
};

export function hostElements(plan: RouterPlan): HostElements {
  const elements: HostElements = Object.fromEntries(Object.keys(hostSets).map((name) => [name, []]));
  const add = (name: string, element: string) => (elements[name] as string[]).push(element);
  for (const { bridge } of plan.networks) add("ip bridges", `"${bridge}"`);
  for (const { hostDevice, macAddress, ipv4 } of plan.ports) {
    add("bridge cards", `"${hostDevice}"`);
    add("bridge card_macs", `"${hostDevice}" . ${macAddress}`);
    add("bridge card_addresses", `"${hostDevice}" . ${ipv4}`);
    // Before it has its address: DHCP, and asking whether somebody has it already.
    add("bridge card_addresses", `"${hostDevice}" . 0.0.0.0`);
  }
  // All instances of other members come in by one card: which of them it is the router checks, and the engine there.
  for (const { overlay, id } of plan.networks) {
    if (!overlay) continue;
    add("bridge cards", `"${overlay.device}"`);
    add("bridge card_addresses", `"${overlay.device}" . 0.0.0.0`);
    for (const { macAddress, ipv4 } of plan.ports.filter(({ networkId }) => networkId === id)) {
      add("bridge card_macs", `"${overlay.device}" . ${macAddress}`);
      add("bridge card_addresses", `"${overlay.device}" . ${ipv4}`);
    }
  }
  for (const { protocol, listenAddress, listenPort, relayPort } of plan.forwards) {
    const to = `${plan.transit.address} . ${relayPort}`;
    if (listenAddress === "0.0.0.0") add(`ip ${protocol}_any`, `${listenPort} : ${to}`);
    else add(`ip ${protocol}_at`, `${listenAddress} . ${listenPort} : ${to}`);
  }
  return elements;
}

export interface HostRulesOptions {
  names: Names;
  transit: TransitRange;
  /** Interfaces that lead to the world, though they may be bridges. */
  outer: readonly string[];
  /** Ranges of pools that only this machine knows. */
  localPools: readonly string[];
  /** TCP ports of the host that instances may connect to. */
  openPorts: readonly number[];
  /** Of a cluster: where tunnels of other members come in, and the members' addresses. */
  tunnels?: { ports: readonly number[]; members: readonly string[] } | undefined;
}

/**
 * The rules of the host around the routers, in tables of their own: other software's are not touched. Instances reach the world through
 * the host, never the host itself (but ports it publishes, as everybody outside does), never a router's inside, never containers of the
 * host's own bridges, never into tunnels of a cluster. On our bridges each card sends with its own MAC and IP address only.
 */
export function hostTables(options: HostRulesOptions, routers: readonly HostElements[]): string {
  const { names, transit, tunnels } = options;
  const { table, uplinks } = names;
  const sets = (family: string) =>
    Object.entries(hostSets)
      .filter(([name]) => name.startsWith(`${family} `))
      .map(([, definition]) => `  ${definition}`)
      .join("\n");
  return `add table ip ${table}
delete table ip ${table}
add table bridge ${table}
delete table bridge ${table}
table ip ${table} {
${sets("ip")}
  set outer { type ifname; ${list(options.outer.map((name) => `"${name}"`))} }
  set local_pools { type ipv4_addr; flags interval; auto-merge; ${list(options.localPools)} }
  chain raw_prerouting {
    type filter hook prerouting priority raw; policy accept;
    iifname @bridges notrack
    iifname ${uplinks} ip daddr 127.0.0.0/8 drop
  }
  chain forwards {
    dnat ip to ip daddr . tcp dport map @tcp_at
    dnat ip to ip daddr . udp dport map @udp_at
    dnat ip to tcp dport map @tcp_any
    dnat ip to udp dport map @udp_any
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local jump forwards
  }
  chain output {
    type nat hook output priority -100; policy accept;
    fib daddr type local jump forwards
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname ${uplinks} ip saddr 127.0.0.0/8 snat to ${transit.host}
    oifname ${uplinks} ip saddr ${transit.cidr} snat to ${transit.host}
    oifname ${uplinks} accept
    ip saddr ${transit.cidr} masquerade
    ip saddr @local_pools masquerade
  }
  chain forward {
    type filter hook forward priority filter - 10; policy accept;
${
  tunnels === undefined
    ? ""
    : `    iifname ${uplinks} ip daddr { ${tunnels.members.join(", ")} } udp dport { ${tunnels.ports.join(", ")} } drop
`
}    iifname @bridges oifname != @bridges drop
    oifname @bridges iifname != @bridges drop
    iifname != ${uplinks} oifname != ${uplinks} accept
    ct state established,related accept
    ct status dnat accept
    oifname ${uplinks} ip daddr ${transit.cidr} drop
    iifname ${uplinks} ip daddr 169.254.0.0/16 drop
    iifname ${uplinks} meta oifkind "bridge" oifname != @outer reject with icmp type admin-prohibited
  }
  chain input {
    type filter hook input priority filter - 10; policy accept;
    iifname @bridges drop
${
  tunnels === undefined
    ? ""
    : `    udp dport { ${tunnels.ports.join(", ")} } ip saddr != { ${tunnels.members.join(", ")} } drop
`
}    iifname != ${uplinks} accept
    ct state established,related accept
    ${options.openPorts.length > 0 ? `tcp dport { ${options.openPorts.join(", ")} } accept` : ""}
    reject with icmp type admin-prohibited
  }
}
table bridge ${table} {
${sets("bridge")}
  chain prerouting {
    type filter hook prerouting priority -300; policy accept;
    iifname != @cards accept
    iifname . ether saddr != @card_macs drop
    ether type ip iifname . ip saddr @card_addresses accept
    ether type arp iifname . arp saddr ip @card_addresses accept
    drop
  }
  chain forward {
    type filter hook forward priority -300; policy accept;
    iifname @cards oifname @cards drop
  }
}
${hostChanges(names, {}, joined(routers))}`;
}

const list = (elements: readonly string[]): string => (elements.length > 0 ? `elements = { ${elements.join(", ")} };` : "");

const joined = (all: readonly HostElements[]): HostElements =>
  Object.fromEntries(Object.keys(hostSets).map((name) => [name, all.flatMap((elements) => elements[name] ?? [])]));

/** What takes the sets from the elements that a router had to those that it has now. */
export function hostChanges(names: Names, before: HostElements, after: HostElements): string {
  const [gone, come] = [[] as string[], [] as string[]];
  for (const set of Object.keys(hostSets)) {
    const [family, name] = set.split(" ") as [string, string];
    const [old, wanted] = [new Set(before[set] ?? []), new Set(after[set] ?? [])];
    const remove = [...old].filter((element) => !wanted.has(element)).map((element) => element.split(" : ")[0]);
    const add = [...wanted].filter((element) => !old.has(element));
    if (remove.length > 0) gone.push(`delete element ${family} ${names.table} ${name} { ${remove.join(", ")} }`);
    if (add.length > 0) come.push(`add element ${family} ${names.table} ${name} { ${add.join(", ")} }`);
  }
  const lines = [...gone, ...come];
  return lines.length > 0 ? `${lines.join("\n")}\n` : "";
}
