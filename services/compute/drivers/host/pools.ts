import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CloudError } from "../../../../kernel/errors.ts";
import { contains, formatIpv4, formatNetwork, networksOf, overlaps, parseIpv4, parseRange } from "../../../../kernel/ipv4.ts";
import type { PublishedPool } from "../../driver.ts";
import { hostAddresses } from "./hostInfo.ts";
import { linkIndex } from "./links.ts";
import { readJson, type Setting, writeReplacing } from "./state.ts";
import type { TransitRange } from "./transit.ts";

/** Answering ARP is one entry in the kernel for each address. */
const mostAnswered = 4096;

interface PoolsState {
  pools: PublishedPool[];
  /** What may be there of them. */
  settings: Setting[];
}

/** What of the pools is remembered in the folder, for the next process. */
export class PoolsFile {
  readonly #file: string;
  constructor(directory: string) {
    this.#file = join(directory, "pools.json");
  }
  read(): PoolsState {
    return readJson<PoolsState>(this.#file) ?? { pools: [], settings: [] };
  }
  write(state: PoolsState): void {
    writeReplacing(this.#file, JSON.stringify(state));
  }
}

/** Refuses a pool whose publication would take the host's own addresses or its way out. */
export function checkPools(pools: readonly PublishedPool[], transit: TransitRange, ours: (name: string) => boolean): void {
  const refuse = (pool: PublishedPool, why: string): never => {
    throw new CloudError("failed_precondition", `The range ${pool.range} cannot be a pool of addresses: ${why}`, {
      details: { reason: "pool_range" },
    });
  };
  const own = hostAddresses(ours);
  const gateways = defaultGateways();
  for (const [index, pool] of pools.entries()) {
    const range = parseRange(pool.range) ?? refuse(pool, "it is no range of IPv4 addresses.");
    if (overlaps(range, transit.network))
      refuse(pool, `${transit.cidr} is the way between this host and the routers of its projects.`);
    for (const address of [...own.map((each) => each.address), ...gateways]) {
      const value = parseIpv4(address) as number;
      if (contains(range, { first: value, last: value }))
        refuse(
          pool,
          gateways.includes(address) ? `${address} is the gateway of this host.` : `${address} is this host's own address.`,
        );
    }
    const other = pools.slice(0, index).find((each) => overlaps(parseRange(each.range) as typeof range, range));
    if (other) refuse(pool, `it overlaps ${other.range}.`);
    if (pool.interface !== undefined) {
      if (linkIndex(pool.interface) === undefined) refuse(pool, `this host has no interface ${pool.interface}.`);
      if (range.last - range.first + 1 > mostAnswered)
        refuse(pool, `on an interface it may have ${mostAnswered} addresses at the most; route it to this host instead.`);
    }
  }
}

export function poolSettings(pools: readonly PublishedPool[]): Setting[] {
  return pools.flatMap((pool): Setting[] => {
    const range = parseRange(pool.range);
    if (!range) return [];
    if (pool.interface === undefined) {
      // What leads nowhere ends here, instead of going back to where it came from.
      return networksOf(range)
        .map(formatNetwork)
        .map((cidr) => ({
          make: `route replace unreachable ${cidr} metric 4278198272`,
          undo: `route del unreachable ${cidr} metric 4278198272`,
        }));
    }
    const answered: Setting[] = [];
    for (let address = range.first; address <= range.last; address++) {
      const text = formatIpv4(address);
      answered.push({
        make: `neigh replace proxy ${text} dev ${pool.interface}`,
        undo: `neigh del proxy ${text} dev ${pool.interface}`,
      });
    }
    return answered;
  });
}

function defaultGateways(): string[] {
  let text: string;
  try {
    text = readFileSync("/proc/net/route", "utf8");
  } catch {
    return [];
  }
  return text
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const [, destination, gateway = "", , , , , mask] = line.split("\t");
      if (destination !== "00000000" || mask !== "00000000" || gateway === "00000000") return [];
      return [formatIpv4(Buffer.from(gateway, "hex").readUInt32LE())];
    });
}
