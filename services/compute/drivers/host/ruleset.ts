import { createHash } from "node:crypto";
import type { SecurityRule } from "../../driver.ts";
import { up } from "./names.ts";
import type { RouterPlan } from "./plan.ts";

/**
 * The rules inside a router's namespace. All traffic of its networks comes by here, also between two instances of one network (their
 * cards are isolated on the bridge, and the router answers ARP for everybody: RFC 3069), so that here alone is decided.
 *
 * A connection that was let through carries the mark of the rules that did so. After a change of the rules the mark is another one:
 * its next packet is judged again, one of an answer by the same rules read backwards, and a connection that is not allowed any more ends.
 */
export function routerRules(plan: RouterPlan): string {
  const rules = tableText(plan, "MARK");
  const mark = (createHash("sha256").update(rules).digest().readUInt32BE() >>> 1) + 1;
  return `add table ip khmara\ndelete table ip khmara\n${rules.replaceAll("MARK", String(mark))}`;
}

const set = (name: string, type: string, elements: readonly string[], flags = ""): string =>
  `  set ${name} { type ${type}; ${flags}${elements.length > 0 ? `elements = { ${elements.join(", ")} };` : ""} }`;
const map = (name: string, type: string, elements: readonly string[]): string =>
  `  map ${name} { type ${type}; ${elements.length > 0 ? `elements = { ${elements.join(", ")} };` : ""} }`;

/** Connections that one instance may have open in the router: more would take the host's table of them from all others. */
const connectionsPerInstance = 20_000;

function tableText(plan: RouterPlan, mark: string): string {
  const { transit, networks, ports, forwards } = plan;
  const groupName = new Map(plan.securityGroups.map(({ id }, index) => [id, `group_${index}`]));
  const chains = new GroupChains(plan, groupName);
  const guards = { in: [] as string[], out: [] as string[], backIn: [] as string[], backOut: [] as string[] };
  for (const port of ports) {
    if (port.securityGroupIds.length === 0) {
      guards.in.push(`${port.ipv4} : goto passed`);
      guards.backIn.push(`${port.ipv4} : goto passed`);
      continue;
    }
    const chain = chains.of(port.securityGroupIds);
    guards.in.push(`${port.ipv4} : goto in_${chain}`);
    guards.out.push(`${port.ipv4} : goto out_${chain}`);
    guards.backIn.push(`${port.ipv4} : goto back_in_${chain}`);
    guards.backOut.push(`${port.ipv4} : goto back_out_${chain}`);
  }
  const relayed = (protocol: string) =>
    forwards.flatMap((forward) =>
      forward.protocol === protocol && forward.target
        ? [`${forward.relayPort} : ${forward.target.address} . ${forward.target.port}`]
        : [],
    );
  const relayPorts = (protocol: string) =>
    forwards.filter((forward) => forward.protocol === protocol && forward.target).map(({ relayPort }) => String(relayPort));
  const targets = [
    ...new Set([...plan.floating.map(({ target }) => target), ...forwards.flatMap(({ target }) => target?.address ?? [])]),
  ];
  const cards = networks.map((network) => `"${network.inner}"`);
  const flagged = (flag: "internet" | "routed") =>
    networks.filter((network) => network[flag]).map((network) => `"${network.inner}"`);

  return `table ip khmara {
${set(
  "sources",
  "ifname . ether_addr . ipv4_addr",
  ports.map(({ network, macAddress, ipv4 }) => `"${network.inner}" . ${macAddress} . ${ipv4}`),
)}
${set(
  "same",
  "ifname . ifname",
  cards.map((card) => `${card} . ${card}`),
)}
${set("internet", "ifname", flagged("internet"))}
${set("routed", "ifname", flagged("routed"))}
${set(
  "floating",
  "ipv4_addr",
  plan.floating.map(({ address }) => address),
)}
${map(
  "floating_in",
  "ipv4_addr : ipv4_addr",
  plan.floating.map(({ address, target }) => `${address} : ${target}`),
)}
${map("floating_out", "ipv4_addr : ipv4_addr", firstPerTarget(plan.floating))}
${map("relay_tcp", "inet_service : ipv4_addr . inet_service", relayed("tcp"))}
${map("relay_udp", "inet_service : ipv4_addr . inet_service", relayed("udp"))}
${set("relayed_tcp", "inet_service", relayPorts("tcp"))}
${set("relayed_udp", "inet_service", relayPorts("udp"))}
${set(
  "oneself",
  "ipv4_addr . ipv4_addr",
  targets.map((target) => `${target} . ${target}`),
)}
${set("listeners", "ipv4_addr . inet_service", [...new Set(plan.balancers.map(({ bind }) => `${bind.address} . ${bind.port}`))])}
${set("connections", "ipv4_addr", [], "size 65535; flags dynamic; ")}
${plan.securityGroups
  .map(({ id }) =>
    set(
      groupName.get(id) as string,
      "ipv4_addr",
      ports.filter((port) => port.securityGroupIds.includes(id)).map(({ ipv4 }) => ipv4),
    ),
  )
  .join("\n")}

  chain sources_checked {
    type filter hook prerouting priority raw; policy accept;
    iifname { "lo", "${up}" } accept
    ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept
    iifname . ether saddr . ip saddr != @sources drop
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    dnat ip to ip daddr map @floating_in
    iifname "${up}" ip daddr ${transit.address} dnat ip to tcp dport map @relay_tcp
    iifname "${up}" ip daddr ${transit.address} dnat ip to udp dport map @relay_udp
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "${up}" snat ip to ip saddr map @floating_out
    oifname "${up}" snat ip to ${transit.address}
    ip saddr . ip daddr @oneself masquerade
  }

  chain passed { ct mark set ${mark} accept; }
${chains.text()}
  map in_guards { type ipv4_addr : verdict; ${elements(guards.in)} }
  map out_guards { type ipv4_addr : verdict; ${elements(guards.out)} }
  map back_in_guards { type ipv4_addr : verdict; ${elements(guards.backIn)} }
  map back_out_guards { type ipv4_addr : verdict; ${elements(guards.backOut)} }
  chain inbound {
    oifname "${up}" goto passed
    ip daddr vmap @in_guards
    reject with icmp type host-unreachable
  }
  chain outbound {
    ip saddr vmap @out_guards
    goto inbound
  }
  chain back_inbound {
    iifname "${up}" goto passed
    ip saddr vmap @back_in_guards
    drop
  }
  chain back {
    iifname "${up}" oifname @internet ip daddr vmap @back_out_guards
    iifname "${up}" oifname @internet goto passed
    oifname "${up}" ip daddr ${transit.host} ct original ip daddr ${transit.control} goto passed
    oifname "${up}" ct original ip daddr @floating goto back_inbound
    oifname "${up}" ct original ip daddr ${transit.address} meta l4proto tcp ct original proto-dst @relayed_tcp goto back_inbound
    oifname "${up}" ct original ip daddr ${transit.address} meta l4proto udp ct original proto-dst @relayed_udp goto back_inbound
    iifname @routed oifname @routed ip daddr vmap @back_out_guards
    iifname . oifname @same ip daddr vmap @back_out_guards
    iifname @routed oifname @routed goto back_inbound
    iifname . oifname @same goto back_inbound
    drop
  }
  chain from_world {
    ip saddr ${transit.host} ct original ip daddr ${transit.control} goto passed
    ct original ip daddr @floating goto inbound
    ct original ip daddr ${transit.address} meta l4proto tcp ct original proto-dst @relayed_tcp goto inbound
    ct original ip daddr ${transit.address} meta l4proto udp ct original proto-dst @relayed_udp goto inbound
    drop
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    tcp flags syn tcp option maxseg size set rt mtu
    ct state invalid drop
    ct state related accept
    ct state established ct mark ${mark} accept
    ct state established ct direction reply goto back
    iifname "${up}" goto from_world
    ct state new add @connections { ip saddr ct count over ${connectionsPerInstance} } drop
    ip daddr 169.254.0.0/16 reject with icmp type net-unreachable
    oifname "${up}" iifname @internet goto outbound
    iifname @routed oifname @routed goto outbound
    iifname . oifname @same goto outbound
    reject with icmp type admin-prohibited
  }
  chain input {
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    ct state established,related accept
    icmp type echo-request accept
    ip daddr . tcp dport @listeners accept
    iifname "${up}" drop
    udp dport { 53, 67 } accept
    tcp dport 53 accept
    reject
  }
}
`;
}

