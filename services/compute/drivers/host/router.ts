import type { Overlay } from "../../driver.ts";
import { ipBatch, nftLoad } from "./commands.ts";
import { command } from "./daemons.ts";
import { linkIndex } from "./links.ts";
import { up } from "./names.ts";
import { ownAddresses, type PlannedNetwork, type RouterPlan } from "./plan.ts";
import type { Setting } from "./state.ts";

/** Settings of a kernel, as lines of a script; one whose file is not there is passed over. */
const sysctls = (settings: Record<string, string | number>): string =>
  Object.entries(settings)
    .map(([name, value]) => `[ ! -e /proc/sys/net/${name} ] || echo ${value} > /proc/sys/net/${name}\n`)
    .join("");

export interface MissingLinks {
  namespace: boolean;
  uplink: boolean;
  networks: PlannedNetwork[];
  /** Whose tunnel's device is not there, or not as it is to be. */
  tunnels: Overlay[];
  /** Of networks that were there before. */
  surplus: { bridge: string; peer: string }[];
  surplusTunnels: string[];
}

/** On the host: the namespace, its way out, and a bridge per network with the router's card on it. */
export function hostScript(plan: RouterPlan, missing: MissingLinks, mtu: number, mark: string): string {
  const { namespace, uplink, transit } = plan;
  const make: string[] = [];
  const raise: string[] = [];
  let settings: Record<string, string | number> = {};
  if (missing.uplink) {
    make.push(`link add ${uplink} mtu ${mtu} type veth peer name ${up} mtu ${mtu} netns ${namespace}`);
    settings = {
      ...settings,
      [`ipv6/conf/${uplink}/disable_ipv6`]: 1,
      // Only what is routed back there may come from a router.
      [`ipv4/conf/${uplink}/rp_filter`]: 1,
      // For forwards of 127.0.0.1; what a router sends there is dropped by our rules.
      [`ipv4/conf/${uplink}/route_localnet`]: 1,
    };
    raise.push(
      `addr replace ${transit.host} peer ${transit.address}/32 dev ${uplink}`,
      `link set ${uplink} up`,
      `route replace ${transit.control}/32 dev ${uplink}`,
    );
  }
  for (const { bridge, peer, inner, macAddress, overlay } of missing.networks) {
    const mtuOf = overlay ? `mtu ${overlay.mtu} ` : "";
    // One that is there already has running instances' cards on it.
    if (linkIndex(bridge) === undefined) make.push(`link add ${bridge} type bridge forward_delay 0 mcast_snooping 0`);
    make.push(
      `link set ${bridge} alias ${mark}`,
      // Always the same address: instances remember it, and it may be made anew while they run.
      `link add ${peer} ${mtuOf}type veth peer name ${inner} ${mtuOf}address ${macAddress} netns ${namespace}`,
      `link set ${peer} master ${bridge}`,
    );
    settings = {
      ...settings,
      [`ipv6/conf/${bridge}/disable_ipv6`]: 1,
      [`ipv6/conf/${peer}/disable_ipv6`]: 1,
      // The host has no part in its instances' networks.
      [`ipv4/conf/${bridge}/arp_ignore`]: 8,
      [`ipv4/conf/${bridge}/forwarding`]: 0,
    };
    raise.push(`link set ${bridge} up`, `link set ${peer} up`);
  }
  const tunnels = tunnelLines(missing.tunnels, mark);
  return [
    ipBatch(
      missing.surplusTunnels.map((device) => `link del ${device}`),
      { force: true },
    ),
    ipBatch(
      missing.surplus.flatMap(({ bridge, peer }) => [`link del ${peer}`, `link del ${bridge}`]),
      { force: true },
    ),
    // Halves that a crash left, or of a bridge that was deleted by hand.
    ipBatch(
      [
        ...(missing.uplink ? [uplink] : []),
        ...missing.networks.map(({ peer }) => peer),
        ...missing.tunnels.map(({ device }) => device),
      ]
        .filter((name) => linkIndex(name) !== undefined)
        .map((name) => `link del ${name}`),
      { force: true },
    ),
    missing.namespace ? `[ ! -e /run/netns/${namespace} ] || ip netns del ${namespace}\nip netns add ${namespace}\n` : "",
    ipBatch([...make, ...tunnels.make]),
    tunnels.ends,
    sysctls(settings),
    ipBatch([...raise, ...tunnels.raise]),
  ].join("");
}

