import { z } from "zod";
import { actor, contract, page, pageQuery, route, timestamp } from "../../kernel/contract.ts";
import { id } from "../../kernel/ids.ts";

export const auditEntry = z.object({
  id: id("auditEntry"),
  /** Position in the chain, from 1. */
  sequence: z.number().int(),
  at: timestamp,
  actor,
  /** The permission that was used: `objects.bucket.create`. */
  action: z.string(),
  organisationId: id("organisation").optional(),
  projectId: id("project").optional(),
  resource: z.object({ kind: z.string(), id: z.string(), name: z.string().optional() }),
  sourceIp: z.string().optional(),
  userAgent: z.string().optional(),
  requestId: z.string().optional(),
  before: z.record(z.string(), z.unknown()).optional(),
  after: z.record(z.string(), z.unknown()).optional(),
  /** SHA-256 in hex over the entry and the hash before it. */
  hash: z.string(),
});
export type AuditEntry = z.output<typeof auditEntry>;

export default contract({
  name: "audit",
  title: "Audit",
  routes: {
    auditEntryList: route({
      method: "GET",
      path: "/v1/audit-entries",
      summary: "List audit entries",
      description: "Who did what, on which resource, from where, before and after; newest first.",
      permission: "audit.entry.list",
      roles: ["admin"],
      query: pageQuery.extend({
        organisation: id("organisation")
          .optional()
          .describe("Absent: what belongs to no organisation, such as sign-ins (cloud admins)."),
        project: id("project").optional(),
        action: z.string().max(100).optional().describe("An action or the start of one: `objects.bucket`."),
        actor: z.string().max(100).optional().describe("The id of a user or service account."),
        resource: z.string().max(200).optional().describe("The id of a resource."),
        search: z.string().max(200).optional().describe("Words in the names of actor, action or resource."),
        from: timestamp.optional(),
        to: timestamp.optional(),
      }),
      response: page(auditEntry),
      errors: ["not_found"],
    }),
    auditVerify: route({
      method: "POST",
      path: "/v1/audit-entries/verify",
      summary: "Verify the audit log",
      description:
        "Recomputes the hash chain of an organisation (or of the cloud itself) and names the first entry that does not fit.",
      permission: "audit.entry.verify",
      roles: ["admin"],
      body: z.object({
        organisation: id("organisation").optional().describe("Absent: every chain of the cloud (cloud admins)."),
      }),
      response: z.object({
        valid: z.boolean(),
        entries: z.number().int(),
        chains: z.number().int(),
        firstInvalid: z.object({ chain: z.string(), sequence: z.number().int(), problem: z.string() }).optional(),
        /** Note it down elsewhere: a later verification that does not contain it shows a cut tail. */
        heads: z.array(z.object({ chain: z.string(), sequence: z.number().int(), hash: z.string() })).max(1000),
      }),
      errors: ["not_found"],
    }),
  },
});