const elements = (all: readonly string[]): string => (all.length > 0 ? `elements = { ${all.join(", ")} };` : "");

/** An instance with several floating addresses leaves under its first one. */
function firstPerTarget(floating: readonly { address: string; target: string }[]): string[] {
  const first = new Map<string, string>();
  for (const { address, target } of floating) if (!first.has(target)) first.set(target, address);
  return [...first].map(([target, address]) => `${target} : ${address}`);
}

/** Ports with the same groups share their chains: in and out, and both read backwards for answers. */
class GroupChains {
  readonly #numbers = new Map<string, number>();
  readonly #texts: string[] = [];
  readonly #plan: RouterPlan;
  readonly #groupName: ReadonlyMap<string, string>;

  constructor(plan: RouterPlan, groupName: ReadonlyMap<string, string>) {
    this.#plan = plan;
    this.#groupName = groupName;
  }

  of(groupIds: readonly string[]): number {
    const key = [...groupIds].sort().join(" ");
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.#numbers.size;
    this.#numbers.set(key, number);
    const rules = this.#plan.securityGroups.filter(({ id }) => groupIds.includes(id)).flatMap((group) => group.rules);
    for (const [name, direction, back, next] of [
      ["in", "in", false, "passed"],
      ["out", "out", false, "inbound"],
      ["back_in", "in", true, "passed"],
      ["back_out", "out", true, "back_inbound"],
    ] as const) {
      const lines = rules
        .filter((rule) => rule.direction === direction)
        .map((rule) => `    ${this.#match(rule, back)}goto ${next}`);
      this.#texts.push(`  chain ${name}_${number} {\n${[...new Set(lines)].join("\n")}\n    drop\n  }`);
    }
    return number;
  }

  text(): string {
    return this.#texts.join("\n");
  }

  /** `back`: seen from a packet of the answer, where both ends have changed sides. */
  #match(rule: SecurityRule, back: boolean): string {
    const parts: string[] = [];
    const other = (rule.direction === "in") === back ? "daddr" : "saddr";
    if (rule.remote) {
      const remote = "cidr" in rule.remote ? rule.remote.cidr : this.#groupName.get(rule.remote.securityGroupId);
      // A group that is not there any more has no members.
      if (remote === undefined) parts.push(`ip ${other} 0.0.0.0`);
      else if (remote !== "0.0.0.0/0") parts.push(`ip ${other} ${"cidr" in rule.remote ? remote : `@${remote}`}`);
    }
    if (rule.ports && (rule.protocol === "tcp" || rule.protocol === "udp")) {
      const { from, to } = rule.ports;
      parts.push(`${rule.protocol} ${back ? "sport" : "dport"} ${from === to ? from : `${from}-${to}`}`);
    } else if (rule.protocol !== "any") parts.push(`meta l4proto ${rule.protocol}`);
    return parts.length > 0 ? `${parts.join(" ")} ` : "";
  }
}