/**
 * The end of a network's tunnels: one device, which sends to each other member what it does not know a place for, and learns from what
 * comes. On its bridge it is isolated as cards are: what comes by a tunnel goes to the router alone, not to cards here nor into another
 * tunnel. The engine makes one of that name too, that leads to itself.
 */
function tunnelLines(overlays: readonly Overlay[], mark: string): { make: string[]; ends: string; raise: string[] } {
  return {
    make: overlays.flatMap(({ bridge, device, vni, port, mtu, address }) => [
      `link add ${device} mtu ${mtu} type vxlan id ${vni} local ${address} dstport ${port} ttl 64`,
      `link set ${device} alias ${mark}`,
      `link set ${device} master ${bridge}`,
      `link set ${device} type bridge_slave isolated on`,
    ]),
    ends: overlays
      .flatMap(({ device, members }) =>
        members.map((member) => `bridge fdb append 00:00:00:00:00:00 dev ${device} dst ${member}\n`),
      )
      .join(""),
    raise: overlays.map(({ device }) => `link set ${device} up`),
  };
}

/** What the router has inside, apart from its links. */
export const innerSettings = (plan: RouterPlan): Setting[] => {
  const address = (cidr: string, device: string): Setting => ({
    make: `addr replace ${cidr} dev ${device}`,
    undo: `addr del ${cidr} dev ${device}`,
  });
  return [
    ...plan.networks.map(({ gateway, range, inner }) => address(`${gateway}/${range.prefix}`, inner)),
    ...ownAddresses(plan).map((own) => address(`${own}/32`, "lo")),
    ...[
      ...new Set(
        plan.balancers.flatMap(({ listens, bind }) =>
          listens === "network" && !isGateway(plan, bind.address) ? [bind.address] : [],
        ),
      ),
    ].map((own) => address(`${own}/32`, "lo")),
    // Nobody answers for another one's address.
    ...plan.ports.map(({ ipv4, macAddress, network }) => ({
      make: `neigh replace ${ipv4} lladdr ${macAddress} dev ${network.inner} nud permanent`,
      undo: `neigh del ${ipv4} dev ${network.inner}`,
    })),
  ];
};

const isGateway = (plan: RouterPlan, address: string): boolean => plan.networks.some(({ gateway }) => gateway === address);

/** What leads from the host to the router besides its transit. */
export const hostSettings = (plan: RouterPlan): Setting[] =>
  [...new Set([...plan.floating.map(({ address }) => address), ...ownAddresses(plan)])].map((address) => ({
    make: `route replace ${address}/32 via ${plan.transit.address} dev ${plan.uplink} onlink`,
    undo: `route del ${address}/32 via ${plan.transit.address} dev ${plan.uplink}`,
  }));

export interface SettingChanges {
  undo: string[];
  make: string[];
}

export function settingChanges(before: readonly Setting[], after: readonly Setting[], all: boolean): SettingChanges {
  const old = new Set(before.map(({ make }) => make));
  const wanted = new Set(after.map(({ make }) => make));
  return {
    undo: before.filter(({ make }) => !wanted.has(make)).map(({ undo }) => undo),
    make: after.filter(({ make }) => all || !old.has(make)).map(({ make }) => make),
  };
}

