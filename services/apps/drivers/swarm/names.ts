/** What nodes are known by; also of use to what makes a machine a node. */
import { createHash } from "node:crypto";
import { isIPv6 } from "node:net";

/** A label of a node's engine: its name, and with it that of its certificate. */
export const nodeLabel = "khmara.node";
export const enginePort = 2376;
export const managerPort = 2377;
/** Of the cloud, where nodes pull images from. */
export const registryPort = 2378;
/** As Docker names a registry: in images, and in the folder of whom it trusts. */
export const registryAt = (host: string): string => `${isIPv6(host) ? `[${host}]` : host}:${registryPort}`;

export const nodeNamePattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** Of the certificate of a node's engine: nobody else's, as no DNS knows it. */
export const serverNameOf = (node: string): string => `${node}.nodes.khmara.internal`;
export const clientName = "khmara.nodes.khmara.internal";

/** Of all nodes together, beside the network of its name on each. A swarm takes 63 letters, and no points. */
export const overlayOf = (network: string): string =>
  `overlay-${createHash("sha256").update(network).digest("hex").slice(0, 20)}`;
export const isOverlay = (name: string): boolean => /^overlay-[0-9a-f]{20}$/.test(name);
/** The container through which this machine reaches that one. */
export const gateOf = (network: string): string => `${network}.gate`;
export const isGate = (container: string): boolean => container.endsWith(".gate");
