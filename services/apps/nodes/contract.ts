import { z } from "zod";
import { page, pageQuery, route } from "../../../kernel/contract.ts";

const name = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "Small letters, digits and -, such as node-2.")
  .describe("What the machine is called here, such as node-2.");

export const node = z.object({
  name: z.string(),
  address: z.string(),
  home: z.boolean().describe("The machine of the cloud itself: builds, databases and linked buckets are on it."),
  state: z
    .enum(["ready", "down", "unreachable"])
    .describe("down: it is lost, and what may run elsewhere does; unreachable: its Docker does not answer the cloud."),
  draining: z.boolean().describe("It is to be empty for maintenance, and gets nothing new."),
  engineVersion: z.string(),
  architecture: z.string(),
  cpus: z.number().int(),
  memoryBytes: z.number().int(),
  containers: z.number().int().optional().describe("Of Khmara, running; absent while it does not answer."),
  disks: z
    .array(z.object({ app: z.string(), name: z.string() }))
    .describe("Of apps, on it alone: those apps run there, and nowhere else. Not told of the cloud's own machine."),
  allowedActions: z.array(z.enum(["drain", "activate", "delete"])),
});
export type Node = z.output<typeof node>;

/** What may be done with a node; the cloud's own machine stays. */
export const nodeActions = (
  view: Pick<Node, "home" | "draining" | "state" | "containers"> & { disks: readonly unknown[] },
): Node["allowedActions"] => {
  if (view.home) return [];
  const isEmpty = view.state === "down" || (view.draining && view.containers === 0 && view.disks.length === 0);
  return [view.draining ? ("activate" as const) : ("drain" as const), ...(isEmpty ? (["delete"] as const) : [])];
};

export const nodeInvitation = z.object({
  name: z.string(),
  invitation: z.string().describe("A secret: whoever has it can make a machine a node. A newer one ends it."),
  command: z.string().describe("To be run as root on the new machine, in its folder of Khmara."),
});

const byNode = z.object({ node: z.string().min(1).max(100) });

export const nodeRoutes = {
  nodeList: route({
    method: "GET",
    path: "/v1/nodes",
    summary: "List the nodes that apps run on",
    description: "None while there is one machine.",
    permission: "apps.node.list",
    roles: ["admin"],
    query: pageQuery,
    response: page(node),
    stream: {},
    errors: ["failed_precondition"],
  }),
  nodeInvite: route({
    method: "POST",
    path: "/v1/nodes",
    summary: "Invite a machine to become a node",
    description:
      "The answer is the command to run there. The first one makes this machine's Docker the manager of a swarm. Each ends the ones before it that were not used.",
    permission: "apps.node.invite",
    roles: ["admin"],
    body: z.object({
      name,
      address: z
        .union([z.ipv4(), z.ipv6()])
        .optional()
        .describe("Of this machine, at which nodes reach it; for the first node, where this machine has several."),
    }),
    response: nodeInvitation,
    status: 201,
    stream: {},
    errors: ["already_exists", "failed_precondition"],
  }),
  nodeDrain: route({
    method: "POST",
    path: "/v1/nodes/{node}/drain",
    summary: "Empty a node for maintenance",
    description: "Its apps are started on other nodes, and stopped here when they are healthy there. Apps with a disk stay.",
    permission: "apps.node.drain",
    roles: ["admin"],
    params: byNode,
    body: z.object({}),
    response: node,
    stream: {},
    errors: ["not_found", "failed_precondition"],
  }),
  nodeActivate: route({
    method: "POST",
    path: "/v1/nodes/{node}/activate",
    summary: "Take a node back into use",
    description: "It gets new containers again; what runs elsewhere stays there.",
    permission: "apps.node.activate",
    roles: ["admin"],
    params: byNode,
    body: z.object({}),
    response: node,
    stream: {},
    errors: ["not_found", "failed_precondition"],
  }),
  nodeDelete: route({
    method: "DELETE",
    path: "/v1/nodes/{node}",
    summary: "Remove a node",
    description:
      "One that is down, or drained and empty. Disks on one that is down are lost with it, and only when that is said. What was on it starts again there when that machine does, until it is invited and joins again.",
    permission: "apps.node.delete",
    roles: ["admin"],
    params: byNode,
    query: z.object({
      abandonDisks: z.stringbool().optional().describe("The disks on it are given up: their apps start with empty ones."),
    }),
    status: 204,
    stream: {},
    errors: ["not_found", "failed_precondition"],
  }),
};
