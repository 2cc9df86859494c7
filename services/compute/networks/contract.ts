import { z } from "zod";
import { displayName, event, page, pageQuery, revision, route, timestamp } from "../../../kernel/contract.ts";
import { id } from "../../../kernel/ids.ts";
import { operation } from "../../operations/contract.ts";
import { hostName } from "../instances/contract.ts";
import { edgeRoutes } from "./edge/contract.ts";

const description = z.string().trim().max(500);
const ipv4 = z.ipv4("An IPv4 address, such as 10.10.0.5.");
const cidr = z.cidrv4("An IPv4 range, such as 10.10.0.0/24.");
const portNumber = z.number().int().min(1, "Ports go from 1 to 65535.").max(65_535, "Ports go from 1 to 65535.");
const project = id("project");
const owned = { projectId: id("project"), organisationId: id("organisation"), createdAt: timestamp, revision } as const;

/** How far the records have come to be true on the host: a change is `applying` for a moment; `error` is tried again by itself. */
export const networkState = z.enum(["ready", "applying", "error"]);
export type NetworkState = z.output<typeof networkState>;

export const network = z.object({
  id: id("network"),
  ...owned,
  name: z.string(),
  description: z.string(),
  state: networkState,
  /** Why it is in `error`, for people. */
  stateReason: z.string().optional(),
  cidr: z.string(),
  /** The range's first address: router, DHCP and DNS server. */
  gateway: z.string(),
  dnsDomain: z.string(),
  dnsServers: z.array(z.string()),
  internet: z.boolean(),
  routed: z.boolean(),
  /** The one that instances get which ask for none. */
  default: z.boolean(),
  ports: z.number().int(),
  /** How many instances fit in it. */
  capacity: z.number().int(),
});
export type Network = z.output<typeof network>;

export const port = z.object({
  id: id("port"),
  ...owned,
  networkId: id("network"),
  networkName: z.string(),
  instanceId: id("instance"),
  instanceName: z.string(),
  ipv4: z.string(),
  macAddress: z.string(),
  /** What DNS answers to, inside the project. */
  dnsName: z.string(),
  securityGroupIds: z.array(id("securityGroup")),
  addressId: id("address").optional(),
  floatingAddress: z.string().optional(),
});
export type Port = z.output<typeof port>;

const portRange = z
  .object({ from: portNumber, to: portNumber })
  .refine(({ from, to }) => from <= to, "The first port is above the last one.");
const ruleBasics = {
  direction: z.enum(["in", "out"]),
  protocol: z.enum(["any", "tcp", "udp", "icmp"]),
  ports: portRange.optional().describe("Of the destination; only with tcp and udp. Absent: all."),
  description: description.default(""),
};
export const securityRule = z.object({
  ...ruleBasics,
  remote: z
    .union([z.object({ cidr: z.string() }), z.object({ securityGroupId: id("securityGroup") })])
    .optional()
    .describe("The other side: a range, or the members of a group. Absent: everybody."),
});
export type SecurityRule = z.output<typeof securityRule>;
const securityRuleInput = z.object({
  ...ruleBasics,
  remote: z
    .union([z.object({ cidr }), z.object({ securityGroupId: z.union([z.literal("self"), id("securityGroup")]) })])
    .optional()
    .describe("The other side: a range, or the members of a group (`self`: of this one). Absent: everybody."),
});

export const securityGroup = z.object({
  id: id("securityGroup"),
  ...owned,
  name: z.string(),
  description: z.string(),
  /** What no rule allows is dropped; answers to what was allowed always pass. */
  rules: z.array(securityRule),
  /** The one that instances get which ask for none. */
  default: z.boolean(),
  ports: z.number().int(),
});
export type SecurityGroup = z.output<typeof securityGroup>;

const byNetwork = z.object({ network: id("network") });
const byPort = z.object({ port: id("port") });
const byGroup = z.object({ securityGroup: id("securityGroup") });
/** The record is changed at once; the operation ends when the host does what it says. */
const apply = {
  status: 202,
  response: operation,
  errors: ["not_found", "failed_precondition", "precondition_failed", "conflict"],
} as const;
const inProject = pageQuery.extend({ project, search: z.string().max(100).optional().describe("Part of the name.") });