/** Table of the control plane's own connections: each lets one be made, once, and is forgotten soon after. */
const connectTable = (plan: RouterPlan): string => `add table ip khmara_connect
delete table ip khmara_connect
table ip khmara_connect {
  map connects { type inet_service : ipv4_addr . inet_service; flags timeout; }
  chain prerouting {
    type nat hook prerouting priority dstnat - 1; policy accept;
    iifname "${up}" ip saddr ${plan.transit.host} ip daddr ${plan.transit.control} dnat ip to tcp dport map @connects
  }
}
`;

export interface InnerWork {
  /** The namespace is new: all of its settings and tables are missing. */
  fresh: boolean;
  newNetworks: readonly PlannedNetwork[];
  uplink: boolean;
  rules: string | undefined;
  traffic: string;
  settings: SettingChanges;
}

/** Inside the namespace. Rules come before the links go up: there is no moment without them. Prints the handles of the tables. */
export function innerScript(plan: RouterPlan, work: InnerWork): string {
  const { transit } = plan;
  const kernel: Record<string, string | number> = work.fresh
    ? {
        "ipv6/conf/all/disable_ipv6": 1,
        "ipv6/conf/default/disable_ipv6": 1,
        "ipv4/conf/all/rp_filter": 0,
        "ipv4/conf/default/rp_filter": 0,
        "ipv4/conf/all/send_redirects": 0,
        "ipv4/conf/default/send_redirects": 0,
        "ipv4/conf/all/accept_redirects": 0,
        "ipv4/conf/all/arp_ignore": 0,
        "ipv4/ip_forward": 1,
      }
    : {};
  for (const { inner } of work.newNetworks) {
    Object.assign(kernel, {
      [`ipv4/conf/${inner}/rp_filter`]: 0,
      [`ipv4/conf/${inner}/send_redirects`]: 0,
      // The router answers for everybody in the network (RFC 3069), at once: instances reach each other through it alone.
      [`ipv4/conf/${inner}/proxy_arp_pvlan`]: 1,
      [`ipv4/neigh/${inner}/proxy_delay`]: 0,
    });
  }
  if (work.uplink) Object.assign(kernel, { [`ipv4/conf/${up}/rp_filter`]: 0 });
  return [
    nftLoad([work.fresh ? connectTable(plan) : "", work.rules ?? "", work.traffic].join("")),
    sysctls(kernel),
    ipBatch(work.settings.undo, { force: true }),
    ipBatch([
      ...(work.fresh ? ["link set lo up"] : []),
      ...(work.uplink
        ? [
            `addr replace ${transit.address}/32 dev ${up}`,
            `addr replace ${transit.control}/32 dev ${up}`,
            `link set ${up} up`,
            `route replace ${transit.host}/32 dev ${up} src ${transit.address}`,
            `route replace default via ${transit.host} dev ${up} src ${transit.address}`,
          ]
        : []),
      ...work.newNetworks.map(({ inner }) => `link set ${inner} up`),
      ...work.settings.make,
    ]),
    listTables,
  ].join("");
}

export const listTables = "nft -j list tables\n";

/** The handles of some tables, as text; undefined when one of them is missing. No two tables of a namespace ever have the same one. */
export function tableHandles(listing: string, tables: readonly string[]): string | undefined {
  const { nftables } = JSON.parse(listing) as { nftables: { table?: { family: string; name: string; handle: number } }[] };
  const handles = new Map(nftables.flatMap(({ table }) => (table ? [[`${table.family} ${table.name}`, table.handle]] : [])));
  const found = tables.map((table) => handles.get(table));
  return found.every((handle) => handle !== undefined) ? found.join(" ") : undefined;
}
export const innerTables = ["ip khmara", "ip khmara_traffic", "ip khmara_connect"];

export const startDns = (directory: string): string =>
  `${command("dnsmasq", `--conf-file=${directory}/dnsmasq.conf`)} </dev/null >/dev/null\n`;
export const startBalancer = (directory: string): string =>
  `${command("haproxy", "-W", "-D", "-f", `${directory}/haproxy.cfg`, "-p", `${directory}/haproxy.pid`)} </dev/null >/dev/null\n`;
