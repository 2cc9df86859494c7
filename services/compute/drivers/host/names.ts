import { createHash } from "node:crypto";

const hash = (text: string, digits: number): string => createHash("sha256").update(text).digest("hex").slice(0, digits);

/**
 * Whatever is made on the host carries four digits of the cloud's id, as several clouds may be on one machine (tests are), and
 * begins with `kh`. A name of an interface has at most 15 characters.
 */
export class Names {
  readonly cloud: string;
  constructor(cloudId: string) {
    this.cloud = hash(cloudId, 4);
  }

  /** Of all rules of the cloud on the host. */
  get table(): string {
    return `kh_${this.cloud}`;
  }
  /** The network namespace of a router. */
  namespace(router: string): string {
    return `kh-${this.cloud}-${router}`;
  }
  /** The router of a namespace's name; undefined when it is not this cloud's. */
  routerOf(namespace: string): string | undefined {
    return new RegExp(`^kh-${this.cloud}-([0-9a-f]{8})$`).exec(namespace)?.[1];
  }
  /** The host's end of a router's way to the world. */
  uplink(router: string): string {
    return `khr${this.cloud}${router}`;
  }
  get uplinks(): string {
    return `"khr${this.cloud}*"`;
  }
  /** The router's card on a bridge: the host's end. */
  peer(bridge: string): string {
    return `khv${this.cloud}${hash(bridge, 8)}`;
  }
  /** Written at each bridge, so that it is found again whatever its name is. */
  mark(router: string): string {
    return `khmara:${this.cloud}:${router}`;
  }
}

/** The router's end of its card on a bridge, inside its namespace. */
export const inner = (bridge: string): string => `n${hash(bridge, 8)}`;
/** Locally administered (IEEE 802); no port has it: theirs begin with 02. */
export const innerMacAddress = (bridge: string): string =>
  ["06", ...(hash(`${bridge} router`, 10).match(/../g) as string[])].join(":");
/** The router's end of its way to the world. */
export const up = "outside";
