import { up } from "./names.ts";
import type { RouterPlan } from "./plan.ts";

const table = "khmara_traffic";

/**
 * Counters at the edge, in a table of their own: the rules are replaced as a whole, these only grow. A port's count what is forwarded
 * between it and the world, after all rules; a load balancer's what its clients send it from outside.
 */
export const trafficIds = (plan: RouterPlan): string[] => [
  ...plan.ports.map(({ id, ipv4 }) => `port ${id} ${ipv4}`),
  ...plan.balancers
    .filter(({ listens }) => listens !== "network")
    .map(({ id, bind }) => `balancer ${id} ${bind.address} . ${bind.port}`),
];

interface Counted {
  id: string;
  key: string;
  maps: { in: string; out: string };
}
const counted = (entry: string): Counted => {
  const [kind, id, ...key] = entry.split(" ") as [string, string, ...string[]];
  return {
    id,
    key: key.join(" "),
    maps: kind === "port" ? { in: "ports_in", out: "ports_out" } : { in: "balancers_in", out: "balancers_out" },
  };
};

interface Count {
  id: string;
  receivedBytes: number;
  sentBytes: number;
}

/** The table from nothing; counters begin where they were. */
export const trafficTable = (entries: readonly string[], counts: readonly Count[]): string => `add table ip ${table}
delete table ip ${table}
table ip ${table} {
  map ports_in { type ipv4_addr : counter; }
  map ports_out { type ipv4_addr : counter; }
  map balancers_in { type ipv4_addr . inet_service : counter; }
  map balancers_out { type ipv4_addr . inet_service : counter; }
  chain forward {
    type filter hook forward priority filter + 10; policy accept;
    iifname "${up}" counter name ip daddr map @ports_in
    oifname "${up}" counter name ip saddr map @ports_out
  }
  chain input {
    type filter hook input priority filter + 10; policy accept;
    iifname "${up}" counter name ip daddr . tcp dport map @balancers_in
  }
  chain output {
    type filter hook output priority filter + 10; policy accept;
    oifname "${up}" counter name ip saddr . tcp sport map @balancers_out
  }
}
${trafficChanges([], entries, counts)}`;

/** What takes the table from some entries to others; what stays goes on counting. */
export function trafficChanges(before: readonly string[], after: readonly string[], counts: readonly Count[] = []): string {
  const countOf = new Map(counts.map((count) => [count.id, count]));
  const lines: string[] = [];
  const [old, wanted] = [new Set(before), new Set(after)];
  const kept = new Set(after.map((entry) => counted(entry).id));
  const had = new Set(before.map((entry) => counted(entry).id));
  for (const entry of old) {
    if (wanted.has(entry)) continue;
    const { id, key, maps } = counted(entry);
    for (const way of ["in", "out"] as const) {
      lines.push(`delete element ip ${table} ${maps[way]} { ${key} }`);
      // One that moved to another address goes on counting there.
      if (!kept.has(id)) lines.push(`delete counter ip ${table} ${way}_${id}`);
    }
  }
  for (const entry of wanted) {
    if (old.has(entry)) continue;
    const { id, key, maps } = counted(entry);
    for (const way of ["in", "out"] as const) {
      const count = countOf.get(id)?.[way === "in" ? "receivedBytes" : "sentBytes"] ?? 0;
      if (!had.has(id)) lines.push(`add counter ip ${table} ${way}_${id} { packets 0 bytes ${count}; }`);
      lines.push(`add element ip ${table} ${maps[way]} { ${key} : "${way}_${id}" }`);
    }
  }
  return lines.length > 0 ? `${lines.join("\n")}\n` : "";
}

export const readTraffic = `nft -j list counters table ip ${table}`;

export function parseTraffic(json: string): Count[] {
  const counters = new Map<string, Count>();
  for (const { counter } of (JSON.parse(json) as { nftables: { counter?: { name: string; bytes: number } }[] }).nftables) {
    const [, way, id] = /^(in|out)_(.+)$/.exec(counter?.name ?? "") ?? [];
    if (!counter || !id) continue;
    const entry = counters.get(id) ?? { id, receivedBytes: 0, sentBytes: 0 };
    entry[way === "in" ? "receivedBytes" : "sentBytes"] += counter.bytes;
    counters.set(id, entry);
  }
  return [...counters.values()];
}