const networkFields = {
  description: description.optional(),
  dnsServers: z
    .array(ipv4)
    .max(3)
    .optional()
    .describe("Resolvers to hand out instead of the network's own, which knows the instances by name. Empty: its own."),
  internet: z.boolean().optional().describe("Whether its instances may reach the world; on unless said."),
  routed: z
    .boolean()
    .optional()
    .describe(
      "Whether it and the project's other routed networks reach each other; on unless said. Security groups hold either way.",
    ),
};
const dnsDomain = z
  .string()
  .max(200)
  .regex(
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/,
    "A domain in small letters, such as shop.internal.",
  );
const rules = z.array(securityRuleInput).max(100, "A group has at most 100 rules.");
export const networkRoutes = {
  networkList: route({
    method: "GET",
    path: "/v1/networks",
    summary: "List networks",
    permission: "compute.network.list",
    roles: ["viewer"],
    query: inProject,
    response: page(network),
    errors: ["not_found"],
  }),
  networkCreate: route({
    method: "POST",
    path: "/v1/networks",
    summary: "Create a network",
    description:
      "Private to its project: other projects may have the same range and are never reached. " +
      "The range is /29 to /16 and overlaps no other network of the project.",
    permission: "compute.network.create",
    roles: ["editor"],
    body: z.object({
      project,
      name: hostName,
      cidr: cidr.optional().describe("Absent: a free /24 is picked."),
      dnsDomain: dnsDomain.optional().describe("Absent: `<name>.internal`."),
      ...networkFields,
    }),
    response: network,
    status: 201,
    errors: ["not_found", "already_exists", "quota_exceeded", "failed_precondition"],
  }),
  networkGet: route({
    method: "GET",
    path: "/v1/networks/{network}",
    summary: "Show a network",
    permission: "compute.network.read",
    roles: ["viewer"],
    params: byNetwork,
    response: network,
    errors: ["not_found"],
  }),
  networkUpdate: route({
    method: "PATCH",
    path: "/v1/networks/{network}",
    summary: "Change a network",
    description: "The range stays: instances have their addresses in it.",
    permission: "compute.network.update",
    roles: ["editor"],
    params: byNetwork,
    body: z.object({ name: hostName.optional(), dnsDomain: dnsDomain.optional(), ...networkFields }),
    ...apply,
    errors: [...apply.errors, "already_exists"],
  }),
  networkDelete: route({
    method: "DELETE",
    path: "/v1/networks/{network}",
    summary: "Delete a network",
    description: "Only one that no instance and no load balancer is in.",
    permission: "compute.network.delete",
    roles: ["editor"],
    params: byNetwork,
    errors: ["not_found", "failed_precondition", "precondition_failed"],
  }),

  portList: route({
    method: "GET",
    path: "/v1/ports",
    summary: "List ports",
    description: "The cards of instances: one for each network that an instance is in.",
    permission: "compute.port.list",
    roles: ["viewer"],
    query: inProject.extend({
      network: id("network").optional(),
      instance: id("instance").optional(),
      securityGroup: id("securityGroup").optional(),
    }),
    response: page(port),
    errors: ["not_found"],
  }),
  portCreate: route({
    method: "POST",
    path: "/v1/ports",
    summary: "Put an instance into another network",
    description:
      "It gets one more card, while it runs too; its own DHCP client has to be told to use it, unless it starts again.",
    permission: "compute.port.create",
    roles: ["editor"],
    body: z.object({
      instance: id("instance"),
      network: id("network"),
      ipv4: ipv4.optional().describe("Absent: a free one."),
      securityGroups: z.array(id("securityGroup")).max(16).default([]).describe("None: the project's default group."),
    }),
    ...apply,
    errors: [...apply.errors, "already_exists"],
  }),
  portGet: route({
    method: "GET",
    path: "/v1/ports/{port}",
    summary: "Show a port",
    permission: "compute.port.read",
    roles: ["viewer"],
    params: byPort,
    response: port,
    errors: ["not_found"],
  }),
  portUpdate: route({
    method: "PATCH",
    path: "/v1/ports/{port}",
    summary: "Change the security groups of a port",
    description: "The groups add up. None at all: everything is allowed, in and out.",
    permission: "compute.port.update",
    roles: ["editor"],
    params: byPort,
    body: z.object({ securityGroups: z.array(id("securityGroup")).max(16) }),
    ...apply,
  }),
  portDelete: route({
    method: "DELETE",
    path: "/v1/ports/{port}",
    summary: "Take an instance out of a network",
    description: "With the forwards that lead to the card; a floating address is detached. An instance keeps at least one card.",
    permission: "compute.port.delete",
    roles: ["editor"],
    params: byPort,
    ...apply,
  }),

  securityGroupList: route({
    method: "GET",
    path: "/v1/security-groups",
    summary: "List security groups",
    permission: "compute.security_group.list",
    roles: ["viewer"],
    query: inProject,
    response: page(securityGroup),
    errors: ["not_found"],
  }),
  securityGroupCreate: route({
    method: "POST",
    path: "/v1/security-groups",
    summary: "Create a security group",
    description: "Without `rules` it lets everything out and nothing in.",
    permission: "compute.security_group.create",
    roles: ["editor"],
    body: z.object({
      project,
      name: displayName,
      description: description.default(""),
      rules: rules.default([{ direction: "out", protocol: "any", description: "" }]),
    }),
    response: securityGroup,
    status: 201,
    errors: ["not_found", "already_exists", "quota_exceeded"],
  }),
  securityGroupGet: route({
    method: "GET",
    path: "/v1/security-groups/{securityGroup}",
    summary: "Show a security group",
    permission: "compute.security_group.read",
    roles: ["viewer"],
    params: byGroup,
    response: securityGroup,
    errors: ["not_found"],
  }),
  securityGroupUpdate: route({
    method: "PATCH",
    path: "/v1/security-groups/{securityGroup}",
    summary: "Change a security group",
    description: "`rules` replaces all of its rules; connections that the new ones do not allow are cut.",
    permission: "compute.security_group.update",
    roles: ["editor"],
    params: byGroup,
    body: z.object({ name: displayName.optional(), description: description.optional(), rules: rules.optional() }),
    ...apply,
    errors: [...apply.errors, "already_exists"],
  }),
  securityGroupDelete: route({
    method: "DELETE",
    path: "/v1/security-groups/{securityGroup}",
    summary: "Delete a security group",
    description: "Only one that no port has and no other group's rule names.",
    permission: "compute.security_group.delete",
    roles: ["editor"],
    params: byGroup,
    errors: ["not_found", "failed_precondition", "precondition_failed"],
  }),

  ...edgeRoutes,
};

