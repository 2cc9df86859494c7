/** What nodes are known by; also of use to what makes a machine a node. */

/** A label of a node's engine: its name, and with it that of its certificate. */
export const nodeLabel = "khmara.node";
export const enginePort = 2376;
export const managerPort = 2377;

export const nodeNamePattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** Of the certificate of a node's engine: nobody else's, as no DNS knows it. */
export const serverNameOf = (node: string): string => `${node}.nodes.khmara.internal`;
export const clientName = "khmara.nodes.khmara.internal";

const overlayEnd = "-overlay";
/** Of all nodes together, beside the network of its name on each. A swarm takes no points in names. */
export const overlayOf = (network: string): string => network + overlayEnd;
/** Undefined of one that is none. */
export const networkOfOverlay = (name: string): string | undefined =>
  name.endsWith(overlayEnd) ? name.slice(0, -overlayEnd.length) : undefined;
/** The container through which this machine reaches that one. */
export const gateOf = (network: string): string => `${network}.gate`;
export const isGate = (container: string): boolean => container.endsWith(".gate");
