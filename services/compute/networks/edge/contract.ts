import { z } from "zod";
import { displayName, page, pageQuery, revision, route, timestamp } from "../../../../kernel/contract.ts";
import { id } from "../../../../kernel/ids.ts";
import { operation } from "../../../operations/contract.ts";
import { hostName } from "../../instances/contract.ts";

// Where networks meet the world: pools and floating addresses, port forwards, load balancers.

const description = z.string().trim().max(500);
const ipv4 = z.ipv4("An IPv4 address, such as 10.10.0.5.");
const portNumber = z.number().int().min(1, "Ports go from 1 to 65535.").max(65_535, "Ports go from 1 to 65535.");
const project = id("project");
const owned = { projectId: id("project"), organisationId: id("organisation"), createdAt: timestamp, revision } as const;

/** Ports of the host that forwards and load balancers may listen on, and where a free one is looked for when none is asked for. */
export const hostPorts = { from: 1024, to: 65_535 } as const;
export const pickedHostPorts = { from: 20_000, to: 29_999 } as const;

export const addressPool = z.object({
  id: id("addressPool"),
  name: z.string(),
  description: z.string(),
  /** A range in CIDR notation, or first and last address: `203.0.113.10-203.0.113.20`. */
  range: z.string(),
  interface: z
    .string()
    .optional()
    .describe("Where the host answers ARP for the pool's addresses; absent: they are routed to it."),
  reach: z
    .enum(["local", "external"])
    .describe("local: only this machine reaches the addresses; external: whoever the range is routed to."),
  total: z.number().int(),
  used: z.number().int(),
  createdAt: timestamp,
  revision,
});
export type AddressPool = z.output<typeof addressPool>;

export const address = z.object({
  id: id("address"),
  ...owned,
  address: z.string(),
  description: z.string(),
  poolId: id("addressPool"),
  poolName: z.string(),
  reach: z.enum(["local", "external"]),
  /** Where it leads: to all ports of one instance's card, or to load balancers. */
  portId: id("port").optional(),
  instanceId: id("instance").optional(),
  instanceName: z.string().optional(),
  loadBalancerIds: z.array(id("loadBalancer")),
});
export type Address = z.output<typeof address>;

export const portForward = z.object({
  id: id("portForward"),
  ...owned,
  description: z.string(),
  protocol: z.enum(["tcp", "udp"]),
  /** 0.0.0.0: every address of the host. */
  listenAddress: z.string(),
  listenPort: z.number().int(),
  portId: id("port"),
  instanceId: id("instance"),
  instanceName: z.string(),
  targetAddress: z.string(),
  targetPort: z.number().int(),
});
export type PortForward = z.output<typeof portForward>;

export const loadBalancerMember = z.object({
  portId: id("port"),
  instanceId: id("instance"),
  instanceName: z.string(),
  address: z.string(),
  targetPort: z.number().int(),
  weight: z.number().int(),
  /** As the last check said; unknown before the first one. */
  health: z.enum(["up", "down", "unknown"]),
  connections: z.number().int(),
  totalConnections: z.number().int(),
  bytesIn: z.number().int(),
  bytesOut: z.number().int(),
});

export const loadBalancer = z.object({
  id: id("loadBalancer"),
  ...owned,
  name: z.string(),
  description: z.string(),
  /** Where it listens: a floating address, the host's own addresses, or inside a network. */
  listen: z.enum(["address", "host", "network"]),
  addressId: id("address").optional(),
  networkId: id("network").optional(),
  listenAddress: z.string(),
  listenPort: z.number().int(),
  algorithm: z.enum(["round_robin", "least_connections", "source"]),
  members: z.array(loadBalancerMember),
  check: z.object({ intervalSeconds: z.number(), failures: z.number().int() }),
});
export type LoadBalancer = z.output<typeof loadBalancer>;

const byPool = z.object({ addressPool: id("addressPool") });
const byAddress = z.object({ address: id("address") });
const byForward = z.object({ portForward: id("portForward") });
const byBalancer = z.object({ loadBalancer: id("loadBalancer") });

/** The record is changed at once; the operation ends when the host does what it says. */
const apply = {
  status: 202,
  response: operation,
  errors: ["not_found", "failed_precondition", "precondition_failed", "conflict"],
} as const;
const inProject = pageQuery.extend({ project, search: z.string().max(100).optional().describe("Part of the name.") });

const poolRange = z
  .string()
  .trim()
  .regex(
    /^\d{1,3}(\.\d{1,3}){3}(\/\d{1,2}|-\d{1,3}(\.\d{1,3}){3})?$/,
    "A range such as 203.0.113.0/28 or 203.0.113.10-203.0.113.20, or one address.",
  );