const changed = <K extends Parameters<typeof id>[0], N extends string>(type: `compute.${string}.changed`, name: N, kind: K) =>
  event({
    type,
    payload: z.object({
      [name]: id(kind),
      name: z.string(),
      state: z.enum(["changed", "deleted"]),
    } as { [key in N]: z.ZodType<string> } & { name: z.ZodString; state: z.ZodEnum<{ changed: "changed"; deleted: "deleted" }> }),
  });

/** `name` is what people call it: the address itself, or the listening port of a forward. */
export const networkEvents = {
  networkChanged: changed("compute.network.changed", "networkId", "network"),
  portChanged: changed("compute.port.changed", "portId", "port"),
  securityGroupChanged: changed("compute.security_group.changed", "securityGroupId", "securityGroup"),
  addressPoolChanged: changed("compute.address_pool.changed", "addressPoolId", "addressPool"),
  addressChanged: changed("compute.address.changed", "addressId", "address"),
  portForwardChanged: changed("compute.port_forward.changed", "portForwardId", "portForward"),
  loadBalancerChanged: changed("compute.load_balancer.changed", "loadBalancerId", "loadBalancer"),
};

export const networkQuotas = {
  "compute.networks": { unit: "count", summary: "Networks", default: 20 },
  "compute.addresses": { unit: "count", summary: "Floating addresses", default: 20 },
  "compute.security_groups": { unit: "count", summary: "Security groups", default: 50 },
  "compute.port_forwards": { unit: "count", summary: "Port forwards", default: 100 },
  "compute.load_balancers": { unit: "count", summary: "Load balancers", default: 10 },
} as const;

export const networkMeters = {
  "compute.addresses": { unit: "address_seconds", summary: "Floating addresses, from allocation to release" },
  "compute.traffic_in": { unit: "bytes", summary: "Bytes that instances received from outside of the cloud" },
  "compute.traffic_out": { unit: "bytes", summary: "Bytes that instances sent out of the cloud" },
} as const;
