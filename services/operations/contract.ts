import { z } from "zod";
import { actor, contract, event, page, pageQuery, route, timestamp } from "../../kernel/contract.ts";
import { id } from "../../kernel/ids.ts";

/** Where an operation can be, and what may be asked of it there: the API's 409, the console's disabled button. */
export const operationStates = ["pending", "running", "undoing", "succeeded", "failed", "cancelled"] as const;
export type OperationState = (typeof operationStates)[number];
export const operationActions: Record<string, readonly OperationState[]> = { cancel: ["pending", "running"] };

export const operationStep = z.object({
  name: z.string(),
  state: z.enum(["pending", "running", "done", "failed", "undone"]),
  startedAt: timestamp.optional(),
  finishedAt: timestamp.optional(),
  attempts: z.number().int(),
});

/** As a refused request tells it (kernel/errors.ts). */
export const operationError = z.object({
  code: z.string(),
  message: z.string().describe("What went wrong, in English."),
  step: z.string().optional().describe("The step that failed."),
  details: z
    .looseObject({ reason: z.string().optional().describe("A finer, stable reason inside the code.") })
    .optional()
    .describe("The members that the problem document of a refused request has: what the reason is about, for programs."),
});

export const operation = z.object({
  id: id("operation"),
  kind: z.string().describe("`<service>.<resource>.<verb>`"),
  state: z.enum(operationStates),
  organisationId: id("organisation").optional(),
  projectId: id("project").optional(),
  resource: z.object({ kind: z.string(), id: z.string(), name: z.string().optional() }).optional(),
  /** 0 to 1. */
  progress: z.number().min(0).max(1),
  message: z.string().optional(),
  steps: z.array(operationStep),
  result: z.record(z.string(), z.unknown()).optional(),
  error: operationError.optional(),
  cancelRequested: z.boolean(),
  createdBy: actor,
  createdAt: timestamp,
  updatedAt: timestamp,
  finishedAt: timestamp.optional(),
});
export type Operation = z.output<typeof operation>;

const operationParam = z.object({ operation: id("operation") });

export default contract({
  name: "operations",
  title: "Operations",
  routes: {
    operationList: route({
      method: "GET",
      path: "/v1/operations",
      summary: "List operations",
      description: "Long-running work of an organisation, newest first.",
      permission: "operations.operation.list",
      roles: ["viewer"],
      query: pageQuery.extend({
        organisation: id("organisation")
          .optional()
          .describe("Absent: what belongs to no organisation, such as the evacuation of a host (administrators of the cloud)."),
        project: id("project").optional(),
        state: z.enum(operationStates).optional(),
        resource: z.string().max(200).optional().describe("The id of what they are about."),
        active: z.stringbool().optional().describe("Only those not finished (true) or finished (false)."),
      }),
      response: page(operation),
      errors: ["not_found"],
    }),
    operationGet: route({
      method: "GET",
      path: "/v1/operations/{operation}",
      summary: "Show an operation",
      permission: "operations.operation.read",
      roles: ["viewer"],
      params: operationParam,
      response: operation,
      errors: ["not_found"],
    }),
    operationWait: route({
      method: "GET",
      path: "/v1/operations/{operation}/wait",
      summary: "Wait until an operation is finished",
      description: "Answers when it is finished or when the time is over, whichever comes first: look at `state`.",
      permission: "operations.operation.read",
      roles: ["viewer"],
      params: operationParam,
      query: z.object({ timeoutSeconds: z.coerce.number().int().min(0).max(300).default(30) }),
      response: operation,
      // Waits, and so holds no transaction.
      stream: {},
      errors: ["not_found"],
    }),
    operationCancel: route({
      method: "POST",
      path: "/v1/operations/{operation}/cancel",
      summary: "Cancel an operation",
      description: "What was done is undone, step by step; the operation ends as `cancelled`.",
      permission: "operations.operation.cancel",
      roles: ["editor"],
      params: operationParam,
      response: operation,
      status: 202,
      errors: ["not_found", "failed_precondition"],
    }),
    eventWatch: route({
      method: "GET",
      path: "/v1/events",
      summary: "Watch events live",
      description:
        "Server-sent events (text/event-stream) of everything that the caller may see in an organisation, and, for administrators of the cloud, of what belongs to none. Give `Last-Event-ID` to get what was missed; an event may then come twice.",
      permission: "operations.event.watch",
      roles: ["viewer", "billing"],
      query: z.object({ organisation: id("organisation"), project: id("project").optional() }),
      stream: { response: "events" },
      errors: ["not_found"],
    }),
  },
  events: {
    operationChanged: event({
      type: "operations.operation.changed",
      payload: z.object({ id: z.string(), kind: z.string(), state: z.enum(operationStates), progress: z.number() }),
    }),
  },
});
