import { z } from "zod";
import { contract, page, pageQuery, route, timestamp } from "../../kernel/contract.ts";
import { id } from "../../kernel/ids.ts";

/** A decimal as a string: usage and money are exact. */
export const decimal = z
  .string()
  .regex(/^-?\d+(\.\d+)?$/)
  .describe("An exact decimal, as a string.");

export const usageRecord = z.object({
  id: z.string(),
  organisationId: id("organisation"),
  projectId: id("project").optional(),
  meter: z.string().describe("`objects.storage`, `objects.requests_write`, …"),
  unit: z.string(),
  resource: z.object({ kind: z.string(), id: z.string(), name: z.string().optional() }),
  from: timestamp,
  to: timestamp,
  quantity: decimal,
});
export type UsageRecord = z.output<typeof usageRecord>;

export const usageSeries = z.object({
  meter: z.string(),
  unit: z.string(),
  total: decimal,
  /** Same length and order as `buckets`. */
  values: z.array(decimal),
});

const usageFilter = z.object({
  organisation: id("organisation"),
  project: id("project").optional(),
  resource: z.string().max(100).optional().describe("The id of one thing that was used."),
  from: timestamp,
  to: timestamp,
});

export default contract({
  name: "billing",
  title: "Usage and billing",
  routes: {
    usageRecordList: route({
      method: "GET",
      path: "/v1/usage-records",
      summary: "List usage records",
      description: "The single facts of the usage journal, newest first.",
      permission: "billing.usage.list",
      roles: ["viewer", "billing"],
      query: pageQuery.extend({ ...usageFilter.shape, meter: z.string().max(100).optional() }),
      response: page(usageRecord),
      errors: ["not_found"],
    }),
    usageSummarize: route({
      method: "GET",
      path: "/v1/usage",
      summary: "Summarize usage over time",
      description: "Usage by meter in equal steps of time, for charts, with the totals of the period and of the one before it.",
      permission: "billing.usage.read",
      roles: ["viewer", "billing"],
      query: usageFilter.extend({ step: z.enum(["hour", "day", "month"]).default("day") }),
      response: z.object({
        from: timestamp,
        to: timestamp,
        step: z.enum(["hour", "day", "month"]),
        /** Start of each step. */
        buckets: z.array(timestamp),
        series: z.array(usageSeries),
        /** Totals of the equally long period before, by meter. */
        previous: z.record(z.string(), decimal),
        byResource: z
          .array(
            z.object({
              meter: z.string(),
              unit: z.string(),
              resource: z.object({ kind: z.string(), id: z.string(), name: z.string().optional() }),
              total: decimal,
            }),
          )
          .max(200),
      }),
      errors: ["not_found"],
    }),
  },
});
