import { createHash } from "node:crypto";
import type { Tx } from "../../../../kernel/db/database.ts";
import { CloudError, invalid } from "../../../../kernel/errors.ts";
import type { HostNetworkInfo } from "../../driver.ts";
import { hostPortStore } from "../store/edge.ts";
import { refused } from "../subjects.ts";
import { hostPorts, pickedHostPorts } from "./contract.ts";

const everywhere = "0.0.0.0";
const isLoopback = (address: string) => address.startsWith("127.");

/** Takes a port of the host: this one, if neither a process of the host nor another forward or load balancer has it, or a free one. */
export async function takeHostPort(
  tx: Tx,
  host: HostNetworkInfo,
  wanted: { protocol: "tcp" | "udp"; address: string; port: number | undefined; holderId: string },
): Promise<number> {
  const { protocol, address, holderId } = wanted;
  if (address !== everywhere && !host.addresses.includes(address))
    throw invalid(
      "body.listenAddress",
      `${address} is no address of this host. It has: ${host.addresses.filter((each) => !isLoopback(each)).join(", ")}; 0.0.0.0 means all of them.`,
    );
  if (wanted.port !== undefined && wanted.port < hostPorts.from)
    throw invalid("body.listenPort", `Ports below ${hostPorts.from} are the host's own.`);
  await hostPortStore.lock(tx);
  const listens = (port: number) =>
    host.listening.some(
      (each) =>
        each.protocol === protocol &&
        each.port === port &&
        (address === everywhere || each.address === everywhere || each.address === address),
    );
  const take = async (port: number) => {
    await hostPortStore.take(tx, { protocol, address, port, holderId });
    return port;
  };
  if (wanted.port !== undefined) {
    if (listens(wanted.port))
      throw portTaken(`A program of the host itself listens on ${protocol} port ${wanted.port}. Choose another port.`);
    if (await hostPortStore.taken(tx, protocol, address, wanted.port))
      throw portTaken(
        `The ${protocol} port ${wanted.port} of the host is taken by another forward or load balancer. Choose another port.`,
      );
    return take(wanted.port);
  }
  const taken = await hostPortStore.takenIn(tx, protocol, pickedHostPorts);
  const count = pickedHostPorts.to - pickedHostPorts.from + 1;
  // Somewhere in the range, so that a port that was given back is not at once somebody else's.
  const start = createHash("sha256").update(holderId).digest().readUInt32BE() % count;
  for (let step = 0; step < count; step++) {
    const port = pickedHostPorts.from + ((start + step) % count);
    if (!taken.has(port) && !listens(port)) return take(port);
  }
  throw refused(
    "port_forward",
    "ports_used_up",
    `All ports from ${pickedHostPorts.from} to ${pickedHostPorts.to} of the host are taken.`,
  );
}

const portTaken = (message: string): CloudError =>
  new CloudError("already_exists", message, {
    details: { reason: "port_taken", fields: [{ path: "body.listenPort", message: "This port is taken." }] },
  });
