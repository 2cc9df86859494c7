import { createSocket } from "node:dgram";
import { BlockList, isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";

const rememberedMs = 10_000;

interface Network {
  address: string;
  family: "ipv4" | "ipv6";
  internal: boolean;
  block: BlockList;
}

/** Which address of this machine another one sees: that of the network it is in, else that of the default route. */
export class LocalAddresses {
  #default: Record<"ipv4" | "ipv6", string | undefined> = { ipv4: undefined, ipv6: undefined };
  #networks: Network[] = [];
  #readAt = Number.NEGATIVE_INFINITY;

  /** Asks the system which way the world is; nothing is sent. */
  async open(): Promise<void> {
    this.#default = { ipv4: await routed("udp4", "192.0.2.1"), ipv6: await routed("udp6", "2001:db8::1") };
  }

  toward(remote: string): string {
    const family = isIPv6(remote) ? "ipv6" : "ipv4";
    this.#read();
    const near = this.#networks.find((network) => network.family === family && network.block.check(remote, family));
    if (near) return near.address;
    const any = this.#networks.find((network) => network.family === family && !network.internal);
    return this.#default[family] ?? any?.address ?? (family === "ipv6" ? "::1" : "127.0.0.1");
  }

  #read(): void {
    const now = performance.now();
    if (now - this.#readAt < rememberedMs) return;
    this.#readAt = now;
    this.#networks = Object.values(networkInterfaces()).flatMap((list) =>
      (list ?? []).flatMap(({ address, cidr, family, internal }) => {
        if (cidr === null || address.startsWith("fe80:")) return [];
        const block = new BlockList();
        const kind = family === "IPv6" ? "ipv6" : "ipv4";
        block.addSubnet(address, Number(cidr.split("/")[1]), kind);
        return [{ address, family: kind, internal, block } satisfies Network];
      }),
    );
  }
}

function routed(kind: "udp4" | "udp6", toward: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(kind);
    const done = (address: string | undefined) => {
      socket.close();
      resolve(address);
    };
    socket.once("error", () => done(undefined));
    socket.connect(9, toward, () => done(socket.address().address));
  });
}
