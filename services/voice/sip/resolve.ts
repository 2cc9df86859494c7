/** Where a domain's SIP servers are: RFC 3263, without NAPTR (whose answer for those who have SRV is the same in practice). */
import type { SrvRecord } from "node:dns";
import { Resolver as Dns, lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Hop, Resolver, SipUri, Transport } from "./ports.ts";
import { defaultPort } from "./transport/flow.ts";

const dns = new Dns({ timeout: 2000, tries: 2 });
const rememberedMs = 30_000;
const maximumRemembered = 1000;
const remembered = new Map<string, { until: number; hops: Promise<Hop[]> }>();

const services: [name: string, transport: Transport][] = [
  ["_sip._udp", "udp"],
  ["_sip._tcp", "tcp"],
  ["_sips._tcp", "tls"],
];

/** By DNS. An empty list: no such host. */
export const resolveByDns: Resolver = (host, port, transport) => {
  const key = `${host}|${port ?? ""}|${transport ?? ""}`;
  const now = performance.now();
  const known = remembered.get(key);
  if (known && known.until > now) return known.hops;
  const hops = ask(host, port, transport).then((found) => {
    if (found.length === 0) remembered.delete(key);
    return found;
  });
  if (remembered.size >= maximumRemembered) remembered.delete(remembered.keys().next().value!);
  remembered.set(key, { until: now + rememberedMs, hops });
  return hops;
};

async function ask(host: string, port: number | undefined, transport: Transport | undefined): Promise<Hop[]> {
  if (port !== undefined) return addresses(host, port, transport ?? "udp");
  for (const [name, kind] of services) {
    if (transport !== undefined && transport !== kind) continue;
    const records = await dns.resolveSrv(`${name}.${host}`).catch(() => []);
    const hops = await Promise.all(inOrder(records).map((record) => addresses(record.name, record.port, kind, host)));
    if (hops.some((list) => list.length > 0)) return hops.flat();
  }
  const kind = transport ?? "udp";
  return addresses(host, defaultPort(kind), kind);
}

async function addresses(host: string, port: number, transport: Transport, serverName = host): Promise<Hop[]> {
  const found = await lookup(host, { all: true }).catch(() => []);
  return found.map(({ address }) => ({ transport, address, port, serverName }));
}

/** RFC 2782: lower priorities first, and among equals by weighted chance. */
function inOrder(records: SrvRecord[]): SrvRecord[] {
  return records
    .map((record) => ({ record, rank: Math.random() ** (1 / Math.max(record.weight, 0.01)) }))
    .sort((a, b) => a.record.priority - b.record.priority || b.rank - a.rank)
    .map(({ record }) => record);
}

/** Where a URI is to be sent. Numbers of the telephone network lead nowhere by themselves. */
export async function hopsOf(uri: SipUri, resolver: Resolver): Promise<Hop[]> {
  if (uri.scheme === "tel") return [];
  const host = typeof uri.params["maddr"] === "string" ? uri.params["maddr"] : uri.host;
  const transport = transportOf(uri);
  if (isIP(host) === 0) return resolver(host, uri.port, transport);
  const kind = transport ?? "udp";
  return [{ transport: kind, address: host, port: uri.port ?? defaultPort(kind), serverName: host }];
}

function transportOf(uri: SipUri): Transport | undefined {
  const named = uri.params["transport"];
  const wanted = typeof named === "string" ? named.toLowerCase() : undefined;
  if (uri.scheme === "sips") return wanted === "ws" || wanted === "wss" ? "wss" : "tls";
  return wanted === "udp" || wanted === "tcp" || wanted === "tls" || wanted === "ws" || wanted === "wss" ? wanted : undefined;
}