const interfaceName = z.string().regex(/^[^\s/:]{1,15}$/, "The name of an interface of the host, as `ip link` shows it.");
const target = {
  port: id("port").optional().describe("The card that it leads to."),
  instance: id("instance").optional().describe("Instead of the port: the instance's first card."),
};
const members = z
  .array(
    z.object({
      port: id("port").optional(),
      instance: id("instance").optional().describe("Instead of the port: the instance's first card."),
      targetPort: portNumber,
      weight: z.number().int().min(1).max(256).default(1),
    }),
  )
  .max(100, "At most 100 members.");
const algorithm = z
  .enum(["round_robin", "least_connections", "source"])
  .describe("source: the same client address always gets to the same member.");
const check = z
  .object({
    intervalSeconds: z.number().int().min(1).max(300).default(5),
    failures: z.number().int().min(1).max(10).default(3),
  })
  .describe("A TCP connection to each member at this interval; so many failures in a row take it out.");

export const edgeRoutes = {
  addressPoolList: route({
    method: "GET",
    path: "/v1/address-pools",
    summary: "List address pools",
    description: "Where floating addresses come from.",
    permission: "self",
    query: pageQuery,
    response: page(addressPool),
  }),
  addressPoolCreate: route({
    method: "POST",
    path: "/v1/address-pools",
    summary: "Create an address pool",
    description:
      "Addresses that lead to this host: routed to it by the network around it, or in the range of an interface of its own.",
    permission: "compute.address_pool.create",
    roles: ["admin"],
    body: z.object({
      name: displayName,
      description: description.default(""),
      range: poolRange,
      interface: interfaceName
        .optional()
        .describe("The host answers ARP for the addresses here; absent: the range is routed to it."),
    }),
    response: addressPool,
    status: 201,
    errors: ["already_exists", "failed_precondition"],
  }),
  addressPoolUpdate: route({
    method: "PATCH",
    path: "/v1/address-pools/{addressPool}",
    summary: "Change an address pool",
    description: "A new range must hold all addresses that are in use.",
    permission: "compute.address_pool.update",
    roles: ["admin"],
    params: byPool,
    body: z.object({
      name: displayName.optional(),
      description: description.optional(),
      range: poolRange.optional(),
      interface: interfaceName.nullable().optional().describe("null: none, the range is routed to this host."),
    }),
    response: addressPool,
    errors: ["not_found", "already_exists", "failed_precondition", "precondition_failed"],
  }),
  addressPoolDelete: route({
    method: "DELETE",
    path: "/v1/address-pools/{addressPool}",
    summary: "Delete an address pool",
    description: "Only while none of its addresses is in use.",
    permission: "compute.address_pool.delete",
    roles: ["admin"],
    params: byPool,
    errors: ["not_found", "failed_precondition", "precondition_failed"],
  }),

  addressList: route({
    method: "GET",
    path: "/v1/addresses",
    summary: "List floating addresses",
    permission: "compute.address.list",
    roles: ["viewer"],
    query: pageQuery.extend({ project }),
    response: page(address),
    errors: ["not_found"],
  }),
  addressCreate: route({
    method: "POST",
    path: "/v1/addresses",
    summary: "Allocate a floating address",
    description: "It is the project's, and paid for, until it is released.",
    permission: "compute.address.create",
    roles: ["editor"],
    body: z.object({
      project,
      pool: id("addressPool").optional().describe("Absent: one with a free address, external ones first."),
      address: ipv4.optional().describe("This one, if it is free."),
      description: description.default(""),
    }),
    response: address,
    status: 201,
    errors: ["not_found", "already_exists", "quota_exceeded", "failed_precondition"],
  }),
  addressGet: route({
    method: "GET",
    path: "/v1/addresses/{address}",
    summary: "Show a floating address",
    permission: "compute.address.read",
    roles: ["viewer"],
    params: byAddress,
    response: address,
    errors: ["not_found"],
  }),
  addressUpdate: route({
    method: "PATCH",
    path: "/v1/addresses/{address}",
    summary: "Describe a floating address",
    permission: "compute.address.update",
    roles: ["editor"],
    params: byAddress,
    body: z.object({ description }),
    response: address,
    errors: ["not_found", "precondition_failed"],
  }),
  addressAttach: route({
    method: "POST",
    path: "/v1/addresses/{address}/attach",
    summary: "Let a floating address lead to an instance",
    description: "Both ways: the instance is seen under it in the world. An address that leads elsewhere is moved.",
    permission: "compute.address.attach",
    roles: ["editor"],
    params: byAddress,
    body: z.object(target),
    ...apply,
  }),
  addressDetach: route({
    method: "POST",
    path: "/v1/addresses/{address}/detach",
    summary: "Detach a floating address",
    permission: "compute.address.detach",
    roles: ["editor"],
    params: byAddress,
    ...apply,
  }),
  addressDelete: route({
    method: "DELETE",
    path: "/v1/addresses/{address}",
    summary: "Release a floating address",
    description: "It is detached first; one that a load balancer listens on stays.",
    permission: "compute.address.delete",
    roles: ["editor"],
    params: byAddress,
    ...apply,
  }),

  portForwardList: route({
    method: "GET",
    path: "/v1/port-forwards",
    summary: "List port forwards",
    permission: "compute.port_forward.list",
    roles: ["viewer"],
    query: pageQuery.extend({ project, instance: id("instance").optional() }),
    response: page(portForward),
    errors: ["not_found"],
  }),
  portForwardCreate: route({
    method: "POST",
    path: "/v1/port-forwards",
    summary: "Forward a port of the host to an instance",
    description: "The instance's security groups have to let it in.",
    permission: "compute.port_forward.create",
    roles: ["editor"],
    body: z.object({
      ...target,
      protocol: z.enum(["tcp", "udp"]).default("tcp"),
      targetPort: portNumber,
      listenPort: portNumber
        .min(hostPorts.from, "Ports below 1024 are the host's own.")
        .optional()
        .describe(`Absent: a free one from ${pickedHostPorts.from} to ${pickedHostPorts.to}.`),
      listenAddress: ipv4.default("0.0.0.0").describe("One address of the host; 0.0.0.0: all of them."),
      description: description.default(""),
    }),
    ...apply,
    errors: [...apply.errors, "already_exists", "quota_exceeded"],
  }),
  portForwardGet: route({
    method: "GET",
    path: "/v1/port-forwards/{portForward}",
    summary: "Show a port forward",
    permission: "compute.port_forward.read",
    roles: ["viewer"],
    params: byForward,
    response: portForward,
    errors: ["not_found"],
  }),
  portForwardDelete: route({
    method: "DELETE",
    path: "/v1/port-forwards/{portForward}",
    summary: "Delete a port forward",
    permission: "compute.port_forward.delete",
    roles: ["editor"],
    params: byForward,
    ...apply,
  }),

  loadBalancerList: route({
    method: "GET",
    path: "/v1/load-balancers",
    summary: "List load balancers",
    permission: "compute.load_balancer.list",
    roles: ["viewer"],
    query: inProject,
    response: page(loadBalancer),
    errors: ["not_found"],
  }),
  loadBalancerCreate: route({
    method: "POST",
    path: "/v1/load-balancers",
    summary: "Create a load balancer",
    description:
      "On TCP. It listens on a floating address (`address`), in a network (`network`), or, with neither, on a port of the host. " +
      "Its members see it as the gateway of their network, and need no rule of a security group for it.",
    permission: "compute.load_balancer.create",
    roles: ["editor"],
    body: z.object({
      project,
      name: hostName,
      description: description.default(""),
      address: id("address").optional(),
      network: id("network").optional(),
      listenPort: portNumber
        .optional()
        .describe(`Absent, on a port of the host: a free one from ${pickedHostPorts.from} to ${pickedHostPorts.to}.`),
      algorithm: algorithm.default("round_robin"),
      members: members.default([]),
      check: check.default({ intervalSeconds: 5, failures: 3 }),
    }),
    ...apply,
    errors: [...apply.errors, "already_exists", "quota_exceeded"],
  }),
  loadBalancerGet: route({
    method: "GET",
    path: "/v1/load-balancers/{loadBalancer}",
    summary: "Show a load balancer",
    description: "With the health of its members.",
    permission: "compute.load_balancer.read",
    roles: ["viewer"],
    params: byBalancer,
    response: loadBalancer,
    errors: ["not_found"],
  }),
  loadBalancerUpdate: route({
    method: "PATCH",
    path: "/v1/load-balancers/{loadBalancer}",
    summary: "Change a load balancer",
    description: "`members` replaces all of them. Connections that are open go on.",
    permission: "compute.load_balancer.update",
    roles: ["editor"],
    params: byBalancer,
    body: z.object({
      name: hostName.optional(),
      description: description.optional(),
      algorithm: algorithm.optional(),
      members: members.optional(),
      check: check.optional(),
    }),
    ...apply,
    errors: [...apply.errors, "already_exists"],
  }),
  loadBalancerDelete: route({
    method: "DELETE",
    path: "/v1/load-balancers/{loadBalancer}",
    summary: "Delete a load balancer",
    permission: "compute.load_balancer.delete",
    roles: ["editor"],
    params: byBalancer,
    ...apply,
  }),
};
