/**
 * One TCP port of this host that containers of certain networks reach, at an address that is the same for all of them and leads nowhere else. A
 * table of its own for each cloud; the firewall's own rules (firewall.ts) let pass what this one has marked.
 */
import { createHash } from "node:crypto";

/** Of the range that leads nowhere (RFC 3927); none that clouds are known to use. A number, so that S3 clients put buckets into the path. */
export const doorAddress = "169.254.83.3";
/** Of connections that came through a door (`ct mark`). */
export const doorMark = 0x6b_73_33_64;

export const doorTable = (cloudId: string): string =>
  `khmara_door_${createHash("sha256").update(cloudId).digest("hex").slice(0, 12)}`;

const isWildcard = (address: string): boolean => address === "0.0.0.0" || address === "::" || address === "";
export const isLoopback = (address: string): boolean => /^127(\.\d{1,3}){3}$/.test(address);
/** What packets of IPv4 can be led to. */
export const canLeadTo = (address: string): boolean => isWildcard(address) || /^\d{1,3}(\.\d{1,3}){3}$/.test(address);

/** Inside of `table ip`: where the host listens on all addresses, the bridge's own is as good as any. */
export const doorRules = (bridges: readonly string[], { address, port }: { address: string; port: number }): string => {
  const names = bridges.map((name) => `"${name}"`).join(", ");
  const target = isWildcard(address) ? `redirect to :${port}` : `dnat to ${address}:${port}`;
  return `  chain prerouting {
    type nat hook prerouting priority dstnat - 10; policy accept;
    iifname { ${names} } ip daddr ${doorAddress} tcp dport ${port} ct mark set ${doorMark} ${target}
  }
`;
};
