/** What a bucket may hold at the most, besides the quotas of its project and organisation. */
import { z } from "zod";
import { route } from "../../../kernel/contract.ts";

const inBucket = z.object({ bucket: z.string().max(100).describe("Id or name.") });
const bytes = z
  .int()
  .min(1)
  .optional()
  .describe("Stored bytes, with old versions, unfinished uploads and the trash; absent: no limit.");
const objects = z.int().min(1).optional().describe("Objects, with old versions, delete markers and the trash; absent: no limit.");

export const bucketQuota = z.object({ bytes, objects, usedBytes: z.int(), usedObjects: z.int() });

export const quotaRoutes = {
  bucketQuotaGet: route({
    method: "GET",
    path: "/v1/buckets/{bucket}/quota",
    summary: "Show what a bucket may hold at the most, and what it holds",
    permission: "objects.bucket.read",
    roles: ["viewer"],
    params: inBucket,
    response: bucketQuota,
    errors: ["not_found"],
  }),
  bucketQuotaUpdate: route({
    method: "PUT",
    path: "/v1/buckets/{bucket}/quota",
    summary: "Say what a bucket may hold at the most",
    description:
      "What does not fit is refused, also by S3 (`QuotaExceeded`); what is there stays, and can be deleted. What is being written at the same moment may pass it. Nothing given: no limit but those of the project and the organisation.",
    permission: "objects.quota.update",
    roles: ["admin"],
    params: inBucket,
    body: z.strictObject({ bytes, objects }),
    response: bucketQuota,
    errors: ["not_found"],
  }),
};
