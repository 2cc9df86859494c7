import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { formatIpv4, formatNetwork, parseIpv4 } from "../../../../kernel/ipv4.ts";
import type { HostNetworkInfo } from "../../driver.ts";

/** Addresses of this host itself, but those that its routers know it by. */
export function hostAddresses(ours: (name: string) => boolean): { name: string; address: string; netmask: string }[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    ours(name)
      ? []
      : (addresses ?? []).flatMap(({ family, address, netmask }) => (family === "IPv4" ? [{ name, address, netmask }] : [])),
  );
}

/** Networks that the host is in itself: who is there could not be answered by an instance that has the same range around it. */
export const attachedRanges = (addresses: ReturnType<typeof hostAddresses>): { cidr: string; reason: string }[] =>
  addresses.flatMap(({ name, address, netmask }) => {
    const [own, mask] = [parseIpv4(address), parseIpv4(netmask)];
    if (own === undefined || mask === undefined || address.startsWith("127.")) return [];
    const prefix = 32 - Math.log2(2 ** 32 - mask);
    const size = 2 ** (32 - prefix);
    const first = own - (own % size);
    return [
      {
        cidr: formatNetwork({ first, last: first + size - 1, prefix }),
        reason: `is the network of this host's interface ${name}`,
      },
    ];
  });

/** What listens on this host, as the kernel's tables of sockets say (proc(5)). */
export const listeningPorts = (): HostNetworkInfo["listening"] =>
  (["tcp", "tcp6", "udp", "udp6"] as const).flatMap((table) => {
    let text: string;
    try {
      text = readFileSync(`/proc/net/${table}`, "utf8");
    } catch {
      return [];
    }
    const protocol = table.startsWith("tcp") ? "tcp" : "udp";
    return text
      .split("\n")
      .slice(1)
      .flatMap((line) => {
        const [, local = "", remote = "", state = ""] = line.trim().split(/\s+/);
        const [address = "", port = ""] = local.split(":");
        // 0A: listening; of UDP everything that is not connected to one other side.
        if (protocol === "tcp" ? state !== "0A" : !/^0+:0000$/.test(remote)) return [];
        return [{ protocol, address: addressOf(address), port: Number.parseInt(port, 16) } as const];
      });
  });

function addressOf(hex: string): string {
  const ipv4 = hex.length === 8 ? hex : /^0{16}FFFF0000([0-9A-F]{8})$/.exec(hex)?.[1];
  if (ipv4 !== undefined) return formatIpv4(Buffer.from(ipv4, "hex").readUInt32LE());
  // A socket on all IPv6 addresses has all IPv4 ones too, as a rule.
  return /^0+$/.test(hex) ? "0.0.0.0" : "ipv6";
}
